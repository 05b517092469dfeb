from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.state.store import SqliteStore, Store


@pytest.fixture(params=["sqlite"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """Every kind of store, empty and open: what holds for one must hold for all."""
    kinds = {"sqlite": SqliteStore(tmp_path / "state" / "changewire.db", clock=SystemClock())}
    opened = kinds[request.param]
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "changewire.db"
