from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.connectors.remote_numbers import bounded, retry_after, whole_number

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("7", timedelta(seconds=7)),
        ("1.5", timedelta(seconds=1.5)),
        (" 7 ", timedelta(seconds=7)),
        ("0", timedelta(0)),
        ("2026-11-21T10:30:00Z", timedelta(minutes=30)),
        ("2026-11-21T10:30:00", timedelta(minutes=30)),
        ("2026-11-21T12:30:00+02:00", timedelta(minutes=30)),
        ("Sat, 21 Nov 2026 10:30:00 GMT", timedelta(minutes=30)),
        ("Sat, 21 Nov 2026 05:30:00 -0500", timedelta(minutes=30)),
        ("2020-01-01T00:00:00Z", timedelta(0)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", timedelta(0)),
        ("0001-01-01T00:00:00Z", timedelta(0)),
        ("soon", None),
        ("-1", None),
        ("1e9", None),
        ("+7", None),
        ("١٢", None),
        ("9999-12-31T23:00:00-12:00", None),
        ("", None),
        (None, None),
    ],
)
def test_every_form_of_retry_after(text: str | None, wait: timedelta | None) -> None:
    found = retry_after(text, NOW, HOUR)
    assert (found and found.until - NOW) == wait
    assert found is None or found.capped is None


@pytest.mark.parametrize(
    "text",
    [
        "3601",
        "999999999",
        "9" * 19,
        "9" * 5000,
        "1" * 400 + ".5",
        "2058-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ],
)
@pytest.mark.parametrize("date", [None, "Sat, 21 Nov 2020 22:00:00 GMT"])
def test_a_longer_wait_is_cut_and_says_so(text: str, date: str | None) -> None:
    found = retry_after(text, NOW, HOUR, date=date)
    assert found is not None
    assert found.until == NOW + HOUR
    assert found.capped == (
        f"it asked for a wait of {text[:40]!r}, which is cut to 1h; "
        "`changewire resume` with the name of the trigger ends it"
    )


headers = st.one_of(
    st.text(max_size=60),
    st.text("0123456789.-+eE:TZ ,GMTSatNov", max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(datetime.isoformat),
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.datetimes().map(lambda moment: f"{moment:%a, %d %b %Y %H:%M:%S} GMT"),
    st.integers(0, 5000).map(lambda count: "9" * count),
)


@given(
    text=headers, date=st.one_of(st.none(), headers), offset=st.timedeltas(-timedelta(days=4000), timedelta(days=4000))
)
def test_whatever_a_header_says_the_wait_is_between_nothing_and_the_longest(
    text: str, date: str | None, offset: timedelta
) -> None:
    found = retry_after(text, NOW, HOUR, offset=offset, date=date)
    assert found is None or NOW <= found.until <= NOW + HOUR
    assert found is None or found.capped is None or found.until == NOW + HOUR


values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30), st.lists(st.integers(), max_size=2),
    st.sampled_from(["NaN", "inf", "-inf", "1e400", 10**400, "3600", "-1", "9" * 5000, {}, {"a": 1}]),
)  # fmt: skip


@given(value=values)
def test_whatever_a_lifetime_is_it_lies_between_its_bounds(value: object) -> None:
    found = bounded(value, 900.0, 3600.0, 1.0)
    assert 1.0 <= found <= 3600.0
    assert not math.isnan(found)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (3600, 3600),
        ("3600", 3600),
        (-5, 1),
        (0, 1),
        (1e300, 7200),
        ("NaN", 900),
        (None, 900),
        ([], 900),
        (10**400, 900),
    ],
)
def test_a_lifetime_that_is_no_number_is_the_usual_one(value: object, seconds: float) -> None:
    assert bounded(value, 900, 7200, 1) == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("0017", 17),
        ("1" + "0" * 17, 10**17),
        ("1" + "0" * 18, None),
        ("9" * 5000, None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("١", None),
        ("", None),
    ],
)
def test_a_size_is_a_number_that_can_be_one(text: str, number: int | None) -> None:
    assert whole_number(text) == number
