"""The timeline of an engine, which no change of the wall clock moves."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta

from changewire.clock import Clock, from_text
from changewire.values import Json

TOLERANCE = timedelta(seconds=0.5)
"""The offset of the wall clock changes when it is wrong by more than this, so that it is equal from one use to the
next."""
_READ_WITHIN_S = 0.1  # between two readings of elapsed time around one of the wall clock
_READINGS = 20


class SteadyClock:
    """A clock whose moments follow elapsed time alone. Thread-safe.

    `now` begins at the moment on the wall clock, or where an earlier process left off (`resume`). From then on it moves
    with elapsed time, whatever happens to the wall clock. Due moments, leases and deadlines are moments of this
    timeline, so that a wall clock that is set changes none of them. What people and other programs see, and what they
    ask for by date, is on the wall clock: `offset` converts between both.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._origin, self._began = clock.now(), clock.monotonic()
        self._offset = timedelta(0)

    def resume(self, left_at: datetime, wall: datetime) -> None:
        """Continue the timeline of an earlier process that ended at ``left_at``, when the wall clock showed ``wall``.

        The time since then is what the wall clock says, and zero if it was set back. Call it before the clock is used.
        """
        with self._lock:
            now, elapsed = self._read()
            self._origin, self._began = left_at + max(timedelta(0), now - wall), elapsed
            self._offset = now - self._origin

    def resume_from(self, info: Mapping[str, Json]) -> tuple[timedelta, timedelta]:
        """Continue the timeline of the process that left ``info``, its last heartbeat; empty: there was none.

        Returns its offset of the wall clock, and how long ago it ended.
        """
        if not isinstance(info.get("at"), str):
            return timedelta(0), timedelta(0)
        at, now = from_text(info["at"]), self.now() + self.offset()
        steady = from_text(info.get("steady") or info["at"])
        self.resume(steady, at)
        return at - steady, max(timedelta(0), now - at)

    def now(self) -> datetime:
        """The present moment of the timeline."""
        return self._at(self._clock.monotonic())

    def offset(self) -> timedelta:
        """What the wall clock shows now, less `now`."""
        with self._lock:
            now, elapsed = self._read()
            measured = now - self._at(elapsed)
            if abs(measured - self._offset) > TOLERANCE:
                self._offset = measured
            return self._offset

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return self._clock.monotonic()

    def boot(self) -> str:
        """See `Clock.boot`."""
        return self._clock.boot()

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """See `Clock.wait`."""
        return self._clock.wait(seconds, wake)

    def _at(self, elapsed: float) -> datetime:
        return self._origin + timedelta(seconds=elapsed - self._began)

    def _read(self) -> tuple[datetime, float]:
        """The wall clock and elapsed time at one moment: again if this thread had to stop between the two."""
        for _ in range(_READINGS):
            before = self._clock.monotonic()
            now = self._clock.now()
            elapsed = self._clock.monotonic()
            if elapsed - before < _READ_WITHIN_S:
                break
        return now, elapsed
