"""What the blocking and the asyncio interface have in common: the shape of their arguments."""

from __future__ import annotations

import math
import os
from typing import (
    Any,
    Callable,
    Dict,
    Iterable,
    List,
    Mapping,
    Optional,
    Tuple,
    Type,
    TypeVar,
    Union,
    get_type_hints,
)

from lcast._errors import InvalidError

Texts = Union[None, str, Iterable[str]]
"""One text or several."""
Path = Union[str, "os.PathLike[str]"]
Credential = Union[str, "os.PathLike[str]", bytes]
"""The path of a credential file, or what is in it."""
ValueType = Union[str, Type[Any]]
"""``bool``, ``int``, ``float``, ``str``, ``bytes``, ``list``, ``dict`` or the word for a type."""
Read = TypeVar("Read", bound=Callable[[], Any])
"""A function that reads a variable."""
OnError = Callable[[str, BaseException], None]
"""Is told the name of a variable and what its function raised."""

_YEAR = 366 * 86_400.0

BATCH = 256
"""Most items that cross the border at once."""

_WORDS: Dict[Any, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "text",
    bytes: "bytes",
    list: "list",
    dict: "map",
}


_SHOWN_MAX = 64


def shown(given: object) -> str:
    """As much of what was given as a message repeats, whatever its own words for it do."""
    try:
        words = repr(given)
    except Exception:
        return f"what is of the type {type(given).__name__}"
    return words if len(words) <= _SHOWN_MAX else words[:_SHOWN_MAX] + "..."


def text(given: str) -> str:
    """A text that is UTF-8: what came from the system may hold something else."""
    if not isinstance(given, str):
        raise InvalidError(f"{shown(given)} is no str")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidError(f"{shown(given)} is no UTF-8 text") from None
    return given


def number(given: Optional[float], what: str) -> Optional[float]:
    """A number as a float, if one is given."""
    if given is None or type(given) is float:
        return given
    if not hasattr(given, "__float__") and not hasattr(given, "__index__"):
        raise TypeError(f"{what} is {shown(given)}, no number")
    try:
        return float(given)
    except OverflowError:
        raise InvalidError(f"{what} is {shown(given)}, too large for a float") from None


def seconds(given: Optional[float]) -> Optional[float]:
    """How long to wait."""
    timeout = number(given, "the timeout")
    if timeout is not None and not 0 <= timeout < math.inf:
        message = f"the timeout is {timeout} seconds, and a span of time is 0 or more"
        raise InvalidError(message)
    return timeout


def bound(given: Optional[float]) -> Optional[float]:
    """How long a ping may take. No time at all is neither that nor the default."""
    timeout = seconds(given)
    if timeout == 0:
        raise InvalidError("the timeout is 0 seconds, and a ping takes longer: give it a time")
    return timeout


def texts(given: Texts) -> List[str]:
    """One text or several, as a list."""
    if given is None:
        return []
    if isinstance(given, str):
        return [text(given)]
    return [text(each) for each in given]


def globs(given: Texts) -> List[str]:
    """Globs on the names of nodes to ask. None, of a list that was made, would mean every node."""
    listed = texts(given)
    if given is not None and not any(listed):
        raise InvalidError("'on' is empty: leave it out, or give None, for all nodes")
    return listed


def names(given: Texts) -> List[str]:
    """Names of nodes: a text has commas between them, as everywhere else; a list has none. Nothing
    in either is nobody."""
    if not isinstance(given, str):
        return texts(given)
    if not given:
        return []
    listed = [name.strip() for name in text(given).split(",")]
    if not all(listed):
        raise InvalidError(f"a node name is missing in {shown(given)}; write it like 'web1,web2'")
    return listed


def path(given: Optional[Path]) -> Optional[str]:
    """A path as text."""
    if given is None:
        return None
    text = os.fspath(given)
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        raise InvalidError(f"{shown(text)} is no path here") from None
    return text


