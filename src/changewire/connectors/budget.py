"""The request budget of one connection: how often each rate label may be used, and until when it may not."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from changewire.clock import Clock, to_text
from changewire.connectors.budget_storage import ClockedStorage
from changewire.connectors.definition import Connector, Limits, UserCap
from changewire.errors import DelayedError
from changewire.values import Json

PATIENCE_S = 5.0  # longer waits are not worth holding a worker for
LONGEST_BACKOFF = 64  # short limits that are waited at most when the API refuses again and again
_ITEMS: dict[int, type[RateLimitItem]] = {1: RateLimitItemPerSecond, 60: RateLimitItemPerMinute}


@dataclass(frozen=True)
class _Counter:
    """One limit that one request uses up."""

    item: RateLimitItem
    keys: tuple[str, ...]
    words: str


@dataclass(frozen=True)
class Use:
    """What was asked with one rate label, and what may be."""

    label: str  # "": those that no limit counts
    requests: int  # that were sent since the budget was made
    limits: dict[str, int]  # by "second", "minute" and "day"; a span that is missing has no limit
    today: int  # that count for the daily limit, those of labels that share it included


class Budget:
    """What one connection may still ask; thread-safe, shared by all polls and steps of the connection.

    ``plan`` None means the connector's default. ``share``, above 0 and up to 1, is the part of every limit that
    is used; one request is always allowed. Raises UsageError for an unknown plan.
    """

    def __init__(self, connector: Connector, name: str, plan: str | None, share: float, clock: Clock) -> None:
        self._connector, self._name, self._plan, self._share = connector, name, plan, share
        self._limits = connector.limits(plan)
        self._lock = threading.Lock()
        storage = self._storage = ClockedStorage(clock)
        self._moving, self._fixed = MovingWindowRateLimiter(storage), FixedWindowRateLimiter(storage)
        self._clock = clock
        self._short = {label: self._short_counters(label, limits) for label, limits in self._limits.items()}
        self._forbidden: dict[str, datetime] = {}
        self._refused: Counter[str] = Counter()  # by label: how often in a row the API said that it was too much
        self._today: Counter[tuple[str, ...]] = Counter()  # what was taken of daily limits, by their keys
        self._sent: Counter[str] = Counter()  # by label
        self._promised: dict[str, datetime] = {}  # by label: the last moment that a delayed request was told
        self._user_caps = tuple((cap, re.compile(cap.path)) for cap in connector.user_caps)
        self.limited = bool(self._limits)  # False: nothing is counted

    def take(
        self, label: str | None, now: datetime, *, user: str | None = None, call: tuple[str, str] = ("", "")
    ) -> float:
        """Take one request: 0.0 when it may go now, else the seconds after which to ask again.

        ``call`` is (method, path), for the daily limits per user; ``user`` None: the path may name one.
        Raises DelayedError where the wait would be longer than `PATIENCE_S`.
        """
        if not self.limited and not self._forbidden:
            return 0.0
        with self._lock:
            daily = [*self._daily(label, now), *self._per_user(user, call, now)]
            self._heed_days(daily, now)
            wait = self._wait(label, now)
            if wait > PATIENCE_S:
                raise self._delayed(label, now, wait)
            if wait == 0.0:
                for counter in self._short.get(label or "", ()):
                    self._moving.hit(counter.item, *counter.keys)
                for counter in daily:
                    self._spend(counter, 1)
            return wait

    def landed(self, label: str | None, taken_at: float) -> None:
        """A request that was taken at ``taken_at``, by `Clock.monotonic`, has come to its end.

        It may have reached the API as late as now, and there it counts from then on.
        """
        with self._lock:
            self._sent[label or ""] += 1
            for counter in self._short.get(label or "", ()):
                key = counter.item.key_for(*counter.keys)
                self._storage.renew_entry(key, counter.item.get_expiry(), taken_at)

    def delayed(self, label: str | None, now: datetime, wait: float) -> DelayedError:
        """The error for a request that gives up waiting; one after the other is told a later moment."""
        with self._lock:
            return self._delayed(label, now, wait)

    def forbid(self, label: str | None, until: datetime, *, daily: bool = False) -> None:
        """Nothing of ``label`` before ``until``, the API said; ``daily``: nor of labels in its daily pool."""
        with self._lock:
            for one in self._pool(label) if daily else (label,):
                key = one or ""
                self._forbidden[key] = max(until, self._forbidden.get(key, until))

    def forbid_user(self, user: str | None, call: tuple[str, str], until: datetime) -> None:
        """Nothing more of this kind for this user before ``until``."""
        with self._lock:
            for counter in self._per_user(user, call, until):
                self._forbidden["/".join(counter.keys[:2])] = until

    def refused(self, label: str | None, until: datetime, now: datetime) -> tuple[datetime, bool]:
        """The API said that this was too much and ``until`` when: when it may be asked again, and whether that lasts.

        Each time in a row it is twice as long, however many requests were on their way at that time. It lasts where
        it cannot become any longer.
        """
        key = label or ""
        with self._lock:
            known = self._forbidden.get(key)
            if known is None or known <= now:
                self._refused[key] += 1
            wait = self.span(label) * min(2 ** (self._refused[key] - 1), LONGEST_BACKOFF)
            told = max(until, now + timedelta(seconds=wait)) if self._refused[key] > 1 else until
            self._forbidden[key] = max(told, known or told)
            return self._forbidden[key], 2 ** (self._refused[key] - 1) > LONGEST_BACKOFF

    def accepted(self, label: str | None) -> None:
        """The API answered a request of ``label``, so it has enough again."""
        if self._refused:
            with self._lock:
                self._refused.pop(label or "", None)

    def uses(self, now: datetime) -> list[Use]:
        """What was asked so far, by label; those that nothing was asked with are missing."""
        with self._lock:
            return [self._use(label, now) for label in sorted(self._sent)]

    def _use(self, label: str, now: datetime) -> Use:
        limits = self._limits.get(label)
        found = {} if limits is None else {"second": limits.second, "minute": limits.minute, "day": limits.day}
        allowed = {span: shared(count, self._share) for span, count in found.items() if count is not None}
        today = sum(self._today[counter.keys] for counter in self._daily(label, now))
        return Use(label, self._sent[label], allowed, today)

    def spent(self, now: datetime) -> list[list[Json]]:
        """What was taken of today's limits, for `restore`: of each the words that name it, and how many requests."""
        with self._lock:
            today = self._day(now)
            for keys in [keys for keys in self._today if keys[-1] != today]:
                del self._today[keys]
            return [[*keys, count] for keys, count in self._today.items()]

    def restore(self, spent: Iterable[list[Json]], now: datetime) -> None:
        """Count what `spent` told, of another process or of other limits, as taken; other days are passed over."""
        known = {counter.keys: counter for label in self._limits for counter in self._daily(label, now)}
        caps = {cap.name: cap for cap in self._connector.user_caps}
        with self._lock:
            for *words, count in spent:
                keys = tuple(map(str, words))
                counter = known.get(keys)
                if counter is None and len(keys) == 3 and keys[0] in caps and keys[2] == self._day(now):
                    counter = self._of_user(caps[keys[0]], keys[1], now)
                if counter is not None and isinstance(count, int) and count > 0:
                    self._spend(counter, count)

    def _day(self, now: datetime) -> str:
        """The day in UTC by the wall clock."""
        return str((now + self._clock.offset()).date())

    def _shown(self, until: datetime) -> str:
        return to_text(until + self._clock.offset())

    def _spend(self, counter: _Counter, count: int) -> None:
        self._fixed.hit(counter.item, *counter.keys, cost=count)
        self._today[counter.keys] += count

    def span(self, label: str | None) -> float:
        """Seconds after which a short limit of ``label`` is free again for sure: 1 or 60."""
        limits = self._limits.get(label or "")
        return 60.0 if limits is not None and limits.minute is not None else 1.0

    def _short_counters(self, label: str, limits: Limits) -> tuple[_Counter, ...]:
        return tuple(
            _Counter(_ITEMS[span](shared(count, self._share)), (label,), f"{count} {label} requests per {span} s")
            for count, span in limits.spans
        )

    def _pool(self, label: str | None) -> tuple[str | None, ...]:
        limits = self._limits.get(label or "")
        if limits is None or limits.day_pool is None:
            return (label,)
        return tuple(name for name, other in self._limits.items() if other.day_pool == limits.day_pool)

    def _daily(self, label: str | None, now: datetime) -> Iterator[_Counter]:
        limits = self._limits.get(label or "")
        if limits is not None and limits.day is not None:
            day, pool = shared(limits.day, self._share), limits.day_pool or f"label {label}"
            words = f"today's {day} {label} requests of connection {self._name!r} are used up"
            yield _Counter(RateLimitItemPerDay(day), (pool, self._day(now)), words)

    def _per_user(self, user: str | None, call: tuple[str, str], now: datetime) -> Iterator[_Counter]:
        method, path = call
        for cap, pattern in self._user_caps:
            found = pattern.search(path) if method in cap.methods else None
            if found is not None and (whose := user or found.groupdict().get("user")):
                yield self._of_user(cap, unquote(whose), now)

    def _of_user(self, cap: UserCap, whose: str, now: datetime) -> _Counter:
        words = f"today's {cap.day} {cap.name} ({whose}) are used up"
        return _Counter(RateLimitItemPerDay(cap.day), (cap.name, whose, self._day(now)), words)

    def _heed_days(self, daily: list[_Counter], now: datetime) -> None:
        for counter in daily:
            until = self._forbidden.get("/".join(counter.keys[:2]))
            if until is not None and until > now:
                raise DelayedError(f"{counter.words}: it goes on at {self._shown(until)}", until)
            if not self._fixed.test(counter.item, *counter.keys):
                until = next_midnight(now + self._clock.offset()) - self._clock.offset()
                raise DelayedError(f"{counter.words}: it goes on at {self._shown(until)}", until)

    def _wait(self, label: str | None, now: datetime) -> float:
        """Seconds until the next request of ``label`` fits into all short limits and is not forbidden."""
        waits = [0.0]
        until = self._forbidden.get(label or "")
        if until is not None:
            waits.append((until - now).total_seconds())
            if until <= now:
                del self._forbidden[label or ""]
        for counter in self._short.get(label or "", ()):
            if not self._moving.test(counter.item, *counter.keys):
                free_at = self._moving.get_window_stats(counter.item, *counter.keys).reset_time
                waits.append(max(0.001, free_at - self._clock.monotonic()))
        return max(waits)

    def _delayed(self, label: str | None, now: datetime, wait: float) -> DelayedError:
        apart = max((c.item.get_expiry() / c.item.amount for c in self._short.get(label or "", ())), default=0.0)
        until = max(now + timedelta(seconds=wait), self._promised.get(label or "", now))
        self._promised[label or ""] = until + timedelta(seconds=apart)
        what = f"{label} requests" if label else "requests"
        plan = f" of plan {self._plan or self._connector.default_plan!r}" if self.limited else ""
        message = f"the budget{plan} for {what} of connection {self._name!r} is used up until {self._shown(until)}"
        return DelayedError(message, until)


def shared(count: int, share: float) -> int:
    """What ``share`` leaves of a limit; one request is always allowed."""
    return max(1, int(count * share))


def next_midnight(now: datetime) -> datetime:
    """The moment at which the next day begins in UTC, when daily allowances come back."""
    day = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
