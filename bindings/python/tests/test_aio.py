"""The same by asyncio."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from typing import Any, Callable, Coroutine, Dict, List, Set

import pytest

import lcast
import lcast.aio
from conftest import AGENTS, Realm

Test = Callable[[Realm], Coroutine[Any, Any, None]]


def asynchronous(test: Test) -> Callable[[Realm, lcast.Node], None]:
    """Runs a coroutine as a test, once the agents have been heard."""

    def run(realm: Realm, node: lcast.Node) -> None:
        asyncio.run(asyncio.wait_for(test(realm), 60.0))

    run.__name__ = test.__name__
    return run


@asynchronous
async def test_questions(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
        owners = {reply.node: reply["app.owner"] async for reply in replies}
        assert owners == {name: f"team-{name}" for name in AGENTS}
        assert (await replies.report()).is_complete
        replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
        assert (await replies.report()).answered == 3
        assert len([reply async for reply in replies]) == 3
        report = await node.set("app.greeting", "hello", only=["web1"], dry_run=True)
        assert report.answered == 1
        report = await node.set("app.greeting", "hello", only=["web1"])
        assert report.is_complete
        assert {member.name for member in await node.members()} >= set(AGENTS)
        (told,) = [reply async for reply in node.variables(only=["web1"], timeout=20.0)]
        assert told.definitions["app.level"].settable
        assert await node.ping("web1", timeout=20.0) is not None
        assert "admin" in repr(node)


@asynchronous
async def test_several_questions_at_once(realm: Realm) -> None:
    node = await lcast.aio.Node()
    try:
        questions = [node.get("app.owner", only=AGENTS, expect=AGENTS) for _ in range(16)]
        reports = await asyncio.gather(*(question.report() for question in questions))
        assert [report.answered for report in reports] == [3] * 16
    finally:
        await node.close()


@asynchronous
async def test_several_settings_are_written_all_or_none(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        both: Dict[str, lcast.Given] = {"app.greeting": "two", "app.level": 0.0625}
        report = await node.set_all(both, only=["web2"], dry_run=True)
        assert report.answered == 1
        results = [reply.results async for reply in node.set_all_each(both, only=["web2"])]
        assert [it.outcome for it in results[0].values()] == ["applied", "applied"]
        report = await node.set_all({**both, "app.level": 2}, only=["web2"])
        assert [it.node for it in report.error] == ["web2"]
        with pytest.raises(lcast.InvalidError, match="1 to 64"):
            await node.set_all({})


@asynchronous
async def test_variables_settings_and_watches(realm: Realm) -> None:
    credential = realm.credential("app1")
    async with lcast.aio.Node() as node, lcast.aio.Node(credential=credential) as app:
        length = await app.expose("app.length", int)
        await length.publish(1)
        workers = await app.expose_setting("app.workers", int, 4, max=64)
        watch = node.watch("app.length", only=["app1"], expect=["app1"], timeout=20.0)
        async with watch:
            begun = [await watch.next(20.0), await watch.next(20.0)]
            assert {type(item) for item in begun} == {lcast.Reply, lcast.Report}
            await length.publish(2)
            changed = await watch.next(20.0)
            assert isinstance(changed, lcast.Changed)
            assert changed.values["app.length"].value == 2
            with pytest.raises(lcast.TimeoutError):
                await watch.next(0.01)
        assert [item async for item in watch] == []
        changing = asyncio.ensure_future(workers.changed())
        assert (await node.set("app.workers", 8, only=["app1"], expect=["app1"])).is_complete
        assert await asyncio.wait_for(changing, 20.0) == 8 == workers.value
        keyed = await app.expose("app.disk[*].usage", float)
        await keyed.publish_key("/", 0.5)
        assert await keyed.withdraw()


@asynchronous
async def test_functions_are_read_by_the_loop(realm: Realm) -> None:
    told: List[str] = []
    async with lcast.aio.Node(credential=realm.credential("app2")) as app:

        @app.variable("app.answer", every=0.01)
        async def answer() -> int:
            await asyncio.sleep(0)
            return 42

        @app.variable(
            "app.wrong", type=int, every=0.01, on_error=lambda name, _: told.append(name)
        )
        def wrong() -> int:
            raise OSError("no answer")

        async with lcast.aio.Node() as node:
            watch = node.watch("app.answer", "librecast.variable", only=["app2"], expect=["app2"])
            error = 'librecast.variable["app.wrong"].error'
            await until(watch, {"app.answer": 42, error: "OSError: no answer"})
        assert set(told) == {"app.wrong"}


@asynchronous
async def test_a_plain_function_may_block_and_the_loop_goes_on(realm: Realm) -> None:
    reading, over = threading.Event(), threading.Event()
    async with lcast.aio.Node(credential=realm.credential("app3")) as app:

        @app.variable("app.slow", every=0.01)
        def slow() -> str:
            reading.set()
            # Only the loop can end it.
            assert over.wait(60.0)
            return threading.current_thread().name

        @app.variable("app.quick", every=0.01)
        async def quick() -> str:
            return threading.current_thread().name

        async with lcast.aio.Node() as node:
            watch = node.watch("app.quick", "app.slow", only=["app3"], expect=["app3"])
            await until(watch, {"app.quick": threading.current_thread().name})
            while not reading.is_set():
                await asyncio.sleep(0)
            over.set()
            await until(watch, {"app.slow": "lcast"})


@asynchronous
async def test_a_function_that_is_cancelled_is_read_again(realm: Realm) -> None:
    async with lcast.aio.Node(credential=realm.credential("app4")) as app:
        state = {"cancelled": True}

        @app.variable("app.work", every=0.01, on_error=lambda name, error: None)
        async def work() -> int:
            if state["cancelled"]:
                raise asyncio.CancelledError("as the task it waits for")
            return 1

        async with lcast.aio.Node() as node:
            watch = node.watch("app.work", "librecast.variable", only=["app4"], expect=["app4"])
            error = 'librecast.variable["app.work"].error'
            # Before Python 3.11 a task that was cancelled forgets what for.
            what = " as the task it waits for" if sys.version_info >= (3, 11) else ""
            await until(watch, {error: f"CancelledError:{what}"})
            state["cancelled"] = False
            await until(watch, {"app.work": 1, error: None})


class Wordless(Exception):
    """An exception whose words fail."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


