"""A daemon that is killed in a write loses nothing and does nothing twice."""

from __future__ import annotations

from pathlib import Path

from tests.support.every_write import prove


def test_killed_at_some_of_its_writes_a_daemon_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    points = prove(tmp_path, only=("details", "participants", "recording"), step=13)
    assert points["second"] > 10
