"""Date windows: nothing falls between two spans, and none is longer than the source serves."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from changewire.triggers.definition import Window
from changewire.triggers.windows import CATCH_UP, spans


def window(**parts: Any) -> Window:
    usual = {"start": "from", "end": "to", "lookback": "27d", "longest": "28d", "reach": "180d"}
    return Window.model_validate({**usual, **parts})


def asked(window: Window, now: datetime, last_ok: datetime | None = None, since: datetime | None = None) -> list[str]:
    return [f"{start}..{end}" for (_, start), (_, end) in spans(window, now, last_ok, since)]


@pytest.mark.parametrize(
    ("now", "span"),
    [
        ("2026-11-21T10:00:00", "2026-10-25..2026-11-22"),
        ("2026-03-31T23:59:59", "2026-03-04..2026-04-01"),
        ("2026-03-01T00:00:00", "2026-02-02..2026-03-02"),
        ("2027-02-28T12:00:00", "2027-02-01..2027-03-01"),
        ("2028-02-28T12:00:00", "2028-02-01..2028-02-29"),
        ("2028-02-29T12:00:00", "2028-02-02..2028-03-01"),
        ("2026-12-31T23:00:00", "2026-12-04..2027-01-01"),
    ],
)
def test_every_poll_looks_back_over_ends_of_months_and_leap_days(now: str, span: str) -> None:
    assert asked(window(), datetime.fromisoformat(now).replace(tzinfo=UTC)) == [span]


def test_a_long_downtime_is_read_in_steps_newest_first() -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    found = asked(window(), now, last_ok=now - timedelta(days=60))
    assert found == ["2026-10-25..2026-11-22", "2026-09-28..2026-10-26", "2026-09-19..2026-09-29"]


def test_nothing_beyond_the_reach_is_asked_for() -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert asked(window(), now, last_ok=now - timedelta(days=900))[-1].startswith("2026-05-25..")
    assert asked(window(), now, since=now - timedelta(days=100))[-1].startswith("2026-08-13..")


def test_dates_are_those_of_utc_wherever_since_was_written() -> None:
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    since = datetime(2026, 9, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert asked(window(), now, since=since)[-1].startswith("2026-08-31..")
    exact = asked(window(format="datetime"), now, since=since)[-1]
    assert exact.startswith("2026-08-31T11:00:00Z..")


DAYS = st.integers(2, 60)  # spans of dates share a day, so they need two


@given(
    st.integers(0, 6 * 366 * 86400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s)),
    st.integers(0, 60),
    DAYS,
    st.integers(0, 300),
    st.one_of(st.none(), st.integers(0, 400 * 86400)),
    st.one_of(st.none(), st.integers(0, 400)),
    st.sampled_from(["date", "datetime"]),
)
def test_spans_cover_everything_without_a_gap(
    now: datetime, back: int, longest: int, reach: int, down_s: int | None, since_days: int | None, form: str
) -> None:
    back = max(back, int(form == "datetime"))
    reach = max(reach, back)
    one = window(lookback=f"{back}d", longest=f"{longest}d", reach=f"{reach}d", format=form)
    last_ok = None if down_s is None else now - timedelta(seconds=down_s)
    since = None if since_days is None else now - timedelta(days=since_days)
    found = [
        tuple(datetime.fromisoformat(text).replace(tzinfo=UTC) for _, text in span)
        for span in spans(one, now, last_ok, since)
    ]
    wanted = [now - one.lookback, *([last_ok - CATCH_UP] if last_ok else []), *([since] if since else [])]
    assert found[-1][0] <= max(min(wanted), now - one.reach)
    assert found[0][1] >= now or (form == "date" and found[0][1].date() > now.date())
    for start, end in found:
        assert timedelta(0) < end - start <= one.longest
    for (later, _), (_, earlier) in itertools.pairwise(found):
        assert later < earlier


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"longest": "0s"}, "`longest` must be at least 2d with format: date"),
        ({"longest": "1s", "format": "datetime"}, "`longest` must be at least 1m with format: datetime"),
        ({"lookback": "1s", "format": "datetime"}, "`lookback` must be at least 1m with format: datetime"),
        ({"reach": "1d"}, "`reach` must not be shorter than `lookback`"),
    ],
)
def test_windows_that_make_no_sense_are_refused(parts: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as error:
        window(**parts)
    assert message in str(error.value)
