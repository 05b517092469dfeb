"""When an item was made, as APIs write it: RFC 3339, a date, seconds since 1970 or parts of them, or as in mail."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from email.utils import parsedate_to_datetime

from changewire.paths import MISSING, get, parse_path
from changewire.values import Json

_DAY = timedelta(days=1)
_BEHIND = timedelta(hours=12)
"""Where a moment has no offset it may be local time, which lies behind UTC by so much at most."""
_FINEST = 10**11
"""More seconds than that lie beyond the year 5000: such a number counts in milliseconds or finer still."""


def moment_of(item: Json, path: str | None) -> datetime | None:
    """The moment that stands at ``path``, taken as UTC where it has no offset; None: none that can be read."""
    found = _read(item, path)
    return None if found is None else found.replace(tzinfo=found.tzinfo or UTC)


def latest_of(item: Json, path: str | None) -> datetime | None:
    """The latest moment that may be meant: a date is its whole day, and what has no offset is in any time zone."""
    found = _read(item, path)
    if found is None or found.tzinfo is not None:
        return found
    whole_day = isinstance(found, _Day)
    utc = datetime.combine(found.date(), found.time(), UTC)
    return min(utc, datetime.max.replace(tzinfo=UTC) - 2 * _DAY) + _BEHIND + (_DAY if whole_day else timedelta())


class _Day(datetime):
    """The beginning of a day of which no time was told."""


def _read(item: Json, path: str | None) -> datetime | None:
    value = get(item, parse_path(path)) if path else MISSING
    if isinstance(value, str) and re.fullmatch(r"\d{9,19}", value):
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _counted(value)
    return _written(value.strip()) if isinstance(value, str) else None


def _counted(value: float) -> datetime | None:
    if not 0 < value < _FINEST * 10**9:  # infinity would be divided for ever
        return None
    while value > _FINEST:
        value /= 1000
    return datetime.fromtimestamp(value, UTC)


def _written(text: str) -> datetime | None:
    try:
        day = date.fromisoformat(text)
        return _Day.combine(day, time())
    except ValueError:
        pass
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
        except ValueError:
            continue
        try:
            return moment if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:  # 0001-01-01T00:00:00+01:00 is how some write "never"
            return moment.replace(tzinfo=UTC)
    return None
