"""Questions: replies, the report, targets, sets."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any, Callable, Dict, List

import pytest

import lcast
import lcast.aio
from conftest import AGENTS, Realm


def test_each_node_replies_once_and_the_report_accounts_for_all(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=AGENTS)
    owners = {reply.node: reply["app.owner"] for reply in replies}
    assert owners == {name: f"team-{name}" for name in AGENTS}
    report = replies.report()
    assert (report.expected, report.answered, report.is_complete) == (3, 3, True)
    assert report.heard and report.sent and 0 < report.elapsed < 20
    assert next(replies, None) is None
    assert str(report) == "3 expected: 3 answered"


def test_a_reply_has_values_with_units_times_and_versions(node: lcast.Node) -> None:
    (reply,) = node.get("system.uptime", on="web1")
    held = reply.values["system.uptime"]
    assert (reply.kind, held.unit, held.skipped) == ("answered", "s", 0)
    assert isinstance(held.value, float) and held.revision >= 1 and held.age_ms >= 0
    assert abs(held.time.seconds - lcast.Timestamp.now().seconds) < 60
    assert "." in held.version
    assert reply.get("app.nothing") is None and reply.get("app.nothing", 7) == 7
    with pytest.raises(KeyError):
        reply["app.nothing"]
    assert pickle.loads(pickle.dumps(reply)) == reply


def test_nodes_say_which_variables_they_have(node: lcast.Node) -> None:
    replies = node.variables(on="web1", expect=["nobody"], timeout=2.0)
    (reply,) = replies
    assert (reply.node, reply.kind, reply.values) == ("web1", "answered", {})
    told = reply.definitions
    assert list(told) == sorted(told) and "host.name" in told
    uptime = told["system.uptime"]
    assert (uptime.name, uptime.type, uptime.unit) == ("system.uptime", "float", "s")
    assert uptime.description and not uptime.settable and uptime.min is None
    assert "system.filesystem[*].usage" in told
    level = told["app.level"]
    assert (level.kind, level.settable, level.min, level.max) == ("setting", True, 0.0, 1.5)
    assert (level.length_max, level.choices) == (None, None)
    assert told["app.greeting"].length_max == 64
    report = replies.report()
    assert (report.answered, [it.node for it in report.missing]) == (1, ["nobody"])
    assert pickle.loads(pickle.dumps(reply)) == reply
    with pytest.raises(lcast.InvalidError):
        node.variables(matching="1 +")


def test_targets_pick_nodes(node: lcast.Node) -> None:
    def names(**target: object) -> set[str]:
        return {reply.node for reply in node.get("app.owner", **target)}  # type: ignore[arg-type]

    assert names(on="web*") == {"web1", "web2"}
    assert names(on=["web1", "db*"]) == {"web1", "db1"}
    assert names(on="web*", not_="web1") == {"web2"}
    assert names(label={"role": "db"}) == {"db1"}
    assert names(only=["web1"]) == {"web1"}
    assert names(only="web1, db1") == names(on="web1,db1") == {"web1", "db1"}
    report = node.get("app.owner", only=[], expect="no1,no2", timeout=0.05).report()
    assert {it.node for it in report.missing} == {"no1", "no2"}
    nobodies: List[Any] = [[], ""]
    for nobody in nobodies:
        assert node.get("app.owner", only=nobody, timeout=0.05).report().expected == 0
        assert names(on="web1", expect=nobody) == {"web1"}


def test_what_is_asked_for_is_named(node: lcast.Node) -> None:
    with pytest.raises(lcast.InvalidError, match="no pattern"):
        node.get()
    for delta in (-1.0, 0.0, float("nan"), float("inf")):
        with pytest.raises(lcast.InvalidError, match="delta"):
            node.watch("app.owner", delta=delta)


@pytest.mark.parametrize("empty", [[], (), "", [""], iter([])])
def test_a_list_of_no_nodes_is_never_all(node: lcast.Node, empty: Any) -> None:
    lists: Dict[str, Any] = {"on": empty}
    for api in (node, lcast.aio.Node()):
        for ask in (
            lambda: api.get("app.owner", **lists),
            lambda: api.set_each("app.greeting", "all", **lists),
            lambda: api.set_all_each({"app.greeting": "all"}, **lists),
            lambda: api.watch("app.owner", **lists),
        ):
            with pytest.raises(lcast.InvalidError, match="'on' is empty"):
                ask()
    with pytest.raises(lcast.InvalidError, match="'on' is empty"):
        node.set("app.greeting", "all", **lists)
    with pytest.raises(lcast.InvalidError, match="'on' is empty"):
        asyncio.run(lcast.aio.Node().set("app.greeting", "all", **lists))
    assert node.set("app.greeting", "nobody", only=[], timeout=0.01).expected == 0


def test_a_list_of_nobody_leaves_out_nobody(node: lcast.Node) -> None:
    assert node.get("app.owner", on="web1", not_=[]).report().answered == 1
    with pytest.raises(lcast.InvalidError, match="a node name is missing"):
        node.get("app.owner", not_="")


def test_no_time_and_no_distance_are_no_default(node: lcast.Node) -> None:
    for ask in (
        lambda: node.get("app.owner", timeout=0),
        lambda: node.set_each("app.greeting", "", timeout=0.0),
        lambda: node.set_all_each({"app.greeting": ""}, timeout=0),
        lambda: node.watch("app.owner", timeout=0),
        lambda: node.watch("app.owner", every=0),
    ):
        with pytest.raises(lcast.InvalidError, match="is 0"):
            ask()
    with pytest.raises(lcast.InvalidError, match="10ms"):
        node.watch("app.owner", every=0.009)
    with pytest.raises(lcast.InvalidError, match="is 0 seconds"):
        node.ping("web1", timeout=0)
    with pytest.raises(lcast.InvalidError, match="is 0 seconds"):
        asyncio.run(lcast.aio.Node().ping("web1", timeout=0))


def test_labels_are_a_mapping(node: lcast.Node) -> None:
    with pytest.raises(lcast.InvalidError, match="no mapping"):
        node.get("app.owner", label="role=db")  # type: ignore[arg-type]


def test_a_predicate_is_evaluated_there(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=AGENTS, matching="app.owner == 'team-db1'")
    answered = [reply.node for reply in replies if reply.kind == "answered"]
    assert answered == ["db1"]
    report = replies.report()
    assert report.answered == 1
    assert {(it.node, it.reason) for it in report.empty} == {
        ("web1", "no_match"),
        ("web2", "no_match"),
    }


def test_who_is_silent_is_named(node: lcast.Node) -> None:
    report = node.get("app.owner", only=["web1"], expect=["web1", "nobody"], timeout=0.5).report()
    assert (report.expected, report.answered, report.is_complete) == (2, 1, False)
    (silent,) = report.missing
    assert (silent.node, silent.last_heard, silent.outcome_unknown) == ("nobody", None, False)


def test_the_report_keeps_the_replies(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=AGENTS)
    assert replies.report().answered == 3
    assert len(list(replies)) == 3
    assert replies.report().answered == 3


def test_a_question_can_be_given_up(node: lcast.Node) -> None:
    with node.get("app.owner", expect=["nobody"], timeout=600.0) as replies:
        assert replies.next(timeout=20.0) is not None
    report = replies.report(timeout=20.0)
    assert "nobody" in {it.node for it in report.missing}


class Wordless:
    """Something that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


