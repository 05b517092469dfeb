"""The messages between the daemon and a process that runs the code of actions: plain data, and errors without code."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from changewire.actions.code import CODE_MODULE, CodePlace
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import Origin
    from changewire.config.connections import Connection
    from changewire.config.environment import Environment
    from changewire.config.settings import Settings

CLIENT_METHODS = frozenset({"send", "send_shared", "attempt", "download", "granted_scopes", "sign_in", "sign_in_mark"})


@dataclass(frozen=True)
class Job:
    """One attempt of a code action, and what its context holds that is plain data."""

    use: str  # name of the action
    place: CodePlace
    values: Mapping[str, Json]
    home: Path
    connection: Connection | None  # that the step works on
    limit_s: float  # how long it may take
    now: datetime  # on the timeline of the daemon
    wall: datetime  # what the wall clock shows then
    idempotency_key: str
    settings: Settings
    written: Mapping[str, Json]
    environment: Environment | None
    origin: Origin | None
    look_first: bool
    feeds: bool  # whether events can be raised


@dataclass(frozen=True)
class Call:
    """Something that only the daemon can do: the code waits for the `Outcome`."""

    target: Literal["client", "connection", "feed", "log"]
    name: str  # of the connection, else ""
    method: str  # of the client, else ""
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    left_s: float | None = None  # seconds until the deadline of a request; None: as long as the attempt has


@dataclass(frozen=True)
class Outcome:
    """The end of a `Job` or a `Call`: its output, or why there is none."""

    output: Any = None
    fault: Fault | None = None


@dataclass(frozen=True)
class Fault:
    """An error as another process can have it. A class that is not ours is known there by its name and base only."""

    name: str
    base: type[BaseException]
    arguments: tuple[Any, ...]
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, error: BaseException) -> Fault:
        """Describe ``error``. One whose arguments cannot leave their process keeps its text."""
        kind = type(error)
        base = next(each for each in kind.__mro__ if _is_common(each))
        fields = {name: value for name, value in vars(error).items() if _is_portable(value)}
        arguments = error.args
        if isinstance(error, OSError) and error.errno is not None:
            arguments = (error.errno, error.strerror, error.filename)
        fault = cls(kind.__name__, base, arguments, fields)
        return fault if fault._is_usable() else cls(kind.__name__, Exception, (str(error),), {})

    def error(self) -> BaseException:
        """Return the error again, of the same class or of one with the same name and base."""
        kind = self.base if self.base.__name__ == self.name else type(self.name, (self.base,), {})
        if self.base.__module__ == "builtins":
            error: BaseException = kind(*self.arguments)
        else:
            error = kind.__new__(kind, *self.arguments)
            error.args = self.arguments
        error.__dict__.update(self.fields)
        return error

    def _is_usable(self) -> bool:
        try:
            return _is_portable(self.arguments) and bool(self.error())
        except Exception:
            return False


def _is_common(kind: type) -> bool:
    return kind.__module__ in ("builtins", "changewire.errors")


def _is_portable(value: Any) -> bool:
    """Whether the other process can read ``value``: it holds nothing of a class of the action's own module."""
    try:
        return CODE_MODULE.encode() not in pickle.dumps(value)
    except Exception:
        return False
