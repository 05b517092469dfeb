"""A daemon that is killed loses nothing and does nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.support.crash import prove


def test_killed_at_random_moments_every_change_is_exactly_one_event(tmp_path: Path) -> None:
    outcome = prove(tmp_path, kills=4)
    assert outcome.events > 10
