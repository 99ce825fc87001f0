"""The blocking interface."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections import deque
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Deque,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    TypeVar,
)

from lcast import _lcast, _shape
from lcast._errors import Error
from lcast._items import Given, Member, PresenceItem, Reply, Report, Value, WatchItem
from lcast._shape import Credential, OnError, Path, Read, Texts, ValueType

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Type

    from lcast._reading import Reader

_Item = TypeVar("_Item")
_End = TypeVar("_End")

_open: "weakref.WeakSet[Any]" = weakref.WeakSet()


def _close_all() -> None:
    """At the end of the interpreter: nodes say goodbye, and threads that wait in one come back
    while there is an interpreter to come back to."""
    for node in list(_open):
        try:
            node._close_now()
        except Error:
            pass  # A fork, where there is nothing to do, or an end before.
    _lcast.shut_down(1.0)


atexit.register(_close_all)
os.register_at_fork(after_in_child=_lcast.after_fork)


class _Items(Iterator[_Item], Generic[_Item, _End]):
    """Items that come one by one; any thread may take them."""

    def __init__(self, node: "Node", stream: "_lcast.Stream[_Item, _End]") -> None:
        self._node = node  # It lives as long as whatever it does.
        self._stream = stream
        self._ready: Deque[_Item] = deque()

    def __iter__(self) -> Iterator[_Item]:
        return self

    def __next__(self) -> _Item:
        try:
            return self._ready.popleft()
        except IndexError:
            pass
        return self._next(None)

    def _next(self, timeout: Optional[float]) -> _Item:
        batch = self._stream.next(_shape.BATCH, _shape.seconds(timeout))
        if batch is None:
            self._stream.end()
            raise StopIteration
        first = batch.pop(0)
        self._ready.extend(batch)
        return first

    def next(self, timeout: Optional[float] = None) -> Optional[_Item]:
        """The next item, ``None`` at the end; `TimeoutError` when none comes in so many seconds."""
        try:
            return self._ready.popleft()
        except IndexError:
            pass
        try:
            return self._next(timeout)
        except StopIteration:
            return None

    def take(self) -> List[_Item]:
        """What is there, without waiting; an empty list when nothing is, and at the end."""
        taken: List[_Item] = []
        try:
            while True:
                taken.append(self._ready.popleft())
        except IndexError:
            pass  # Other threads may take some of it.
        return taken or self._stream.take(_shape.BATCH) or []

    def fileno(self) -> int:
        """For ``select`` and the like: a descriptor that can be read while something waits here,
        once `take` has given an empty list. Nothing but polling may be done with it."""
        return self._stream.fileno()

    def cancel(self) -> None:
        """Gives up what this is about. What has arrived can still be read, then comes the end."""
        self._stream.cancel()

    def __enter__(self: "_Self") -> "_Self":
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: Optional[BaseException],
        trace: "Optional[TracebackType]",
    ) -> None:
        self.cancel()


_Self = TypeVar("_Self", bound="_Items[Any, Any]")


class Replies(_Items[Reply, Report]):
    """The replies to a question, each node's at most once, and the report at their end.

    Dropping it gives the question up.
    """

    def report(self, timeout: Optional[float] = None) -> Report:
        """Waits for the end, and gives the account. Replies that come meanwhile can still be read.

        Raises `NetworkError` and others when the question could not be asked, and `TimeoutError`
        when the end does not come in so many seconds.
        """
        timeout = _shape.seconds(timeout)
        begin, left = time.monotonic(), timeout
        while True:
            batch = self._stream.next(_shape.BATCH, left)
            if batch is None:
                break
            self._ready.extend(batch)
            if timeout is not None:
                left = max(0.0, begin + timeout - time.monotonic())
        report = self._stream.end()
        assert report is not None, "replies end with a report or with an error"
        return report


class Watch(_Items[WatchItem, None]):
    """What a watch tells: replies at first, once the report, then what changes. It ends with
    `cancel`, and when it is dropped."""


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

    def publish(self, value: Given) -> None:
        """Gives the variable a value; ``None``: it is known to have none. One of another type, or
        of more than some 2 MiB, which no reply carries, is an `InvalidError`."""
        self._exposed.publish(value)

    def publish_key(self, key: str, value: Given) -> None:
        """Gives one instance of a map a value: ``app.disk[*].usage`` with the key ``/var``."""
        self._exposed.publish_key(_shape.text(key), value)

    def withdraw(self) -> bool:
        """Removes the variable from the realm's sight; whether it was there."""
        return self._exposed.withdraw()


