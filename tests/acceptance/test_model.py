"""Random histories of a home whose process may end anywhere: each change fires once, each run does its work once."""

from __future__ import annotations

from tests.support.model.machine import prove


def test_no_run_sleeps_for_ever_no_charge_comes_twice_and_no_event_is_lost_doubled_or_late() -> None:
    prove(examples=100, steps=60)
