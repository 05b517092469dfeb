"""Hundreds of random histories against a naive model."""

from __future__ import annotations

import pytest

from tests.support.histories import prove

pytestmark = pytest.mark.torture


def test_events_equal_what_a_naive_model_says_in_hundreds_of_histories() -> None:
    prove(examples=120, steps=40)
