"""Cron expressions as everybody writes them: five fields, weekdays from 0 (Sunday) to 7 (Sunday again)."""

from __future__ import annotations

import re
from datetime import tzinfo
from functools import lru_cache

from apscheduler.triggers.cron import CronTrigger

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERS = {name: number for number, name in enumerate(_DAYS)} | {str(n): n for n in range(8)}
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?")


@lru_cache(maxsize=1024)
def cron_with_day_names(text: str) -> str:
    """``text`` checked, its weekdays as names, for APScheduler's own numbers begin on Monday. Raises ValueError.

    >>> cron_with_day_names("*/5 8-18 * * 1-5")
    '*/5 8-18 * * mon,tue,wed,thu,fri'
    """
    fields = text.lower().split()
    if len(fields) != 5:
        raise ValueError(f"{text!r} has {len(fields)} fields: write minute, hour, day, month and weekday")
    if fields[4].startswith("*/") and not fields[2].startswith("*"):
        message = f"{text!r} says days of the month and '{fields[4]}'"
        raise ValueError(f"{message}: write the weekdays out, as in sun,tue,thu,sat")
    if fields[4] != "*":
        fields[4] = ",".join(dict.fromkeys(day for part in fields[4].split(",") for day in _days(part)))
    try:
        CronTrigger.from_crontab(" ".join(fields), timezone="UTC")
    except ValueError as error:
        raise ValueError(f"{text!r} is not a cron expression: {str(error)[:1].lower()}{str(error)[1:]}") from None
    return " ".join(fields)


def triggers_of(text: str, zone: tzinfo) -> tuple[CronTrigger, ...]:
    """What a checked expression means: one trigger, or two of which either is enough.

    Where the day of the month and the weekday are both given, crontab takes a day if either fits, APScheduler if both.
    """
    minute, hour, day, month, weekday = text.split()
    both = not day.startswith("*") and weekday != "*"
    ways = [(day, "*"), ("*", weekday)] if both else [(day, weekday)]
    return tuple(
        CronTrigger.from_crontab(f"{minute} {hour} {of_month} {month} {of_week}", timezone=zone)
        for of_month, of_week in ways
    )


def _days(part: str) -> list[str]:
    """The names of the days that one part means, over the end of the week where it says so (``fri-mon``)."""
    found = _PART.fullmatch(part)
    if not found or any(day and day not in _NUMBERS for day in found.group(1, 2)):
        raise ValueError(f"{part!r} is not a weekday: write sun, mon, … sat, or 0 (Sunday) to 6, as in mon-fri")
    first = _NUMBERS[found[1]] if found[1] else 0
    last = _NUMBERS[found[2]] if found[2] else 6 if found[3] or not found[1] else first
    if last < first:
        last += 7
    return [_DAYS[number % 7] for number in range(first, last + 1, int(found[3] or 1))]
