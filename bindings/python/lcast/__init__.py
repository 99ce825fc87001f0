"""Ask, tell and watch a fleet of Linux machines over IPv6 multicast.

One packet asks every node of a realm a question; each question ends with a `Report` that accounts
for every expected node.

```python
import lcast

with lcast.Node() as node:
    replies = node.get("system.cpu.load_1m", matching="system.cpu.load_1m > 2.0")
    for reply in replies:
        print(reply.node, reply["system.cpu.load_1m"])
    for silent in replies.report().missing:
        print(silent.node, "did not answer")
```

`Node` waits; `lcast.aio.Node` has the same methods for asyncio. Every exception is an `Error`, one
class a kind. Values are Python's own: ``None``, ``bool``, ``int`` of 64 bits, ``float``, ``str``,
``bytes``, `Timestamp`, ``list`` and ``dict``.

**Threads and signals.** A node may be used by any thread. While it waits, other threads run, and
Ctrl-C ends the wait at once. No thread of this library runs Python code, but for the functions that
`Node.variable` reads, which have a thread of Python's own.

**Fork.** What was opened before a fork belongs to the parent, which goes on. In the child each use
of it raises `ForkedError`; open a node there, or use the start method ``spawn`` of
``multiprocessing``.

**Sub-interpreters.** The package works in the main interpreter and refuses to be imported in
others.
"""

from __future__ import annotations


def _refuse_subinterpreters() -> None:
    for name in ("_interpreters", "_xxsubinterpreters"):  # Since CPython 3.13, and before.
        try:
            interpreters = __import__(name)
        except ImportError:
            continue
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError("lcast works in the main interpreter only, and this is another one")
        return


_refuse_subinterpreters()

from lcast._errors import (  # noqa: E402
    BusyError,
    CredentialError,
    EndedError,
    Error,
    ForkedError,
    InternalError,
    InvalidError,
    LimitError,
    NetworkError,
    NoRealmError,
    PermissionError,
    StartError,
    TimeoutError,
)
from lcast._items import (  # noqa: E402
    Changed,
    Definition,
    EmptyNode,
    Entered,
    FailedNode,
    Failure,
    Given,
    Left,
    Member,
    Overflow,
    Presence,
    PresenceItem,
    RefusedNode,
    Refusal,
    Reply,
    ReplyValue,
    Report,
    SetResult,
    UnheardNode,
    Value,
    WatchItem,
)
from lcast._lcast import Timestamp, __version__  # noqa: E402
from lcast._node import Changes, Node, Replies, Setting, Variable, Watch  # noqa: E402

__all__ = [
    "BusyError",
    "Changed",
    "Changes",
    "CredentialError",
    "Definition",
    "EmptyNode",
    "EndedError",
    "Entered",
    "Error",
    "FailedNode",
    "Failure",
    "ForkedError",
    "Given",
    "InternalError",
    "InvalidError",
    "Left",
    "LimitError",
    "Member",
    "NetworkError",
    "NoRealmError",
    "Node",
    "Overflow",
    "PermissionError",
    "Presence",
    "PresenceItem",
    "RefusedNode",
    "Refusal",
    "Replies",
    "Reply",
    "ReplyValue",
    "Report",
    "SetResult",
    "Setting",
    "StartError",
    "TimeoutError",
    "Timestamp",
    "UnheardNode",
    "Value",
    "Variable",
    "Watch",
    "WatchItem",
    "__version__",
]
