"""The timeline of the engine, beside a wall clock that is set."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from changewire.engine.steady_clock import TOLERANCE, SteadyClock
from changewire.testing import START, ManualClock

YEAR = timedelta(days=365)


@pytest.mark.parametrize("step", [YEAR, -YEAR, timedelta(seconds=50), timedelta(seconds=-50)])
def test_a_wall_clock_that_is_set_moves_only_the_offset(step: timedelta) -> None:
    wall = ManualClock()
    clock = SteadyClock(wall)
    wall.advance(60)
    wall.set_wall(step.total_seconds())
    assert clock.now() == START + timedelta(seconds=60)
    assert clock.offset() == step
    wall.set_wall(-step.total_seconds())
    assert clock.offset() == timedelta(0)


def test_many_small_steps_are_as_much_as_their_sum() -> None:
    wall = ManualClock()
    clock = SteadyClock(wall)
    for _ in range(100):
        wall.advance(30)
        wall.set_wall(0.2)
        clock.offset()
    assert abs(clock.offset() - timedelta(seconds=20)) <= TOLERANCE
    assert clock.now() == START + timedelta(seconds=3000)


@pytest.mark.parametrize(("gap", "counted"), [(timedelta(hours=5), timedelta(hours=5)), (-YEAR, timedelta(0))])
def test_over_a_restart_the_time_is_what_the_wall_clock_says_and_never_negative(
    gap: timedelta, counted: timedelta
) -> None:
    left_at, wall_then = START + timedelta(days=3), START + timedelta(days=10)
    clock = SteadyClock(ManualClock(wall_then + gap))
    clock.resume(left_at, wall_then)
    assert clock.now() == left_at + counted
    assert clock.now() + clock.offset() == wall_then + gap


class Interrupted(ManualClock):
    """Three seconds pass while the wall clock is read, but for the first reading and every third after it."""

    readings = 0

    def now(self) -> datetime:
        shown = super().now()
        self.readings += 1
        if self.readings % 3:
            self.advance(3)
        return shown


def test_a_thread_that_had_to_stop_while_it_read_the_clocks_saw_no_step() -> None:
    wall = Interrupted()
    wall.readings = 2  # the clock begins with an undisturbed reading
    clock = SteadyClock(wall)
    for _ in range(10):
        assert clock.offset() == timedelta(0)
