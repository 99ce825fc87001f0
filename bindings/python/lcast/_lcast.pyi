"""The native part: what `lcast` and `lcast.aio` stand on. Not for programs, but for `Timestamp`."""

import datetime as _datetime
from typing import Any, Generic, List, Mapping, Optional, Sequence, Tuple, TypeVar, final

from lcast._items import Given, Member, PresenceItem, Reply, Report, Value, WatchItem

_Item = TypeVar("_Item", covariant=True)
_End = TypeVar("_End", covariant=True)

__all__ = [
    "Exposed",
    "Node",
    "Setting",
    "Stream",
    "Timestamp",
    "__version__",
    "after_fork",
    "shut_down",
]

__version__: str

def shut_down(seconds: float) -> None: ...
def after_fork() -> None: ...

@final
class Timestamp:
    """A point in wall-clock time, exact to the millisecond: what a variable of the type
    ``timestamp`` holds. They compare, hash and pickle; ``str`` gives RFC 3339 in UTC."""

    def __new__(cls, milliseconds: int) -> Timestamp:
        """So many milliseconds after 1970-01-01T00:00:00Z, or before it."""
    @staticmethod
    def now() -> Timestamp:
        """What the clock of this host says."""
    @staticmethod
    def parse(text: str) -> Timestamp:
        """Reads RFC 3339, like ``2026-11-22T10:00:00Z``."""
    @staticmethod
    def of(time: _datetime.datetime) -> Timestamp:
        """The moment of a datetime with a time zone; below a millisecond it is cut off."""
    @property
    def milliseconds(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
    @property
    def seconds(self) -> float:
        """Seconds since then, as ``time.time()`` counts."""
    def datetime(self) -> _datetime.datetime:
        """The same as a datetime in UTC; `lcast.InvalidError` beyond the years that have one."""
    def __lt__(self, other: Timestamp, /) -> bool: ...
    def __le__(self, other: Timestamp, /) -> bool: ...
    def __gt__(self, other: Timestamp, /) -> bool: ...
    def __ge__(self, other: Timestamp, /) -> bool: ...

@final
class Stream(Generic[_Item, _End]):
    def __class_getitem__(cls, key: Any) -> Any: ...
    def fileno(self) -> int: ...
    def take(self, most: int) -> Optional[List[_Item]]: ...
    def next(self, most: int, timeout: Optional[float] = None) -> Optional[List[_Item]]: ...
    def end(self) -> Optional[_End]: ...
    def cancel(self) -> None: ...

@final
class Exposed:
    @property
    def name(self) -> str: ...
    def publish(self, value: Given) -> None: ...
    def publish_key(self, key: str, value: Given) -> None: ...
    def withdraw(self) -> bool: ...

@final
class Setting:
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> Value: ...
    def changes(self) -> Stream[Value, None]: ...

@final
class Node:
    @staticmethod
    def open(opening: Mapping[str, Any]) -> Node: ...
    @property
    def name(self) -> str: ...
    @property
    def realm(self) -> str: ...
    def get(
        self, patterns: Sequence[str], target: Mapping[str, Any]
    ) -> Stream[Reply, Report]: ...
    def variables(self, target: Mapping[str, Any]) -> Stream[Reply, Report]: ...
    def set(
        self,
        assignments: Sequence[Tuple[str, Given]],
        writing: Mapping[str, Any],
        target: Mapping[str, Any],
    ) -> Stream[Reply, Report]: ...
    def watch(
        self,
        patterns: Sequence[str],
        every: Optional[float],
        delta: Optional[float],
        target: Mapping[str, Any],
    ) -> Stream[WatchItem, None]: ...
    def members(self) -> List[Member]: ...
    def presence(self) -> Stream[PresenceItem, None]: ...
    def ping(self, name: str, timeout: float) -> Optional[float]: ...
    def expose(self, described: Mapping[str, Any]) -> Exposed: ...
    def expose_setting(
        self, described: Mapping[str, Any], default: Given, accepted: Mapping[str, Any]
    ) -> Setting: ...
    def close(self) -> None: ...
