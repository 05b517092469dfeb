"""Which limits a request of one connection uses up, by the connector's table, the plan of the account and its share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from changewire.connectors.definition import Connector, Limits
from changewire.connectors.rate_counts import Window


@dataclass(frozen=True)
class DayLimit:
    """A daily limit that a request uses up."""

    part: str  # the name under which it is counted
    limit: int
    words: str  # for the message when it is used up


class RateTable:
    """The limits of the connection ``name``. ``plan`` None: the connector's default. Raises UsageError for no plan."""

    def __init__(self, connector: Connector, name: str, plan: str | None, share: float) -> None:
        self._name, self._share = name, share
        self._limits = connector.limits(plan)
        self._windows = {label: _windows(limits, share) for label, limits in self._limits.items()}
        self._user_caps = tuple((cap, re.compile(cap.path)) for cap in connector.user_caps) if self._limits else ()
        self.plan = (plan or connector.default_plan) if self._limits else None  # None: nothing is limited

    def windows(self, label: str) -> tuple[Window, ...]:
        """Return the short limits of a rate label."""
        return self._windows.get(label, ())

    def days(self, label: str, user: str | None, call: tuple[str, str]) -> tuple[DayLimit, ...]:
        """Return the daily limits of a request. ``call`` is (method, path); ``user`` None: the path may name one."""
        if not self._limits:
            return ()
        return (*self.day(label), *self.user_days(user, call))

    def day(self, label: str) -> Iterator[DayLimit]:
        """Return the daily limit of a rate label, if it has one."""
        limits = self._limits.get(label)
        if limits is not None and limits.day is not None:
            limit = shared(limits.day, self._share)
            words = f"today's {limit} {label} requests of connection {self._name!r} are used up"
            yield DayLimit(f"day/{limits.day_pool or f'label {label}'}", limit, words)

    def user_days(self, user: str | None, call: tuple[str, str]) -> Iterator[DayLimit]:
        """Return the daily limits of one user."""
        method, path = call
        for cap, pattern in self._user_caps:
            found = pattern.search(path) if method in cap.methods else None
            if found is not None and (whose := user or found.groupdict().get("user")):
                whose = unquote(whose)
                words = f"today's {cap.day} {cap.name} ({whose}) are used up"
                yield DayLimit(f"user/{cap.name}/{whose}", cap.day, words)

    def pool(self, label: str) -> tuple[str, ...]:
        """Return all labels that share one daily count with ``label``, itself included."""
        limits = self._limits.get(label)
        if limits is None or limits.day_pool is None:
            return (label,)
        return tuple(name for name, other in self._limits.items() if other.day_pool == limits.day_pool)

    def span(self, label: str) -> float:
        """Return the seconds after which a short limit of ``label`` is free again for sure: 1 or 60."""
        return max((window.span for window in self.windows(label)), default=1.0)

    def sent_in(self, label: str, seconds: float) -> int:
        """Return how many requests of a label can be sent in so many seconds, one at least."""
        return max(1, min((int(w.limit * seconds / w.span) for w in self.windows(label)), default=1))

    def allowed(self, label: str) -> dict[str, int]:
        """Return the requests of a label that may be sent per "second", "minute" and "day"; one missing: no limit."""
        limits = self._limits.get(label)
        found = {} if limits is None else {"second": limits.second, "minute": limits.minute, "day": limits.day}
        return {span: shared(count, self._share) for span, count in found.items() if count is not None}


def shared(count: int, share: float) -> int:
    """Return what ``share`` leaves of a limit; one request is always allowed."""
    return max(1, int(count * share))


def _windows(limits: Limits, share: float) -> tuple[Window, ...]:
    return tuple(Window(shared(count, share), float(span)) for count, span in limits.spans)
