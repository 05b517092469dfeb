"""A workflow with branches, loops, waits, retries and a call, whose process is killed again and again."""

from __future__ import annotations

from pathlib import Path

import pytest

from changewire.state.records import RunState
from tests.support.flow_kills import Outcome, check, run


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    outcome = run(tmp_path_factory.mktemp("alone"))
    assert outcome.state is RunState.SUCCEEDED
    assert (outcome.calls["never"], outcome.calls["flaky-first"], outcome.calls["item-4"]) == (0, 2, 1)
    assert outcome.calls["end-sub-sub-1225-back-a.back-b.back-c.back-d.back-e.back-f"] == 1
    return outcome


def test_killed_at_random_moments_it_ends_as_without(tmp_path: Path, alone: Outcome) -> None:
    outcome = run(tmp_path, "random", seed=1, kills=15)
    check(outcome, alone)
    assert len(outcome.killed) >= 5


def test_killed_at_one_write_point_after_the_other_it_ends_as_without(tmp_path: Path, alone: Outcome) -> None:
    outcome = run(tmp_path, "writes", seed=0, kills=40)
    check(outcome, alone)
    points = set(outcome.killed)
    assert {"start_attempt.run:before", "start_attempt.attempt:after", "commit:before", "commit:after"} <= points
