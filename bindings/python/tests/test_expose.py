"""Variables and settings that this process exposes, and values of every type."""

from __future__ import annotations

import asyncio
import datetime
import logging
import math
import select
import threading
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple

import pytest

import lcast
import lcast.aio
from conftest import Applications

DEEP: lcast.Value = 1
for _ in range(8):
    DEEP = [DEEP]

VALUES: List[Tuple[str, List[lcast.Value]]] = [
    ("bool", [True, False, None]),
    ("int", [0, -1, 2**63 - 1, -(2**63)]),
    ("float", [0.0, -0.5, 1.7976931348623157e308, 5e-324, math.inf, -math.inf]),
    ("text", ["", "gr\u00fc\u00df", "\U0001f600 \u6c34 \u0627", "a\0b", "x" * 500]),
    ("bytes", [b"", bytes(range(256))]),
    (
        "timestamp",
        [
            lcast.Timestamp(0),
            lcast.Timestamp(1_764_000_000_123),
            lcast.Timestamp(2**63 - 1),
            lcast.Timestamp(-(2**63)),
        ],
    ),
    ("list", [[], [1, "a", [True, None]], DEEP]),
    ("map", [{}, {"": 1, "\u00fc": {"a": [0.5, b"\xff"]}}]),
]


def test_a_client_exposes_nothing(node: lcast.Node) -> None:
    with pytest.raises(lcast.PermissionError, match="without --client"):
        node.expose("app.load", int)


@pytest.mark.parametrize(("type", "values"), VALUES, ids=[name for name, _ in VALUES])
def test_values_come_back_as_they_went(
    node: lcast.Node, applications: Applications, type: str, values: List[lcast.Value]
) -> None:
    variable = applications("app1").expose("app.value", type, unit="1", description="any")
    for value in values:
        variable.publish(value)
        (reply,) = node.get("app.value", only=["app1"], expect=["app1"], timeout=20.0)
        held = reply.values["app.value"]
        assert held.value == value and held.unit == "1"
        assert held.value.__class__ is value.__class__


def test_nan_is_no_number_on_the_other_side_either(
    node: lcast.Node, applications: Applications
) -> None:
    applications("app1").expose("app.value", float).publish(math.nan)
    (reply,) = node.get("app.value", only=["app1"], expect=["app1"], timeout=20.0)
    value = reply["app.value"]
    assert isinstance(value, float) and math.isnan(value)


def test_what_python_has_beside(applications: Applications) -> None:
    app = applications("app1")
    app.expose("app.float", float).publish(3)
    app.expose("app.bytes", bytes).publish(bytearray(b"x"))
    app.expose("app.list", list).publish((1, 2))
    app.expose("app.map", dict).publish(OrderedDict(a=1))
    app.expose("app.map2", dict).publish(MappingProxyType({"a": 1}))
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    app.expose("app.time", "timestamp").publish(at)


@pytest.mark.parametrize(
    ("type", "value", "told"),
    [
        ("int", 2**63, "9223372036854775808, and an int has 64 bits"),
        ("int", -(2**63) - 1, "64 bits"),
        ("int", "1", "holds int, not text"),
        ("int", True, "holds int, not bool"),
        ("text", "\ud800", "no UTF-8"),
        ("list", [DEEP], "8 deep"),
        ("map", {1: 2}, "1 is no key"),
        ("map", {"\udc80": 2}, "no UTF-8"),
        ("int", object(), "is no value of a variable"),
        ("int", {1, 2}, "is no value of a variable"),
        ("timestamp", datetime.datetime(2026, 1, 1), "no time zone"),
    ],
)
def test_what_is_no_value_is_told(
    applications: Applications, type: str, value: lcast.Given, told: str
) -> None:
    variable = applications("app1").expose("app.value", type)
    with pytest.raises(lcast.InvalidError, match=told):
        variable.publish(value)


