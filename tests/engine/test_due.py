"""When a trigger is due again."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from changewire.triggers.schedule import Schedule, phase_of

FIRST, LAST = datetime.fromisoformat("2026-01-02"), datetime.fromisoformat("2040-01-01")


@given(
    st.datetimes(FIRST, LAST, timezones=st.timezones()),
    st.timedeltas(timedelta(seconds=1), timedelta(days=9)),
    st.text(),
)
def test_a_due_moment_is_followed_by_the_one_an_interval_later(
    moment: datetime, every: timedelta, watched: str
) -> None:
    schedule = Schedule(every, phase_of(watched))
    due = schedule.next_after(moment)
    assert timedelta(0) < due - moment <= every
    assert schedule.next_after(due) - due == every
    assert schedule.next_after(due - timedelta(microseconds=1)) == due
