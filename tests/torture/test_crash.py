"""A daemon that is killed two hundred times on a busy account."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import prove

pytestmark = pytest.mark.torture
KILLS = 200


def test_killed_at_two_hundred_random_moments_every_change_is_exactly_one_event(tmp_path: Path) -> None:
    outcome = prove(tmp_path, KILLS, seed=2)
    assert outcome.events > KILLS
    print(outcome)  # noqa: T201