def test_timestamps() -> None:
    time = lcast.Timestamp.parse("2026-11-22T10:00:00.125Z")
    assert (time.milliseconds, str(time)) == (1_795_341_600_125, "2026-11-22T10:00:00.125Z")
    assert lcast.Timestamp.of(time.datetime()) == time
    assert time.datetime().utcoffset() == datetime.timedelta(0)
    before = datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, datetime.timezone.utc)
    assert lcast.Timestamp.of(before) == lcast.Timestamp(-1) < lcast.Timestamp(0)
    assert len({time, lcast.Timestamp(time.milliseconds)}) == 1
    assert time != object()
    for wrong in (2**63, "x", None, 1.5):
        with pytest.raises(lcast.InvalidError):
            lcast.Timestamp(wrong)  # type: ignore[arg-type]
    with pytest.raises(lcast.InvalidError, match="no year"):
        lcast.Timestamp(2**62).datetime()
    with pytest.raises(lcast.InvalidError, match="RFC 3339"):
        lcast.Timestamp.parse("tomorrow")
    with pytest.raises(lcast.InvalidError, match="no datetime"):
        lcast.Timestamp.of("2026")  # type: ignore[arg-type]


def test_keys_and_withdrawing(node: lcast.Node, applications: Applications) -> None:
    variable = applications("app1").expose("app.disk[*].usage", float, unit="By")
    variable.publish_key("/var", 1.5)
    variable.publish_key('a "b" \\ \u00fc', 2)
    (reply,) = node.get("app.disk", only=["app1"], expect=["app1"], timeout=20.0)
    assert reply['app.disk["/var"].usage'] == 1.5
    assert sorted(it.value for it in reply.values.values()) == [1.5, 2.0]  # type: ignore[type-var]
    with pytest.raises(lcast.InvalidError):
        variable.publish(1.0)
    variable.publish_key("k" * 255, 1.0)
    for key in ("", "k" * 256, "\u00fc" * 128):
        with pytest.raises(lcast.InvalidError, match="a key has 1 to 255 bytes, not (0|256)$"):
            variable.publish_key(key, 1.0)
    assert variable.withdraw() is True
    (empty,) = node.get("app.disk", only=["app1"]).report().empty
    assert empty.reason == "no_variable"


@pytest.mark.parametrize(
    ("name", "type", "more", "told"),
    [
        ("one", int, {}, "'one' is no name"),
        ("app.x", "number", {}, "no type of a variable; there are: null, bool, int"),
        ("app.x", set, {}, "no type of a variable"),
        ("app.x", [], {}, "no type of a variable"),
        ("app.x", int, {"kind": "odd"}, "info, gauge, counter"),
        ("app.x", int, {"unit": "x" * 65}, "at most 64 bytes"),
        ("app.x", int, {"description": "x" * 201}, "200 are the most"),
    ],
)
def test_what_is_no_definition_is_told(
    applications: Applications, name: str, type: object, more: dict[str, str], told: str
) -> None:
    with pytest.raises(lcast.InvalidError, match=told):
        applications("app1").expose(name, type, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"min": math.nan}, "NaN is none"),
        ({"max": -math.nan}, "NaN is none"),
        ({"min": -(10**400)}, "too large for a float"),
        ({"length_max": 10**5000}, "a length is 0 to 4294967295"),
        ({"length_max": -1}, "a length is 0 to 4294967295"),
    ],
)
def test_what_is_no_limit_is_told(
    applications: Applications, limits: Dict[str, Any], told: str
) -> None:
    expose = applications("app1").expose_setting
    with pytest.raises(lcast.InvalidError, match=told):
        expose("app.limited", float, 1, **limits)
    with pytest.raises(TypeError, match="no number"):
        expose("app.limited", float, 1, min=object())  # type: ignore[arg-type]


