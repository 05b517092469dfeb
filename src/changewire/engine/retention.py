"""Old history is deleted by the time that daemons witnessed, not by the wall clock alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from changewire.clock import Clock, wall
from changewire.config.settings import Retention as Kept
from changewire.state.protocol import Store

LONGEST_GAP = timedelta(days=1)  # that counts as witnessed while no daemon ran


class Retention:
    """Counts the seconds that daemons of a home watched, and deletes what is older. ``kept`` returns the settings."""

    def __init__(self, store: Store, clock: Clock, kept: Callable[[], Kept]) -> None:
        self._store, self._clock, self._kept = store, clock, kept
        self._before, self._began = 0.0, clock.monotonic()

    def begin(self, witnessed_s: float | None, gap: timedelta) -> None:
        """Count on from ``witnessed_s`` of an earlier daemon (None: from the last mark) that ended ``gap`` ago."""
        before = self._store.witnessed() if witnessed_s is None else witnessed_s
        self._before, self._began = before + min(gap, LONGEST_GAP).total_seconds(), self._clock.monotonic()
        self._mark()

    @property
    def witnessed_s(self) -> float:
        """The seconds so far, those of earlier daemons included."""
        return self._before + self._clock.monotonic() - self._began

    def prune(self) -> None:
        """Delete what is older than it is kept, and note what exists now."""
        kept = self._kept()
        self._mark()
        self._store.prune(wall(self._clock), kept.events, kept.runs, witnessed_s=int(self.witnessed_s))

    def _mark(self) -> None:
        self._store.mark(int(self.witnessed_s), wall(self._clock))
