"""The exceptions, one class a kind."""

from __future__ import annotations

import builtins
from typing import ClassVar, Dict, Type


class Error(Exception):
    """What every exception of this package is. Its text says what to do about it.

    Two kinds are not: an argument of another type than it is told to be may be a ``TypeError``, as
    elsewhere in Python; and what a program's own objects raise while they are read is raised as it
    is.
    """

    kind: ClassVar[str] = "error"
    """The kind, by the same word as in the other languages of the project."""


class InvalidError(Error, ValueError):
    """An argument is none: a pattern, a predicate, a name, a value that does not fit."""

    kind = "invalid"


class NoRealmError(Error, LookupError):
    """There is no such realm, or it is not clear which is meant."""

    kind = "no_realm"


class CredentialError(Error):
    """The credential is damaged, expired, or not there."""

    kind = "credential"


class PermissionError(Error, builtins.PermissionError):
    """The system does not let this user read or do that."""

    kind = "permission"


class StartError(Error):
    """The node cannot be started: the state, the sockets or a thread."""

    kind = "start"


class NetworkError(Error):
    """There is no network to send on."""

    kind = "network"


class LimitError(Error):
    """As many as there may be: open questions, file descriptors."""

    kind = "limit"


class BusyError(Error):
    """Another process has it: the state folder, say."""

    kind = "busy"


class EndedError(Error):
    """The node was closed, or what it stood on is gone."""

    kind = "ended"


class ForkedError(Error):
    """It was made by the process of which this one is a fork: open a node here."""

    kind = "forked"


class TimeoutError(Error, builtins.TimeoutError):
    """Nothing came in the time that was given."""

    kind = "timeout"


class InternalError(Error):
    """An error of this library: please report it."""

    kind = "internal"


BY_KIND: Dict[str, Type[Error]] = {
    error.kind: error
    for error in (
        InvalidError,
        NoRealmError,
        CredentialError,
        PermissionError,
        StartError,
        NetworkError,
        LimitError,
        BusyError,
        EndedError,
        ForkedError,
        TimeoutError,
        InternalError,
    )
}
# A signal in a wait is handled by the interpreter; elsewhere it is told like an error of ours.
BY_KIND["interrupted"] = InternalError