def test_a_value_that_no_reply_carries_is_told(
    node: lcast.Node, applications: Applications
) -> None:
    app = applications("app1")
    variable, keyed = app.expose("app.wide", list), app.expose("app.keyed[*].wide", list)
    wide = [0.1] * 200_000
    variable.publish(wide)
    (reply,) = node.get("app.wide", only=["app1"], expect=["app1"], timeout=30.0)
    assert reply["app.wide"] == wide
    with pytest.raises(lcast.InvalidError, match="takes up to .* bytes, and 2088960 are the most"):
        variable.publish(wide + wide)
    with pytest.raises(lcast.InvalidError, match="2088960 are the most"):
        keyed.publish_key("k", ["x" * 2_100_000])
    with pytest.raises(lcast.InvalidError, match="2088960 are the most"):
        app.expose_setting("app.default", list, wide + wide)
    # Read to its end, it would be more than there is memory.
    with pytest.raises(lcast.InvalidError, match="2088960 are the most"):
        variable.publish([[0] * 65_536] * 65_536)
    with pytest.raises(lcast.InvalidError, match="2088960 are the most"):
        variable.publish([{"key": {"key": [b"x" * 1_000_000] * 65_536}}])


def test_names_that_clash(applications: Applications) -> None:
    app = applications("app1")
    app.expose("app.queue", int)
    with pytest.raises(lcast.InvalidError, match="cannot both be variables"):
        app.expose("app.queue.length", int)


def test_a_setting_changes_when_somebody_sets_it(
    node: lcast.Node, applications: Applications
) -> None:
    workers = applications("app2").expose_setting("app.workers", int, 4, min=1, max=64)
    assert (workers.name, workers.value) == ("app.workers", 4)
    with pytest.raises(lcast.TimeoutError):
        workers.changed(timeout=0.01)
    only = {"only": ["app2"], "expect": ["app2"], "timeout": 20.0}
    assert node.set("app.workers", 8, **only).is_complete  # type: ignore[arg-type]
    assert workers.changed(timeout=20.0) == 8 == workers.value
    (reply,) = node.set_each("app.workers", 65, only=["app2"])
    assert reply.results["app.workers"].outcome == "invalid"
    assert node.set("app.workers", "9", only=["app2"]).is_complete
    assert next(workers) == 9
    with pytest.raises(lcast.InvalidError, match="default"):
        applications("app3").expose_setting("app.workers", int, 0, min=1)


class Written:
    """The native part of a setting, whose values have come in these batches."""

    def __init__(self, *batches: List[lcast.Value]) -> None:
        self.batches = list(batches)

    def changes(self) -> "Written":
        return self

    def take(self, most: int) -> List[lcast.Value]:
        return self.batches.pop(0) if self.batches else []

    def next(self, most: int, timeout: Optional[float] = None) -> List[lcast.Value]:
        return self.take(most)


def test_the_newest_value_of_a_setting_lies_behind_all_others(node: lcast.Node) -> None:
    def setting(*batches: List[lcast.Value]) -> lcast.Setting:
        return lcast.Setting(node, Written(*batches))  # type: ignore[arg-type]

    read = setting([1, 2, 3], [4], [5, 6], [7])
    assert (next(read), read.take(), read.changed(), read.take()) == (1, [2, 3], 7, [])
    assert setting([1, 2], [3]).changed() == 3
    read = setting([1, 2], [3])
    assert (next(read), read.changed()) == (1, 3)

    async def by_asyncio() -> None:
        read = lcast.aio.Setting(lcast.aio.Node(), Written([1, 2], [3]))  # type: ignore[arg-type]
        assert (await read.__anext__(), await read.changed(), read.take()) == (1, 3, [])

    asyncio.run(by_asyncio())


def test_a_setting_can_be_polled(node: lcast.Node, applications: Applications) -> None:
    workers = applications("app2").expose_setting("app.workers", int, 4)
    assert workers.take() == []
    poll = select.poll()
    poll.register(workers, select.POLLIN)
    assert node.set("app.workers", 5, only=["app2"], expect=["app2"], timeout=20.0).is_complete
    assert poll.poll(20_000), "nothing came"
    assert (workers.take(), workers.take()) == ([5], [])
    assert not poll.poll(0)


