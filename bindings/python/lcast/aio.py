"""The same for asyncio: `Node` has the methods of `lcast.Node`, to be awaited.

```python
import asyncio
import lcast.aio

async def main() -> None:
    async with lcast.aio.Node() as node:
        replies = node.get("system.cpu.load_1m")
        async for reply in replies:
            print(reply.node, reply["system.cpu.load_1m"])
        print(await replies.report())

asyncio.run(main())
```

The event loop is woken by a descriptor, a batch of items at a time; no thread of the library calls
into Python. What may take a moment, such as opening a node, is done in the loop's executor.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Callable,
    Deque,
    Generator,
    Generic,
    Iterable,
    List,
    Mapping,
    Optional,
    Set,
    Tuple,
    TypeVar,
)

from lcast import _lcast, _shape
from lcast._errors import EndedError, Error, ForkedError, InvalidError, TimeoutError
from lcast._items import Given, Member, PresenceItem, Reply, Report, Value, WatchItem
from lcast._node import _open
from lcast._reading import Errors, Reader, Reading, described
from lcast._shape import Credential, OnError, Path, Read, Texts, ValueType

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

__all__ = ["Changes", "Node", "Replies", "Setting", "Variable", "Watch"]

_Item = TypeVar("_Item")
_End = TypeVar("_End")
_Result = TypeVar("_Result")


async def _away(function: "Callable[..., _Result]", *arguments: Any) -> _Result:
    """Does what may take a moment in a thread of the loop's executor."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


async def _called(function: "Callable[[], Any]") -> Any:
    """What a coroutine function gives; what its call raises comes likewise."""
    return await function()


def _is_coroutine_function(function: "Callable[[], Any]") -> bool:
    """Whether what it gives is to be awaited; an object may be called as one."""
    call = getattr(function, "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _until(timeout: Optional[float]) -> Optional[float]:
    """The time of the loop when so many seconds are over."""
    seconds = _shape.seconds(timeout)
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


def _wake(readable: "asyncio.Future[None]") -> None:
    if not readable.done():
        readable.set_result(None)


class _Items(AsyncIterator[_Item], Generic[_Item, _End]):
    """Items that come one by one; any task may take them."""

    def __init__(self, node: "Node", stream: "_lcast.Stream[_Item, _End]") -> None:
        self._node = node  # It lives as long as whatever it does.
        self._stream = stream
        self._ready: Deque[_Item] = deque()
        self._turn: Optional[Tuple[asyncio.AbstractEventLoop, asyncio.Lock]] = None
        self._waiting: "Optional[asyncio.Future[None]]" = None

    def __aiter__(self) -> AsyncIterator[_Item]:
        return self

    async def __anext__(self) -> _Item:
        if not self._ready and not await self._fill():
            raise StopAsyncIteration
        return self._ready.popleft()

    async def _fill(self, more: bool = False) -> bool:
        """Waits until items are ready, or more than are; false at the end, with what went wrong
        raised."""
        # A lock belongs to the loop in which somebody has waited for it.
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        async with self._turn[1]:
            if self._ready and not more:
                return True
            # However fast items come: other tasks get their turn, once a batch.
            await asyncio.sleep(0)
            while more or not self._ready:
                before = len(self._ready)
                if not self._gather():
                    return False
                if len(self._ready) > before:
                    break
                await self._readable()
            return True

    async def _fill_until(self, until: Optional[float], more: bool = False) -> bool:
        """The same until a time of the loop: what has come by then is ready, even if there was no
        time to wait; `lcast.TimeoutError` when nothing has."""
        if until is None:
            return await self._fill(more)
        left = until - asyncio.get_running_loop().time()
        if left > 0:
            try:
                return await asyncio.wait_for(self._fill(more), left)
            except asyncio.TimeoutError:
                pass  # It may have had no turn to look.
        await asyncio.sleep(0)
        before = len(self._ready) if more else 0
        if len(self._ready) == before and not self._gather():
            return False
        if len(self._ready) == before:
            raise TimeoutError("nothing came in time")
        return True

    def _gather(self) -> bool:
        """Makes ready what has come, without waiting; false at the end, with what went wrong
        raised."""
        batch = self._stream.take(_shape.BATCH)
        if batch is None:
            self._stream.end()
            return False
        self._ready.extend(batch)
        # Whoever waits for the stream hears of what is in it alone.
        if batch and self._waiting is not None:
            _wake(self._waiting)
        return True

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        fd = self._stream.fileno()
        self._waiting = readable = loop.create_future()
        loop.add_reader(fd, _wake, readable)
        try:
            await readable
        finally:
            loop.remove_reader(fd)
            self._waiting = None

    async def next(self, timeout: Optional[float] = None) -> Optional[_Item]:
        """The next item, ``None`` at the end; `lcast.TimeoutError` when none comes in time. With
        0: the one that is there."""
        until = _until(timeout)
        # Others may take what has come before this task has its turn.
        while not self._ready:
            if not await self._fill_until(until):
                return None
        return self._ready.popleft()

    def take(self) -> List[_Item]:
        """What is there, without waiting; an empty list when nothing is, and at the end."""
        taken = list(self._ready)
        self._ready.clear()
        return taken or self._stream.take(_shape.BATCH) or []

    def cancel(self) -> None:
        """Gives up what this is about. What has arrived can still be read, then comes the end."""
        self._stream.cancel()

    async def __aenter__(self: "_Self") -> "_Self":
        return self

    async def __aexit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: Optional[BaseException],
        trace: "Optional[TracebackType]",
    ) -> None:
        self.cancel()


