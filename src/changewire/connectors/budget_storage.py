"""The memory of the limiters that a budget counts with."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from limits.storage import MovingWindowSupport, Storage

from changewire.clock import Clock


class ClockedStorage(Storage, MovingWindowSupport):
    """The memory of the limiters, told the time by our clock instead of the system's."""

    STORAGE_SCHEME = None

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}  # key → (count, when it is forgotten)
        self._moments: dict[str, deque[float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """What this storage may raise by itself."""
        return ValueError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count ``amount`` more; the count is forgotten ``expiry`` seconds after its first use."""
        now = self._clock.monotonic()
        if key not in self._counts:
            self._counts = {k: kept for k, kept in self._counts.items() if kept[1] > now}
        count, until = self._counts.get(key, (0, now + expiry))
        self._counts[key] = (count + amount, until)
        return count + amount

    def get(self, key: str) -> int:
        """The count so far."""
        return self._counts.get(key, (0, 0.0))[0]

    def get_expiry(self, key: str) -> float:
        """When the count is forgotten, by `Clock.monotonic`."""
        return self._counts.get(key, (0, self._clock.monotonic()))[1]

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Note ``amount`` uses unless that would be more than ``limit`` in the last ``expiry`` seconds."""
        moments = self._moments.setdefault(key, deque())
        now = self._clock.monotonic()
        while moments and moments[0] <= now - expiry:
            moments.popleft()
        if len(moments) + amount > limit:
            return False
        moments.extend([now] * amount)
        return True

    def renew_entry(self, key: str, expiry: int, noted_at: float) -> None:
        """Let the use that was noted at ``noted_at`` count from now on."""
        moments, now = self._moments.setdefault(key, deque()), self._clock.monotonic()
        place = bisect_right(moments, noted_at) - 1
        if place >= 0 and moments[place] > now - expiry:
            del moments[place]
        moments.append(now)

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """The first use that still counts, by `Clock.monotonic`, and how many there are."""
        now = self._clock.monotonic()
        alive = [moment for moment in self._moments.get(key, ()) if moment > now - expiry]
        return (alive[0] if alive else now), len(alive)

    def check(self) -> bool:
        """It always works."""
        return True

    def reset(self) -> int:
        """Forget everything; returns how many keys there were."""
        size = len(self._counts) + len(self._moments)
        self._counts.clear()
        self._moments.clear()
        return size

    def clear(self, key: str) -> None:
        """Forget one key."""
        self._counts.pop(key, None)
        self._moments.pop(key, None)