def test_what_does_not_come_in_time_is_told(node: lcast.Node) -> None:
    replies = node.get("app.owner", only=[], expect=["nobody"], timeout=600.0)
    with pytest.raises(lcast.TimeoutError, match="in time"):
        replies.report(timeout=0.01)
    with pytest.raises(TimeoutError):
        replies.next(timeout=0.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"patterns": ["no spaces"]}, "no spaces"),
        ({"patterns": ["app.\udcff"]}, "UTF-8"),
        ({"patterns": ["app.a\0b"]}, "app.a"),
        ({"on": "[["}, r"\[\["),
        ({"only": "web1,,db1"}, "missing in 'web1,,db1'"),
        ({"only": " "}, "missing in ' '"),
        ({"expect": "web1,"}, "missing in 'web1,'"),
        ({"matching": "1 +"}, "operand is missing"),
        ({"timeout": -1.0}, "-1"),
        ({"timeout": float("nan")}, "nan"),
        ({"timeout": 10**400}, "too large for a float"),
        ({"patterns": [7]}, "7 is no str"),
        ({"patterns": [Wordless()]}, "type Wordless is no str"),
        ({"label": {"role": []}}, r"\[\] is no str"),
    ],
)
def test_what_is_no_argument_is_told(node: lcast.Node, given: dict[str, object], told: str) -> None:
    patterns = given.pop("patterns", ["app.owner"])
    with pytest.raises(lcast.InvalidError, match=told) as caught:
        node.get(*patterns, **given)  # type: ignore[misc,arg-type]
    assert caught.value.kind == "invalid"
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "ask",
    [
        lambda node: node.get("app.owner", timeout="1"),
        lambda node: node.get("app.owner", on=5),
        lambda node: node.get("app.owner").report(timeout="1"),
        lambda node: node.watch("app.owner", every=[]),
        lambda node: node.watch("app.owner", delta="1"),
        lambda node: node.ping("web1", timeout=object()),
        lambda node: node.presence().next(timeout=b"1"),
        lambda node: lcast.Node(credential=5),  # type: ignore[arg-type]
    ],
)
def test_a_number_of_another_type_is_a_type_error(
    node: lcast.Node, ask: Callable[[Any], object]
) -> None:
    with pytest.raises(TypeError):
        ask(node)


