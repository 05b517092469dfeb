"""Zoom's rate limits per label and plan, and the peaks a client reaches."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from changewire.sandbox.clock import SandboxClock, iso
from changewire.sandbox.errors import JSON, ApiError
from changewire.sandbox.switches import Switches
from changewire.sandbox.table import FAMILIES

_KINDS = ("Light", "Medium", "Heavy", "Resource-intensive")
LABELS = tuple(f"{family} {kind}".strip() for family in ("", *FAMILIES) for kind in _KINDS)
SECOND_TEXT = "You have reached the maximum per-second rate limit for this API. Try again later."
DAY_TEXT = (
    "You have reached the maximum daily rate limit for this API. Refer to the response header "
    "for details on when you can make another request."
)
USER_TEXT = (
    "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted "
    "for this particular user. You may resume these requests at GMT 00:00:00."
)
USER_CHANGES_A_DAY = 100

# (requests per window, requests per day or None) in the order of the kinds
_Figures = tuple[tuple[int, int | None], ...]
_PRO: _Figures = ((20, None), (10, None), (5, 15000), (5, 15000))
_BUSINESS: _Figures = ((40, None), (20, None), (10, 30000), (10, 30000))
_PLANS: dict[str, tuple[_Figures, _Figures]] = {
    "free": (((4, 6000), (2, 2000), (1, 1000), (10, 30000)), _PRO),
    "pro": (((30, None), (20, None), (10, 30000), (10, 30000)), _PRO),
    "business": (((80, None), (60, None), (40, 60000), (20, 60000)), _BUSINESS),
}
_LIMITS: dict[str, dict[str, tuple[int, int | None]]] = {
    plan: dict(zip(LABELS, (*most, *of_families, *of_families), strict=True))
    for plan, (most, of_families) in _PLANS.items()
}


def window_s(label: str) -> int:
    """Return the length of a label's short window in seconds."""
    return 60 if label.endswith("Resource-intensive") else 1


@dataclass
class Gauge:
    """Counts of one label; ``peak`` is the most requests seen within one window."""

    total: int = 0
    peak: int = 0
    refused_second: int = 0
    refused_day: int = 0
    seen: deque[float] = field(default_factory=deque)
    served: deque[float] = field(default_factory=deque)


class RateLimiter:
    """Counts requests in sliding windows and UTC days and refuses those over the limits."""

    def __init__(self, clock: SandboxClock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._gauges = {label: Gauge() for label in LABELS}
        self._day = ""
        self._today: Counter[str] = Counter()
        self._changes: Counter[str] = Counter()

    def observe(self, label: str) -> None:
        """Note that a request came in, whatever will become of it."""
        with self._lock:
            now, gauge = self._clock.time(), self._gauges[label]
            gauge.total += 1
            _slide(gauge.seen, now, window_s(label)).append(now)
            gauge.peak = max(gauge.peak, len(gauge.seen))

    def admit(self, label: str) -> dict[str, str]:
        """Spend one request of the limits; return its rate headers or raise the 429 ApiError."""
        with self._lock:
            self._turn_day()
            now, gauge = self._clock.time(), self._gauges[label]
            per_window, per_day = _LIMITS[self._switches.plan][label]
            pool = self._pool(label)
            if self._switches.enforce_limits:
                if per_day is not None and self._today[pool] >= per_day:
                    gauge.refused_day += 1
                    raise self.daily_error(label, per_day)
                if len(_slide(gauge.served, now, window_s(label))) >= per_window:
                    gauge.refused_second += 1
                    raise self.second_error(label, per_window)
            _slide(gauge.served, now, window_s(label)).append(now)
            self._today[pool] += 1
            return self._headers(label, per_window, per_window - len(gauge.served))

    def admit_change(self, host_id: str, label: str) -> None:
        """Count a create or update for a host or raise the per-user daily ApiError."""
        self.admit_daily(host_id, USER_CHANGES_A_DAY, USER_TEXT, label)

    def admit_daily(self, key: str, most: int, text: str, label: str) -> None:
        """Count what may be done ``most`` times a day, or raise the 429 ApiError saying ``text``."""
        with self._lock:
            self._turn_day()
            self._changes[key] += 1
            if self._switches.enforce_limits and self._changes[key] > most:
                per_window = _LIMITS[self._switches.plan][label][0]
                # The real answer shows the endpoint's own bucket here, far from empty.
                raise ApiError(429, 429, text, headers=self._headers(label, per_window, per_window - 1))

    def second_error(self, label: str, limit: int | None = None) -> ApiError:
        """Return the short-window refusal: it has no Retry-After."""
        most = _LIMITS[self._switches.plan][label][0] if limit is None else limit
        headers = self._headers(label, most, 0)
        if self._switches.rate_headers == "full":
            headers["X-RateLimit-Type"] = "QPS"
            headers["X-RateLimit-Reset"] = str(int(self._clock.time()) + window_s(label))
        return ApiError(429, 429, SECOND_TEXT, headers=headers)

    def daily_error(self, label: str, limit: int | None = None, wait_s: float | None = None) -> ApiError:
        """Return the daily refusal; Retry-After is the instant of ``wait_s`` or of UTC midnight."""
        most = limit or _LIMITS[self._switches.plan][label][1] or 6000
        now = self._clock.now()
        until = _midnight(now) if wait_s is None else now + timedelta(seconds=wait_s)
        headers = self._headers(label, most, 0) | {"Retry-After": iso(until)}
        if self._switches.rate_headers == "full":
            headers["X-RateLimit-Type"] = "Daily-limit"
        return ApiError(429, 429, DAY_TEXT, headers=headers)

    def preset_today(self, label: str, used: int) -> None:
        """Pretend that ``used`` requests of a label's daily pool are spent."""
        with self._lock:
            self._turn_day()
            self._today[self._pool(label)] = used

    def stats(self) -> JSON:
        """Return totals, peaks per window and refusals by label."""
        with self._lock:
            return {
                label: {
                    "total": gauge.total,
                    "peak": gauge.peak,
                    "window_s": window_s(label),
                    "refused_second": gauge.refused_second,
                    "refused_day": gauge.refused_day,
                    "today": self._today[self._pool(label)],
                }
                for label, gauge in self._gauges.items()
            }

    def _headers(self, label: str, limit: int, remaining: int) -> dict[str, str]:
        headers = {"X-RateLimit-Category": label.rpartition(" ")[2]}
        if self._switches.rate_headers == "full":
            headers["X-RateLimit-Limit"] = str(limit)
            headers["X-RateLimit-Remaining"] = str(max(0, remaining))
        return headers

    def _pool(self, label: str) -> str:
        family, kind = label.rpartition(" ")[::2]
        shared = kind in _KINDS[2:] and (family or self._switches.plan != "free")
        return f"{family} Heavy".strip() if shared else label

    def _turn_day(self) -> None:
        day = iso(self._clock.now())[:10]
        if day != self._day:
            self._day = day
            self._today.clear()
            self._changes.clear()


def _slide(times: deque[float], now: float, length: int) -> deque[float]:
    while times and times[0] <= now - length:
        times.popleft()
    return times


def _midnight(now: datetime) -> datetime:
    return datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