def test_a_function_is_read_as_a_variable(node: lcast.Node, applications: Applications) -> None:
    app = applications("app3")
    told: List[Tuple[str, str]] = []
    heard = threading.Event()
    state = {"fails": False}

    def on_error(name: str, error: BaseException) -> None:
        told.append((name, repr(error)))
        heard.set()
        raise RuntimeError("the handler fails too")

    @app.variable("app.answer", every=0.01, unit="1", on_error=on_error)
    def answer() -> int:
        if state["fails"]:
            raise OSError("no answer")
        return 42

    @app.variable("app.other", type="text", every=0.01)
    def other():  # type: ignore[no-untyped-def]
        return "fine"

    watch = node.watch("app.answer", "librecast.variable", only=["app3"], expect=["app3"])
    seen = waited(watch, "app.answer", 42)
    assert answer() == 42, "the function is what it was"
    state["fails"] = True
    assert heard.wait(20)
    error = 'librecast.variable["app.answer"].error'
    seen = waited(watch, error, "OSError: no answer")
    assert told[0] == ("app.answer", "OSError('no answer')")
    state["fails"] = False
    waited(watch, error, None)
    assert seen is not None
    with pytest.raises(lcast.InvalidError, match="def nothing"):

        @app.variable("app.nothing")
        def nothing():  # type: ignore[no-untyped-def]
            return 1

    for every in (0.0, -1.0, 1e10, math.inf, math.nan):
        with pytest.raises(lcast.InvalidError, match="interval"):
            app.variable("app.never", type=int, every=every)


def waited(watch: lcast.Watch, name: str, value: lcast.Value) -> lcast.ReplyValue:
    """Waits until a variable has this value."""
    while True:
        item = watch.next(timeout=20.0)
        if isinstance(item, (lcast.Reply, lcast.Entered, lcast.Changed)):
            held = item.values.get(name)
            if held is not None and held.value == value:
                return held
        assert item is not None


@pytest.mark.parametrize(
    "raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")], ids=repr
)
def test_whatever_a_function_and_its_handler_raise_the_others_go_on(
    node: lcast.Node, applications: Applications, raised: BaseException
) -> None:
    app = applications("app4")
    state = {"other": 1}

    def on_error(name: str, error: BaseException) -> None:
        assert error is raised
        raise raised

    @app.variable("app.raises", type=int, every=0.01, on_error=on_error)
    def raises() -> int:
        raise raised

    @app.variable("app.other", every=0.01)
    def other() -> int:
        return state["other"]

    watch = node.watch("app.other", "librecast.variable", only=["app4"], expect=["app4"])
    error = 'librecast.variable["app.raises"].error'
    waited(watch, error, f"{type(raised).__name__}: {raised}".strip())
    state["other"] = 2
    waited(watch, "app.other", 2)


class Wordless(Exception):
    """An exception whose words fail."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def __str__(self) -> str:
        raise self.raised

    __repr__ = __str__


class NoText(Exception):
    """An exception whose words are none."""

    def __str__(self) -> str:
        return None  # type: ignore[return-value]


class Odd(logging.Handler):
    """A handler of a log that fails whatever it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.set()
        raise SystemExit(record.getMessage())


@pytest.mark.parametrize("told", [True, False], ids=["told", "logged"])
@pytest.mark.parametrize(
    "raised",
    [Wordless(RuntimeError("odd")), Wordless(SystemExit(3)), NoText()],
    ids=["RuntimeError", "SystemExit", "no text"],
)
def test_whatever_the_words_of_an_exception_do_the_others_go_on(
    node: lcast.Node, applications: Applications, raised: Exception, told: bool
) -> None:
    app = applications("app4")
    state = {"other": 1, "fails": 1}

    def on_error(name: str, error: BaseException) -> None:
        raise error

    @app.variable("app.raises", type=int, every=0.01, on_error=on_error if told else None)
    def raises() -> int:
        if state["fails"]:
            raise raised
        return 1

    @app.variable("app.other", every=0.01)
    def other() -> int:
        return state["other"]

    watch = node.watch(
        "app.raises", "app.other", "librecast.variable", only=["app4"], expect=["app4"]
    )
    error = 'librecast.variable["app.raises"].error'
    waited(watch, error, type(raised).__name__)
    state["other"] = 2
    waited(watch, "app.other", 2)
    state["fails"] = 0
    waited(watch, error, None)


