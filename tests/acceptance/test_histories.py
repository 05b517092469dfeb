"""Random histories of creations, edits, deletions, faults, restarts and edited files: events equal the truth."""

from __future__ import annotations

from tests.support.histories import prove


def test_events_equal_what_a_naive_model_says() -> None:
    prove(examples=8, steps=25)
