"""Cron expressions mean what they mean everywhere else, and wrong ones say why."""

from datetime import UTC, datetime

import pytest
from apscheduler.triggers.cron import CronTrigger

from changewire.config.cron import cron_with_day_names

GOOD = [
    ("*/5 8-18 * * mon-fri", "*/5 8-18 * * mon,tue,wed,thu,fri"),
    ("0 9 * * 1-5", "0 9 * * mon,tue,wed,thu,fri"),
    ("0 9 * * 0", "0 9 * * sun"),
    ("0 9 * * 7", "0 9 * * sun"),
    ("0 9 * * 5-7", "0 9 * * fri,sat,sun"),
    ("0 9 * * fri-mon", "0 9 * * fri,sat,sun,mon"),
    ("0 9 * * SUN,2", "0 9 * * sun,tue"),
    ("0 9 * * 1,mon", "0 9 * * mon"),
    ("0 9 * * */2", "0 9 * * sun,tue,thu,sat"),
    ("0 9 * * 1-5/2", "0 9 * * mon,wed,fri"),
    ("0  9 1,15 jan-mar *", "0 9 1,15 jan-mar *"),
]


@pytest.mark.parametrize(("text", "named"), GOOD)
def test_weekdays_become_names(text: str, named: str) -> None:
    assert cron_with_day_names(text) == named


def test_day_1_is_monday() -> None:
    cron = CronTrigger.from_crontab(cron_with_day_names("0 9 * * 1"), timezone="UTC")
    assert cron.get_next_fire_time(None, datetime(2026, 11, 21, tzinfo=UTC)) == datetime(2026, 11, 23, 9, tzinfo=UTC)


BAD = [
    ("* * * *", "'* * * *' has 4 fields: write minute, hour, day, month and weekday"),
    ("", "'' has 0 fields: write minute, hour, day, month and weekday"),
    (
        "0 25 * * *",
        "'0 25 * * *' is not a cron expression: '25' is more than 23, the highest there",
    ),
    ("0 0 0 * *", "'0 0 0 * *' is not a cron expression: '0' is less than 1, the lowest there"),
    ("*/70 * * * *", "'*/70 * * * *' is not a cron expression: '*/70' steps further than 59, all there is"),
    ("*/0 * * * *", "'*/0 * * * *' is not a cron expression: the number behind / must be 1 or more"),
    ("9-5 * * * *", "'9-5 * * * *' is not a cron expression: a range must begin with the lower number"),
    ("0 0 1 foo *", "'0 0 1 foo *' is not a cron expression: 'foo' is no month: write jan to dec, or 1 to 12"),
    (
        "x * * * *",
        "'x * * * *' is not a cron expression: 'x' is no minute: write *, a number, or as 1-5, */5 or 1,30",
    ),
    ("0 9 1 * */2", "'0 9 1 * */2' says days of the month and '*/2': write the weekdays out, as in sun,tue,thu,sat"),
    ("0 9 * * 8", "'8' is not a weekday: write sun, mon, … sat, or 0 (Sunday) to 6, as in mon-fri"),
    ("0 9 * * monday", "'monday' is not a weekday: write sun, mon, … sat, or 0 (Sunday) to 6, as in mon-fri"),
    ("0 9 * * */0", "'*/0' is not a weekday: write sun, mon, … sat, or 0 (Sunday) to 6, as in mon-fri"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_a_wrong_expression_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        cron_with_day_names(text)
    assert str(caught.value) == message