_Self = TypeVar("_Self", bound="_Items[Any, Any]")


class Replies(_Items[Reply, Report]):
    """The replies to a question, each node's at most once, and the report at their end."""

    async def report(self, timeout: Optional[float] = None) -> Report:
        """Waits for the end, and gives the account. Replies that come meanwhile can still be
        read. `lcast.TimeoutError` when the end does not come in time."""
        until = _until(timeout)
        while await self._fill_until(until, more=True):
            pass  # Others may read what has come.
        report = self._stream.end()
        assert report is not None, "replies end with a report or with an error"
        return report


class Watch(_Items[WatchItem, None]):
    """What a watch tells: replies at first, once the report, then what changes."""


class Changes(_Items[PresenceItem, None]):
    """Whose presence changes, as it is noticed."""


class Variable:
    """A variable that this process exposes. It stays when this object is dropped."""

    def __init__(self, node: "Node", exposed: _lcast.Exposed) -> None:
        self._node = node
        self._exposed = exposed

    @property
    def name(self) -> str:
        """The name, with ``[*]`` for the keys of a map."""
        return self._exposed.name

    async def publish(self, value: Given) -> None:
        """Gives the variable a value; ``None``: it is known to have none."""
        await _away(self._exposed.publish, value)

    async def publish_key(self, key: str, value: Given) -> None:
        """Gives one instance of a map a value: ``app.disk[*].usage`` with the key ``/var``."""
        await _away(self._exposed.publish_key, _shape.text(key), value)

    async def withdraw(self) -> bool:
        """Removes the variable from the realm's sight; whether it was there."""
        return await _away(self._exposed.withdraw)


class Setting(AsyncIterator[Value]):
    """A setting that this process exposes: as an iterator, the values that others write."""

    def __init__(self, node: "Node", setting: _lcast.Setting) -> None:
        self._node = node
        self._setting = setting
        self._changes: _Items[Value, None] = _Items(node, setting.changes())

    @property
    def name(self) -> str:
        """Its name."""
        return self._setting.name

    @property
    def value(self) -> Value:
        """The present value."""
        return self._setting.value

    async def changed(self, timeout: Optional[float] = None) -> Value:
        """Waits until somebody writes another value, and gives the newest; `lcast.TimeoutError`
        when nobody does in so many seconds, `lcast.EndedError` when the node is closed."""
        newest = await self._changes.next(timeout)
        newer = self.take()
        while newer:
            newest = newer[-1]
            newer = self.take()
        return newest

    def take(self) -> List[Value]:
        """The values that were written and not seen, without waiting; an empty list when there are
        none, and at the end."""
        return self._changes.take()

    def __aiter__(self) -> AsyncIterator[Value]:
        return self

    async def __anext__(self) -> Value:
        return await self._changes.__anext__()


