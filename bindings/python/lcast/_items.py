"""What nodes say: replies, reports, what a watch tells, members."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from lcast._lcast import Timestamp

if TYPE_CHECKING:
    import datetime

Value = Union[
    None, bool, int, float, str, bytes, Timestamp, List["Value"], Dict[str, "Value"]
]
"""What a variable holds. An ``int`` has 64 bits; lists and dicts lie at most 8 deep."""

Given = Union[
    None,
    bool,
    int,
    float,
    str,
    bytes,
    bytearray,
    Timestamp,
    "datetime.datetime",
    Sequence["Given"],
    Mapping[str, "Given"],
]
"""What is taken for a value: a `datetime` with a time zone, tuples and mappings as well."""

_Default = TypeVar("_Default")


@dataclass(frozen=True)
class ReplyValue:
    """One variable of one node."""

    name: str
    """The full name, keys included."""
    value: Value
    """Its value at the node, all values of a reply being from one snapshot."""
    unit: str
    """The unit as UCUM writes it; empty where there is none."""
    time: Timestamp
    """When the value was read, by the node's clock."""
    age_ms: int
    """How old it was when the reply left, free of clock skew."""
    version: str
    """Which write it is from: what ``if_version`` takes."""
    revision: int
    """How many versions of it its process has had, this one included."""
    skipped: int = 0
    """In a watch: how many values it had before this one that were not seen."""


@dataclass(frozen=True)
class SetResult:
    """What became of a setting at one node."""

    name: str
    outcome: str
    """``applied``, ``unchanged``, ``invalid``, ``conflict``, ``no_such_variable``, ``storage``."""
    message: str
    """One sentence of the node's, for people."""
    version: Optional[str]
    """The version that the node holds afterwards."""


@dataclass(frozen=True)
class Definition:
    """What a variable of a node is, whatever it holds."""

    name: str
    """Its name, with ``[*]`` for the keys of a map."""
    type: str
    """The word for its type, like ``int`` or ``timestamp``."""
    unit: str
    """The unit as UCUM writes it; empty where there is none."""
    kind: str
    """``info``, ``gauge``, ``counter`` or ``setting``."""
    description: str
    """One line for people."""
    settable: bool
    """Whether it is a setting; what follows are its limits."""
    min: Optional[float] = None
    max: Optional[float] = None
    length_max: Optional[int] = None
    """The longest text or bytes, in bytes."""
    choices: Optional[Tuple[str, ...]] = None
    """The only texts that it takes."""


@dataclass(frozen=True)
class Failure:
    """What went wrong at a node."""

    code: str
    """``predicate``, ``invalid``, ``conflict``, ``no_such_variable``, ``storage``, ``limit``."""
    message: str
    """One sentence of the node's, for people."""


@dataclass(frozen=True)
class Refusal:
    """Why a node would not."""

    reason: str
    """``role``, ``expired``, ``clock``, ``forgotten``, ``policy``, ``selector``, ``busy``."""
    message: str
    """One sentence of the node's, for people."""


@dataclass(frozen=True)
class Reply:
    """What one node said to a question."""

    node: str
    """Its certified name."""
    kind: str
    """The class that it ends in: ``answered``, ``empty``, ``error`` or ``refused``."""
    values: Dict[str, ReplyValue] = field(default_factory=dict)
    """The variables that matched, by name, in order."""
    results: Dict[str, SetResult] = field(default_factory=dict)
    """For a set: what became of the setting, by name."""
    empty: Optional[str] = None
    """Why it has nothing to say: ``no_match``, ``undefined`` or ``no_variable``."""
    error: Optional[Failure] = None
    """Why it failed."""
    refused: Optional[Refusal] = None
    """Why it would not."""
    by_multicast: bool = False
    """Whether the question had gone by multicast alone until this came; ``False`` as well where it
    was asked which variables there are."""
    definitions: Dict[str, Definition] = field(default_factory=dict)
    """What its variables are, by name, where that was asked."""

    def __getitem__(self, name: str) -> Value:
        return self.values[name].value

    def get(self, name: str, default: Union[Value, _Default] = None) -> Union[Value, _Default]:
        """The value of the variable with this name, or the default."""
        held = self.values.get(name)
        return default if held is None else held.value


