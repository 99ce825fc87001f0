"""Functions that are read as variables, in a thread of the node or by its event loop."""

from __future__ import annotations

import heapq
import logging
import os
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple, Union

from lcast import _lcast, _shape
from lcast._errors import EndedError, Error, ForkedError
from lcast._shape import OnError

if TYPE_CHECKING:
    from lcast import _node, aio

ERRORS = "librecast.variable[*].error"
"""Where agents say, too, why the last reading of a variable failed."""


def log(name: str, error: BaseException) -> None:
    """Tells of a failure where nobody asked to be told. Whatever words and handlers do that are the
    program's own, it ends nothing: there is nobody left to be told."""
    try:
        try:
            words = repr(error)
        except BaseException:
            words = described(error)
        logging.getLogger("lcast").warning("the variable %s was not read: %s", name, words)
    except BaseException:
        pass


class Reading:
    """A function that is read as a variable."""

    def __init__(
        self,
        exposed: _lcast.Exposed,
        function: Callable[[], Any],
        every: float,
        on_error: Optional[OnError],
    ) -> None:
        self.exposed = exposed
        self.function = function
        self.every = every
        self.on_error = log if on_error is None else on_error
        self.failed = False

    def tell(self, error: BaseException) -> None:
        """Tells of a failure; what the handler raises is told as well, and ends nothing."""
        try:
            self.on_error(self.exposed.name, error)
        except Exception as other:
            log(self.exposed.name, other)


class Errors:
    """The variable that says what fails; it is exposed when something does. Any thread may say."""

    def __init__(self) -> None:
        self._exposed: Optional[_lcast.Exposed] = None
        self._first = threading.Lock()

    def _expose(self, native: _lcast.Node) -> _lcast.Exposed:
        with self._first:
            if self._exposed is None:
                description = "why the last reading of the variable failed"
                self._exposed = native.expose(
                    _shape.described(ERRORS, "text", "info", "", description)
                )
            return self._exposed

    def note(self, native: Optional[_lcast.Node], reading: Reading, why: Optional[str]) -> None:
        """Says why a reading failed, or with ``None`` that it works again."""
        reading.failed = why is not None
        if native is not None:
            self._expose(native).publish_key(reading.exposed.name, why)


def described(error: BaseException) -> str:
    """One line about an exception, short enough for a variable: its type alone where its own words
    fail."""
    line = type(error).__name__
    try:
        line = f"{line}: {error}"
    except BaseException:
        pass
    return " ".join(line.encode("utf-8", "replace").decode().split())[:300]


class Reader:
    """The thread of a node that reads its functions, each at its time."""

    def __init__(self, node: "Union[_node.Node, aio.Node]", errors: Errors) -> None:
        # The node ends when it is dropped, also while this reads for it.
        self._node: "weakref.ref[Union[_node.Node, aio.Node]]" = weakref.ref(node)
        self._pid = os.getpid()
        self._errors = errors
        self._changed = threading.Condition()
        self._due: List[Tuple[float, int, Reading]] = []
        self._count = 0
        self._stopped = False
        self._thread: Optional[threading.Thread] = None

    def add(self, reading: Reading) -> None:
        """Reads a function from here on, at once for the first time."""
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (time.monotonic(), self._count, reading))
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lcast", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Reads no more; a function that is running is not waited for."""
        if os.getpid() != self._pid:
            return  # In a fork the thread is not there, and may have left the lock closed.
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            due = self._next()
            if due is None:
                return
            begin, count, reading = due
            try:
                self._read(reading)
            except (EndedError, ForkedError):
                return
            except BaseException as error:  # Whatever it was: the other functions go on.
                log(reading.exposed.name, error)
            # Late ones are not made up for.
            after = max(begin + reading.every, time.monotonic())
            with self._changed:
                heapq.heappush(self._due, (after, count, reading))

    def _next(self) -> Optional[Tuple[float, int, Reading]]:
        """Waits for what is due next; ``None`` at the end."""
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    return heapq.heappop(self._due)
                self._changed.wait(self._due[0][0] - now if self._due else None)
        return None

    def _read(self, reading: Reading) -> None:
        why: Optional[str]
        try:
            value = reading.function()
        except BaseException as error:  # SystemExit too: it would end this thread alone.
            # Also EndedError and the like: they are of a node that the function uses.
            if self._stopped:
                return
            why = self._failed(reading, error)
        else:
            why = self._publish(reading, value)
        if why is not None or reading.failed:
            node = self._node()
            if node is None:
                raise EndedError("the node has ended")
            native = node._node
            del node
            try:
                self._errors.note(native, reading, why)
            except (EndedError, ForkedError):
                raise
            except Error as error:
                self._failed(reading, error)

    def _publish(self, reading: Reading, value: Any) -> Optional[str]:
        """Publishes what a function gave; why that failed."""
        try:
            reading.exposed.publish(value)
        except BaseException as error:
            if self._is_over():
                raise EndedError("the node has ended") from error
            # Also EndedError and the like: they are of a node that the value uses when it is read.
            # Where it is this one that has ended, by itself, nobody can be told why either.
            return self._failed(reading, error)
        return None

    def _is_over(self) -> bool:
        """Whether there is nothing to read for any more."""
        return self._stopped or self._node() is None or os.getpid() != self._pid

    def _failed(self, reading: Reading, error: BaseException) -> str:
        try:
            reading.tell(error)
        except BaseException as other:  # It would end this thread alone, too.
            log(reading.exposed.name, other)
        return described(error)
