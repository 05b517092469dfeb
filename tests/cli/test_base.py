from __future__ import annotations

import pytest

from changewire.cli.base import SAY_AGAIN_S, WaitNotice
from changewire.testing import ManualClock


def test_waits_for_the_budget_are_said_from_a_second_on_and_not_again_and_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = ManualClock()
    notice = WaitNotice(clock)
    for wait_s in (0.9, 3.2, 5.0, SAY_AGAIN_S, 1.0):
        notice("work", wait_s)
        clock.wait(wait_s)
    assert capsys.readouterr().err == (
        "waiting 4 s for the request budget of connection 'work'\n"
        "waiting 1 s for the request budget of connection 'work'\n"
    )
