"""How far a run has come, read from its attempts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from changewire.actions.flow.retry import DELAYED
from changewire.errors import FailureClass
from changewire.state.records import AttemptRecord, AttemptState
from changewire.values import Json, dumps


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


_TICK = timedelta(microseconds=1)
ROW = 1000  # bytes in memory of an attempt without its output, about


def _weight(attempt: AttemptRecord) -> int:
    return ROW + len(dumps(attempt.output))


@dataclass
class Passed:
    """What came of the iterations of a loop that are over, so that nobody has to go through them again."""

    results: dict[int, Json] = field(default_factory=dict)  # by index
    variables: dict[str, Json] = field(default_factory=dict)  # as the last one left them, of iterations in turn
    outputs: dict[str, Json] = field(default_factory=dict)  # of the last one, as the condition of the next sees them


class Progress:
    """The attempts of a run by address, but for those of loop iterations that are over."""

    def __init__(self, attempts: Sequence[AttemptRecord], series: int = 0) -> None:
        self.series = series  # how often a person has resumed the run
        self._attempts: dict[str, list[AttemptRecord]] = {}
        self.loops: dict[str, Passed] = {}  # by address
        self._weight: int | None = None
        self.damaged = [row for row in attempts if set(row.damaged) - {"started_at", "finished_at"}]
        for attempt in sorted(attempts, key=lambda one: one.attempt):
            self._attempts.setdefault(attempt.address, []).append(attempt)
        moments = (moment for one in attempts for moment in (one.started_at, one.finished_at) if moment is not None)
        self._last = max(moments, default=None)

    def moment(self, now: datetime) -> datetime:
        """Return ``now`` for a row, or the moment after the latest row where the clock was set back behind that."""
        self._last = now if self._last is None or now >= self._last else self._last + _TICK
        return self._last

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
        if self._weight is not None:
            self._weight += _weight(attempt)
        known = self._attempts.setdefault(attempt.address, [])
        known[:] = [one for one in known if one.attempt != attempt.attempt] + [attempt]

    @property
    def weight(self) -> int:
        """About how many bytes all this takes, what was passed over included."""
        if self._weight is None:
            self._weight = sum(_weight(one) for known in self._attempts.values() for one in known)
            self._weight += sum(len(dumps(list(passed.results.values()))) for passed in self.loops.values())
        return self._weight

    def tries(self, address: str) -> int:
        """Count the attempts of the step in the present series. One that was only put off does not count."""
        known = self._attempts.get(address, [])
        return sum(attempt.series == self.series and not put_off(attempt) for attempt in known)

    def stands(self, failed: AttemptRecord) -> bool:
        """Return whether a failure belongs to the present series. If not, a person resumed the run after it."""
        return failed.series == self.series

    def next(self, address: str) -> tuple[int, int]:
        """Number of the next attempt, and which try it is. An attempt that was only put off keeps its number."""
        latest = self.latest(address)
        number = 1 if latest is None else latest.attempt + (not put_off(latest))
        return number, self.tries(address) + 1

    def loop(self, address: str) -> Passed:
        """What is known of a loop; nothing where it begins."""
        return self.loops.setdefault(address, Passed())

    def pass_over(self, address: str, index: int, result: Json) -> None:
        """Keep the result of an iteration that is over, and nothing else of it."""
        self.loop(address).results[index] = result
        begins = f"{address}[{index}]"
        for known in (self._attempts, self.loops):
            for name in [name for name in list(known) if name.startswith(begins)]:
                del known[name]

    def all(self, address: str) -> list[AttemptRecord]:
        """Every attempt there, the earliest first."""
        return list(self._attempts.get(address, ()))