def opening(
    realm: Optional[str],
    credential: Optional[Credential],
    agent: bool,
    state: Optional[Path],
    memory: Optional[Path],
    interfaces: Texts,
    registry: Optional[Iterable[Path]],
    software: Optional[str],
) -> Dict[str, Any]:
    """How a node is to be opened."""
    if credential is not None and realm is not None:
        raise InvalidError("give a realm or a credential, not both: a credential names its realm")
    if credential is not None and agent:
        raise InvalidError("a credential file says itself whether it is an agent's: omit agent")
    return {
        "realm": None if realm is None else text(realm),
        "credential": credential if isinstance(credential, bytes) else path(credential),
        "agent": agent,
        "state": path(state),
        "memory": path(memory),
        "interfaces": None if interfaces is None else texts(interfaces),
        "registry": None if registry is None else [path(each) for each in registry],
        "software": None if software is None else text(software),
    }


def target(
    on: Texts,
    not_: Texts,
    label: Optional[Mapping[str, str]],
    matching: Optional[str],
    only: Texts,
    expect: Texts,
    timeout: Optional[float],
) -> Dict[str, Any]:
    """Which nodes a question is for, and how long it may take."""
    if label is not None and not isinstance(label, Mapping):
        raise InvalidError("'label' is no mapping, like {'role': 'web'}")
    labels = [] if label is None else [(text(k), text(v)) for k, v in label.items()]
    return {
        "on": globs(on),
        "not_": texts(not_),
        "label": labels,
        "matching": None if matching is None else text(matching),
        "only": None if only is None else names(only),
        "expect": names(expect),
        "timeout": seconds(timeout),
    }


def assignments(given: Mapping[str, Any]) -> List[Tuple[str, Any]]:
    """The settings to write and what to write."""
    if not isinstance(given, Mapping):
        raise InvalidError("what to set is no mapping, like {'app.a': 1, 'app.b': 2}")
    return [(text(name), value) for name, value in given.items()]


def writing(dry_run: bool, if_version: Optional[str] = None) -> Dict[str, Any]:
    """What only a set has."""
    if not isinstance(dry_run, bool):
        raise InvalidError(f"dry_run is {shown(dry_run)}, no bool")
    return {"if_version": None if if_version is None else text(if_version), "dry_run": dry_run}


def word_for(type: object) -> Optional[str]:
    """The word for a type of Python's."""
    try:
        return _WORDS.get(type)
    except TypeError:  # It has no hash.
        return None


def described(
    name: str, type: ValueType, kind: str, unit: str, description: str
) -> Dict[str, Any]:
    """What a variable is."""
    word = type if isinstance(type, str) else word_for(type)
    if word is None:
        message = f"{shown(type)} is no type of a variable: use its word, like 'timestamp'"
        raise InvalidError(message)
    return {
        "name": text(name),
        "type": text(word),
        "kind": text(kind),
        "unit": text(unit),
        "description": text(description),
    }


def accepted(
    min: Optional[float], max: Optional[float], length_max: Optional[int], choices: Texts
) -> Dict[str, Any]:
    """What a setting accepts."""
    if length_max is not None and not 0 <= length_max < 2**32:
        message = f"length_max is {shown(length_max)}, and a length is 0 to {2**32 - 1}"
        raise InvalidError(message)
    return {
        "min": number(min, "min"),
        "max": number(max, "max"),
        "length_max": length_max,
        "choices": texts(choices),
    }


def returned(function: Callable[[], Any]) -> ValueType:
    """The type that a function says that it returns."""
    try:
        hint = get_type_hints(function).get("return")
    except Exception:  # A hint may be any text, and is evaluated.
        hint = None
    word = word_for(getattr(hint, "__origin__", hint))
    if word is None:
        name = getattr(function, "__name__", "the function")
        raise InvalidError(f"say the type of the variable: type=..., or def {name}() -> int")
    return word


def interval(every: float) -> float:
    """How often a function is called."""
    seconds = number(every, "every")
    if seconds is None or not 0 < seconds <= _YEAR:
        message = "and an interval is above 0 and at most a year"
        raise InvalidError(f"every is {shown(every)} seconds, {message}")
    return seconds
