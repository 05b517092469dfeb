"""The only place that asks the system for the time. Everything else is told."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Moments, durations and waiting. `changewire.testing.ManualClock` is the one that tests turn by hand."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""

    def offset(self) -> timedelta:
        """What the wall clock shows now, less `now`. Not zero only for a clock that ignores a wall clock being set."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; for measuring durations only."""

    def boot(self) -> str:
        """The name of what `monotonic` counts from: all processes with the same name see the same seconds."""

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Let ``seconds`` pass, less if ``wake`` is set in between. True when it was woken."""


class SystemClock:
    """The machine's own time. Elapsed time includes the time for which the machine was suspended, where it says so."""

    _ELAPSED = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC)

    def offset(self) -> timedelta:
        """Zero: `now` is what the wall clock shows."""
        return timedelta(0)

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        return time.clock_gettime(self._ELAPSED)

    def boot(self) -> str:
        """The name of this boot of the machine."""
        return _boot()

    def wait(self, seconds: float, wake: threading.Event | None = None) -> bool:
        """Sleep, or wait for ``wake``."""
        if wake is None:
            time.sleep(max(0.0, seconds))
            return False
        return wake.wait(max(0.0, seconds))


def wall(clock: Clock) -> datetime:
    """The moment that the wall clock shows: for people, for calendars, and for other programs."""
    return clock.now() + clock.offset()


@cache
def _boot() -> str:
    """The name of this boot; "" on a system that gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def to_text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: fixed width, so text order is time order.

    >>> to_text(datetime(2026, 11, 21, 10, 0, tzinfo=UTC))
    '2026-11-21T10:00:00.000000Z'
    """
    if moment.tzinfo is None:
        raise ValueError(f"naive datetime {moment!r}: give it a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """A moment from RFC 3339 text; text without an offset is taken as UTC. Raises ValueError on anything else."""
    moment = datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} lies outside of the years 1 to 9999 in UTC") from None


def seconds(delta: timedelta) -> float:
    """A duration in seconds."""
    return delta.total_seconds()
