"""What an attempt did to the world outside, as far as anybody can tell."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from changewire.actions.flow.retry import DELAYED, Failure
from changewire.errors import ApiError, FailureClass
from changewire.state.records import AttemptRecord, AttemptState

_REFUSED = frozenset({*(kind for kind in FailureClass if kind.permanent), FailureClass.RATE, FailureClass.NOT_YET})


class Effect(StrEnum):
    """How far the effect of an attempt went."""

    INTENDED = "intended"  # it was to be done, and certainly nothing was sent, or nothing yet
    SENT = "sent"  # it was sent and something came back that does not say whether it was done
    ACKNOWLEDGED = "acknowledged"  # it was done, and the other side said so
    REFUSED = "refused"  # the other side, or our own check, said no: it was not done
    UNKNOWN = "unknown"  # it may have been sent, and no answer tells
    TOLD = "told"  # a person said that it was done


def effect_of(attempt: AttemptRecord, failure: Failure | None = None) -> Effect | None:
    """The effect of an attempt; None for a skipped one, which had none to have.

    ``failure`` is how it went wrong where that is still at hand: it may say that nothing was sent, which the record
    alone cannot. Without it the answer is the careful one.
    """
    if attempt.state is AttemptState.SKIPPED:
        return None
    if attempt.state is AttemptState.SUCCEEDED:
        return Effect.ACKNOWLEDGED
    if attempt.state is AttemptState.RUNNING or attempt.error_class == DELAYED:
        return Effect.INTENDED
    if attempt.state is AttemptState.UNKNOWN:
        return Effect.UNKNOWN
    if failure is not None and failure.sent:
        return Effect.SENT
    if attempt.error_class in _REFUSED:
        return Effect.REFUSED
    if failure is not None and failure.undone:
        return Effect.INTENDED
    return Effect.SENT if attempt.error_class == FailureClass.BROKEN else Effect.UNKNOWN


def may_be_done(error: ApiError) -> bool:
    """Whether a request that ended so may have done its work."""
    return error.sent and error.failure not in _REFUSED


def must_look(attempts: Iterable[AttemptRecord]) -> bool:
    """Whether one of a step's earlier ``attempts`` may have done its work, so that an action with a probe looks first.

    An attempt that is still ``running`` in the store ended with its process, so it counts.
    """
    return any(one.state is AttemptState.RUNNING or _noted(one) in (Effect.SENT, Effect.UNKNOWN) for one in attempts)


def _noted(attempt: AttemptRecord) -> Effect | str | None:
    """The effect that was told when the attempt ended, else what its record says."""
    told = attempt.evidence.get("effect") if isinstance(attempt.evidence, dict) else None
    return told if isinstance(told, str) else effect_of(attempt)