class Node:
    """This process's part in a realm, as `lcast.Node` is.

    It is opened by ``async with``, or by awaiting it: ``node = await lcast.aio.Node()``.
    """

    def __init__(
        self,
        realm: Optional[str] = None,
        *,
        credential: Optional[Credential] = None,
        agent: bool = False,
        state: Optional[Path] = None,
        memory: Optional[Path] = None,
        interfaces: Texts = None,
        registry: Optional[Iterable[Path]] = None,
        software: Optional[str] = None,
    ) -> None:
        """Says how it is to be opened; the arguments are those of `lcast.Node`."""
        self._opening = _shape.opening(
            realm, credential, agent, state, memory, interfaces, registry, software
        )
        self._native: Optional[_lcast.Node] = None
        self._errors = Errors()
        self._reader: Optional[Reader] = None
        self._readings: "Set[asyncio.Task[None]]" = set()

    def __await__(self) -> "Generator[Any, None, Node]":
        return self._opened().__await__()

    async def _opened(self) -> "Node":
        if self._native is None:
            self._native = await _away(_lcast.Node.open, self._opening)
            _open.add(self)
        return self

    @property
    def _node(self) -> _lcast.Node:
        if self._native is None:
            raise InvalidError("the node is not open: 'async with' it, or await it, first")
        return self._native

    @property
    def name(self) -> str:
        """The certified name of this node."""
        return self._node.name

    @property
    def realm(self) -> str:
        """The name of the realm."""
        return self._node.realm

    def get(
        self,
        *patterns: str,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
    ) -> Replies:
        """Asks for all variables that any of the patterns matches; see `lcast.Node.get`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        return Replies(self, self._node.get(_shape.texts(patterns), target))

    async def set(
        self,
        name: str,
        value: Given,
        *,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
        if_version: Optional[str] = None,
        dry_run: bool = False,
    ) -> Report:
        """Writes a setting and waits for the account; see `lcast.Node.set`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        writing = _shape.writing(dry_run, if_version)
        replies = Replies(self, self._node.set([(_shape.text(name), value)], writing, target))
        return await replies.report()

    def set_each(
        self,
        name: str,
        value: Given,
        *,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
        if_version: Optional[str] = None,
        dry_run: bool = False,
    ) -> Replies:
        """Writes a setting as `set` does, and gives what each node says."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        writing = _shape.writing(dry_run, if_version)
        return Replies(self, self._node.set([(_shape.text(name), value)], writing, target))

    async def set_all(
        self,
        values: Mapping[str, Given],
        *,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
        dry_run: bool = False,
    ) -> Report:
        """Writes several settings, on each node all or none of them; see `lcast.Node.set_all`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        settings, writing = _shape.assignments(values), _shape.writing(dry_run)
        replies = Replies(self, self._node.set(settings, writing, target))
        return await replies.report()

    def set_all_each(
        self,
        values: Mapping[str, Given],
        *,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
        dry_run: bool = False,
    ) -> Replies:
        """Writes settings as `set_all` does, and gives what each node says."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        settings, writing = _shape.assignments(values), _shape.writing(dry_run)
        return Replies(self, self._node.set(settings, writing, target))

    def watch(
        self,
        *patterns: str,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
        every: Optional[float] = None,
        delta: Optional[float] = None,
    ) -> Watch:
        """Watches all variables that any of the patterns matches; see `lcast.Node.watch`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        every, delta = _shape.number(every, "every"), _shape.number(delta, "delta")
        stream = self._node.watch(_shape.texts(patterns), every, delta, target)
        return Watch(self, stream)

    def variables(
        self,
        *,
        on: Texts = None,
        not_: Texts = None,
        label: Optional[Mapping[str, str]] = None,
        matching: Optional[str] = None,
        only: Texts = None,
        expect: Texts = None,
        timeout: Optional[float] = None,
    ) -> Replies:
        """Asks nodes which variables they have; see `lcast.Node.variables`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        return Replies(self, self._node.variables(target))

    async def members(self) -> List[Member]:
        """Every member, with its presence as it is known here."""
        return await _away(self._node.members)

    async def presence(self) -> Changes:
        """Follows whose presence changes from here on."""
        return Changes(self, await _away(self._node.presence))

    async def ping(self, name: str, timeout: float = 1.0) -> Optional[float]:
        """The round trip to a node in seconds; ``None`` when it does not answer in time."""
        seconds = _shape.bound(timeout)
        wait = 1.0 if seconds is None else seconds
        return await _away(self._node.ping, _shape.text(name), wait)

    async def expose(
        self,
        name: str,
        type: ValueType,
        *,
        kind: str = "gauge",
        unit: str = "",
        description: str = "",
    ) -> Variable:
        """Exposes a variable; see `lcast.Node.expose`."""
        given = _shape.described(name, type, kind, unit, description)
        return Variable(self, await _away(self._node.expose, given))

    async def expose_setting(
        self,
        name: str,
        type: ValueType,
        default: Given,
        *,
        min: Optional[float] = None,
        max: Optional[float] = None,
        length_max: Optional[int] = None,
        choices: Texts = None,
        unit: str = "",
        description: str = "",
    ) -> Setting:
        """Exposes a setting; see `lcast.Node.expose_setting`."""
        given = _shape.described(name, type, "gauge", unit, description)
        limits = _shape.accepted(min, max, length_max, choices)
        return Setting(self, await _away(self._node.expose_setting, given, default, limits))

    def variable(
        self,
        name: str,
        *,
        type: Optional[ValueType] = None,
        every: float = 1.0,
        kind: str = "gauge",
        unit: str = "",
        description: str = "",
        on_error: Optional[OnError] = None,
    ) -> "Callable[[Read], Read]":
        """Exposes what a function returns, read each so many seconds: a coroutine function by a
        task of the loop, where it may use what belongs to the loop; any other in a thread of the
        node, where it may block. ``on_error`` is told where the function runs. See
        `lcast.Node.variable`; from a coroutine function ``SystemExit`` and ``KeyboardInterrupt``
        end the loop, as they do from any task."""
        every = _shape.interval(every)

        def expose(function: Read) -> Read:
            of = _shape.returned(function) if type is None else type
            exposed = self._node.expose(_shape.described(name, of, kind, unit, description))
            reading = Reading(exposed, function, every, on_error)
            if not _is_coroutine_function(function):
                if self._reader is None:
                    self._reader = Reader(self, self._errors)
                self._reader.add(reading)
                return function
            task = asyncio.get_running_loop().create_task(self._read(reading))
            self._readings.add(task)
            task.add_done_callback(self._readings.discard)
            return function

        return expose

    async def _read(self, reading: Reading) -> None:
        """Reads a function, each time that it is due, until the node ends."""
        while True:
            begin = asyncio.get_running_loop().time()
            try:
                await self._read_once(reading)
            except (EndedError, ForkedError):
                return
            due = begin + reading.every - asyncio.get_running_loop().time()
            await asyncio.sleep(max(due, 0.0))

    async def _read_once(self, reading: Reading) -> None:
        why = None
        # A task of its own, so that its being cancelled is told from that of this one.
        called = asyncio.ensure_future(_called(reading.function))
        try:
            await asyncio.wait((called,))
        finally:
            called.cancel()
        try:
            value = called.result()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            # Also EndedError and the like: they are of a node that the function uses.
            reading.tell(error)
            why = described(error)
        else:
            try:
                await _away(reading.exposed.publish, value)
            except Exception as error:
                # The same; and where it is this one that has ended, no reason can be told below.
                reading.tell(error)
                why = described(error)
        if why is not None or reading.failed:
            try:
                await _away(self._errors.note, self._native, reading, why)
            except (EndedError, ForkedError):
                raise
            except Error as error:
                reading.tell(error)

    async def close(self) -> None:
        """Says goodbye to the realm, if this is an agent, and ends the node with all that it does.
        Once more, it does nothing."""
        _open.discard(self)
        for task in list(self._readings):
            task.cancel()
        self._stop_thread()
        if self._native is not None:
            await _away(self._native.close)

    def _stop_thread(self) -> None:
        if self._reader is not None:
            self._reader.stop()

    def _close_now(self) -> None:
        """At the end of the interpreter, when no loop runs any more."""
        self._stop_thread()
        if self._native is not None:
            self._native.close()

    async def __aenter__(self) -> "Node":
        return await self._opened()

    async def __aexit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: Optional[BaseException],
        trace: "Optional[TracebackType]",
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        if self._native is None:
            return "<lcast.aio.Node, not open>"
        return f"<lcast.aio.Node {self.name!r} of realm {self.realm!r}>"
