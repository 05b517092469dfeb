"""Dates as people say them."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from changewire.cli.spoken import spoken
from changewire.errors import UsageError

SATURDAY = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)  # Sunday, half past midnight, in Berlin
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "day", "moment"),
    [
        ("today", "2026-11-22", "2026-11-21T23:00:00Z"),
        ("Yesterday", "2026-11-21", "2026-11-20T23:00:00Z"),
        ("tomorrow", "2026-11-23", "2026-11-22T23:00:00Z"),
        ("now", "2026-11-22", "2026-11-21T23:30:00Z"),
        ("-7d", "2026-11-15", "2026-11-14T23:30:00Z"),
        ("+2h", "2026-11-22", "2026-11-22T01:30:00Z"),
        ("-1w", "2026-11-15", "2026-11-14T23:30:00Z"),
        ("sunday", "2026-11-22", "2026-11-21T23:00:00Z"),
        ("saturday", "2026-11-21", "2026-11-20T23:00:00Z"),
        ("monday", "2026-11-16", "2026-11-15T23:00:00Z"),
        ("last sunday", "2026-11-15", "2026-11-14T23:00:00Z"),
        ("last monday", "2026-11-16", "2026-11-15T23:00:00Z"),
        ("next sunday", "2026-11-29", "2026-11-28T23:00:00Z"),
        ("next monday", "2026-11-23", "2026-11-22T23:00:00Z"),
        ("tomorrow 9:05", "2026-11-23", "2026-11-23T08:05:00Z"),
        ("tomorrow 9am", "2026-11-23", "2026-11-23T08:00:00Z"),
        ("tomorrow at 2:30 PM", "2026-11-23", "2026-11-23T13:30:00Z"),
        ("today 12 am", "2026-11-22", "2026-11-21T23:00:00Z"),
        ("7 days ago", "2026-11-15", "2026-11-14T23:30:00Z"),
        ("1 week ago", "2026-11-15", "2026-11-14T23:30:00Z"),
        ("in 2 hours", "2026-11-22", "2026-11-22T01:30:00Z"),
        ("7 days", "7 days", "7 days"),
        ("2026-11-01", "2026-11-01", "2026-10-31T23:00:00Z"),
        ("2026-07-01 14:30", "2026-07-01", "2026-07-01T12:30:00Z"),
        ("2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z", "2026-11-01T10:00:00Z"),
        ("", "", ""),
    ],
)
def test_words_become_what_the_parameter_takes(text: str, day: str, moment: str) -> None:
    assert spoken(text, "date", SATURDAY, BERLIN) == day
    assert spoken(text, "date-time", SATURDAY, BERLIN) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("toady", "'toady' is no date: write today, yesterday, monday, -7d or 2026-11-01; did you mean 'today'?"),
        ("soon", "'soon' is no date: write today, yesterday, monday, -7d or 2026-11-01"),
        ("-7x", "'7x' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds"),
        ("today 25:00", "'today 25:00' has no time of day in it: write 14:30 behind the day"),
        ("tomorrow 13pm", "'tomorrow 13pm' has no time of day in it: write 14:30 behind the day"),
        ("tomorrow 10", "'tomorrow 10' has no time of day in it: write 14:30 behind the day"),
        ("tomorow 10:00", "'tomorow 10:00' is no date: write today, yesterday, monday, -7d or 2026-11-01; "
            "did you mean 'tomorrow'?"),
        ("last week", "'last week' is no date: write today, yesterday, monday, -7d or 2026-11-01"),
        ("-1m", "'-1m' is counted in minutes, and a day is wanted: write -30d for a month"),
    ],
)  # fmt: skip
def test_a_word_that_is_not_known_is_wrong_use(text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        spoken(text, "date", SATURDAY, BERLIN)
    assert str(error.value) == told


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("sunday 0:15", "2026-11-28T23:15:00Z"),
        ("sunday 1:00", "2026-11-22T00:00:00Z"),
        ("monday 10:00", "2026-11-23T09:00:00Z"),
        ("next monday 10:00", "2026-11-23T09:00:00Z"),
        ("last monday 10:00", "2026-11-16T09:00:00Z"),
        ("today 0:15", "2026-11-21T23:15:00Z"),
    ],
)
def test_a_weekday_of_what_is_planned_is_the_one_to_come(text: str, moment: str) -> None:
    assert spoken(text, "date-time", SATURDAY, BERLIN, ahead=True) == moment
