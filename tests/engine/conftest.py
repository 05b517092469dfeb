"""A sandbox for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from changewire.sandbox import Sandbox
from tests.engine.rig import Rig, connection, sandbox_clock, write_home


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


@pytest.fixture
def rig(sandbox: Sandbox, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    made: list[Rig] = []

    def make(**workflows: str) -> Rig:
        write_home(tmp_path, connection(sandbox.url), **workflows)
        made.append(Rig(tmp_path, sandbox_clock(sandbox)))
        return made[-1]

    yield make
    for each in made:
        each.close()
