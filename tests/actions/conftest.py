from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, Sandbox
from tests.actions.rig import Rig, connection
from tests.connectors.server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def make_rig(tmp_path: Path, server: Server) -> Iterator[Callable[..., Rig]]:
    """Makes the rig of a home whose connection ``work`` leads to the server."""
    made: list[Rig] = []

    def make(*connections: Any, **given: Any) -> Rig:
        made.append(Rig(tmp_path, *(connections or (connection("work", server.url),)), **given).open())
        return made[-1]

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as one:
        yield one


@pytest.fixture
def zoom(sandbox: Sandbox, make_rig: Callable[..., Rig]) -> Rig:
    """The rig of a home whose connection ``work`` leads to the sandbox."""
    secrets = {"account_id": ACCOUNT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    auth = {"type": "server_to_server", **secrets}
    return make_rig(connection("work", sandbox.url, plan="business", auth=auth), clock=SystemClock())
