"""Moments as APIs write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.triggers.dating import latest_of, moment_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECONDS = 1795262400
HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("written", "later"),
    [
        ("2026-11-21T12:00:00Z", 0),
        ("2026-11-21T12:00:00.000+00:00", 0),
        ("2026-11-21T04:00:00-08:00", 0),
        ("20261121T120000Z", 0),
        ("2026-11-21 12:00:00Z", 0),
        ("Sat, 21 Nov 2026 12:00:00 GMT", 0),
        (SECONDS, 0),
        (float(SECONDS), 0),
        (str(SECONDS), 0),
        (SECONDS * 10**3, 0),
        (str(SECONDS * 10**3), 0),
        (SECONDS * 10**6, 0),
        (SECONDS * 10**9, 0),
        ("2026-11-21T12:00:00", 12),  # in any time zone
        (" 2026-11-21 12:00 ", 12),
    ],
)
def test_a_moment_is_read_in_every_usual_form(written: Any, later: int) -> None:
    assert moment_of({"made": written}, "made") == NOON
    assert latest_of({"made": written}, "made") == NOON + later * HOURS


@pytest.mark.parametrize("written", ["2026-11-21", "20261121"])
def test_a_date_may_be_any_moment_of_its_day(written: str) -> None:
    assert moment_of({"made": written}, "made") == NOON - 12 * HOURS
    assert latest_of({"made": written}, "made") == NOON + 24 * HOURS


NONE: list[Any] = [None, "", "soon", "11/21/2026", True, 0, -5, [], {}, "1", "12:00", inf, -inf, nan, 10**400, 10**20]


@pytest.mark.parametrize("written", NONE, ids=[str(written)[:12] for written in NONE])
def test_what_is_no_moment_is_none(written: Any) -> None:
    assert moment_of({"made": written}, "made") is None
    assert latest_of({"made": written}, "made") is None


def test_no_field_is_no_moment() -> None:
    assert moment_of({}, "made") is None
    assert moment_of({"made": SECONDS}, None) is None


@pytest.mark.parametrize(
    "written", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59", "9999-12-31"]
)
def test_the_ends_of_time_are_moments(written: str) -> None:
    assert moment_of({"made": written}, "made") is not None
    assert latest_of({"made": written}, "made") is not None


@given(st.integers() | st.floats() | st.text())
def test_nothing_breaks_it(written: Any) -> None:
    found = [moment_of({"made": written}, "made"), latest_of({"made": written}, "made")]
    assert all(each is None or each.utcoffset() == timedelta() for each in found)
