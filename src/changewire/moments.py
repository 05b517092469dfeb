"""Filters on moments: RFC 3339 text, a date, or seconds since 1970. What they give is RFC 3339 text again.

Days, weeks, months and years are those of the wall clock in the time zone that is asked for: a day later in Berlin is
the same time of day, also over the change to summer time. Hours and less are exact.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from changewire.clock import from_text
from changewire.durations import parse_duration

_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
_LONGEST = 500  # characters of a pattern, and of a moment that is read with one
_WIDE = re.compile(r"%[^a-zA-Z%]*\d{3,}")
_PARTS = ("year", "month", "week", "day", "hour", "minute")


def moment_of(value: Any) -> datetime:
    """The moment that ``value`` writes, aware. Raises ValueError with what is expected."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        return from_text(value)
    except (TypeError, ValueError, OverflowError, OSError):
        raise ValueError(f"{value!r} is not a moment: write 2026-11-21T10:00:00Z or seconds since 1970") from None


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that name. Raises ValueError with an example."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; write one such as Europe/Berlin") from None


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _near(moment: datetime, change: timedelta) -> datetime:
    try:
        return moment + change
    except OverflowError:
        raise ValueError("the moment that comes out is not between the years 1 and 9999") from None


def date(value: Any, pattern: str | None = None, tz: str = "UTC") -> str:
    """A moment in a time zone, written by a `strftime` pattern such as `%d.%m.%Y`; without one as RFC 3339."""
    moment = moment_of(value).astimezone(zone_of(tz))
    if pattern and (len(pattern) > _LONGEST or _WIDE.search(pattern)):
        raise ValueError(f"date: {pattern!r} is too wide")
    return moment.strftime(pattern) if pattern else _iso(moment)


def add_duration(value: Any, duration: str | float) -> str:
    """A moment later by an exact time such as `2h` or `1d12h`, or earlier by `-2h`."""
    text = str(duration).strip()
    number = re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
    amount = parse_duration(abs(float(text))) if number else parse_duration(text.lstrip("-"))
    return _iso(_near(moment_of(value), -amount if text.startswith("-") else amount))


def add_days(value: Any, days: int, tz: str = "UTC") -> str:
    """The same time of day some days later (earlier with a negative number) in a time zone."""
    return _iso(_near(moment_of(value).astimezone(zone_of(tz)), timedelta(days=int(days))))


def add_months(value: Any, months: int, tz: str = "UTC") -> str:
    """The same day and time some months later in a time zone; the month's last day where it is shorter."""
    moment = moment_of(value).astimezone(zone_of(tz))
    year, month = divmod(moment.year * 12 + moment.month - 1 + int(months), 12)
    if not 1 <= year <= 9999:
        raise ValueError("the moment that comes out is not between the years 1 and 9999")
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return _iso(moment.replace(year=year, month=month + 1, day=day))


def start_of(value: Any, unit: str = "day", tz: str = "UTC") -> str:
    """The beginning of the year, month, week (Monday), day, hour or minute in a time zone."""
    return _iso(_start(moment_of(value).astimezone(zone_of(tz)), unit))


def end_of(value: Any, unit: str = "day", tz: str = "UTC") -> str:
    """The last second of the year, month, week, day, hour or minute in a time zone."""
    begun = _start(moment_of(value).astimezone(zone_of(tz)), unit)
    if unit in {"hour", "minute"}:
        length = timedelta(hours=1) if unit == "hour" else timedelta(minutes=1)
        return _iso(_near(begun, length - timedelta(seconds=1)))
    if unit in {"year", "month"}:
        last = 12 if unit == "year" else begun.month
        day = calendar.monthrange(begun.year, last)[1]
        return _iso(begun.replace(month=last, day=day, hour=23, minute=59, second=59))
    return _iso(_near(begun, timedelta(days=6 if unit == "week" else 0)).replace(hour=23, minute=59, second=59))


def _start(moment: datetime, unit: str) -> datetime:
    if unit not in _PARTS:
        raise ValueError(f"{unit!r} is not known; use {', '.join(_PARTS)}")
    if unit == "week":
        moment = _near(moment, -timedelta(days=moment.weekday()))
    smaller = {"minute": 0, "hour": 0, "day": 1, "month": 1}
    kept = {"week": "day"}.get(unit, unit)
    changes = {name: first for name, first in smaller.items() if _PARTS.index(name) > _PARTS.index(kept)}
    return moment.replace(second=0, microsecond=0, **changes)  # type: ignore[arg-type]


def date_diff(value: Any, earlier: Any, unit: str = "seconds") -> float | int:
    """How much later a moment is than another, in seconds, minutes, hours, days or weeks; negative where earlier."""
    if unit not in _UNITS:
        raise ValueError(f"{unit!r} is not known; use {', '.join(_UNITS)}")
    found = (moment_of(value) - moment_of(earlier)).total_seconds() / _UNITS[unit]
    return int(found) if found.is_integer() else found


def parse_date(value: Any, pattern: str, tz: str = "UTC") -> str:
    """The moment that a text writes by a `strptime` pattern such as `%d.%m.%Y %H:%M`, read in a time zone."""
    zone = zone_of(tz)
    if max(len(str(value)), len(pattern)) > _LONGEST:
        raise ValueError(f"parse_date: a moment and its pattern have at most {_LONGEST} characters")
    try:
        moment = datetime.strptime(str(value), pattern)  # noqa: DTZ007  # the zone is set below, where none was written
    except ValueError:
        raise ValueError(f"{value!r} is not written as {pattern!r} says") from None
    return _iso(moment if moment.tzinfo else moment.replace(tzinfo=zone))


def timestamp(value: Any) -> float | int:
    """Seconds since 1970, a whole number where there is no fraction."""
    found = moment_of(value).timestamp()
    return int(found) if found.is_integer() else found


def weekday(value: Any, tz: str = "UTC") -> int:
    """The day of the week in a time zone: 1 is Monday, 7 is Sunday."""
    return moment_of(value).astimezone(zone_of(tz)).isoweekday()
