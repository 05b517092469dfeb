"""What is counted of requests: a moving window for each rate label, and a count for each day. Pure functions.

Moments are seconds of the time that all processes of a home share (`changewire.connectors.budget_store.Counts`), not of
the wall clock: setting the wall clock neither opens a budget nor closes it.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Self

from changewire.values import Json

DIGITS = 6  # of a second; moments are rounded, so that they are still equal after they were stored
STEP_S = 60.0  # a day that ends earlier than expected by more than this ends because the wall clock was set


@dataclass(frozen=True)
class Window:
    """At most ``limit`` requests in any ``span`` seconds."""

    limit: int
    span: float


@dataclass(frozen=True)
class LabelCount:
    """The latest requests of one rate label, and what the API said about further ones."""

    uses: tuple[float, ...] = ()  # when requests were sent, in order; those to come are places in line
    held_until: float = 0.0  # no request before this moment, the API said
    refusals: int = 0  # answers in a row that there were too many requests
    patient: tuple[float, ...] = ()  # those of the uses that are places of requests which wait as long as it takes

    @classmethod
    def of(cls, stored: Mapping[str, Json]) -> Self:
        """Read what `to_json` wrote; empty: nothing was counted so far."""
        uses, patient = tuple(stored.get("uses", ())), tuple(stored.get("patient", ()))
        return cls(uses, stored.get("held_until", 0.0), stored.get("refusals", 0), patient)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain data."""
        found = {"uses": self.uses, "held_until": self.held_until, "refusals": self.refusals}
        return {**found, "patient": self.patient} if self.patient else found

    def reserve(
        self, windows: Sequence[Window], now: float, place: float | None = None, *, patient: bool = False
    ) -> tuple[LabelCount, float]:
        """Return the counts with one more request, and the moment at which it may be sent, ``now`` at the earliest.

        A moment to come is a place in line behind all others. Reserve again with it as ``place`` when it has come: a
        request before it in line may have been sent late, which moves the place.
        """
        left = self.without(place)
        others = left.uses
        ahead = others if place is None else others[: bisect_right(others, max(place, now))]
        earliest = (ahead[-window.limit] + window.span for window in windows if len(ahead) >= window.limit)
        moment = round(max([now, self.held_until, *earliest]), DIGITS)
        waits = patient and moment > now
        return replace(
            left,
            uses=_with(others, moment),
            patient=_with(left.patient, moment) if waits else left.patient,
        ), moment

    def landed(self, place: float, now: float) -> LabelCount:
        """Return the counts with the request that was sent at ``place`` counted from ``now``, the end of its answer.

        It may have reached the API as late as that.
        """
        left = self.without(place)
        return replace(left, uses=_with(left.uses, now))

    def without(self, place: float | None) -> LabelCount:
        """Return the counts without the request at ``place``; the same if there is none."""
        if place is None or place not in self.uses:
            return self
        return replace(self, uses=_without(self.uses, place), patient=_without(self.patient, place))

    def since(self, moment: float) -> LabelCount:
        """Return the counts without the requests up to ``moment``."""
        uses, patient = (moments[bisect_right(moments, moment) :] for moments in (self.uses, self.patient))
        return replace(self, uses=uses, patient=patient)


def _without(moments: tuple[float, ...], moment: float) -> tuple[float, ...]:
    if moment not in moments:
        return moments
    found = moments.index(moment)
    return moments[:found] + moments[found + 1 :]


def _with(uses: Sequence[float], moment: float) -> tuple[float, ...]:
    changed = list(uses)
    insort(changed, moment)
    return tuple(changed)


@dataclass(frozen=True)
class DayCount:
    """The requests of one day in UTC."""

    date: str
    ends: float  # when the day is over, by the wall clock of the last look
    count: int = 0
    held_until: float = 0.0  # no request before this moment, the API said

    @classmethod
    def at(cls, stored: Mapping[str, Json], now: datetime, elapsed: float) -> Self:
        """Return the count of the day that ``now`` is in; ``stored`` is what `to_json` wrote, empty: nothing.

        A date that changes before the day is over means that the wall clock was set: the count stays, until the time
        that was left of the day has passed.
        """
        date, ends = str(now.date()), round(elapsed + (next_midnight(now) - now).total_seconds(), DIGITS)
        if not stored:
            return cls(date, ends)
        day = cls(stored["date"], stored["ends"], stored["count"], stored["held_until"])
        if day.date == date:
            return replace(day, ends=ends)
        return day if elapsed < day.ends - STEP_S else cls(date, ends, held_until=day.held_until)

    def to_json(self) -> dict[str, Json]:
        """Return it as plain data."""
        return asdict(self)

    def closed_until(self, limit: int, now: datetime, elapsed: float) -> datetime | None:
        """Return the moment before which no request may be sent; None: one may be sent now."""
        if self.held_until > elapsed:
            return now + timedelta(seconds=self.held_until - elapsed)
        if self.count < limit:
            return None
        return next_midnight(now) if self.date == str(now.date()) else now + timedelta(seconds=self.ends - elapsed)


def next_midnight(now: datetime) -> datetime:
    """Return the moment at which the next day begins in UTC, when daily allowances come back."""
    day = now.astimezone(UTC).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
