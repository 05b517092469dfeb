"""Mutated answers to all trigger types; `make torture` sends twenty thousand."""

from __future__ import annotations

from pathlib import Path

from changewire.catalog import load_catalog
from tests.support.mutated_answers import prove_apart


def test_a_mutated_answer_brings_no_traceback_and_no_false_event(tmp_path: Path) -> None:
    outcome = prove_apart(tmp_path, 300, seed=7)
    assert outcome.faults == []
    assert outcome.false == []
    assert outcome.answers >= 300
    assert outcome.refused > outcome.polls / 8
    polled = {name for name in load_catalog(None).triggers if not name.startswith("core.")}
    assert outcome.types == len(polled)
