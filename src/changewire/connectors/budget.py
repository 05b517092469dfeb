"""The request budget of one connection: how often each rate label may be used, and until when it may not."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from changewire.clock import Clock, to_text
from changewire.connectors.budget_store import BudgetStore, Counts, MemoryBudgetStore
from changewire.connectors.definition import Connector
from changewire.connectors.rate_counts import DayCount, LabelCount
from changewire.connectors.rate_table import DayLimit, RateTable
from changewire.errors import DelayedError

ENDED_S = 60.0  # the earliest moment moves back by more than this only if a person ended a wait
TICK_S = 0.001  # moments that differ by less are the same: waits are whole microseconds
PATIENCE_S = 5.0  # longer waits are not worth holding a worker for
PATIENT_S = 2.5  # requests that can be sent in so many seconds have places in line at most, of those more patient
ASK_AGAIN_S = 1.0  # until a place may be free
LONGEST_BACKOFF = 64  # short limits that are waited at most when the API refuses again and again
LOOK_AGAIN_S = 0.25  # how often refusals that other processes met are looked up if nothing else is counted
SHORTEST_WAIT_S = 0.001
DAY_S = 86400.0
_Change: TypeAlias = Callable[[LabelCount, float], LabelCount]


@dataclass(frozen=True)
class Turn:
    """When one request may be sent."""

    wait_s: float  # 0.0: now
    place: float | None = None  # in the line of requests, for `Budget.take` and `Budget.landed`; None: it has none

    @property
    def ask_again_s(self) -> float:
        """Seconds after which to take the request again: when its place comes, or when a place may be free."""
        return self.wait_s if self.place is not None else min(self.wait_s, ASK_AGAIN_S)


@dataclass(frozen=True)
class Use:
    """The requests of one rate label, and its limits."""

    label: str  # "": those that no limit counts
    requests: int  # sent by this process since the budget was made
    limits: dict[str, int]  # by "second", "minute" and "day"; a span that is missing has no limit
    today: int  # of all processes that count for the daily limit, those of labels that share it included


@dataclass(frozen=True)
class _Asked:
    """One request that wants to be sent."""

    label: str
    days: tuple[DayLimit, ...]
    now: datetime
    place: float | None
    patience_s: float


class Budget:
    """The requests that one connection may still send; thread-safe, shared by all polls and steps of the connection.

    ``plan`` None means the connector's default. ``share``, above 0 and up to 1, is the part of every limit that
    is used; one request is always allowed. ``store`` None: nothing is shared with other processes. Raises UsageError
    for an unknown plan.
    """

    def __init__(
        self,
        connector: Connector,
        name: str,
        plan: str | None,
        share: float,
        clock: Clock,
        store: BudgetStore | None = None,
    ) -> None:
        self._name, self._clock = name, clock
        self._store = store or MemoryBudgetStore(clock)
        self._table = RateTable(connector, name, plan, share)
        self._lock = threading.Lock()
        self._sent: Counter[str] = Counter()  # by label
        self._promised: dict[str, tuple[float, float]] = {}
        """By label: the latest moment that a delayed request was given, and the earliest possible one at that time."""
        self._held: dict[str, tuple[float, float]] = {}  # by label: until when, and when to look again
        self._refused: set[str] = set()  # labels that the API refused last, as far as this process knows

    def take(
        self,
        label: str | None,
        now: datetime,
        *,
        user: str | None = None,
        call: tuple[str, str] = ("", ""),
        place: float | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Turn:
        """Take one request: it may be sent now, or must be taken again, with its place in line, after `ask_again_s`.

        ``call`` is (method, path), for the daily limits per user; ``user`` None: the path may name one.
        Raises DelayedError, and keeps no place, if the wait would be longer than ``patience_s``.
        """
        key = label or ""
        windows, days = self._table.windows(key), self._table.days(key, user, call)
        if not windows and not days:
            turn = Turn(self._held_s(key))
        else:
            asked = _Asked(key, days, now, place, patience_s)
            found = self._store.change(self._name, lambda counts: self._reserve(counts, asked))
            if isinstance(found, DelayedError):
                raise found
            turn = found if windows else Turn(found.wait_s)
        if turn.wait_s > patience_s:
            raise self._delayed(key, now, turn.wait_s)
        return turn

    def landed(self, label: str | None, place: float | None) -> None:
        """Count a request that was answered, or failed, from now on: it may have reached the API just now."""
        with self._lock:
            self._sent[label or ""] += 1
        if place is not None:
            self._change(label or "", lambda count, elapsed: count.landed(place, elapsed))

    def give_up(self, label: str | None, place: float | None) -> None:
        """Give up the place of a request that will not be sent."""
        if place is not None:
            self._change(label or "", lambda count, _: count.without(place))

    def delayed(self, label: str | None, now: datetime, turn: Turn) -> DelayedError:
        """Give up the place of a request that cannot wait. Returns its error; each one names a later moment."""
        self.give_up(label, turn.place)
        return self._delayed(label or "", now, turn.wait_s)

    def forbid(self, label: str | None, until: datetime, *, daily: bool = False) -> None:
        """Send nothing of ``label`` before ``until``, the API said; ``daily``: nor of labels in its daily pool."""
        wait = (until - self._clock.now()).total_seconds()

        def hold(count: LabelCount, elapsed: float) -> LabelCount:
            return replace(count, held_until=max(count.held_until, elapsed + wait))

        for each in self._table.pool(label or "") if daily else (label or "",):
            self._change(each, hold)

    def forbid_user(self, user: str | None, call: tuple[str, str], until: datetime) -> None:
        """Send nothing more of this kind for this user before ``until``, the API said."""
        now, limits = self._clock.now(), tuple(self._table.user_days(user, call))

        def hold(counts: Counts) -> None:
            held_until = counts.elapsed + (until - now).total_seconds()
            for limit in limits:
                _put_day(counts, limit, replace(self._today(counts, limit, now), held_until=held_until))

        self._store.change(self._name, hold)

    def release(self) -> bool:
        """Forget until when the API wants no requests, since a person says so. Requests that were sent stay counted.

        Returns whether it wanted any wait.
        """

        def unit(counts: Counts) -> bool:
            held = [part for part in counts.parts() if counts.get(part).get("held_until", 0.0) > counts.elapsed]
            for part in held:
                counts.put(part, {**counts.get(part), "held_until": 0.0}, DAY_S)
            return bool(held)

        self._held.clear()
        return self._store.change(self._name, unit)

    def refused(self, label: str | None, until: datetime, now: datetime) -> tuple[datetime, bool]:
        """Return when to send again after the API refused a request and said ``until`` when, and whether that lasts.

        Each refusal in a row doubles the wait, however many requests were on their way at that time. It lasts when the
        wait cannot become any longer.
        """
        asked, span = (until - now).total_seconds(), self.span(label)

        def back_off(count: LabelCount, elapsed: float) -> LabelCount:
            refusals = count.refusals + (count.held_until <= elapsed + TICK_S)
            wait = span * min(2 ** (refusals - 1), LONGEST_BACKOFF) if refusals > 1 else 0.0
            held_until = max(count.held_until, elapsed + max(asked, wait))
            return replace(count, refusals=refusals, held_until=held_until)

        count, elapsed = self._change(label or "", back_off)
        return now + timedelta(seconds=count.held_until - elapsed), 2 ** (count.refusals - 1) > LONGEST_BACKOFF

    def accepted(self, label: str | None) -> None:
        """Take the next refusal of ``label`` for the first in a row, since the API answered."""
        if (label or "") in self._refused:
            self._change(label or "", lambda count, _: replace(count, refusals=0))

    def uses(self, now: datetime) -> list[Use]:
        """Return the requests so far by label; labels without any are missing."""
        with self._lock:
            sent = sorted(self._sent.items())
        return self._store.read(self._name, lambda counts: [self._use(counts, *each, now) for each in sent])

    def _use(self, counts: Counts, label: str, requests: int, now: datetime) -> Use:
        today = [self._today(counts, limit, now) for limit in self._table.day(label)]
        return Use(label, requests, self._table.allowed(label), sum(day.count for day in today))

    def span(self, label: str | None) -> float:
        """Return the seconds after which a short limit of ``label`` is free again for sure: 1 or 60."""
        return self._table.span(label or "")

    def _held_s(self, label: str) -> float:
        """Seconds for which the API refuses requests that no limit counts. Most calls ask only the memory."""
        passed = self._clock.monotonic()
        until, look_again = self._held.get(label, (0.0, 0.0))
        if passed >= look_again:
            count, elapsed = self._store.read(self._name, lambda counts: (_label(counts, label), counts.elapsed))
            self._note(label, count)
            until = passed + count.held_until - elapsed
            self._held[label] = until, passed + LOOK_AGAIN_S
        return max(0.0, until - passed)

    def _reserve(self, counts: Counts, asked: _Asked) -> Turn | DelayedError:
        """Count a request that can be sent now, keep the place of one that can wait; DelayedError: the day is over."""
        elapsed, count = counts.elapsed, _label(counts, asked.label)
        self._note(asked.label, count)
        today = [(limit, self._today(counts, limit, asked.now)) for limit in asked.days]
        closed = self._closed(today, asked.now, elapsed)
        patient = asked.patience_s > PATIENCE_S
        reserved, moment = count.reserve(self._table.windows(asked.label), elapsed, asked.place, patient=patient)
        wait = max(SHORTEST_WAIT_S, moment - elapsed) if moment > elapsed else 0.0
        crowded = len(reserved.since(elapsed).patient) > self._table.sent_in(asked.label, PATIENT_S)
        given_up = closed is not None or wait > asked.patience_s or (patient and wait > 0.0 and crowded)
        self._put_label(counts, asked.label, count.without(asked.place) if given_up else reserved)
        for limit, day in today:
            sent = closed is None and not wait
            _put_day(counts, limit, replace(day, count=day.count + sent))
        return closed or Turn(wait, None if given_up else moment)

    def _change(self, label: str, change: _Change) -> tuple[LabelCount, float]:
        """Change the counts of one label. Returns them, and the moment of the change."""

        def unit(counts: Counts) -> tuple[LabelCount, float]:
            count = change(_label(counts, label), counts.elapsed)
            self._put_label(counts, label, count)
            return count, counts.elapsed

        count, elapsed = self._store.change(self._name, unit)
        self._held.pop(label, None)
        self._note(label, count)
        return count, elapsed

    def _put_label(self, counts: Counts, label: str, count: LabelCount) -> None:
        count = count.since(counts.elapsed - self.span(label))
        counts.put(f"label/{label}", count.to_json(), max(DAY_S, count.held_until - counts.elapsed))

    def _note(self, label: str, count: LabelCount) -> None:
        (self._refused.add if count.refusals else self._refused.discard)(label)

    def _delayed(self, label: str, now: datetime, wait: float) -> DelayedError:
        apart = max((window.span / window.limit for window in self._table.windows(label)), default=0.0)
        passed = self._clock.monotonic()
        with self._lock:
            earliest = passed + wait
            promised, before = self._promised.get(label, (0.0, 0.0))
            moment = max(earliest, promised if earliest > before - ENDED_S else 0.0)
            self._promised[label] = moment + apart, earliest
        until = now + timedelta(seconds=moment - passed)
        what = f"{label} requests" if label else "requests"
        plan = f" of plan {self._table.plan!r}" if self._table.plan else ""
        message = f"the budget{plan} for {what} of connection {self._name!r} is used up until {self._shown(until)}"
        return DelayedError(message, until)

    def _today(self, counts: Counts, limit: DayLimit, now: datetime) -> DayCount:
        return DayCount.at(counts.get(limit.part), now + self._clock.offset(), counts.elapsed)

    def _closed(self, today: list[tuple[DayLimit, DayCount]], now: datetime, elapsed: float) -> DelayedError | None:
        """Why no request may be sent today; None: it may."""
        offset = self._clock.offset()
        for limit, day in today:
            until = day.closed_until(limit.limit, now + offset, elapsed)
            if until is not None:
                return DelayedError(f"{limit.words}: it goes on at {to_text(until)}", until - offset)
        return None

    def _shown(self, until: datetime) -> str:
        return to_text(until + self._clock.offset())


def _label(counts: Counts, label: str) -> LabelCount:
    return LabelCount.of(counts.get(f"label/{label}"))


def _put_day(counts: Counts, limit: DayLimit, day: DayCount) -> None:
    counts.put(limit.part, day.to_json(), max(day.ends, day.held_until) - counts.elapsed + DAY_S)
