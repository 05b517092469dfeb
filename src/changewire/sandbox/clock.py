"""The sandbox's own clock: real time plus an offset that only moves forward."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class SandboxClock:
    """Tells the sandbox's time in UTC.

    ``start`` is the instant the clock shows at creation; None means the real present.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._base = 0.0 if start is None else start.timestamp() - time.time()
        self._offset = self._base

    def time(self) -> float:
        """Return the sandbox's time as seconds since 1970."""
        return time.time() + self._offset

    def now(self) -> datetime:
        """Return the sandbox's time as an aware UTC datetime."""
        return datetime.fromtimestamp(self.time(), UTC)

    def advance(self, seconds: float) -> datetime:
        """Turn the clock forward by ``seconds`` (not negative) and return the new time."""
        if seconds < 0:
            raise ValueError("the sandbox clock only moves forward")
        with self._lock:
            self._offset += seconds
        return self.now()

    def set(self, instant: datetime) -> datetime:
        """Turn the clock forward to ``instant``; earlier than the present is refused."""
        return self.advance((instant - self.now()).total_seconds())

    def reset(self) -> None:
        """Go back to the offset the clock was created with."""
        with self._lock:
            self._offset = self._base


def iso(moment: datetime) -> str:
    """Write an aware datetime the way Zoom does: UTC, whole seconds, ``Z``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_iso(text: str) -> datetime:
    """Read an ISO instant; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def month_before(day: datetime) -> datetime:
    """Return the same day of the month before, or that month's last day."""
    last = day.replace(day=1) - timedelta(days=1)
    return day.replace(year=last.year, month=last.month, day=min(day.day, last.day))


def months_before(day: datetime, months: int) -> datetime:
    """Apply :func:`month_before` ``months`` times."""
    for _ in range(months):
        day = month_before(day)
    return day
