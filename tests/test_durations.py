"""Durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("1w", 604800), ("250ms", 0.25), ("1.5h", 5400),
        ("1h 30m", 5400), (90, 90), (0.5, 0.5), (0, 0), (timedelta(minutes=1), 60),
    ],
)  # fmt: skip
def test_a_duration_is_read(written: object, seconds: float) -> None:
    assert parse_duration(written).total_seconds() == seconds


@pytest.mark.parametrize("written", ["", "5", "m", "5 minutes", "-5m", "1h-5m", "5M", None, True, []])
def test_what_is_no_duration_is_refused_with_examples(written: object) -> None:
    with pytest.raises(ValueError) as error:
        parse_duration(written)
    assert str(error.value) == f"{written!r} is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds"


@pytest.mark.parametrize("written", [-1, "4000d", 1e300, float("inf"), float("nan")])
def test_a_duration_lies_between_nothing_and_ten_years(written: object) -> None:
    with pytest.raises(ValueError) as error:
        parse_duration(written)
    assert str(error.value) == f"{written!r} is not a duration between 0 and ten years"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "1m30s"), (86400, "1d"), (3661, "1h1m1s"), (0.25, "0.25s"), (172860, "2d1m")]
)
def test_a_duration_is_written_as_short_as_can_be(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


@given(st.integers(0, 10 * 366 * 86400))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert parse_duration(format_duration(timedelta(seconds=seconds))) == timedelta(seconds=seconds)
