"""A stored value that cannot be read concerns its own run or trigger, and is shown."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from changewire.daemon import DATABASE
from changewire.state import rows
from changewire.state.records import RunState, TriggerState
from tests.support.processes import ask
from tests.support.shop import Shop, WatchedShop

LOG = {"use": "core.log", "with": {"message": "{{ event.key }}"}}
WAITING = [LOG, {"wait": "10m"}, LOG]
RUNS = {"lane", "state", "payload", "changes", "chain", "output", "evidence", "retry_at"}  # what decides how runs go on
TRIGGERS = {"cursor", "baseline_at", "last_ok"}  # what polls are compared with
NEVER_CLAIMED = {"runs": {"state"}}  # a run whose state is unknown is listed as paused, and nothing begins it
TABLES: dict[str, tuple[rows.Conversions, str]] = {
    "triggers": (rows._TRIGGER, "workflow = ?"),
    "events": (rows._EVENT, "workflow = ?"),
    "runs": (rows._RUN, "workflow = ?"),
    "attempts": (rows._ATTEMPT, "run_id IN (SELECT id FROM runs WHERE workflow = ?)"),
}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedShop]:
    with Shop() as shop:
        made = WatchedShop(tmp_path, shop)
        yield made
        made.turned.close()


def flow(steps: list[Any]) -> dict[str, Any]:
    return {**WatchedShop.flow("new_ready"), "steps": steps}


def damage(watched: WatchedShop, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """Change the database while nothing runs, then start again."""
    watched.turned.close()
    with closing(sqlite3.connect(watched.home / DATABASE)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement, given in statements:
            assert connection.execute(statement, given).rowcount > 0
        connection.commit()
    watched.turned = watched._open()


@pytest.mark.parametrize("table", TABLES)
def test_a_value_that_cannot_be_read_concerns_its_own_run_or_trigger(watched: WatchedShop, table: str) -> None:
    columns, of_workflow = TABLES[table]
    watched.edit(good=flow(WAITING), **{name: flow(WAITING) for name in columns})
    watched.run(1)
    watched.sell(1, ready=True)
    watched.run(61)
    damage(watched, *((f"UPDATE {table} SET {name} = ? WHERE {of_workflow}", ("dam{", name)) for name in columns))
    watched.sell(1, 2, ready=True)
    for _ in range(14):
        watched.turned.on(61)
        watched.turned.daemon._reap()
    assert watched.turned.dispatcher.failures == []
    assert watched.turned.store.runs(states=[RunState.SUCCEEDED], workflow="good")[0].run.state is RunState.SUCCEEDED
    fired = {workflow for workflow, key in watched.events() if key == "2"}
    if table == "triggers":
        assert fired == {"good", *columns} - TRIGGERS
        suspended = {r.workflow for r in watched.turned.store.triggers() if r.state is TriggerState.SUSPENDED}
        assert suspended == TRIGGERS
        assert "reset cursor`" in (watched.trigger("cursor").error or "")
    else:
        assert fired == {"good", *columns}
        found = [each.run for each in watched.turned.store.runs(states=[RunState.PAUSED])]
        assert {run.workflow for run in found} == set(columns) & RUNS - NEVER_CLAIMED.get(table, set())
        assert all("what is stored of it is damaged" in (run.reason or "") for run in found)
    assert len(watched.turned.store.events()) == len(ask(watched.home, "SELECT id FROM events"))
    assert len(watched.turned.store.runs()) == len(ask(watched.home, "SELECT id FROM runs"))
    watched.turned.daemon._serving._checkup.attention()


@pytest.mark.parametrize("column", ["at", "info"])
def test_a_daemon_starts_whatever_is_stored_of_the_last_one(watched: WatchedShop, column: str) -> None:
    watched.watch("new_ready")
    watched.run(1)
    damage(watched, (f"UPDATE daemon SET {column} = ?", ("dam{",)))
    watched.sell(1, ready=True)
    assert watched.run(61) == ["1"]


@pytest.mark.parametrize("column", ["change", "noticed_at", "due_at"])
def test_a_pending_change_that_cannot_be_read_holds_up_no_other(watched: WatchedShop, column: str) -> None:
    watched.watch()
    watched.run(1)
    watched.shop.status = {"1": 500, "2": 500}
    watched.sell(1, 2)
    watched.run(61)
    damage(watched, (f"UPDATE pending_changes SET {column} = ? WHERE key = '1'", ("dam{",)))
    watched.shop.status = {}
    watched.run(4000)
    found = {"2"} if column == "change" else {"1", "2"}
    assert {key for _, key in watched.events()} == found
    assert len(watched.turned.store.set_aside()) == 2 - len(found)


def test_a_remembered_item_that_cannot_be_read_holds_up_no_other(watched: WatchedShop) -> None:
    watched.watch("thing_changed")
    watched.sell(1, 2, 3)
    watched.run(1)
    damage(watched, ("UPDATE items SET body = ? WHERE key = '1'", (b"dam{",)))
    watched.sell(1, 2, 3, name="changed")
    assert sorted(watched.run(61)) == ["2", "3"]
    (item,) = watched.turned.store.set_aside()
    assert item.reason.startswith("what is remembered of item 1 is damaged: restore a backup")


@pytest.mark.parametrize("column", ["at", "facts", "chain"])
def test_an_alert_that_cannot_be_read_holds_up_no_other(watched: WatchedShop, column: str) -> None:
    alerted = {"trigger": {"type": "core.alert"}, "steps": [LOG]}
    watched.edit(alerted=alerted, watch=flow([LOG]))
    watched.run(1)
    store = watched.turned.store
    with closing(sqlite3.connect(watched.home / DATABASE)) as connection:
        for number in range(2):
            connection.execute(
                "INSERT INTO alerts (id, at, what, name, message, facts, chain, cause, told) "
                "VALUES (?, '2026-11-30T01:00:00.000000Z', 'trigger_failing', ?, 'm', '{}', '[]', NULL, 0)",
                (f"a{number}", f"name {number}"),
            )
        connection.execute(f"UPDATE alerts SET {column} = 'dam{{' WHERE id = 'a0'")
        connection.commit()
    watched.run(61)
    assert sorted(key for workflow, key in watched.events() if workflow == "alerted") == ["name 0", "name 1"]
    assert store.untold_alerts() == []