class Setting(Iterator[Value]):
    """A setting that this process exposes: as an iterator, the values that others write.

    Of values that are written faster than they are read only the newest is sure to be seen.
    """

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

    def changed(self, timeout: Optional[float] = None) -> Value:
        """Waits until somebody writes another value, and gives the newest; `TimeoutError` when
        nobody does in so many seconds, `EndedError` when the node is closed."""
        try:
            newest = self._changes._ready.popleft()
        except IndexError:
            newest = self._changes._next(timeout)
        newer = self.take()
        while newer:
            newest = newer[-1]
            newer = self.take()
        return newest

    def take(self) -> List[Value]:
        """The values that were written and not seen, without waiting; an empty list when there are
        none, and at the end."""
        return self._changes.take()

    def fileno(self) -> int:
        """For ``select``: it can be read while a value waits that was not seen, once `take` has
        given an empty list. Nothing but polling may be done with it."""
        return self._changes.fileno()

    def __iter__(self) -> Iterator[Value]:
        return self

    def __next__(self) -> Value:
        return next(self._changes)


class Node:
    """This process's part in a realm: asks, tells, and exposes variables.

    Without arguments it uses the user's realm as the command ``librecast`` chooses it. Any thread
    may use it. It is closed by `close`, by ``with``, when it is dropped, and at the end of the
    interpreter.
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
        """Opens it.

        - ``realm``: its name; the credential is the user's, or with ``agent`` the host's agent's.
        - ``credential``: the path of a credential file, or its content as bytes, in place of it.
        - ``state``: a folder that keeps settings and the member list, and is locked.
        - ``memory``: a folder that remembers presence and schemas for the next process.
        - ``interfaces``: names, in place of the credential's.
        - ``registry``: folders in which nodes of this host find each other without multicast.
        - ``software``: the version that others are told.

        Raises `NoRealmError`, `CredentialError`, `PermissionError`, `BusyError`, `StartError` and
        `LimitError`.
        """
        self._reader: "Optional[Reader]" = None
        given = _shape.opening(
            realm, credential, agent, state, memory, interfaces, registry, software
        )
        self._node = _lcast.Node.open(given)
        _open.add(self)

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
        """Asks for all variables that any of the patterns matches.

        - ``on``: globs on the names of nodes, one at least, like ``"web*,db1"`` or
          ``["web*", "db1"]``; ``not_``: of those that are left out.
        - ``label``: certified labels that a node must have.
        - ``matching``: a predicate that is evaluated at each node.
        - ``only``: names of nodes, of which alone is asked, like ``"web1,db1"`` or
          ``["web1", "db1"]``; of ``[]`` or ``""`` nobody is.
        - ``expect``: names that must answer, known to the realm or not, given in the same way.
        - ``timeout``: seconds for the whole question, above 0; by itself 1, and 3 while answers
          come.

        Raises `InvalidError` for what is no pattern, glob or predicate, before anything is sent.
        """
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        return Replies(self, self._node.get(_shape.texts(patterns), target))

    def set(
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
        """Writes a setting on all these nodes and waits for the account.

        A ``str`` is read at each node by the setting's type, as ``librecast set NAME=TEXT`` does;
        any other value has its own type. With ``if_version`` only where the setting still has this
        version. With ``dry_run`` nothing is written: the account is what it would be.
        """
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        writing = _shape.writing(dry_run, if_version)
        replies = Replies(self, self._node.set([(_shape.text(name), value)], writing, target))
        return replies.report()

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
        """Writes a setting as `set` does, and gives what each node says: `Reply.results`."""
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        writing = _shape.writing(dry_run, if_version)
        return Replies(self, self._node.set([(_shape.text(name), value)], writing, target))

    def set_all(
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
        """Writes several settings, on each of these nodes all or none of them: of one that cannot
        be written there, none is.

        ```python
        node.set_all({"app.greeting": "hello", "app.workers": 8}, on="web*")
        ```

        Values are those of `set`. A set of none or of more than 64 is an `InvalidError`.
        """
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        settings, writing = _shape.assignments(values), _shape.writing(dry_run)
        replies = Replies(self, self._node.set(settings, writing, target))
        return replies.report()

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
        """Writes settings as `set_all` does, and gives what each node says: `Reply.results`."""
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
        """Watches all variables that any of the patterns matches: what they are at first, then what
        changes, on every node that is picked, those that join later included.

        ``every``: tell the values each so many seconds, 0.01 at least, changed or not. ``delta``:
        tell a number only when it is at least so far from what was told last, above 0. The others
        are those of `get`; ``timeout`` bounds the beginning, until the report.
        """
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
        """Asks nodes which variables they have: `Reply.definitions` says what each of them is.

        ```python
        for reply in node.variables(on="web*"):
            for it in reply.definitions.values():
                print(reply.node, it.name, it.type, it.unit, it.settable)
        ```

        The targets are those of `get`.
        """
        target = _shape.target(on, not_, label, matching, only, expect, timeout)
        return Replies(self, self._node.variables(target))

    def members(self) -> List[Member]:
        """Every member, with its presence as it is known here. A node that has just been opened
        knows of few others; who answers a question is known."""
        return self._node.members()

    def presence(self) -> Changes:
        """Follows whose presence changes from here on."""
        return Changes(self, self._node.presence())

    def ping(self, name: str, timeout: float = 1.0) -> Optional[float]:
        """The round trip to a node in seconds; ``None`` when it does not answer in time."""
        seconds = _shape.bound(timeout)
        return self._node.ping(_shape.text(name), 1.0 if seconds is None else seconds)

    def expose(
        self,
        name: str,
        type: ValueType,
        *,
        kind: str = "gauge",
        unit: str = "",
        description: str = "",
    ) -> Variable:
        """Exposes a variable. It has no value until `Variable.publish`.

        - ``name``: 2 to 8 words joined by dots, like ``app.queue.length``; ``[*]`` for keys.
        - ``type``: ``bool``, ``int``, ``float``, ``str``, ``bytes``, ``list``, ``dict``, or the
          word, like ``"timestamp"``.
        - ``kind``: ``gauge``, ``counter`` or ``info``.
        - ``unit``: as UCUM writes it, like ``By`` or ``s``.
        """
        given = _shape.described(name, type, kind, unit, description)
        return Variable(self, self._node.expose(given))

    def expose_setting(
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
        """Exposes a setting: a variable that operators of the realm may write within these limits.
        It is checked, kept (in ``state``) and answered without the program, which hears of it."""
        given = _shape.described(name, type, "gauge", unit, description)
        limits = _shape.accepted(min, max, length_max, choices)
        return Setting(self, self._node.expose_setting(given, default, limits))

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
        """Exposes what a function returns, read each so many seconds in a thread of the node.

        ```python
        @node.variable("app.queue.length", every=5.0, unit="{job}")
        def length() -> int:
            return len(queue)
        ```

        Without ``type`` it is what the function says that it returns. When the function raises,
        ``SystemExit`` included, or returns what does not fit, the last value stays with its growing
        age, and ``librecast.variable["app.queue.length"].error`` says why until it works again;
        ``on_error`` is told too, by itself the logger ``lcast``. The other functions go on. They
        are read one after the other: one that takes long holds up those of the same node.

        The thread holds the function. Where that holds what holds the node, a method of an object
        that has the node say, the node ends by `close` or ``with`` alone, never by being dropped.
        """
        every = _shape.interval(every)

        def expose(function: Read) -> Read:
            from lcast._reading import Errors, Reader, Reading

            of = _shape.returned(function) if type is None else type
            exposed = self._node.expose(_shape.described(name, of, kind, unit, description))
            if self._reader is None:
                self._reader = Reader(self, Errors())
            self._reader.add(Reading(exposed, function, every, on_error))
            return function

        return expose

    def close(self) -> None:
        """Says goodbye to the realm, if this is an agent, and ends the node with all that it does.
        Once more, it does nothing."""
        _open.discard(self)
        self._close_now()

    def _close_now(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self._node.close()

    def __enter__(self) -> "Node":
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: Optional[BaseException],
        trace: "Optional[TracebackType]",
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lcast.Node {self.name!r} of realm {self.realm!r}>"