@asynchronous
async def test_whatever_a_coroutine_function_raises_it_is_read_again(realm: Realm) -> None:
    ended = await lcast.aio.Node()
    await ended.close()
    async with lcast.aio.Node(credential=realm.credential("app4")) as app:
        state = {"fails": True}

        class Through(Dict[str, int]):
            """A map that uses another node when it is read."""

            def items(self) -> Any:
                if state["fails"]:
                    ended._node.members()
                return super().items()

        @app.variable("app.words", every=0.01)
        async def words() -> int:
            if state["fails"]:
                raise Wordless
            return 1

        @app.variable("app.odd", every=0.01)
        async def odd() -> int:
            if state["fails"]:
                raise BaseException("odd")
            return 1

        @app.variable("app.through", type=dict, every=0.01)
        async def through() -> Through:
            return Through(a=1)

        @app.variable("app.called", every=0.01)  # type: ignore[type-var]
        async def called(wanted: int) -> int:
            return wanted

        with pytest.raises(TypeError) as missing:
            await called()  # type: ignore[call-arg]

        async with lcast.aio.Node() as node:
            watch = node.watch("app", "librecast.variable", only=["app4"], expect=["app4"])
            errors = {
                "words": "Wordless",
                "odd": "BaseException: odd",
                "through": "EndedError: the node has ended",
                "called": f"TypeError: {missing.value}",
            }
            error = 'librecast.variable["app.{}"].error'
            await until(watch, {error.format(name): why for name, why in errors.items()})
            state["fails"] = False
            await until(watch, {error.format("through"): None, "app.words": 1, "app.odd": 1})


