"""The requests that all triggers of a home add up to, held against what the accounts' plans allow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from changewire.config.connections import Connection
from changewire.connectors.definition import Limits, load_connector
from changewire.connectors.rate_table import shared
from changewire.home.definition import Home, Trigger
from changewire.triggers.load import Asker, Peak, peak, per_day, poll_requests


@dataclass(frozen=True)
class TriggerLoad:
    """What one trigger asks."""

    trigger: str  # workflow/trigger
    type: str
    connection: str
    next_due: datetime
    requests: dict[str, int]  # label → of one poll
    per_day: dict[str, int]
    shares_with: str | None  # a trigger above whose answers serve this one as well; None: it asks for itself


@dataclass(frozen=True)
class LabelLoad:
    """What all triggers of one connection ask of one label."""

    connection: str
    label: str  # "" for requests that are not counted
    plan: str | None  # None: the connector has none
    triggers: int
    peak: Peak
    span_s: int  # length of the stretch that the peak is about
    allowed: int | None  # in such a stretch, of this app's share; None: as many as one likes
    day: int
    pool_day: int  # together with the labels that share the daily count
    day_allowed: int | None
    busiest: tuple[str, ...]  # who asks the most in a day, the first the most

    @property
    def crowded(self) -> bool:
        """Whether the fullest stretch has more than is allowed in it."""
        return self.allowed is not None and self.peak.requests > self.allowed

    @property
    def over_day(self) -> bool:
        """Whether a day has more than is allowed in it."""
        return self.day_allowed is not None and self.pool_day > self.day_allowed

    @property
    def slow_down(self) -> tuple[str, ...]:
        """The triggers that should ask less often; none where it is enough."""
        found = (*(self.busiest if self.over_day else ()), *(self.peak.names if self.crowded else ()))
        return tuple(dict.fromkeys(found))

    @property
    def too_many(self) -> list[str]:
        """What is more than the plan allows, in words; none where it is enough."""
        found = []
        unit = "second" if self.span_s == 1 else "minute"
        if self.crowded:
            found.append(
                f"{self.label}: {self.peak.requests} requests in the worst {unit}, {self._plan} allows {self.allowed}; "
                f"slow these down: {_listed(self.peak.names)}"
            )
        if self.over_day:
            others = "" if self.pool_day == self.day else " (with the labels that share the count)"
            found.append(
                f"{self.label}: {self.pool_day:,} requests a day{others}, {self._plan} allows {self.day_allowed:,}; "
                f"slow these down: {_listed(self.busiest)}"
            )
        return found

    @property
    def _plan(self) -> str:
        return f"plan {self.plan}" if self.plan else "the plan"


def trigger_loads(home: Home, now: datetime) -> list[TriggerLoad]:
    """The load of each trigger that is polled, in order of names."""
    found, asking = [], dict[object, str]()
    for trigger, asker in _askers(home, now):
        first = asking.setdefault(_mark(trigger), trigger.shown)
        found.append(
            TriggerLoad(
                trigger.shown,
                trigger.watch.kind.type,
                str(trigger.connection),
                asker.schedule.next_after(now),
                dict(asker.requests),
                {label: per_day([asker], label, now) for label in asker.requests},
                None if first == trigger.shown else first,
            )
        )
    return found


def label_loads(home: Home, now: datetime, connection: str | None = None) -> list[LabelLoad]:
    """The load by connection and label. ``connection`` None: of all connections."""
    found: list[LabelLoad] = []
    for one in home.connections.values():
        if connection in (None, one.name):
            # Of triggers that ask the same at the same times, one asks for all.
            chosen: dict[object, Asker] = {}
            for trigger, asker in _askers(home, now):
                if trigger.connection == one.name:
                    chosen.setdefault(_mark(trigger), asker)
            found += _of_connection(one, list(chosen.values()), now)
    return found


def _askers(home: Home, now: datetime) -> Iterator[tuple[Trigger, Asker]]:
    """The triggers that are polled, in order of names."""
    for trigger in sorted(home.triggers.values(), key=lambda one: one.shown):
        if trigger.schedule is not None and trigger.connection is not None:
            yield trigger, Asker(trigger.shown, trigger.schedule, poll_requests(trigger.reader, now, None))


def _mark(trigger: Trigger) -> object:
    return trigger.connection, trigger.fingerprint, trigger.schedule


def _of_connection(connection: Connection, askers: Sequence[Asker], now: datetime) -> Iterator[LabelLoad]:
    connector = load_connector(connection.connector)
    limits = connector.limits(connection.plan)
    labels = sorted({label for asker in askers for label in asker.requests})
    days = {label: per_day(askers, label, now) for label in labels}
    for label in labels:
        one = limits.get(label, Limits())
        span_s = 60 if one.second is None and one.minute is not None else 1
        count = one.second if span_s == 1 else one.minute
        pool = [other for other in labels if other == label or _same_pool(one, limits.get(other))]
        yield LabelLoad(
            connection.name,
            label,
            (connection.plan or connector.default_plan) if limits else None,
            sum(1 for asker in askers if asker.requests.get(label)),
            peak(askers, label, now, timedelta(seconds=span_s)),
            span_s,
            None if count is None else shared(count, connection.share),
            days[label],
            sum(days[other] for other in pool),
            None if one.day is None else shared(one.day, connection.share),
            _busiest(askers, label, now),
        )


def _busiest(askers: Sequence[Asker], label: str, now: datetime) -> tuple[str, ...]:
    found = [(-per_day([asker], label, now), asker.name) for asker in askers if asker.requests.get(label)]
    return tuple(name for _, name in sorted(found))


def _same_pool(one: Limits, other: Limits | None) -> bool:
    return other is not None and one.day_pool is not None and other.day_pool == one.day_pool


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
