"""When a trigger is due: pure arithmetic on moments, so that a restart changes nothing."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from changewire.config.cron import triggers_of
from changewire.errors import FailureClass

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_RETRY = timedelta(seconds=30)  # after a failed poll, where the interval is not shorter still
LONGEST_RETRY = timedelta(hours=1)
_MOST_SET = timedelta(hours=3)  # no clock on a wall is set by more at once
SPREAD_RATE = 200.0  # first polls a second when many triggers are new at once


@dataclass(frozen=True)
class Schedule:
    """Either every so often at a phase of its own, or a cron expression in a time zone."""

    every: timedelta | None
    phase: float = 0.0  # part of the interval, 0 up to 1
    cron: str | None = None
    timezone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime:
        """The first due time after ``moment``. What was missed before is missed: one poll sees it all."""
        if self.every is None:
            return self._next_cron(moment)
        offset = self.phase * self.every  # rounded to microseconds once, so that a due moment is not due again
        return EPOCH + offset + ((moment - EPOCH - offset) // self.every + 1) * self.every

    def due_after(self, now: datetime, offset: timedelta) -> datetime:
        """The first due time after ``now``; ``offset`` is what the wall clock shows, less ``now``.

        A cron expression names moments on the wall clock. An interval is elapsed time.
        """
        return self.next_after(now) if self.every is not None else self._next_cron(now + offset) - offset

    def interval(self, moment: datetime) -> timedelta:
        """How far apart two polls are around ``moment``; cron: the next gap."""
        if self.every is not None:
            return self.every
        first = self._next_cron(moment)
        return self._next_cron(first) - first

    def _next_cron(self, moment: datetime) -> datetime:
        zone = ZoneInfo(self.timezone)
        found = [_next_on_wall(trigger, moment, zone) for trigger in _cron(self.cron or "")]
        return min((each for each in found if each), default=moment + timedelta(days=365))


@functools.lru_cache(512)
def _cron(expression: str) -> tuple[CronTrigger, ...]:
    """Reading an expression takes as long as finding a due time by it. Its zone is UTC, see `_next_on_wall`."""
    return triggers_of(expression, UTC)


def _next_on_wall(trigger: CronTrigger, moment: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after ``moment`` at which a clock on the wall of ``zone`` shows what ``trigger`` wants.

    APScheduler is asked for hands of the clock only: where the clock is set back it would name moments that are over,
    again and again. An hour that is there twice counts twice; what is skipped in spring is due as much later.
    """
    hands = moment.astimezone(zone).replace(tzinfo=UTC)
    begin = moment - _MOST_SET, moment + _MOST_SET
    if len({each.astimezone(zone).utcoffset() for each in begin}) > 1:
        hands -= _MOST_SET
    coming: list[datetime] = []
    while (shown := trigger.get_next_fire_time(None, hands + timedelta(microseconds=1))) is not None:
        hands = shown
        coming += [each for each in _moments(shown, zone) if each > moment]
        if hands - moment.astimezone(zone).replace(tzinfo=UTC) > timedelta() and coming:
            break
    return min(coming, default=None)


def _moments(shown: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the clock on the wall shows this: once, or twice where it is set back over it."""
    first, second = (shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return [first, second] if second > first else [first]


def phase_of(*parts: str) -> float:
    """A steady place within the interval, 0 up to 1, that follows from what is watched.

    Triggers that watch the same thing get the same phase, so that one request can serve them all.
    """
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def retry_delay(failures: int, interval: timedelta, failure: FailureClass) -> timedelta:
    """How long to wait after the ``failures``-th failed poll in a row (from 1).

    Doubling from half a minute (or the interval, where that is shorter) up to a ceiling between one minute and one
    hour; what cannot mend itself starts at the ceiling.
    """
    ceiling = min(LONGEST_RETRY, max(timedelta(minutes=1), 12 * interval))
    if failure.permanent:
        return ceiling
    return min(ceiling, min(interval, FIRST_RETRY) * float(2 ** min(failures - 1, 20)))


def first_due(now: datetime, place: int, count: int) -> datetime:
    """When the ``place``-th of ``count`` new triggers is polled for the first time: soon, but not all at once."""
    return now + timedelta(seconds=place / SPREAD_RATE) if count > SPREAD_RATE else now


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of ``values`` do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0
