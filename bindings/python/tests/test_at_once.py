"""What a timeout of 0 gives, by either interface: what is there."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any, Awaitable, Callable, Coroutine, List, Optional, TypeVar, Union

import pytest

import lcast
import lcast._node
import lcast.aio
from conftest import AGENTS, Applications, Realm

_Got = TypeVar("_Got")

Step = Union[None, int, str]


class Came:
    """The native part of a stream that gives these batches, and then its end: an empty one is
    nothing so far."""

    def __init__(self, *batches: List[int], ended: Optional[lcast.Error] = None) -> None:
        self.batches = [list(batch) for batch in batches]
        self.ended = ended
        self.read, self.write = os.pipe()

    def changes(self) -> "Came":
        return self

    def take(self, most: int) -> Optional[List[int]]:
        return self.batches.pop(0) if self.batches else None

    def next(self, most: int, timeout: Optional[float] = None) -> Optional[List[int]]:
        assert timeout == 0
        batch = self.take(most)
        if batch == []:
            raise lcast.TimeoutError("nothing came in time")
        return batch

    def end(self) -> str:
        if self.ended is not None:
            raise self.ended
        return "the report"

    def fileno(self) -> int:
        return self.read

    def __del__(self) -> None:
        os.close(self.read)
        os.close(self.write)


def told(error: lcast.Error) -> str:
    return type(error).__name__


def steps(call: Callable[[], Any], count: int) -> List[Any]:
    """What comes of calling it so often."""
    results: List[Any] = []
    for _ in range(count):
        try:
            results.append(call())
        except lcast.Error as error:
            results.append(told(error))
    return results


async def awaited(call: Callable[[], Awaitable[Any]], count: int) -> List[Any]:
    """The same of what is to be awaited."""
    results: List[Any] = []
    for _ in range(count):
        try:
            results.append(await call())
        except lcast.Error as error:
            results.append(told(error))
    return results


ENDED = lcast.EndedError("the node has ended")


@pytest.mark.parametrize("timeout", [0, 0.0])
@pytest.mark.parametrize(
    ("batches", "ended", "wanted"),
    [
        ([[1, 2], [3]], None, [1, 2, 3, None]),
        ([[], [1], []], None, ["TimeoutError", 1, "TimeoutError", None]),
        ([[1]], ENDED, [1, "EndedError", "EndedError"]),
    ],
)
def test_the_next_item_is_the_one_that_is_there(
    batches: List[List[int]],
    ended: Optional[lcast.Error],
    wanted: List[Step],
    timeout: float,
) -> None:
    blocking: Any = lcast._node._Items(None, Came(*batches, ended=ended))  # type: ignore[arg-type]
    assert steps(lambda: blocking.next(timeout=timeout), len(wanted)) == wanted
    looping: Any = lcast.aio._Items(None, Came(*batches, ended=ended))  # type: ignore[arg-type]
    assert asyncio.run(awaited(lambda: looping.next(timeout), len(wanted))) == wanted


@pytest.mark.parametrize(
    ("batches", "ended", "wanted", "left"),
    [
        ([], None, ["the report", "the report"], []),
        ([[1, 2], [3]], None, ["the report"], [1, 2, 3]),
        ([[1], [], [2], []], None, ["TimeoutError", "TimeoutError", "the report"], [1, 2]),
        ([[1]], ENDED, ["EndedError", "EndedError"], [1]),
    ],
)
def test_the_report_is_there_when_the_question_is_over(
    batches: List[List[int]], ended: Optional[lcast.Error], wanted: List[Step], left: List[int]
) -> None:
    blocking: Any = lcast.Replies(None, Came(*batches, ended=ended))  # type: ignore[arg-type]
    assert steps(lambda: blocking.report(timeout=0), len(wanted)) == wanted
    assert blocking.take() == left
    looping: Any = lcast.aio.Replies(None, Came(*batches, ended=ended))  # type: ignore[arg-type]
    assert asyncio.run(awaited(lambda: looping.report(0), len(wanted))) == wanted
    assert looping.take() == left


def test_the_newest_value_of_a_setting_is_there() -> None:
    batches: List[List[int]] = [[], [1, 2], [3], [], []]
    wanted = ["TimeoutError", 3, "TimeoutError", "EndedError"]
    blocking = lcast.Setting(None, Came(*batches, ended=ENDED))  # type: ignore[arg-type]
    assert steps(lambda: blocking.changed(timeout=0), 4) == wanted
    looping = lcast.aio.Setting(None, Came(*batches, ended=ENDED))  # type: ignore[arg-type]
    assert asyncio.run(awaited(lambda: looping.changed(0), 4)) == wanted


def test_what_is_there_is_given_however_little_time_is_left() -> None:
    async def busy() -> List[Any]:
        looping: Any = lcast.aio._Items(None, Came([1], [2]))  # type: ignore[arg-type]
        over = asyncio.ensure_future(asyncio.sleep(0))
        loop = asyncio.get_running_loop()
        # The loop is at something else until the time is over.
        loop.call_soon(time.sleep, 0.01)
        taken = [await looping.next(0.001), await looping.next(1e-9)]
        await over
        return taken

    assert asyncio.run(busy()) == [1, 2]


def test_who_waits_gets_what_another_task_found() -> None:
    async def together() -> List[Any]:
        stream = Came([], [1, 2], [])
        looping: Any = lcast.aio._Items(None, stream)  # type: ignore[arg-type]
        waiting = asyncio.ensure_future(looping.next())
        while len(stream.batches) == 3:
            await asyncio.sleep(0)
        # Nothing makes the descriptor readable: only the other task can tell.
        return [await looping.next(0), await asyncio.wait_for(waiting, 20.0)]

    assert asyncio.run(together()) == [1, 2]


def test_others_have_their_turn_while_somebody_polls() -> None:
    async def together() -> None:
        turns: List[int] = []

        async def other() -> None:
            for turn in range(5):
                turns.append(turn)
                await asyncio.sleep(0)

        nothing: Any = lcast.aio._Items(None, Came(*[[]] * 1000))  # type: ignore[arg-type]
        task = asyncio.ensure_future(other())
        while len(turns) < 5:
            with pytest.raises(lcast.TimeoutError):
                await nothing.next(0)
        await task

    asyncio.run(together())


def polled(call: Callable[[], _Got]) -> _Got:
    """What comes at last."""
    until = time.monotonic() + 30.0
    while True:
        try:
            return call()
        except lcast.TimeoutError:
            assert time.monotonic() < until, "nothing comes"


async def polled_by_loop(call: Callable[[], Coroutine[Any, Any, _Got]]) -> _Got:
    """The same of what is to be awaited."""
    until = time.monotonic() + 30.0
    while True:
        try:
            return await call()
        except lcast.TimeoutError:
            assert time.monotonic() < until, "nothing comes"


def test_polling_sees_everything(node: lcast.Node, applications: Applications) -> None:
    replies = node.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
    assert polled(lambda: replies.report(timeout=0)).answered == 3
    replies = node.get("app.owner", only=["web1"], expect=["web1"], timeout=20.0)
    assert polled(lambda: replies.next(timeout=0)) is not None
    assert polled(lambda: replies.next(timeout=0)) is None
    workers = applications("app1").expose_setting("app.workers", int, 4)
    assert node.set("app.workers", 5, only=["app1"], expect=["app1"], timeout=20.0).is_complete
    assert polled(lambda: workers.changed(timeout=0)) == 5


def test_polling_sees_everything_by_asyncio(realm: Realm, node: lcast.Node) -> None:
    async def poll() -> None:
        async with lcast.aio.Node() as asker:
            replies = asker.get("app.owner", only=AGENTS, expect=AGENTS, timeout=20.0)
            assert (await polled_by_loop(lambda: replies.report(0))).answered == 3
            replies = asker.get("app.owner", only=["web1"], expect=["web1"], timeout=20.0)
            assert await polled_by_loop(lambda: replies.next(0)) is not None
            assert await polled_by_loop(lambda: replies.next(0)) is None
            async with lcast.aio.Node(credential=realm.credential("app2")) as app:
                workers = await app.expose_setting("app.workers", int, 4)
                report = await asker.set("app.workers", 5, only=["app2"], expect=["app2"])
                assert report.is_complete
                assert await polled_by_loop(lambda: workers.changed(0)) == 5

    asyncio.run(poll())
