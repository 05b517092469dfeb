from __future__ import annotations

from changewire.connectors.budgets import Budgets
from changewire.testing import ManualClock
from changewire.values import dumps, loads
from tests.connectors.server import connection

SPENT = {"work": [["heavy", "2026-11-21", 1]]}


def test_a_connection_keeps_its_budget_while_its_limits_are_the_same(clock: ManualClock) -> None:
    budgets = Budgets(clock)
    first = budgets.of(connection("http://one.example", plan="pro"))
    assert budgets.of(connection("http://two.example", plan="pro")) is first


def test_other_limits_begin_with_what_was_taken_today(clock: ManualClock) -> None:
    budgets = Budgets(clock)
    assert budgets.of(connection(None, plan="pro")).take("HEAVY", clock.now()) == 0.0

    other = budgets.of(connection(None, plan="pro", share=0.5))
    assert other.spent(clock.now()) == SPENT["work"]
    assert budgets.spent() == SPENT


def test_what_an_earlier_process_took_is_told_on_before_and_after_the_budget_is_asked_for(clock: ManualClock) -> None:
    budgets = Budgets(clock)
    budgets.restore(loads(dumps(SPENT)))
    assert budgets.spent() == SPENT
    assert budgets.of(connection(None, plan="pro")).take("HEAVY", clock.now()) == 0.0
    assert budgets.spent() == {"work": [["heavy", "2026-11-21", 2]]}
