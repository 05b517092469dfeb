"""A long workflow whose processes are killed three hundred times, at random moments and at every kind of write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.flow_kills import check, run

pytestmark = pytest.mark.torture
KILLS = 300
OF_ONE = 60  # of one run at most: a busy machine is slow enough for all of them to hit the first
MOST_RUNS = 60
WRITES = {
    "open.runs", "claim_runs.claim", "begin", "start_attempt.run", "start_attempt.before", "start_attempt.attempt",
    "commit_step.attempt", "leave_run", "commit",
}  # fmt: skip


def test_killed_three_hundred_times_every_step_is_done_once(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone")
    killed, points = 0, set[str]()
    for number in range(MOST_RUNS):
        how = ("random", "writes")[number % 2]
        outcome = run(tmp_path / str(number), how, seed=number * 7, kills=OF_ONE)
        check(outcome, alone)
        killed += len(outcome.killed)
        points |= {point.partition(":")[0] for point in outcome.killed}
        if killed >= KILLS and points >= WRITES:
            break
    assert killed >= KILLS
    assert points >= WRITES
