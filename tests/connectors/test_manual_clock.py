from __future__ import annotations

import threading
from datetime import timedelta

from changewire.clock import Clock
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
