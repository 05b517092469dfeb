"""A long workflow whose processes are killed three hundred times, at random moments and at every kind of write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.flow_kills import check, run

pytestmark = pytest.mark.torture
KILLS = 300
OF_ONE = 60  # of one run at most: a busy machine is slow enough for all of them to hit the first


def test_killed_three_hundred_times_every_step_is_done_once(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone")
    killed: list[str] = []
    for number in range(KILLS):
        how = ("random", "writes")[number % 2]
        outcome = run(tmp_path / str(number), how, seed=number * 7, kills=min(OF_ONE, KILLS - len(killed)))
        check(outcome, alone)
        killed += outcome.killed
        if len(killed) >= KILLS:
            break
    points = {point.partition(":")[0] for point in killed if point}
    assert points >= {"start_attempt.run", "start_attempt.before", "start_attempt.attempt", "begin", "commit"}
    assert points >= {"claim_runs.claim", "leave_run", "commit_step.attempt", "open.runs"}
    assert len(killed) >= KILLS
