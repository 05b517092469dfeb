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
_IN_WORDS = re.compile(r"(?:in )?(\d+) (minute|hour|day|week)s?( ago)?")
_TIME = re.compile(r"(.+?)(?: at)? (\d{1,2})(:\d{2}(?::\d{2})?)? ?(am|pm)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}t.*")


def spoken(text: str, kind: str, now: datetime, zone: ZoneInfo, *, ahead: bool = False) -> str:
    """What ``text`` means for a parameter of that ``kind``: a date as 2026-11-21, a date-time as a moment in UTC.

    A weekday is the latest one, today included, or with ``ahead``, as for what is planned, the one to come;
    ``next monday`` is the one after today. ``-7d``, ``7 days ago`` and ``+2h`` are counted from now. What is neither,
    such as an RFC 3339 moment, stays as it is. Raises UsageError for an unknown word.

    >>> saturday = datetime(2026, 11, 21, 10, tzinfo=ZoneInfo("UTC"))
    >>> [spoken(text, "date", saturday, ZoneInfo("UTC")) for text in ("today", "-7d", "monday", "next monday")]
    ['2026-11-21', '2026-11-14', '2026-11-16', '2026-11-23']
    >>> spoken("tomorrow 14:30", "date-time", saturday, ZoneInfo("Europe/Berlin"))
    '2026-11-22T13:30:00Z'
    """
    words, here = _plain(text), now.astimezone(zone)
    moment = _moment(words, here, ahead)
    if moment is None:
        if words[:1].isdigit() or words == "":
            return text
        near = nearest(words, WORDS)
        hint = f"; did you mean {near!r}?" if near else ""
        raise UsageError(f"{text!r} is no date: write today, yesterday, monday, -7d or 2026-11-01{hint}")
    if kind == "date" and re.fullmatch(r"[+-] ?\d+m", words):
        raise UsageError(f"{text!r} is counted in minutes, and a day is wanted: write {words[0]}30d for a month")
    return f"{moment:%Y-%m-%d}" if kind == "date" else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_spoken(text: str) -> bool:
    """Whether ``text`` can only be meant as a date: a word for a day, or one that is nearly that, or a span from now.

    >>> [is_spoken(text) for text in ("tomorow 10:00", "2026-11-01 10:00", "2026-11-01T10:00:00", "09:00", "GMT")]
    [True, True, False, False, False]
    """
    words = _plain(text)
    if _ISO.fullmatch(words):
        return False
    day = words.removeprefix("next ").removeprefix("last ").partition(" ")[0]
    counted = _AGO.fullmatch(words) is not None or _counted(words) is not None
    return counted or nearest(day, WORDS) is not None or (_is_day(day) and day != words)


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _is_day(word: str) -> bool:
    try:
        return bool(date.fromisoformat(word))
    except ValueError:
        return False


def _counted(words: str) -> str | None:
    """``7 days ago`` as ``-7d``, ``in 2 hours`` as ``+2h``."""
    found = _IN_WORDS.fullmatch(words)
    if found is None or words.startswith("in ") is bool(found[3]):
        return None
    return f"{'-' if found[3] else '+'}{found[1]}{found[2][0]}"


def _moment(words: str, here: datetime, ahead: bool) -> datetime | None:
    """The moment, in the time zone of ``here``; None where ``words`` say none."""
    if words == "now":
        return here
    ago = _AGO.fullmatch(_counted(words) or words)
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
    moment = datetime.combine(day, _time_of(words, timed) if timed else time(), here.tzinfo)
    weekday = (timed[1] if timed else words) in DAYS
    return moment + timedelta(days=7) if ahead and weekday and moment <= here else moment


def _time_of(words: str, timed: re.Match[str]) -> time:
    """The time of day: ``14:30``, ``2:30 pm``, ``9am``."""
    hour, rest, half = int(timed[2]), timed[3], timed[4]
    try:
        if (half and not 1 <= hour <= 12) or not (rest or half):
            raise ValueError
        hour = hour % 12 + 12 * (half == "pm") if half else hour
        return time.fromisoformat(f"{hour:02}{rest or ':00'}")
    except ValueError:
        raise UsageError(f"{words!r} has no time of day in it: write 14:30 behind the day") from None


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
