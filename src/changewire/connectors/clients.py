"""The clients of all connections."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.config.settings import Settings
from changewire.connectors.budget import Use
from changewire.connectors.budget_store import BudgetStore, MemoryBudgetStore
from changewire.connectors.budgets import Budgets
from changewire.connectors.client import Client, Patience
from changewire.connectors.sign_in.token_store import TokenStore
from changewire.errors import UsageError, nearest


class Clients:
    """The clients of all connections, made when first asked for.

    ``tokens`` None: people's sign-ins are not kept. ``budgets`` None: no other process shares their request budgets.
    """

    def __init__(
        self,
        connections: Mapping[str, Connection],
        clock: Clock,
        settings: Settings,
        tokens: TokenStore | None = None,
        budgets: BudgetStore | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._connections, self._clock, self._settings = dict(connections), clock, settings
        self._tokens, self._patience = tokens, patience or Patience()
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}
        self._budgets = Budgets(clock, budgets or MemoryBudgetStore(clock))

    @property
    def stopping(self) -> threading.Event | None:
        """Set when the process stops, which ends waits before requests; None: never."""
        return self._patience.stopping

    def get(self, name: str) -> Client:
        """The client of a connection. Raises UsageError for an unknown and for an unusable one."""
        client = self._clients.get(name)
        return client if client is not None else self._make(name)

    def replace(self, connections: Mapping[str, Connection]) -> set[str]:
        """Take over changed connections; unchanged ones keep their client, and unchanged limits their budget.

        What an API said about waiting is forgotten for changed ones: a person edited them. Returns their names.
        """
        with self._lock:
            changed = [one for name, one in connections.items() if self._connections.get(name, one) != one]
            for each in changed:
                self._budgets.of(each).release()
            self._connections = dict(connections)
            kept = {n: c for n, c in self._clients.items() if self._connections.get(n) == c.connection}
            for name in self._clients.keys() - kept.keys():
                self._clients[name].close()
            self._clients = kept
            return {each.name for each in changed}

    def uses(self) -> dict[str, list[Use]]:
        """What was asked so far, by connection; those that nothing was asked of yet are missing."""
        with self._lock:
            return self._budgets.uses()

    def close(self) -> None:
        """Close all connections to servers."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients = {}

    def _make(self, name: str) -> Client:
        with self._lock:
            if name in self._clients:
                return self._clients[name]
            connection = self._connections.get(name)
            if connection is None:
                near = nearest(name, self._connections)
                hint = f": did you mean {near!r}?" if near else ": add it to connections.yaml"
                raise UsageError(f"there is no connection {name!r}{hint}")
            budget = self._budgets.of(connection)
            http, patience = self._settings.http, self._patience
            client = self._clients[name] = Client(connection, self._clock, http, budget, self._tokens, patience)
            return client
