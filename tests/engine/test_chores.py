"""Chores on a thread of their own."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from changewire.engine.chores import Chores
from changewire.log import silent
from changewire.testing import ManualClock

AHEAD = 3 * 3600


def test_chores_go_on_when_the_clock_on_the_wall_was_set_back() -> None:
    clock, done = ManualClock(datetime.now(UTC) + timedelta(seconds=AHEAD)), threading.Event()
    chores = Chores(clock, silent)
    chores.start({done.set: 3600}, {})
    try:
        assert not done.wait(0.05)  # planned by the old time
        clock.set_back(AHEAD)
        chores.set_back(timedelta(seconds=AHEAD))
        assert done.wait(10)
    finally:
        chores.stop()
