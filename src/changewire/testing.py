"""Doubles for tests, ours and other people's."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


class ManualClock:
    """A `changewire.clock.Clock` that moves only when told to, and by every wait; thread-safe."""

    def __init__(self, start: datetime = START) -> None:
        self._lock = threading.Lock()
        self._start, self._passed = start, 0.0
        self.waits: list[float] = []  # what was waited for, in order

    def now(self) -> datetime:
        """The start plus everything that has passed."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Seconds that have passed since the clock was made."""
        return self._passed

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        with self._lock:
            self._passed += seconds

    def set_back(self, seconds: float) -> None:
        """Somebody sets the clock on the wall back; no time passes by it."""
        with self._lock:
            self._start -= timedelta(seconds=seconds)

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Let ``seconds`` pass at once, unless ``wake`` is set already. True when it was."""
        if wake is not None and wake.is_set():
            return True
        self.waits.append(seconds)
        self.advance(max(0.0, seconds))
        return False
