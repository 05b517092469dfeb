"""Twenty thousand mutated answers to all trigger types."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mutated_answers import prove_apart

pytestmark = pytest.mark.torture
ANSWERS, PARTS = 20_000, 4
MEMORY_MB = 512


@pytest.mark.parametrize("seed", range(101, 101 + PARTS))
def test_a_mutated_answer_brings_no_traceback_and_no_false_event(tmp_path: Path, seed: int) -> None:
    outcome = prove_apart(tmp_path, ANSWERS // PARTS, seed)
    print(outcome)  # noqa: T201
    assert outcome.faults == []
    assert outcome.false == []
    assert outcome.answers >= ANSWERS // PARTS
    assert outcome.refused > outcome.polls / 4
    assert outcome.memory_mb < MEMORY_MB
