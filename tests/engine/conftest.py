"""A sandbox for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.sandbox import Sandbox
from tests.engine.rig import Rig, connection, sandbox_clock, write_home
from tests.support.turning import Turned


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


@pytest.fixture
def logged() -> list[tuple[str, str]]:
    """What the daemons of `make` say: the stable word and the sentence."""
    return []


@pytest.fixture
def make(sandbox: Sandbox, tmp_path: Path, logged: list[tuple[str, str]]) -> Iterator[Callable[..., Turned]]:
    """Makes a daemon on a home with the workflows given by keyword; another one goes on with the clock of the first.

    ``connections`` None: one to the sandbox.
    """
    made: list[Turned] = []

    def log(event: str, message: str, /, **_: Any) -> None:
        logged.append((event, message))

    def start(
        connections: str | None = None, on_write: Callable[[str], None] | None = None, **workflows: str
    ) -> Turned:
        write_home(tmp_path, connections or connection(sandbox.url), **workflows)
        clock = made[-1].clock if made else sandbox_clock(sandbox)
        made.append(Turned(tmp_path, clock, log=log, on_write=on_write).start())
        return made[-1]

    yield start
    for each in made:
        each.close()
