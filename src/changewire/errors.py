"""The whole error tree, ordered by what the person or the caller can do about it.

ChangewireError                 every error that is ours; its text is written for the person who must act
├── UsageError                  the command was used wrongly                           exit 2
├── ConfigError                 files that cannot be used; carries its `Problem`s       exit 1
├── StateError                  the database cannot be used                             exit 1
│   ├── HomeLockedError         another daemon works in this home
│   ├── FencedError             this claim is no longer ours: somebody went on without us
│   └── StoppedError            the process stops or the claim was lost: nothing more is requested
├── LoopError                   workflows would set each other off for ever
├── PollError                   a poll that did not come to a good end; the stored state stays
└── ApiError                    an answer that is an error, or no answer; carries its `FailureClass`
                                where that needs a person                               exit 3
    ├── CredentialError         a connection as a whole is refused: it is paused until somebody mends it
    └── DelayedError            the budget or the API says: not before `until`; nothing went wrong
        └── ShutdownError       the process stops, so the request was not sent; the next process sends it
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class ChangewireError(Exception):
    """Something went wrong in a way that we foresaw. The docstring of each kind is its default message."""

    exit_code = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").splitlines()[0])

    @property
    def lines(self) -> tuple[str, ...]:
        """What is shown of it, each on a line of its own."""
        return (str(self),)

    def __reduce__(self) -> tuple[Any, ...]:
        """So that another process gets it as it is: ``__init__`` of most kinds wants more than the message."""
        return _restored, (type(self), self.args, self.__dict__)


def _restored(kind: type[ChangewireError], arguments: tuple[Any, ...], fields: dict[str, Any]) -> ChangewireError:
    error = kind.__new__(kind, *arguments)
    error.args = arguments
    error.__dict__.update(fields)
    return error


class UsageError(ChangewireError):
    """The command was used wrongly."""

    exit_code = 2


class OutputError(UsageError):
    """An action was done, and its output cannot be kept."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in one file, told so that it can be mended."""

    file: str
    line: int  # from 1; 0 when the file as a whole is meant
    column: int  # from 1; 0 when the line as a whole is meant
    code: str  # stable word for programs, such as "unknown_key"
    message: str  # what is wrong and what to do, one sentence
    suggestion: str | None = None  # the nearest valid word, None when nothing is near

    def __str__(self) -> str:
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        place = "".join(f":{number}" for number in (self.line, self.column) if number)
        return f"{self.file}{place}: {self.message}{hint}"

    def as_dict(self) -> dict[str, object]:
        """The form of ``validate --json``."""
        return asdict(self)


MOST_PROBLEMS = 200  # that are looked for in one file, as each of them costs time


class ConfigError(ChangewireError):
    """Some files cannot be used."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)) or None)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each problem."""
        return tuple(map(str, self.problems)) or super().lines


class StateError(ChangewireError):
    """The state database cannot be used."""


class HomeLockedError(StateError):
    """Another daemon works in this home."""


class FencedError(StateError):
    """This claim is no longer valid: the trigger or run was changed or taken over in the meantime."""


class StoppedError(StateError):
    """The process stops, or the claim was lost, so nothing more is requested."""


class LoopError(ChangewireError):
    """Workflows would set each other off for ever."""


class PollError(ChangewireError):
    """The poll did not come to a good end."""


