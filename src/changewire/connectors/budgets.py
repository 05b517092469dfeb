"""The budgets of all connections. What was used up stays used up, whatever is reloaded or started again."""

from __future__ import annotations

from typing import TypeAlias

from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.connectors.budget import Budget, Use
from changewire.connectors.budget_store import BudgetStore
from changewire.connectors.definition import load_connector

_Limits: TypeAlias = tuple[str, str | None, float]  # connector, plan, share


class Budgets:
    """Budgets by connection, made when first asked for, with their counts in ``store``. Not thread-safe."""

    def __init__(self, clock: Clock, store: BudgetStore) -> None:
        self._clock, self._store = clock, store
        self._budgets: dict[str, tuple[_Limits, Budget]] = {}

    def of(self, connection: Connection) -> Budget:
        """Return the budget of a connection; changed limits keep what was counted. Raises UsageError."""
        limits = (connection.connector, connection.plan, connection.share)
        known = self._budgets.get(connection.name)
        if known is not None and known[0] == limits:
            return known[1]
        connector = load_connector(connection.connector)
        budget = Budget(connector, connection.name, connection.plan, connection.share, self._clock, self._store)
        self._budgets[connection.name] = (limits, budget)
        return budget

    def uses(self) -> dict[str, list[Use]]:
        """Return the requests so far, by connection."""
        now = self._clock.now()
        return {name: budget.uses(now) for name, (_, budget) in self._budgets.items()}
