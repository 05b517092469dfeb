"""How far a run has come, read from its attempts."""

from __future__ import annotations

from collections.abc import Iterable

from changewire.actions.retry import DELAYED
from changewire.errors import FailureClass
from changewire.state.records import AttemptRecord, AttemptState


def is_over(attempt: AttemptRecord, continue_on_error: bool) -> bool:
    """Whether the step of its latest ``attempt`` needs no more work."""
    if attempt.state in {AttemptState.SUCCEEDED, AttemptState.SKIPPED}:
        return True
    ended = attempt.state in {AttemptState.FAILED, AttemptState.UNKNOWN} and attempt.retry_at is None
    return ended and continue_on_error


def put_off(attempt: AttemptRecord) -> bool:
    """Whether an attempt does not count: the budget was used up, or its connection is refused and was paused."""
    refused = attempt.error_class == FailureClass.CREDENTIAL and attempt.retry_at is not None
    return attempt.error_class == DELAYED or refused


class Progress:
    """The attempts of a run by address."""

    def __init__(self, attempts: Iterable[AttemptRecord]) -> None:
        self._attempts: dict[str, list[AttemptRecord]] = {}
        for attempt in sorted(attempts, key=lambda one: one.attempt):
            self._attempts.setdefault(attempt.address, []).append(attempt)

    @property
    def begun(self) -> bool:
        """Whether any step was tried."""
        return bool(self._attempts)

    def latest(self, address: str) -> AttemptRecord | None:
        """The latest attempt there; None: there was none."""
        known = self._attempts.get(address)
        return known[-1] if known else None

    def under_way(self) -> list[AttemptRecord]:
        """The latest attempts that have not come to their end."""
        return [known[-1] for known in self._attempts.values() if known[-1].state is AttemptState.RUNNING]

    def add(self, attempt: AttemptRecord) -> None:
        """Take in an attempt that was stored."""
        known = self._attempts.setdefault(attempt.address, [])
        known[:] = [one for one in known if one.attempt != attempt.attempt] + [attempt]

    def tries(self, address: str) -> int:
        """How often the step was tried since the run began or a person resumed it; put off is not tried."""
        count = 0
        for attempt in reversed(self._attempts.get(address, [])):
            if attempt.state is not AttemptState.RUNNING and attempt.retry_at is None:
                break
            count += not put_off(attempt)
        return count

    def next(self, address: str) -> tuple[int, int]:
        """Number of the next attempt, and which try it is. An attempt that was only put off keeps its number."""
        latest = self.latest(address)
        number = 1 if latest is None else latest.attempt + (not put_off(latest))
        return number, self.tries(address) + 1

    def all(self, address: str) -> list[AttemptRecord]:
        """Every attempt there, the earliest first."""
        return list(self._attempts.get(address, ()))
