"""What people and programs ask about: triggers, events, runs and counts; and how the past is deleted."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import AttemptRecord, EventRecord, RunHistory, RunState, TriggerRecord
from changewire.state.writer import Transaction
from changewire.values import dumps_text

PRUNED_AT_ONCE = 500  # rows in one transaction, so that polls need not wait long for it


def _where(**conditions: Any) -> tuple[str, dict[str, Any]]:
    """The WHERE clause of the conditions that are not None; keys are columns, ``since_x`` means at least."""
    given = {name: value for name, value in conditions.items() if value is not None}
    parts = [f"{name.removeprefix('since_')} {'>=' if name.startswith('since_') else '='} :{name}" for name in given]
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), given


def triggers(connection: sqlite3.Connection, active: bool | None, workflow: str | None) -> list[TriggerRecord]:
    """See `Store.triggers`."""
    where, given = _where(active=active, workflow=workflow)
    query = f"SELECT {rows.TRIGGER_COLUMNS} FROM triggers {where} ORDER BY workflow, name, seq"
    return [rows.trigger_of(row) for row in rows.read_all(connection, query, given)]


def events(
    connection: sqlite3.Connection, since: datetime | None, workflow: str | None, limit: int | None
) -> list[EventRecord]:
    """See `Store.events`."""
    where, given = _where(since_detected_at=rows.text(since), workflow=workflow)
    query = f"SELECT {rows.EVENT_COLUMNS} FROM events {where} ORDER BY detected_at DESC, seq DESC LIMIT :limit"
    found = rows.read_all(connection, query, {**given, "limit": -1 if limit is None else limit})
    return [rows.event_of(row) for row in reversed(found)]


def event(connection: sqlite3.Connection, event_id: str) -> EventRecord | None:
    """See `Store.event`."""
    query = f"SELECT {rows.EVENT_COLUMNS} FROM events WHERE id = ?"
    found = rows.read_all(connection, query, (event_id,))
    return rows.event_of(found[0]) if found else None


def runs(
    connection: sqlite3.Connection,
    since: datetime | None,
    workflow: str | None,
    states: Collection[RunState] | None,
    limit: int | None,
) -> list[RunHistory]:
    """See `Store.runs`."""
    where, given = _where(since_created_at=rows.text(since), workflow=workflow)
    if states is not None:
        where += f" {'AND' if where else 'WHERE'} state IN (SELECT value FROM json_each(:states))"
        given["states"] = dumps_text([str(state) for state in states])
    query = f"SELECT {rows.RUN_COLUMNS} FROM runs {where} ORDER BY created_at DESC, seq DESC LIMIT :limit"
    found = rows.read_all(connection, query, {**given, "limit": -1 if limit is None else limit})
    records = [rows.run_of(row) for row in reversed(found)]
    attempts = _attempts(connection, [run.id for run in records])
    return [RunHistory(run, rows.in_address_order(attempts[run.id])) for run in records]


def _attempts(connection: sqlite3.Connection, run_ids: list[str]) -> dict[str, list[AttemptRecord]]:
    query = f"SELECT {rows.ATTEMPT_COLUMNS} FROM attempts WHERE run_id IN (SELECT value FROM json_each(?))"
    found: dict[str, list[AttemptRecord]] = defaultdict(list)
    for row in rows.read_all(connection, query, (dumps_text(run_ids),)):
        found[row[0]].append(rows.attempt_of(row))
    return found


def counts(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
    """See `Store.counts`."""
    states = "SELECT state, count(*) FROM triggers WHERE active = 1 GROUP BY state"
    return {
        "triggers": dict(rows.read_all(connection, states)),
        "runs": dict(rows.read_all(connection, "SELECT state, count(*) FROM runs GROUP BY state")),
        "held": dict(rows.read_all(connection, sql("count_held"))),
        "events": {"stored": rows.read_all(connection, "SELECT count(*) FROM events")[0][0]},
    }


def prune_runs(before: datetime) -> Callable[[Transaction], int]:
    """Delete some of the finished runs that ended before this; how many. 0: none is left."""
    given = {"before": to_text(before), "limit": PRUNED_AT_ONCE}

    def unit(transaction: Transaction) -> int:
        transaction.execute("prune.attempts", sql("prune_attempts"), given)
        return transaction.execute("prune.runs", sql("prune_runs"), given).rowcount

    return unit


def prune_events(before: datetime) -> Callable[[Transaction], int]:
    """Delete some of the events without runs that are older than this; how many. 0: none is left."""
    given = {"before": to_text(before), "limit": PRUNED_AT_ONCE}

    def unit(transaction: Transaction) -> int:
        return transaction.execute("prune.events", sql("prune_events"), given).rowcount

    return unit
