"""What happens after an attempt: done, again later, or a person must look."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from changewire.errors import ApiError, ChangewireError, DelayedError, FailureClass, OutputError

if TYPE_CHECKING:
    from changewire.actions.definition import Idempotency
    from changewire.config.steps import Retry

DELAYED = "delayed"  # the class of an attempt that the request budget put off: nothing was tried
_ATTEMPTS = 3
_DELAY = timedelta(seconds=2)
_LONGEST = timedelta(hours=1)  # between two attempts, where a step says nothing


class Verdict(StrEnum):
    """What becomes of the step."""

    SUCCEED = "succeed"
    RETRY = "retry"  # by itself, at the decision's moment
    PAUSE = "pause"  # the run waits for a person
    FAIL = "fail"  # the step has failed and the run goes on


@dataclass(frozen=True)
class Failure:
    """How an attempt went wrong."""

    message: str
    kind: str  # a FailureClass, or DELAYED
    permanent: bool = False  # the same again cannot help before a person acts
    undone: bool = False  # certainly nothing happened: doing it again does it once
    retry_at: datetime | None = None  # not before this moment; None: the source said nothing
    sent: bool = False  # it was sent and answered, and only what came back cannot be used


@dataclass(frozen=True)
class Decision:
    """What happens next, and for people, why."""

    verdict: Verdict
    at: datetime | None = None  # with RETRY: when
    reason: str | None = None  # None for a success


def failure_of(error: Exception) -> Failure:
    """What an exception of an action means. Errors of ours that are no answer of an API need a person."""
    if isinstance(error, DelayedError):
        return Failure(str(error), DELAYED, undone=True, retry_at=error.until)
    if isinstance(error, ApiError):
        undone = not error.sent or error.failure is FailureClass.RATE
        return Failure(str(error), error.failure, error.failure.permanent, undone, error.retry_at)
    if isinstance(error, OutputError):
        return Failure(str(error), FailureClass.BAD_INPUT, permanent=True, sent=True)
    if isinstance(error, ChangewireError | ValueError):
        return Failure(str(error), FailureClass.BAD_INPUT, permanent=True, undone=True)
    if isinstance(error, OSError):
        what = (error.strerror or str(error)).lower()
        return Failure(f"{error.filename}: {what}" if error.filename else what, FailureClass.TRANSIENT)
    return Failure(f"a fault in the code of the action ({type(error).__name__}: {error})", FailureClass.BROKEN)


def decide(
    failure: Failure | None,
    retry: Retry | None,
    attempt: int,
    idempotency: Idempotency,
    now: datetime,
    *,
    continue_on_error: bool = False,
) -> Decision:
    """What happens after an attempt; ``failure`` None means that it succeeded.

    ``attempt`` counts from 1 and starts anew when a person resumes the run. ``retry`` None means three attempts with
    growing pauses from 2 s, but for an action that must not be done twice only where certainly nothing was done. A
    ``retry`` that the step names is taken at its word.
    """
    if failure is None:
        return Decision(Verdict.SUCCEED)
    if failure.kind == DELAYED:
        return Decision(Verdict.RETRY, max(failure.retry_at or now, now), failure.message)
    allowed = retry is not None or idempotency != "none" or failure.undone
    attempts = retry.attempts if retry is not None else _ATTEMPTS
    if not failure.permanent and allowed and attempt < attempts:
        at = now + _pause(retry, attempt)
        return Decision(Verdict.RETRY, max(at, failure.retry_at or at), _words(failure))
    if continue_on_error:
        return Decision(Verdict.FAIL, reason=_words(failure))
    return Decision(Verdict.PAUSE, reason=_words(failure))


def _words(failure: Failure) -> str:
    return f"{failure.kind}: {failure.message}"


def _pause(retry: Retry | None, attempt: int) -> timedelta:
    """How long to wait after attempt number ``attempt``."""
    delay = retry.delay if retry is not None else _DELAY
    backoff = retry.backoff if retry is not None else "exponential"
    longest = (retry.max_delay if retry is not None else None) or _LONGEST
    factor = {"constant": 1, "linear": attempt}.get(backoff, 2 ** min(attempt - 1, 30))
    seconds = min(delay.total_seconds() * factor, max(longest, delay).total_seconds())  # a product of days overflows
    return timedelta(seconds=seconds) if delay < timedelta(days=1) else delay