def test_whatever_handles_the_log_the_others_go_on(
    node: lcast.Node, applications: Applications
) -> None:
    app = applications("app4")
    odd = Odd()
    logging.getLogger("lcast").addHandler(odd)
    try:

        @app.variable("app.raises", type=int, every=0.01)
        def raises() -> int:
            raise OSError("no answer")

        @app.variable("app.other", every=0.01)
        def other() -> bool:
            return odd.heard.is_set()

        watch = node.watch("app.other", only=["app4"], expect=["app4"])
        assert odd.heard.wait(20)
        waited(watch, "app.other", True)
    finally:
        logging.getLogger("lcast").removeHandler(odd)


@pytest.mark.parametrize("every", [Decimal("0.01"), Fraction(1, 100), 1])
def test_an_interval_is_any_number(
    node: lcast.Node, applications: Applications, every: Any
) -> None:
    app = applications("app4")
    calls: List[int] = []

    @app.variable("app.again", every=every)
    def again() -> bool:
        calls.append(1)
        return len(calls) > 1

    waited(node.watch("app.again", only=["app4"], expect=["app4"]), "app.again", True)


class Raising(Mapping[str, lcast.Given]):
    """A map that does something of its own when it is read."""

    def __init__(self, read: Callable[[], object]) -> None:
        self.read = read

    def __getitem__(self, key: str) -> lcast.Given:
        self.read()
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    "raised", [RuntimeError("odd"), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_what_a_value_raises_while_it_is_read_is_raised(
    node: lcast.Node, applications: Applications, raised: BaseException
) -> None:
    def read() -> None:
        raise raised

    variable = applications("app1").expose("app.map", dict)
    with pytest.raises(type(raised)) as seen:
        variable.publish({"in": [Raising(read)]})
    assert seen.value is raised
    with pytest.raises(type(raised)):
        node.set("app.map", Raising(read), only=["app1"])
    variable.publish({"a": 1})


def test_a_value_may_close_the_node_while_it_is_read(applications: Applications) -> None:
    app = applications("app1")
    variable = app.expose("app.map", dict)
    with pytest.raises(lcast.EndedError):
        variable.publish(Raising(app.close))


def test_a_function_that_returns_what_does_not_fit(
    node: lcast.Node, applications: Applications
) -> None:
    app = applications("app4")

    @app.variable("app.wrong", type=int, every=0.01, on_error=lambda name, error: None)
    def wrong() -> str:
        return "x"

    watch = node.watch("librecast.variable", only=["app4"], expect=["app4"])
    error = 'librecast.variable["app.wrong"].error'
    waited(watch, error, "InvalidError: 'app.wrong' holds int, not text")


def test_a_function_may_fail_by_a_node_that_has_ended(
    node: lcast.Node, applications: Applications
) -> None:
    app, ended = applications("app4"), applications("app1")
    ended.close()

    @app.variable("app.through", type=int, every=0.01, on_error=lambda name, error: None)
    def through() -> int:
        return len(ended.members())

    watch = node.watch("librecast.variable", only=["app4"], expect=["app4"])
    error = 'librecast.variable["app.through"].error'
    waited(watch, error, "EndedError: the node has ended")


def test_a_value_may_fail_by_a_node_that_has_ended(
    node: lcast.Node, applications: Applications
) -> None:
    app, ended = applications("app4"), applications("app1")
    ended.close()
    state = {"fails": True}

    def read() -> None:
        if state["fails"]:
            ended.members()

    @app.variable("app.through", type=dict, every=0.01, on_error=lambda name, error: None)
    def through() -> Raising:
        return Raising(read)

    @app.variable("app.other", every=0.01)
    def other() -> bool:
        return state["fails"]

    watch = node.watch("app", "librecast.variable", only=["app4"], expect=["app4"])
    error = 'librecast.variable["app.through"].error'
    waited(watch, error, "EndedError: the node has ended")
    state["fails"] = False
    waited(watch, error, None)
    waited(node.watch("app.other", only=["app4"], expect=["app4"]), "app.other", False)
