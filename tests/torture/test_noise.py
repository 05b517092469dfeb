"""A thousand polls of each type over nothing but noise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.noise import prove
from tests.support.zoom_cases import CASES

pytestmark = pytest.mark.torture
POLLS = 1000


def test_a_thousand_polls_of_each_type_over_noise_fire_nothing(tmp_path: Path) -> None:
    outcome = prove(tmp_path, POLLS, seed=1, hangs=5)
    assert len(outcome.polls) == 12 + len(CASES)
    assert min(outcome.polls.values()) >= POLLS
    assert outcome.failed > POLLS / 5
    print(outcome)  # noqa: T201
