"""Doubles for tests, ours and other people's."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from changewire.clock import SystemClock

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class ManualClock:
    """A `changewire.clock.Clock` that a test turns; thread-safe.

    Elapsed time (`monotonic`) and the wall clock (`now`) are turned separately: `advance` and `wait` move both,
    `set_wall` and `set_back` move only the wall clock. Without ``rate`` the clock stands still in between. With it,
    real time passes as well, at ``rate`` seconds a second, so that leases and timeouts end while work is under way.
    A test server that calls `advance` while it answers does the same in exact steps.
    """

    def __init__(self, start: datetime = START, *, rate: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._wall, self._elapsed, self._rate = start, 0.0, rate
        self._real = SystemClock().monotonic()
        self._boot = uuid4().hex
        self.waits: list[float] = []  # the seconds of each wait, in order

    def now(self) -> datetime:
        """The moment on the wall clock."""
        return self._wall + timedelta(seconds=self.monotonic())

    def offset(self) -> timedelta:
        """Zero: `now` is what the wall clock shows."""
        return timedelta(0)

    def monotonic(self) -> float:
        """Seconds that have elapsed since the clock was made."""
        if not self._rate:
            return self._elapsed
        return self._elapsed + self._rate * (SystemClock().monotonic() - self._real)

    def boot(self) -> str:
        """A name of its own for each clock."""
        return self._boot

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once, on the wall clock as well."""
        with self._lock:
            self._elapsed += seconds

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock forward by ``seconds``, or back if they are negative; no time elapses."""
        with self._lock:
            self._wall += timedelta(seconds=seconds)

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back by ``seconds``; no time elapses."""
        self.set_wall(-seconds)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Let ``seconds`` pass at once, unless ``wake`` is set already. True if it was."""
        if wake is not None and wake.is_set():
            return True
        self.waits.append(seconds)
        self.advance(max(0.0, seconds))
        return False
