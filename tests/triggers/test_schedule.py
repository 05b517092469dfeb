"""When a trigger is due, and how long a failing one waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.errors import FailureClass
from changewire.triggers.schedule import SPREAD_RATE, Schedule, first_due, percentile, phase_of, retry_delay

MOMENTS = st.integers(0, 2 * 10**15).map(lambda us: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=us))


@given(MOMENTS, st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_the_next_time_is_later_and_at_most_an_interval_away(moment: datetime, every_ms: int, phase: float) -> None:
    schedule = Schedule(timedelta(milliseconds=every_ms), phase)
    due = schedule.next_after(moment)
    assert timedelta(0) < due - moment <= schedule.interval(moment)
    assert schedule.next_after(due) == due + schedule.interval(moment)


def test_what_was_missed_is_missed() -> None:
    schedule = Schedule(timedelta(minutes=5))
    assert schedule.next_after(datetime(2026, 11, 21, 10, 17, tzinfo=UTC)) == datetime(2026, 11, 21, 10, 20, tzinfo=UTC)


def test_the_same_thing_watched_has_the_same_phase() -> None:
    assert phase_of("a", "b") == phase_of("a", "b") != phase_of("ab", "")
    assert 0 <= phase_of("x") < 1


@pytest.mark.parametrize(
    ("cron", "moment", "due"),
    [
        ("*/5 8-18 * * mon-fri", "2026-11-21T10:00:00", "2026-11-23T07:00:00"),
        ("30 2 * * *", "2026-10-25T00:00:00", "2026-10-25T00:30:00"),
        ("0 12 29 2 *", "2026-11-21T10:00:00", "2028-02-29T11:00:00"),
        ("0 10 * * *", "2026-11-21T09:00:00", "2026-11-22T09:00:00"),
        ("0 10 1 * mon", "2026-11-21T09:00:00", "2026-11-23T09:00:00"),  # a day and a weekday: either, as in crontab
        ("0 10 1 * mon", "2026-11-30T09:00:00", "2026-12-01T09:00:00"),
        ("0 10 */2 * mon", "2026-11-21T09:00:00", "2026-11-23T09:00:00"),  # the star says both, as in crontab
        ("0 10 */2 * mon", "2026-11-23T09:00:00", "2026-12-07T09:00:00"),
    ],
)
def test_cron_follows_the_clock_on_the_wall(cron: str, moment: str, due: str) -> None:
    schedule = Schedule(None, cron=cron, timezone="Europe/Berlin")
    found = schedule.next_after(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "cron", "moment", "due"),
    [
        ("Europe/Berlin", "*/20 * * * *", "2026-10-24T23:50", "00:00 00:20 00:40 01:00 01:20 01:40 02:00"),
        ("Europe/Berlin", "*/20 2 * * *", "2026-10-25T00:20", "00:40 01:00 01:20 01:40 01:00"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T00:00", "00:30 01:30 01:30"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10", "01:30 01:30"),
        ("Europe/Berlin", "0 3 * * *", "2026-10-24T12:00", "02:00 02:00"),
        ("Europe/Berlin", "*/20 * * * *", "2026-03-29T00:30", "00:40 01:00 01:20"),
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00", "01:30 00:30"),
        ("Europe/Berlin", "30 2 * * *", "2026-03-29T01:10", "01:30 00:30"),
        ("Australia/Lord_Howe", "*/15 * * * *", "2026-04-04T14:40", "14:45 15:00 15:15 15:30"),
        ("Africa/Cairo", "0 0 * * *", "2026-04-23T12:00", "22:00 21:00"),
    ],
)
def test_cron_goes_on_when_the_clock_on_the_wall_is_set(zone: str, cron: str, moment: str, due: str) -> None:
    schedule, at, found = Schedule(None, cron=cron, timezone=zone), datetime.fromisoformat(f"{moment}Z"), []
    for _ in due.split():
        after = schedule.next_after(at)
        assert at < after < at + timedelta(hours=27)
        found.append(f"{after:%H:%M}")
        at = after
    assert found == due.split()


@given(
    MOMENTS,
    st.sampled_from(["*/7 * * * *", "59 1-3 * * *", "0 0 * * *", "15 2 1 * sun"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Tehran", "UTC"]),
)
def test_a_due_moment_of_cron_is_never_over(moment: datetime, cron: str, zone: str) -> None:
    schedule = Schedule(None, cron=cron, timezone=zone)
    due = schedule.next_after(moment)
    assert due > moment
    assert schedule.next_after(due) > due
    assert schedule.next_after(due - timedelta(microseconds=1)) == due


def test_the_interval_of_cron_is_the_next_gap() -> None:
    schedule = Schedule(None, cron="0 8,20 * * *")
    assert schedule.interval(datetime(2026, 11, 21, 7, tzinfo=UTC)) == timedelta(hours=12)


@pytest.mark.parametrize(
    ("interval_s", "waits"),
    [
        (5, [5, 10, 20, 40, 60, 60]),
        (60, [30, 60, 120, 240, 480, 720, 720]),
        (3600, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
    ],
)
def test_waits_double_up_to_a_ceiling(interval_s: int, waits: list[int]) -> None:
    interval = timedelta(seconds=interval_s)
    found = [retry_delay(n, interval, FailureClass.TRANSIENT).total_seconds() for n in range(1, len(waits) + 1)]
    assert found == waits
    assert retry_delay(10_000, interval, FailureClass.TRANSIENT).total_seconds() == waits[-1]
    assert retry_delay(1, interval, FailureClass.CREDENTIAL).total_seconds() == waits[-1]


def test_many_new_triggers_are_not_polled_all_at_once() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    assert first_due(now, 5, 10) == now
    assert first_due(now, 1000, 2000) == now + timedelta(seconds=1000 / SPREAD_RATE)


@pytest.mark.parametrize(
    ("values", "share", "found"), [([], 0.99, 0), ([5], 0.99, 5), ([3, 1, 2, 4], 0.5, 2), (range(1, 101), 0.99, 99)]
)
def test_a_percentile_is_what_that_share_does_not_exceed(values: list[float], share: float, found: float) -> None:
    assert percentile(values, share) == found
