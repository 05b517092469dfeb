"""Where budgets keep what they count, so that all processes of a home count together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from changewire.clock import Clock
from changewire.values import Json

T = TypeVar("T")


class Counts(Protocol):
    """What is counted for one connection, during one change."""

    @property
    def elapsed(self) -> float:
        """Seconds since some fixed moment, the same for all processes; they also grow over restarts and reboots."""

    def parts(self) -> list[str]:
        """Return the names under which something was put."""

    def get(self, part: str) -> Mapping[str, Json]:
        """Return what was put last under the name ``part``; empty if there is nothing."""

    def put(self, part: str, body: Mapping[str, Json], keep_s: float) -> None:
        """Store ``body`` under the name ``part``. It may be deleted after ``keep_s`` seconds."""


class BudgetStore(Protocol):
    """The counts of all connections of a home. Safe for several threads; never raises an error of its own."""

    def change(self, connection: str, unit: Callable[[Counts], T]) -> T:
        """Return what ``unit`` returns. All of its changes are made at once, and no other process changes in between.

        A unit may be run again from the start, so it changes nothing but the counts.
        """

    def read(self, connection: str, unit: Callable[[Counts], T]) -> T:
        """Return what ``unit`` returns, which changes nothing."""


class MemoryBudgetStore:
    """The counts of this process alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, MemoryCounts] = {}

    def change(self, connection: str, unit: Callable[[Counts], T]) -> T:
        """See `BudgetStore.change`."""
        with self._lock:
            return unit(self._counts.setdefault(connection, MemoryCounts(self._clock)))

    read = change


class MemoryCounts:
    """`Counts` in memory."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._parts: dict[str, tuple[float, Mapping[str, Json]]] = {}  # with when they may be deleted

    @property
    def elapsed(self) -> float:
        """See `Counts.elapsed`."""
        return round(self._clock.monotonic(), 6)

    def parts(self) -> list[str]:
        """See `Counts.parts`."""
        return list(self._parts)

    def get(self, part: str) -> Mapping[str, Json]:
        """See `Counts.get`."""
        return self._parts.get(part, (0.0, {}))[1]

    def put(self, part: str, body: Mapping[str, Json], keep_s: float) -> None:
        """See `Counts.put`."""
        now = self._clock.monotonic()
        if part not in self._parts:
            self._parts = {name: kept for name, kept in self._parts.items() if kept[0] > now}
        self._parts[part] = now + keep_s, body
