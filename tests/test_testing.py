from __future__ import annotations

import threading
from datetime import timedelta

from changewire.clock import Clock, SystemClock
from changewire.testing import START, ManualClock


def test_the_clock_stands_still_until_it_is_turned() -> None:
    clock: Clock = ManualClock()

    assert (clock.now(), clock.now(), clock.monotonic()) == (START, START, 0.0)


def test_turning_and_waiting_let_time_pass_at_once() -> None:
    clock = ManualClock()
    clock.advance(60)

    assert clock.wait(30) is False
    assert clock.now() == START + timedelta(seconds=90)
    assert clock.monotonic() == 90
    assert clock.waits == [30]


def test_a_wait_that_was_woken_already_takes_no_time() -> None:
    clock, wake = ManualClock(), threading.Event()
    wake.set()

    assert clock.wait(30, wake) is True
    assert clock.monotonic() == 0


def test_the_wall_clock_is_set_forward_and_back_while_no_time_elapses() -> None:
    clock = ManualClock()
    clock.advance(10)
    clock.set_wall(3600)

    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=3610), 10)

    clock.set_wall(-7200)
    clock.set_back(60)

    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=10 - 3600 - 60), 10)


def test_time_flows_at_the_rate_that_is_given() -> None:
    real, clock = SystemClock(), ManualClock(rate=1000)
    began = real.monotonic()
    while real.monotonic() == began:
        pass
    first = clock.monotonic()

    assert first > 0
    assert START + timedelta(seconds=first) <= clock.now()

    clock.advance(5_000_000)

    assert clock.monotonic() > 5_000_000
    assert clock.now() > START + timedelta(seconds=5_000_000)
