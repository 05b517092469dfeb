"""A real HTTP server on this machine, and clients of connections that lead to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client
from changewire.testing import ManualClock
from tests.connectors.server import Server, connection


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def other_server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_client(server: Server, clock: ManualClock) -> Iterator[Callable[..., Client]]:
    """Makes clients of the server; keyword arguments are fields of the connection, and its ``patience``."""
    clients: list[Client] = []

    def make(connector: str = "zoom", **fields: Any) -> Client:
        base_url, patience = fields.pop("base_url", server.url), fields.pop("patience", None)
        clients.append(Client(connection(base_url, connector, **fields), clock, HttpSettings(), patience=patience))
        return clients[-1]

    yield make
    for client in clients:
        client.close()
