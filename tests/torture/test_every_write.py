"""A daemon with all eleven types, killed at every single write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.every_write import prove

pytestmark = pytest.mark.torture


def test_killed_at_every_write_a_daemon_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    points = prove(tmp_path)
    assert points["first"] > 100
    assert points["second"] > 400
    print(points)  # noqa: T201