@pytest.mark.parametrize(
    ("function", "code"),
    [("async def work() -> int: sys.exit(3)", 3), ("def work() -> int: sys.exit(3)", 0)],
)
def test_the_loop_ends_by_a_coroutine_function_alone(
    realm: Realm, node: lcast.Node, function: str, code: int
) -> None:
    program = f"""
import asyncio, sys
import lcast.aio

async def main() -> None:
    async with lcast.aio.Node(credential={str(realm.credential("app5"))!r}) as app:
        told = asyncio.Event()
        loop = asyncio.get_running_loop()
        tell = lambda name, error: loop.call_soon_threadsafe(told.set)
        @app.variable("app.work", every=0.01, on_error=tell)
        {function}
        await told.wait()

asyncio.run(main())
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, "Fatal" in done.stderr) == (code, False), done.stderr


async def until(watch: lcast.aio.Watch, wanted: Dict[str, lcast.Value]) -> None:
    """Waits until variables have had these values."""
    seen: Dict[str, lcast.Value] = {}
    async for item in watch:
        if isinstance(item, (lcast.Reply, lcast.Entered, lcast.Changed)):
            seen.update((name, held.value) for name, held in item.values.items())
        if seen.items() >= wanted.items():
            return


@asynchronous
async def test_errors_are_those_of_the_blocking_interface(realm: Realm) -> None:
    with pytest.raises(lcast.InvalidError, match="not open"):
        lcast.aio.Node().get("app.owner")
    with pytest.raises(lcast.NoRealmError):
        await lcast.aio.Node("nonesuch")
    node = await lcast.aio.Node()
    with pytest.raises(lcast.InvalidError):
        node.get("no spaces")
    watch = node.watch("app.owner", expect=["nobody"], timeout=600.0)
    waiting = asyncio.ensure_future(until(watch, {"app.owner": "nobody's"}))
    await asyncio.sleep(0)
    await node.close()
    with pytest.raises(lcast.EndedError):
        await waiting
    with pytest.raises(lcast.EndedError):
        await node.members()


@asynchronous
async def test_a_cancelled_wait_loses_nothing(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
        seen: Set[str] = set()
        while len(seen) < 3:
            waiting = asyncio.ensure_future(replies.next())
            await asyncio.wait((waiting,), timeout=0.0005)
            waiting.cancel()
            try:
                reply = await waiting
            except asyncio.CancelledError:
                continue
            assert reply is not None
            seen.add(reply.node)
        assert seen == set(AGENTS)


@asynchronous
async def test_several_tasks_may_wait_for_one_stream(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
        taken = await asyncio.gather(*(replies.next() for _ in range(4)))
        assert {reply.node for reply in taken if reply is not None} == set(AGENTS)
        assert taken.count(None) == 1
        assert (await node.presence()).take() == []


@asynchronous
async def test_several_tasks_may_wait_so_long_for_one_stream(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        for _ in range(8):
            replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
            taken = await asyncio.gather(*(replies.next(20.0) for _ in range(4)))
            assert {reply.node for reply in taken if reply is not None} == set(AGENTS)
            assert taken.count(None) == 1


@asynchronous
async def test_what_others_take_first_is_waited_for_again(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        for timeout in (None, 20.0):
            watch = node.watch("app.owner", only=["web1"], expect=["web1"], every=0.05)
            fill = watch._fill
            taken: List[Any] = []

            async def slow(more: bool = False) -> bool:
                filled = await fill(more)
                if not taken:
                    taken.extend(watch.take())
                return filled

            watch._fill = slow  # type: ignore[method-assign]
            assert await watch.next(timeout) is not None
            assert taken, "somebody else was first"
            watch.cancel()


@asynchronous
async def test_one_task_waits_for_the_report_while_another_reads(realm: Realm) -> None:
    everybody = [*AGENTS, "nobody"]
    async with lcast.aio.Node() as node:
        replies = node.get("app.owner", only=everybody, expect=everybody, timeout=600.0)
        reporting = asyncio.ensure_future(replies.report())
        seen: Set[str] = set()
        while len(seen) < 3:
            reply = await replies.next(20.0)
            assert reply is not None
            seen.add(reply.node)
            await asyncio.sleep(0.001)
        assert seen == set(AGENTS) and not reporting.done()
        with pytest.raises(lcast.TimeoutError):
            await replies.report(timeout=0.0)
        replies.cancel()
        assert (await reporting).answered == 3
        replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
        reporting = asyncio.ensure_future(replies.report())
        async for reply in replies:
            await asyncio.sleep(0)
            seen.remove(reply.node)
        assert not seen and (await reporting).is_complete


def test_a_stream_goes_on_in_another_loop(realm: Realm) -> None:
    node = lcast.aio.Node()
    streams: List[lcast.aio.Replies] = []

    async def ask() -> None:
        await node
        streams.append(node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0))
        await asyncio.gather(*(streams[0].next(20.0) for _ in range(2)))

    async def go_on() -> None:
        await asyncio.gather(*(streams[0].next(20.0) for _ in range(2)))
        await node.close()

    asyncio.run(ask())
    asyncio.run(go_on())


@asynchronous
async def test_questions_leave_no_descriptor(realm: Realm) -> None:
    async with lcast.aio.Node() as node:
        await node.get("app.owner", on="web1").report()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            await node.get("app.owner", on="web1").report()
        assert len(os.listdir("/proc/self/fd")) <= before + 1
