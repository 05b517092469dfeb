"""A process killed at any write of a run: the next one goes on from the first unfinished step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from changewire.clock import SystemClock
from changewire.state.records import AttemptState, RunState
from tests.actions.killed import prepare
from tests.actions.rig import Rig

ROOT = Path(__file__).parents[2]
COUNTED = {"0": "a", "2": "c", "4": "2"}  # address → the line that the step leaves


def test_killed_at_every_write_point_each_finished_step_ran_once(tmp_path: Path) -> None:
    prepare(tmp_path / "template")
    command = [sys.executable, "-m", "tests.actions.killed", str(tmp_path / "template"), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    points = [line.split()[1] for line in done.stdout.splitlines()]
    assert {"start_attempt.attempt:after", "commit_step.attempt:before", "commit:after"} <= set(points)
    unknown = set()
    for number, point in enumerate(points):
        unknown |= _goes_on(tmp_path / str(number), f"{number} {point}")
    assert unknown == {"0", "1", "2", "3", "4"}


def _goes_on(home: Path, point: str) -> set[str]:
    """Let the next process finish the run; the addresses of steps that were cut off."""
    rig = Rig(home, clock=SystemClock()).open()
    try:
        before = rig.store.load_run("r1")
        finished = {a.address for a in before[2] if a.state is AttemptState.SUCCEEDED}
        if before[0].state is not RunState.SUCCEEDED:
            assert rig.go() is RunState.SUCCEEDED, point
        ran = (home / "ran.txt").read_text().split()
        for address, line in COUNTED.items():
            assert ran.count(line) == 1 if address in finished else ran.count(line) in {1, 2}, point
        assert (home / "state" / "files" / "out.txt").read_text() == "a\nc\n", point
        attempts = rig.attempts
        assert [a for a, _, state in attempts if state is AttemptState.SUCCEEDED] == list("01234"), point
        assert all(number == 1 for address, number, _ in attempts if address in finished), point
        return {address for address, _, state in attempts if state is AttemptState.UNKNOWN}
    finally:
        rig.close()
