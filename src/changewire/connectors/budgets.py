"""The budgets of all connections. What was used up stays used up, whatever is reloaded or begun anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.connectors.budget import Budget, Use
from changewire.connectors.definition import load_connector
from changewire.values import Json

_Limits: TypeAlias = tuple[str, str | None, float]  # connector, plan, share


class Budgets:
    """Budgets by connection, made when first asked for. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._budgets: dict[str, tuple[_Limits, Budget]] = {}
        self._before: dict[str, list[list[Json]]] = {}  # what an earlier process took today

    def of(self, connection: Connection) -> Budget:
        """The budget of a connection; changed limits begin with what was taken today. Raises UsageError."""
        limits = (connection.connector, connection.plan, connection.share)
        known = self._budgets.get(connection.name)
        if known is not None and known[0] == limits:
            return known[1]
        now = self._clock.now()
        connector = load_connector(connection.connector)
        budget = Budget(connector, connection.name, connection.plan, connection.share, self._clock)
        spent = known[1].spent(now) if known is not None else self._before.pop(connection.name, [])
        budget.restore(spent, now)
        self._budgets[connection.name] = (limits, budget)
        return budget

    def spent(self) -> dict[str, list[list[Json]]]:
        """What was taken of today's limits, by connection, for `restore`."""
        now = self._clock.now()
        return {**self._before, **{name: budget.spent(now) for name, (_, budget) in self._budgets.items()}}

    def uses(self) -> dict[str, list[Use]]:
        """What was asked so far, by connection."""
        now = self._clock.now()
        return {name: budget.uses(now) for name, (_, budget) in self._budgets.items()}

    def restore(self, spent: Mapping[str, list[list[Json]]]) -> None:
        """Take over what an earlier process took, before any budget is asked for."""
        self._before = dict(spent)
