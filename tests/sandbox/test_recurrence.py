from __future__ import annotations

from datetime import UTC, datetime

import pytest

from changewire.sandbox.world.recurrence import occurrence_starts, zone

FIRST = datetime(2026, 3, 20, 9, tzinfo=UTC)  # a Friday, ten days before summer time begins in Berlin


@pytest.mark.parametrize(
    ("recurrence", "days"),
    [
        ({"type": 1, "repeat_interval": 2, "end_times": 3}, ["03-20", "03-22", "03-24"]),
        ({"type": 2, "weekly_days": "2,6", "end_times": 4}, ["03-20", "03-23", "03-27", "03-30"]),
        ({"type": 2, "repeat_interval": 2, "end_times": 2}, ["03-20", "04-03"]),
        ({"type": 3, "monthly_day": 31, "end_times": 3}, ["03-31", "05-31", "07-31"]),
        ({"type": 3, "monthly_week": -1, "monthly_week_day": 6, "end_times": 2}, ["03-27", "04-24"]),
        ({"type": 3, "monthly_week": 3, "monthly_week_day": 6, "end_times": 2}, ["03-20", "04-17"]),
        ({"type": 1, "end_date_time": "2026-03-21T23:00:00Z"}, ["03-20", "03-21"]),
    ],
)
def test_occurrences_fall_on_the_right_days(recurrence: dict[str, object], days: list[str]) -> None:
    assert [f"{start:%m-%d}" for start in occurrence_starts(FIRST, "UTC", recurrence)] == days


def test_the_hour_on_the_wall_stays_through_summer_time() -> None:
    starts = occurrence_starts(FIRST, "Europe/Berlin", {"type": 2, "end_times": 3})
    assert [start.hour for start in starts] == [9, 9, 8]


def test_an_endless_recurrence_is_cut() -> None:
    assert len(occurrence_starts(FIRST, "UTC", {"type": 1})) == 400


def test_an_unknown_zone_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        zone("Mars/Base")
