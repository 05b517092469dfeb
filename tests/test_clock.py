"""The machine's clock."""

from __future__ import annotations

import time

import pytest

from changewire.clock import SystemClock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this platform does not count suspended time")
def test_the_time_for_which_the_machine_was_suspended_has_elapsed() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    elapsed = SystemClock().monotonic()
    assert before <= elapsed <= time.clock_gettime(time.CLOCK_BOOTTIME)
