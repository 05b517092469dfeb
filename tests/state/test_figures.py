"""What monitoring reads: little is found, and it costs no walk through all that is stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.state.queries import sql
from changewire.state.records import Lane, RunRecord, RunState, TriggerRecord, TriggerState
from changewire.state.store import SqliteStore
from changewire.testing import START, ManualClock

MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with SqliteStore(tmp_path / "changewire.db", clock=ManualClock()) as opened:
        yield opened


def trigger(name: str, workflow: str = "A", next_due: datetime | None = START + MINUTE, **more: Any) -> TriggerRecord:
    given: dict[str, Any] = {"connection": "work", "fingerprint": name, "interval_s": 60.0, **more}
    return TriggerRecord(f"trg_{name}", workflow, name, "http.new_item", next_due=next_due, **given)


def run(number: int, state: RunState = RunState.PENDING, workflow: str = "A", **more: Any) -> RunRecord:
    return RunRecord(f"run_{number}", workflow, "v", f"evt_{number}", START, state, **more)


def put(store: SqliteStore, *runs: RunRecord) -> None:
    """Store runs as they are, whatever the ways to get there."""
    from changewire.state import rows

    for each in runs:
        row = rows.run_row(each)
        store._write(lambda transaction, row=row: transaction.execute("put", sql("put_run"), row))  # type: ignore[misc]
    held = [(each.held_by, each.id) for each in runs if each.held_by]
    store._write(lambda transaction: transaction.execute_many("hold", "UPDATE runs SET held_by = ? WHERE id = ?", held))


def test_suspects_are_those_past_due_and_those_suspended(store: SqliteStore) -> None:
    late, gone = START - MINUTE, TriggerState.SUSPENDED
    records = [
        trigger("well"),
        trigger("late", next_due=late),
        trigger("off", late_since=late),
        trigger("gone", state=gone, error="it is gone"),
        trigger("bad", next_due=late, state=TriggerState.UNAVAILABLE, error="no"),
        trigger("fed", next_due=None, state=TriggerState.OK),
    ]
    store.sync_triggers(records, START)
    found = {record.name: record for record in store.suspects(START)}
    assert list(found) == ["gone", "late", "off"]
    assert (found["gone"].state, found["gone"].error) == (gone, "it is gone")
    assert found["late"].late(START + 3 * MINUTE, 3)
    assert (found["off"].due_since, found["off"].next_due) == (late, START + MINUTE)
    store.sync_triggers([], START)
    assert store.suspects(START) == []


def test_runs_that_go_on_after_a_pause_wait_for_nobody(store: SqliteStore) -> None:
    put(store, run(1, RunState.PAUSED), run(2, RunState.PAUSED), run(3, RunState.PAUSED, "B", held_by="connection/x"))
    put(store, run(4, RunState.FAILED, "C", finished_at=START))
    assert store.waiting_for_a_person() == {"A": 2}


def test_figures_of_triggers_are_those_of_workflows(store: SqliteStore) -> None:
    records = [
        trigger("a", events=2, lag_p99_ms=10.0, last_ok=START, next_due=START + 2 * MINUTE),
        trigger("b", events=3, lag_p99_ms=20.0, last_ok=START - MINUTE, state=TriggerState.FAILING),
        trigger("c", workflow="B"),
        trigger("old", workflow="C", events=7),
    ]
    store.sync_triggers(records, START)
    store.sync_triggers(records[:3], START)
    figures = store.figures(START)
    assert figures.triggers == {("A", "baseline_pending"): 1, ("A", "failing"): 1, ("B", "baseline_pending"): 1}
    a = figures.workflows["A"]
    assert (a.events, a.last_ok, a.lag_p99_ms, a.due_since) == (5, START - MINUTE, 20.0, START + MINUTE)
    assert figures.workflows["B"].last_ok is None
    assert "C" not in figures.workflows


def test_events_of_a_trigger_that_left_its_workflow_still_count(store: SqliteStore) -> None:
    store.sync_triggers([trigger("a", events=2), trigger("b", events=3)], START)
    store.sync_triggers([trigger("a")], START)
    assert store.figures(START).workflows["A"].events == 5, "a counter that goes down is taken for a new start"


def test_figures_of_runs_count_each_once_wherever_it_stands(store: SqliteStore) -> None:
    put(
        store,
        run(1),
        run(2, RunState.WAITING, due_at=START + MINUTE),
        run(3, lane=Lane.QUEUED, due_at=START - MINUTE),
        run(4, RunState.PAUSED),
        run(5, RunState.SUCCEEDED, finished_at=START),
    )
    figures = store.figures(START)
    assert figures.runs == {("A", "pending"): 2, ("A", "waiting"): 1, ("A", "paused"): 1}
    assert (figures.runs_due, figures.runs_due_since) == (2, START - MINUTE)
    assert len(store.claim_runs(START, 10, MINUTE)) == 2
    figures = store.figures(START)
    assert figures.runs == {("A", "running"): 2, ("A", "waiting"): 1, ("A", "paused"): 1}
    assert (figures.runs_due, figures.runs_due_since) == (0, None)


@pytest.mark.parametrize("name", ["figures_of_runs", "runs_for_a_person"])
def test_finished_runs_are_not_walked_through(store: SqliteStore, name: str) -> None:
    given = {"now": "2026"} if ":now" in sql(name) else {}
    with closing(sqlite3.connect(store.path)) as database:
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {sql(name)}", given)]
    scans = [step for step in plan if step.startswith("SCAN runs")]
    assert scans
    assert all(" USING INDEX runs_" in step for step in scans)
