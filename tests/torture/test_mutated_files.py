"""Five thousand mutated YAML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.mutated_files import prove_apart

pytestmark = pytest.mark.torture
FILES, PARTS = 5_000, 2
MEMORY_MB = 512


@pytest.mark.parametrize("seed", range(201, 201 + PARTS))
def test_a_mutated_file_brings_no_traceback_and_each_problem_has_a_place(tmp_path: Path, seed: int) -> None:
    outcome = prove_apart(tmp_path, FILES // PARTS, seed)
    print(outcome)  # noqa: T201
    assert outcome.faults == []
    assert outcome.wrong == []
    assert outcome.files >= FILES // PARTS
    assert outcome.refused > outcome.files / 2
    assert outcome.memory_mb < MEMORY_MB