class FailureClass(StrEnum):
    """What kind of failure an answer is, which decides what happens next."""

    TRANSIENT = "transient"  # server error, timeout, broken connection: try again soon
    RATE = "rate"  # too many requests: wait as long as told, nobody's fault
    CREDENTIAL = "credential"  # sign-in refused: a person must mend the connection
    SCOPE = "scope"  # the app may not do this: a person must tick a scope
    PLAN = "plan"  # the account's plan does not include this
    GONE = "gone"  # what was asked for does not exist (any more)
    NOT_YET = "not_yet"  # nothing there so far; not an error for a poll
    BAD_INPUT = "bad_input"  # the request itself is wrong: trying again cannot help
    BROKEN = "broken"  # the answer cannot be what the API promises: HTML, cut JSON, a missing list

    @property
    def permanent(self) -> bool:
        """True where trying the same again cannot help before a person acts."""
        return self in {self.CREDENTIAL, self.SCOPE, self.PLAN, self.GONE, self.BAD_INPUT}

    @property
    def needs_person(self) -> bool:
        """True where a person must mend the connection or its account: credentials, a scope, the plan."""
        return self in {self.CREDENTIAL, self.SCOPE, self.PLAN}

    @property
    def answered(self) -> bool:
        """True where the API looked at the request, so that it accepted the credentials."""
        return self in {self.SCOPE, self.PLAN, self.GONE, self.BAD_INPUT, self.NOT_YET}


class ApiError(ChangewireError):
    """An API answered with an error, or not at all."""

    def __init__(
        self,
        message: str,
        failure: FailureClass,
        *,
        status: int | None = None,
        code: str | None = None,
        retry_at: datetime | None = None,
        sent: bool = True,
        reason: str | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.status = status  # HTTP status; None when no answer came
        self.code = code  # the API's own error code as text; None when it gave none
        self.retry_at = retry_at  # never try again before this moment; None: the source said nothing
        self.sent = sent  # False: certainly nothing reached the server
        self.reason = reason  # named special case of the connector, such as "dead_page_token"
        self.body = body  # the beginning of the answer, without secrets; None: there was none, or it is not known
        if failure.needs_person:
            self.exit_code = 3


class CredentialError(ApiError):
    """The credentials of a connection are refused, so that nothing that needs it can work before they are mended.

    Whoever meets it pauses the connection. ``advice`` is the next step of the person who mends it, a command or a place
    in a file. ``by_request``: there is no sign-in that could be tried, so only the next request can tell whether the
    connection is well again.
    """

    def __init__(self, message: str, connection: str, advice: str, *, by_request: bool = False) -> None:
        super().__init__(message, FailureClass.CREDENTIAL)
        self.connection, self.advice, self.by_request = connection, advice, by_request

    @classmethod
    def of(cls, error: ApiError, connection: str, advice: str, *, by_request: bool = False) -> CredentialError:
        """``error`` with what is to be done about it."""
        made = cls(str(error), connection, advice, by_request=by_request)
        made.status, made.code, made.reason, made.body = error.status, error.code, error.reason, error.body
        return made


class DelayedError(ApiError):
    """The request budget is used up for now, by our own count or by the API's. Nothing was done."""

    def __init__(self, message: str, until: datetime) -> None:
        super().__init__(message, FailureClass.RATE, retry_at=until, sent=False)
        self.until = until

    @classmethod
    def of(cls, error: ApiError, until: datetime) -> DelayedError:
        """``error`` as something that is waited out: the API said that it was too much for this moment."""
        made = cls(str(error), until)
        made.status, made.code, made.reason, made.body = error.status, error.code, error.reason, error.body
        return made


class ShutdownError(DelayedError):
    """The process stops, so this request was not sent; the next process sends it."""

    def __init__(self) -> None:
        super().__init__("Changewire stops, so this request was not sent; it is sent after the next start", _AT_ONCE)


def fault_of_ours(error: BaseException) -> str:
    """What is said of an error that nobody foresaw."""
    return f"a fault in Changewire itself, please report it: {type(error).__name__}: {error}"


def described(error: BaseException) -> str:
    """What is said of any error: its own words if it is one of ours, else that it is a fault."""
    return str(error) if isinstance(error, ChangewireError) else fault_of_ours(error)


_LONGEST_WORD, _MOST_WORDS = 200, 2000  # comparing takes quadratic time, and words may come from an API


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like ``word``, or None when none is near enough to be meant."""
    if len(word) > _LONGEST_WORD:
        return None
    likely = (other for other in known if len(other) <= _LONGEST_WORD)
    found = difflib.get_close_matches(word, itertools.islice(likely, _MOST_WORDS), n=1, cutoff=0.6)
    return found[0] if found else None
