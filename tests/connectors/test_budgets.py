from __future__ import annotations

import pytest

from changewire.connectors.budget_store import MemoryBudgetStore
from changewire.connectors.budgets import Budgets
from changewire.errors import DelayedError
from changewire.testing import ManualClock
from tests.connectors.server import connection


def budgets(clock: ManualClock) -> Budgets:
    return Budgets(clock, MemoryBudgetStore(clock))


def test_a_connection_keeps_its_budget_while_its_limits_are_the_same(clock: ManualClock) -> None:
    made = budgets(clock)
    first = made.of(connection("http://one.example", plan="pro"))
    assert made.of(connection("http://two.example", plan="pro")) is first


def test_other_limits_keep_what_was_counted(clock: ManualClock) -> None:
    made = budgets(clock)
    for _ in range(10):
        assert made.of(connection(None, plan="pro")).take("HEAVY", clock.now()).wait_s == 0.0

    other = made.of(connection(None, plan="pro", share=0.5))
    assert other.take("HEAVY", clock.now()).wait_s == 1.0
    clock.advance(1)
    tenth = made.of(connection(None, plan="pro", share=10 / 30_000))
    with pytest.raises(DelayedError, match="today's 10 HEAVY requests of connection 'work' are used up"):
        tenth.take("HEAVY", clock.now())