@dataclass(frozen=True)
class EmptyNode:
    """A node with nothing to say."""

    node: str
    reason: str
    """``no_match``, ``undefined`` or ``no_variable``."""


@dataclass(frozen=True)
class FailedNode:
    """A node that failed."""

    node: str
    failure: Failure


@dataclass(frozen=True)
class RefusedNode:
    """A node that would not."""

    node: str
    refusal: Refusal


@dataclass(frozen=True)
class UnheardNode:
    """A node whose answer did not come."""

    node: str
    last_heard: Optional[Timestamp]
    """When anything of it was last heard; ``None``: never."""
    state: str
    """Its presence: ``alive``, ``suspect``, ``gone``, ``left`` or ``never``."""
    outcome_unknown: bool
    """Whether what was asked may have been done all the same: a set whose answer was lost."""


@dataclass(frozen=True)
class Report:
    """The account at the end of a question: every expected node is in exactly one class."""

    expected: int
    """How many nodes were expected."""
    alive: int
    """How many of these were alive at the end."""
    answered: int
    """How many answered."""
    empty: Tuple[EmptyNode, ...]
    """The nodes with nothing to say."""
    error: Tuple[FailedNode, ...]
    """The nodes that failed."""
    refused: Tuple[RefusedNode, ...]
    """The nodes that would not."""
    late: Tuple[UnheardNode, ...]
    """The nodes still at work at the deadline."""
    missing: Tuple[UnheardNode, ...]
    """The nodes that said nothing."""
    behind: Tuple[str, ...]
    """The nodes that hold an older member list than this one."""
    rounds: int
    """How many times the question was sent to all."""
    questions_sent: int
    """How many packets carried it."""
    elapsed: float
    """Seconds from the first packet to the end."""
    heard: bool
    """Whether any packet of any other node was verified."""
    sent: bool
    """Whether at least one socket could send the question."""

    @property
    def is_complete(self) -> bool:
        """Whether every expected node answered or had nothing to say."""
        return not (self.error or self.refused or self.late or self.missing)

    def __str__(self) -> str:
        counts = (
            (self.answered, "answered"),
            (len(self.empty), "empty"),
            (len(self.error), "error"),
            (len(self.refused), "refused"),
            (len(self.late), "late"),
            (len(self.missing), "missing"),
        )
        classes = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"{self.expected} expected: {classes or '0 answered'}"


@dataclass(frozen=True)
class Entered:
    """A node is in the watch from here on: it joined, came back, or its predicate holds."""

    node: str
    values: Dict[str, ReplyValue]
    """What it holds, by name."""


@dataclass(frozen=True)
class Changed:
    """Values of a node have changed."""

    node: str
    values: Dict[str, ReplyValue]
    """The values that have changed, by name."""
    removed: Tuple[str, ...] = ()
    """Names that have no value any more."""


@dataclass(frozen=True)
class Left:
    """A node is no longer in the watch."""

    node: str
    reason: str
    """``no_match``, ``undefined``, ``gone``, ``left``, ``restarted``, ``forgotten``,
    ``too_many`` or ``failed``."""


@dataclass(frozen=True)
class Overflow:
    """The program was too slow: so many items before the next one are lost."""

    lost: int


@dataclass(frozen=True)
class Member:
    """A member of the realm, with its presence."""

    name: str
    id: str
    kind: str
    """``agent`` or ``client``."""
    labels: Dict[str, str]
    roles: Tuple[str, ...]
    software: str
    """The version of its software; empty when it has not said."""
    state: str
    """``alive``, ``suspect``, ``gone``, ``left`` or ``never``."""
    last_heard: Optional[Timestamp]
    via: Optional[str]
    """How that is known: ``multicast``, ``unicast``, ``told`` or ``remembered``."""
    duplicate: bool
    """Whether two processes run with its credential."""
    expired: Optional[Timestamp]
    """When its certificate ended, where that is over the grace ago: it is not expected."""


@dataclass(frozen=True)
class Presence:
    """The presence of a member has changed."""

    name: str
    id: str
    state: str
    """``alive``, ``suspect``, ``gone``, ``left`` or ``never``."""


WatchItem = Union[Reply, Report, Entered, Changed, Left, Overflow]
"""What a watch tells: replies at first, once the report, then what changes."""

PresenceItem = Union[Presence, Overflow]
"""What the changes of presence are."""
