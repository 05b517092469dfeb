"""Noise never fires: not one event of polls over an account where much happens and nothing changes."""

from __future__ import annotations

from pathlib import Path

from tests.support.noise import prove


def test_thirty_polls_of_each_type_over_noise_fire_nothing(tmp_path: Path) -> None:
    outcome = prove(tmp_path, 30, seed=5, hangs=0)
    assert min(outcome.polls.values()) >= 30
    assert outcome.failed > 5
