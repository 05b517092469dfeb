"""Two hundred triggers for a minute and a half, under kills, faults, edits and a wall clock that is set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.soak import run

pytestmark = pytest.mark.torture


def test_the_real_program_loses_doubles_and_forgets_nothing_and_does_not_grow(tmp_path: Path) -> None:
    print(run(tmp_path, minutes=1.5).table())  # noqa: T201
