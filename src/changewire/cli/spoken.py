"""Dates as people say them: ``today``, ``-7d``, ``monday``, ``tomorrow 14:30``, ``2026-11-01``."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from changewire.durations import parse_duration
from changewire.errors import UsageError, nearest

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WORDS = ("today", "yesterday", "tomorrow", "now", *DAYS)
_AGO = re.compile(r"([+-])\s*(\d.*)")
_TIME = re.compile(r"(.+?)[ T](\d{1,2}:\d{2}(?::\d{2})?)")


def spoken(text: str, kind: str, now: datetime, zone: ZoneInfo) -> str:
    """What ``text`` means for a parameter of that ``kind``: a date as 2026-11-21, a date-time as a moment in UTC.

    A weekday is the latest one, today included; ``next monday`` the one after today. ``-7d`` and ``+2h`` are counted
    from now. What is neither, such as an RFC 3339 moment, stays as it is. Raises UsageError for an unknown word.

    >>> saturday = datetime(2026, 11, 21, 10, tzinfo=ZoneInfo("UTC"))
    >>> [spoken(text, "date", saturday, ZoneInfo("UTC")) for text in ("today", "-7d", "monday", "next monday")]
    ['2026-11-21', '2026-11-14', '2026-11-16', '2026-11-23']
    >>> spoken("tomorrow 14:30", "date-time", saturday, ZoneInfo("Europe/Berlin"))
    '2026-11-22T13:30:00Z'
    """
    words = " ".join(text.split()).lower()
    here = now.astimezone(zone)
    moment = _moment(words, here)
    if moment is None:
        if words[:1].isdigit() or words == "":
            return text
        near = nearest(words, WORDS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"{text!r} is no date: write today, yesterday, monday, -7d or 2026-11-01{hint}")
    return f"{moment:%Y-%m-%d}" if kind == "date" else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_spoken(text: str) -> bool:
    """Whether ``text`` can only be meant as a date: a word for a day, or a span from now."""
    words = " ".join(text.split()).lower()
    timed = _TIME.fullmatch(words)
    day = (timed[1] if timed else words).removeprefix("next ").removeprefix("last ")
    return day in WORDS or _AGO.fullmatch(words) is not None


def _moment(words: str, here: datetime) -> datetime | None:
    """The moment, in the time zone of ``here``; None where ``words`` say none."""
    if words == "now":
        return here
    ago = _AGO.fullmatch(words)
    if ago is not None:
        try:
            span = parse_duration(ago[2].replace(" ", ""))
        except ValueError as error:
            raise UsageError(str(error)) from None
        return here + span if ago[1] == "+" else here - span
    timed = _TIME.fullmatch(words)
    day = _day(timed[1] if timed else words, here.date())
    if day is None:
        return None
    try:
        clock = time.fromisoformat(timed[2].zfill(5)) if timed else time()
    except ValueError:
        raise UsageError(f"{words!r} has no time of day in it: write 14:30") from None
    return datetime.combine(day, clock, here.tzinfo)


def _day(words: str, today: date) -> date | None:
    near = {"today": 0, "yesterday": -1, "tomorrow": 1}
    if words in near:
        return today + timedelta(days=near[words])
    name = words.removeprefix("next ").removeprefix("last ")
    if name in DAYS:
        back = (today.weekday() - DAYS.index(name)) % 7
        if words.startswith("next "):
            return today + timedelta(days=7 - back)
        return today - timedelta(days=back or (7 if words.startswith("last ") else 0))
    try:
        return date.fromisoformat(words)
    except ValueError:
        return None
