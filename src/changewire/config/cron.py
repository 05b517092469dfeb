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
        raise ValueError(f"{text!r} is not a cron expression: {_told(str(error))}") from None
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


_WRONG: tuple[tuple[str, str], ...] = (
    (r".*expression '(.+)': the last value .* maximum value \((\d+)\)", "'{0}' is more than {1}, the highest there"),
    (r".*expression '(.+)': the first value .* minimum value \((\d+)\)", "'{0}' is less than {1}, the lowest there"),
    (r".*expression '(.+)': the step value .* range .*\((\d+)\)", "'{0}' steps further than {1}, all there is"),
    (r'Unrecognized expression "(.+)" for field "(.+)"', "'{0}' is no {1}: write *, a number, or as 1-5, */5 or 1,30"),
    (r'Invalid month name "(.+)"', "'{0}' is no month: write jan to dec, or 1 to 12"),
    (r"Increment must be higher than 0", "the number behind / must be 1 or more"),
    (r"The minimum value in a range .*", "a range must begin with the lower number"),
)


def _told(words: str) -> str:
    """What APScheduler says of a field, in words for the person who wrote it."""
    found = ((re.fullmatch(pattern, words), form) for pattern, form in _WRONG)
    return next((form.format(*match.groups()) for match, form in found if match), words)


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