def test_a_setting_is_set_and_answered(node: lcast.Node) -> None:
    report = node.set("app.greeting", "gr\u00fc\u00df dich \U0001f44b", on="web*")
    assert (report.answered, report.is_complete) == (2, True)
    held = {it.node: it["app.greeting"] for it in node.get("app.greeting", on="web*")}
    assert set(held.values()) == {"gr\u00fc\u00df dich \U0001f44b"}
    assert node.set("app.level", 1, on="web1").is_complete, "an int is a float there"
    assert node.set("app.level", "0.5", on="web1").is_complete, "a text is read by the type"


def test_each_node_says_what_became_of_a_set(node: lcast.Node) -> None:
    (reply,) = node.set_each("app.level", 7.5, on="web1")
    result = reply.results["app.level"]
    assert (reply.kind, result.outcome) == ("error", "invalid")
    assert "1.5" in result.message
    (reply,) = node.set_each("app.nothing", 1, on="web1")
    assert reply.results["app.nothing"].outcome == "no_such_variable"


def test_compare_and_set(node: lcast.Node) -> None:
    (reply,) = node.get("app.level", on="web2")
    version = reply.values["app.level"].version
    assert node.set("app.level", 0.25, on="web2", if_version=version).is_complete
    (reply,) = node.set_each("app.level", 0.75, on="web2", if_version=version)
    assert reply.results["app.level"].outcome == "conflict"
    assert reply.results["app.level"].version != version
    with pytest.raises(lcast.InvalidError, match="no version"):
        node.set("app.level", 1.0, if_version="newest")


def test_several_settings_are_written_all_or_none(node: lcast.Node) -> None:
    def held() -> Dict[str, lcast.Value]:
        (reply,) = node.get("app.greeting", "app.level", on="web1")
        return {it.name: it.value for it in reply.values.values()}

    before = held()
    wrong: Dict[str, lcast.Given] = {"app.greeting": "both", "app.level": 7.5}
    (reply,) = node.set_all_each(wrong, on="web1")
    assert [it.outcome for it in reply.results.values()] == ["unchanged", "invalid"]
    assert [it.node for it in node.set_all(wrong, on="web1").error] == ["web1"]
    assert held() == before
    both: Dict[str, lcast.Given] = {"app.greeting": "both", "app.level": 0.125}
    (reply,) = node.set_all_each(both, on="web1", dry_run=True)
    assert [it.outcome for it in reply.results.values()] == ["applied", "applied"]
    assert node.set_all(both, on="web1", dry_run=True).is_complete
    assert node.set("app.greeting", "both", on="web1", dry_run=True).is_complete
    (reply,) = node.set_each("app.level", 7.5, on="web1", dry_run=True)
    assert reply.results["app.level"].outcome == "invalid"
    assert held() == before
    assert node.set_all(both, on="web1").is_complete
    assert held() == both


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "1 to 64 settings, not 0"),
        ({f"app.v{index}": 1 for index in range(65)}, "1 to 64 settings, not 65"),
        ([("app.level", 1)], "no mapping"),
        ({7: 1}, "7 is no str"),
        ({"no name": 1}, "no name"),
        ({"app.level": object()}, "no value of a variable"),
    ],
)
def test_what_cannot_be_set_is_told(node: lcast.Node, given: Any, told: str) -> None:
    with pytest.raises(lcast.InvalidError, match=told):
        node.set_all(given)
    with pytest.raises(lcast.InvalidError, match=told):
        node.set_all_each(given, dry_run=True).report()
    with pytest.raises(lcast.InvalidError, match="dry_run is 1, no bool"):
        node.set_all({"app.level": 1}, dry_run=1)  # type: ignore[arg-type]


def test_a_set_without_the_role_is_refused(realm: Realm, node: lcast.Node) -> None:
    with lcast.Node(credential=realm.credential("reader")) as reader:
        replies = reader.set_each("app.greeting", "no", only=["web1"], expect=["web1"])
        refused = [reply.refused for reply in replies if reply.refused is not None]
        assert [it.reason for it in refused] == ["role"]
        assert [it.refusal.reason for it in replies.report().refused] == ["role"]


def test_members_and_pings(node: lcast.Node) -> None:
    members = {member.name: member for member in node.members()}
    web1 = members["web1"]
    assert (web1.kind, web1.state, web1.labels) == ("agent", "alive", {"role": "web"})
    assert web1.last_heard is not None and web1.software == lcast.__version__
    assert members["reader"].kind == "client"
    trip = node.ping("web1", timeout=20.0)
    assert trip is not None and 0 < trip < 20
    assert node.ping("app6", timeout=0.01) is None
    assert (node.name, node.realm) == ("admin", "lab")
