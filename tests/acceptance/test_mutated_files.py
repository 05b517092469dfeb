"""Mutated YAML files; `make torture` reads five thousand."""

from __future__ import annotations

from pathlib import Path

from tests.support.mutated_files import prove_apart


def test_a_mutated_file_brings_no_traceback_and_each_problem_has_a_place(tmp_path: Path) -> None:
    outcome = prove_apart(tmp_path, 250, seed=9)
    assert outcome.faults == []
    assert outcome.wrong == []
    assert outcome.files >= 250
    assert outcome.refused > outcome.files / 2
    assert outcome.usable > 0
