"""A process killed at any write of a run: the next one goes on from the first unfinished step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from changewire.clock import SystemClock
from changewire.state.records import AttemptState, RunState
from tests.actions.killed import BESIDE, CHARGING, FAILING, STOPPING, WORKFLOW, prepare
from tests.actions.rig import Rig

ROOT = Path(__file__).parents[2]
COUNTED = {"steps/0": "a", "steps/2": "c", "steps/4": "2"}  # address → the line that the step leaves


def killed(folder: Path, workflow: str) -> list[str]:
    """The write points, at each of which a process was killed; its home has the point's number."""
    prepare(folder / "template", workflow)
    command = [sys.executable, "-m", "tests.actions.killed", str(folder / "template"), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_killed_at_every_write_point_each_finished_step_ran_once(tmp_path: Path) -> None:
    points = killed(tmp_path, WORKFLOW)
    assert {"start_attempt.attempt:after", "commit_step.attempt:before", "commit:after"} <= set(points)
    unknown = set()
    for number, point in enumerate(points):
        unknown |= _goes_on(tmp_path / str(number), f"{number} {point}")
    assert unknown == {f"steps/{n}" for n in range(5)}


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
        assert [a for a, _, state in attempts if state is AttemptState.SUCCEEDED] == [f"steps/{n}" for n in range(5)], (
            point
        )
        assert all(number == 1 for address, number, _ in attempts if address in finished), point
        return {address for address, _, state in attempts if state is AttemptState.UNKNOWN}
    finally:
        rig.close()


def test_killed_while_a_failure_is_handled_the_run_still_ends_paused(tmp_path: Path) -> None:
    for number, point in enumerate(killed(tmp_path, FAILING)):
        rig = Rig(tmp_path / str(number), clock=SystemClock()).open()
        try:
            if rig.store.load_run("r1")[0].state is not RunState.PAUSED:
                assert rig.go() is RunState.PAUSED, point
            ran = (rig.home / "ran.txt").read_text().split()
            assert set(ran) == {"a", "h0", "h2"}, point
            assert len(ran) <= 4, point
            assert [n for address, n, _ in rig.attempts if address == "steps/1"] == [1], point
            assert str(rig.reason).startswith("steps/1 (core.count): bad_input: "), point
        finally:
            rig.close()


def test_killed_at_every_write_point_a_charge_whose_answer_was_lost_is_not_repeated(tmp_path: Path) -> None:
    points = killed(tmp_path, CHARGING)
    assert "leave_run:before" in points
    for number, point in enumerate(points):
        rig = Rig(tmp_path / str(number), clock=SystemClock()).open()
        try:
            if rig.store.load_run("r1")[0].state is not RunState.PAUSED:
                assert rig.go() is RunState.PAUSED, f"{number} {point}"
            ran = rig.home / "ran.txt"
            assert not ran.exists() or ran.read_text() == "charge\n", f"{number} {point}"
            run = rig.store.load_run("r1")[0]
            assert (run.resumes, run.waits_for) == (0, "steps/0"), f"{number} {point}"
        finally:
            rig.close()


def finished(home: Path, state: RunState, point: str) -> list[str]:
    """Let the next process bring the run to ``state``; the lines that its steps left, in any order."""
    rig = Rig(home, clock=SystemClock()).open()
    try:
        if rig.store.load_run("r1")[0].state is not state:
            assert rig.go() is state, point
        assert rig.store.load_run("r1")[0].resumes == 0, point
        ran = home / "ran.txt"
        return ran.read_text().split() if ran.exists() else []
    finally:
        rig.close()


def test_killed_at_every_write_point_an_iteration_that_failed_ends_the_run_once(tmp_path: Path) -> None:
    for number, point in enumerate(killed(tmp_path, BESIDE)):
        ran = finished(tmp_path / str(number), RunState.PAUSED, f"{number} {point}")
        assert ran.count("charge") <= 1, f"{number} {point}"
        assert 1 <= ran.count("h0") <= 2, f"{number} {point}"
        assert all(ran.count(f"i{item}") <= 2 for item in (1, 3)), f"{number} {point}"


def test_killed_at_every_write_point_a_run_that_was_stopped_as_failed_stays_so(tmp_path: Path) -> None:
    for number, point in enumerate(killed(tmp_path, STOPPING)):
        ran = finished(tmp_path / str(number), RunState.FAILED, f"{number} {point}")
        assert 1 <= ran.count("a") <= 2, f"{number} {point}"
        assert 1 <= ran.count("h0") <= 2, f"{number} {point}"
        assert "never" not in ran, f"{number} {point}"
