"""Occurrences of recurring meetings and webinars, from Zoom's ``recurrence`` object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from changewire.sandbox.clock import parse_iso
from changewire.sandbox.errors import JSON

_HORIZON_DAYS = 5 * 366
_MOST = 400


def zone(name: str) -> ZoneInfo:
    """Return the named time zone; an unknown name raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"no time zone {name!r}") from error


def occurrence_starts(first: datetime, zone_name: str, recurrence: JSON) -> list[datetime]:
    """Return the occurrences' starts in UTC, keeping the local wall-clock time of ``first``.

    A recurrence without an end is cut after some years.
    """
    local = first.astimezone(zone(zone_name))
    most = min(int(recurrence.get("end_times") or _MOST), _MOST)
    until = recurrence.get("end_date_time")
    last = parse_iso(until) if until else None
    starts: list[datetime] = []
    for day in _days(local.date(), recurrence):
        start = datetime.combine(day, local.time(), local.tzinfo).astimezone(UTC)
        if len(starts) >= most or (last is not None and start > last):
            break
        starts.append(start)
    return starts


def _days(first: date, recurrence: JSON) -> Iterator[date]:
    fits = _rule(first, recurrence)
    return (day for n in range(_HORIZON_DAYS) if fits(day := first + timedelta(days=n)))


def _rule(first: date, recurrence: JSON) -> Callable[[date], bool]:
    step = max(1, int(recurrence.get("repeat_interval") or 1))
    kind = int(recurrence.get("type") or 1)
    if kind == 2:
        wanted = {int(d) for d in str(recurrence.get("weekly_days") or _weekday(first)).split(",")}
        sunday = first - timedelta(days=_weekday(first) - 1)
        return lambda day: _weekday(day) in wanted and ((day - sunday).days // 7) % step == 0
    if kind == 3:
        return lambda day: _months(first, day) % step == 0 and _monthly(first, day, recurrence)
    return lambda day: (day - first).days % step == 0


def _weekday(day: date) -> int:
    """Return 1 for Sunday to 7 for Saturday, Zoom's numbering."""
    return day.isoweekday() % 7 + 1


def _months(first: date, day: date) -> int:
    return (day.year - first.year) * 12 + day.month - first.month


def _monthly(first: date, day: date, recurrence: JSON) -> bool:
    week = recurrence.get("monthly_week")
    if not week:
        return day.day == int(recurrence.get("monthly_day") or first.day)
    if _weekday(day) != int(recurrence.get("monthly_week_day") or _weekday(first)):
        return False
    is_last = (day + timedelta(days=7)).month != day.month
    return is_last if int(week) == -1 else (day.day - 1) // 7 + 1 == int(week)
