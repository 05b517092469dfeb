"""What is kept of an attempt that did not succeed, so that a person can see what happened without trying again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from changewire.actions.flow.effects import Effect, effect_of
from changewire.actions.flow.retry import Failure
from changewire.errors import ApiError, UsageError
from changewire.secret import mask_evidence, mask_message
from changewire.state.records import AttemptRecord, AttemptState
from changewire.values import Json, dumps_text, valid_text

LONGEST_INPUT = 16_384  # characters of JSON; a longer input is kept as text that is cut


def given(values: Mapping[str, Json]) -> dict[str, Json]:
    """The evidence of an attempt that begins: its input as it was worked out, without secrets.

    Raises UsageError if it holds something that cannot be stored, such as an integer of more than 64 bits.
    """
    masked: Any = mask_evidence(dict(values))
    try:
        text = dumps_text(masked)
    except TypeError as error:
        raise UsageError(f"the input cannot be stored: {error}") from None
    return {"input": masked if len(text) <= LONGEST_INPUT else f"{text[:LONGEST_INPUT]}…"}


def came_of(
    attempt: AttemptRecord, failure: Failure | None, error: Exception | None = None, *, ask: bool = False
) -> dict[str, Json]:
    """The evidence of an attempt that went wrong: what it had, what was answered, and how far its effect went.

    ``ask``: where nobody knows whether it was done, a person has to look before it is done again.
    """
    before = attempt.evidence or {"input": None}
    effect = effect_of(attempt, failure)
    look = {"look": True} if ask and effect in {Effect.SENT, Effect.UNKNOWN} else {}
    return {**before, "response": _response(error), "effect": str(effect), **look}


def unanswered(attempt: AttemptRecord, now: datetime, *, ask: bool = False) -> Failure:
    """Mark an attempt as unknown: the process ended in it, so its end was never stored. ``ask`` as in `came_of`."""
    failure = Failure("the process ended before an answer was stored; it may have been done", "unknown")
    attempt.state, attempt.error, attempt.error_class = AttemptState.UNKNOWN, failure.message, failure.kind
    attempt.evidence, attempt.finished_at = came_of(attempt, None, ask=ask), now
    return failure


def _response(error: Exception | None) -> Json:
    if not isinstance(error, ApiError) or (error.status is None and error.body is None):
        return None
    body = None if error.body is None else valid_text(mask_message(error.body))
    return {"status": error.status, "code": error.code, "body": body}
