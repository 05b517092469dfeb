"""How many requests schedules add up to. Pure arithmetic on due times: nothing is asked, nothing is measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from changewire.triggers.binding import Reader
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.schedule import EPOCH, Schedule
from changewire.triggers.windows import spans

DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Asker:
    """Something that asks at its due times."""

    name: str
    schedule: Schedule
    requests: Mapping[str, int]  # label → how many at each due time; the label "" has no limits


@dataclass(frozen=True)
class Peak:
    """The fullest stretch of time of a given length."""

    requests: int
    begins_at: datetime | None  # None: nobody asks
    names: tuple[str, ...]  # who asks in it, those with the most requests first


def due_times(schedule: Schedule, begin: datetime, end: datetime) -> Sequence[int]:
    """All due times after ``begin`` and up to ``end``, in microseconds since the beginning of all schedules."""
    if schedule.every is None:
        return _by_calendar(schedule, begin, end)
    first = schedule.next_after(begin)
    return range((first - EPOCH) // _TICK, (end - EPOCH) // _TICK + 1, schedule.every // _TICK)


@lru_cache(1024)
def _by_calendar(schedule: Schedule, begin: datetime, end: datetime) -> tuple[int, ...]:
    """A calendar is slow to ask, and many triggers share one."""
    found, at = [], schedule.next_after(begin)
    while at <= end:
        found.append((at - EPOCH) // _TICK)
        at = schedule.next_after(at)
    return tuple(found)


def per_day(askers: Sequence[Asker], label: str, begin: datetime) -> int:
    """Requests of ``label`` in the day that follows ``begin``."""
    return sum(
        asker.requests[label] * len(due_times(asker.schedule, begin, begin + DAY))
        for asker in askers
        if asker.requests.get(label)
    )


def peak(askers: Sequence[Asker], label: str, begin: datetime, span: timedelta) -> Peak:
    """The fullest ``span`` for ``label``, wherever it begins; over everything that repeats within a day."""
    asking = [asker for asker in askers if asker.requests.get(label)]
    end = begin + repeats_after([asker.schedule for asker in asking]) + span
    counts, length, size = [asker.requests[label] for asker in asking], span // _TICK, len(asking)
    # There may be millions in a day. One number for moment and asker is sorted ten times as fast as a pair.
    polls = sorted(
        at * size + number for number, asker in enumerate(asking) for at in due_times(asker.schedule, begin, end)
    )
    inside = most = first = best = until = 0
    for last, poll in enumerate(polls):
        inside += counts[poll % size]
        while poll // size - polls[first] // size >= length:
            inside -= counts[polls[first] % size]
            first += 1
        if inside > most:
            most, best, until = inside, first, last
    if not most:
        return Peak(0, None, ())
    share: dict[int, int] = {}
    for poll in polls[best : until + 1]:
        share[poll % size] = share.get(poll % size, 0) + counts[poll % size]
    names = [asking[number].name for number in sorted(share, key=lambda one: (-share[one], asking[one].name))]
    return Peak(most, EPOCH + polls[best] // size * _TICK, tuple(dict.fromkeys(names)))


def repeats_after(schedules: Sequence[Schedule]) -> timedelta:
    """When the pattern of ``schedules`` begins anew; a day where that is longer, or where a calendar has a say."""
    steps = [schedule.every // _TICK for schedule in schedules if schedule.every is not None]
    if len(steps) < len(schedules):
        return DAY
    return min(DAY, math.lcm(*steps) * _TICK)


def looks_up(reader: Reader) -> bool:
    """Whether a poll makes a request first that tells what to ask; the parameters decide."""
    lookup = reader.kind.lookup
    return lookup is not None and bool(lookup.path) and EXPRESSIONS.condition(lookup.when, reader.scope(EPOCH))


def poll_requests(reader: Reader, now: datetime, last_ok: datetime | None) -> dict[str, int]:
    """The requests of one poll by label, as far as they can be known before: first pages, and nothing that depends on
    what is found. ``last_ok`` None: as after a good poll just now.
    """
    kind, scope = reader.kind, reader.scope(now)
    if kind.request is None:
        return {}
    found: dict[str, int] = {}
    windows = 1 if kind.window is None else len(spans(kind.window, now, last_ok or now))
    times, lookup = 1, kind.lookup
    if lookup is not None and looks_up(reader):
        found[lookup.label or ""] = 1
        times = lookup.take
    elif lookup is not None:
        times = len(EXPRESSIONS.render(list(lookup.records), scope))
    label = kind.request.label or ""
    found[label] = found.get(label, 0) + times * windows
    return found
