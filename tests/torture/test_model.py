"""Thousands of random histories of a home whose process may end anywhere."""

from __future__ import annotations

import pytest

from tests.support.model.machine import prove

pytestmark = pytest.mark.torture
HISTORIES, PARTS = 2000, 10


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_no_run_sleeps_for_ever_no_charge_comes_twice_and_no_event_is_lost_doubled_or_late(part: int) -> None:
    prove(examples=HISTORIES // PARTS, steps=60, number=part)
