"""Watches: values at first, then what changes; presence."""

from __future__ import annotations

import select

import pytest

import lcast
from conftest import AGENTS, Applications, Realm


def test_a_watch_tells_what_is_there_then_what_changes(
    node: lcast.Node, applications: Applications
) -> None:
    variable = applications("app1").expose("app.length", int)
    variable.publish(1)
    watch = node.watch("app.length", only=["app1"], expect=["app1"], timeout=20.0)
    begun = [watch.next(timeout=20.0), watch.next(timeout=20.0)]
    (reply,) = [item for item in begun if isinstance(item, lcast.Reply)]
    (report,) = [item for item in begun if isinstance(item, lcast.Report)]
    assert (reply["app.length"], report.answered) == (1, 1)
    variable.publish(2)
    changed = watch.next(timeout=20.0)
    assert isinstance(changed, lcast.Changed) and changed.node == "app1"
    held = changed.values["app.length"]
    assert (held.value, held.skipped, changed.removed) == (2, 0, ())
    variable.withdraw()
    gone = watch.next(timeout=20.0)
    assert isinstance(gone, lcast.Changed) and gone.removed == ("app.length",)


def test_who_leaves_and_comes_is_told(node: lcast.Node, realm: Realm) -> None:
    first = lcast.Node(credential=realm.credential("app5"))
    first.expose("app.length", int).publish(1)
    watch = node.watch("app.length", only=["app5"], expect=["app5"], timeout=20.0)
    changes = node.presence()
    items = [watch.next(timeout=20.0), watch.next(timeout=20.0)]
    assert {type(item) for item in items} == {lcast.Reply, lcast.Report}
    first.close()
    left = watch.next(timeout=20.0)
    assert left == lcast.Left("app5", "left")
    with lcast.Node(credential=realm.credential("app5")) as again:
        again.expose("app.length", int).publish(2)
        while True:
            item = watch.next(timeout=20.0)
            assert item is not None
            if isinstance(item, (lcast.Entered, lcast.Changed)) and item.values:
                break
        assert (item.node, item.values["app.length"].value) == ("app5", 2)
    states = []
    while "left" not in states or "alive" not in states:
        change = changes.next(timeout=20.0)
        assert isinstance(change, lcast.Presence)
        if change.name == "app5":
            states.append(change.state)


def test_a_watch_ends_when_it_is_closed(node: lcast.Node) -> None:
    with node.watch("app.owner", only=AGENTS, timeout=20.0) as watch:
        assert watch.next(timeout=20.0) is not None
    rest = list(watch)
    assert watch.next(timeout=20.0) is None
    assert all(isinstance(item, (lcast.Reply, lcast.Report)) for item in rest)


def test_select_wakes_when_something_comes(node: lcast.Node) -> None:
    watch = node.watch("system.uptime", only=["web1"], every=0.05, timeout=20.0)
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    changes = 0
    while changes < 3:
        items = watch.take()
        changes += sum(isinstance(item, lcast.Changed) for item in items)
        if not items:
            assert poll.poll(20_000), "nothing came"
    assert watch.fileno() >= 0


def test_a_distance_leaves_small_changes_out(node: lcast.Node, applications: Applications) -> None:
    variable = applications("app1").expose("app.length", float)
    variable.publish(1.0)
    watch = node.watch("app.length", only=["app1"], expect=["app1"], delta=10.0, timeout=20.0)
    items = [watch.next(timeout=20.0), watch.next(timeout=20.0)]
    assert {type(item) for item in items} == {lcast.Reply, lcast.Report}
    variable.publish(5.0)
    variable.publish(50.0)
    changed = watch.next(timeout=20.0)
    assert isinstance(changed, lcast.Changed) and changed.values["app.length"].value == 50.0
    with pytest.raises(lcast.InvalidError, match="every"):
        node.watch("app.length", every=-1.0)
