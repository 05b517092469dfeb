"""What people and programs ask about: triggers, events, runs and counts."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime
from typing import Any

from changewire.state import batches, rows
from changewire.state.queries import sql
from changewire.state.records import AttemptRecord, EventRecord, RunHistory, RunState, TriggerRecord
from changewire.values import dumps_text


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


def event_numbers(
    connection: sqlite3.Connection, since: datetime | None, workflow: str | None, limit: int | None
) -> list[int]:
    """Which events fit, by their number in the table, in the order in which they were stored."""
    where, given = _where(since_detected_at=rows.text(since), workflow=workflow)
    return _numbers(connection, f"events {where}", given, limit)


def events_of(connection: sqlite3.Connection, numbers: list[int]) -> list[EventRecord]:
    """The events of these numbers that are still there, in the same order."""
    query = f"SELECT seq, {rows.EVENT_COLUMNS} FROM events WHERE seq IN (SELECT value FROM json_each(?))"
    return [rows.event_of(row) for row in _in_order(connection, query, numbers)]


def _numbers(connection: sqlite3.Connection, what: str, given: dict[str, Any], limit: int | None) -> list[int]:
    query = f"SELECT seq FROM {what} ORDER BY seq DESC LIMIT :limit"
    found = rows.read_all(connection, query, {**given, "limit": -1 if limit is None else limit})
    return [seq for (seq,) in reversed(found)]


def _in_order(connection: sqlite3.Connection, query: str, numbers: list[int]) -> list[tuple[Any, ...]]:
    found = {seq: row for seq, *row in rows.read_all(connection, query, (dumps_text(numbers),))}
    return [tuple(found[number]) for number in numbers if number in found]


def beginning_with(connection: sqlite3.Connection, table: str, beginning: str) -> list[str]:
    """The ids in a table that begin so."""
    query = f"SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id"
    return [found for (found,) in rows.read_all(connection, query, (beginning, f"{beginning}\U0010ffff"))]


def event(connection: sqlite3.Connection, event_id: str) -> EventRecord | None:
    """See `Store.event`."""
    query = f"SELECT {rows.EVENT_COLUMNS} FROM events WHERE id = ?"
    found = rows.read_all(connection, query, (event_id,))
    return rows.event_of(found[0]) if found else None


def run_numbers(
    connection: sqlite3.Connection,
    since: datetime | None,
    workflow: str | None,
    states: Collection[RunState] | None,
    limit: int | None,
) -> list[int]:
    """Which runs fit, by their number in the table, in the order in which they were stored."""
    where, given = _where(since_created_at=rows.text(since), workflow=workflow)
    if states is not None:
        where += f" {'AND' if where else 'WHERE'} state IN (SELECT value FROM json_each(:states))"
        given["states"] = dumps_text([str(state) for state in states])
    return _numbers(connection, f"runs {where}", given, limit)


def runs_of(connection: sqlite3.Connection, numbers: list[int]) -> list[RunHistory]:
    """The runs of these numbers that are still there, in the same order, with their attempts."""
    query = f"SELECT seq, {rows.RUN_COLUMNS} FROM runs WHERE seq IN (SELECT value FROM json_each(?))"
    records = [rows.run_of(row) for row in _in_order(connection, query, numbers)]
    attempts = _attempts(connection, [run.id for run in records])
    gathered = batches.ids_of(connection, [run.id for run in records if run.batch_max is not None])
    return [RunHistory(run, rows.in_address_order(attempts[run.id]), gathered.get(run.id, [])) for run in records]


def run(connection: sqlite3.Connection, run_id: str) -> RunHistory | None:
    """See `Store.run`."""
    found = rows.read_all(connection, "SELECT seq FROM runs WHERE id = ?", (run_id,))
    return runs_of(connection, [seq for (seq,) in found])[0] if found else None


def runs_of_event(connection: sqlite3.Connection, event_id: str) -> list[RunHistory]:
    """See `Store.runs_of_event`."""
    query = (
        "SELECT seq FROM runs WHERE event_id = ? OR id IN (SELECT run_id FROM batches WHERE event_id = ?) ORDER BY seq"
    )
    return runs_of(connection, [seq for (seq,) in rows.read_all(connection, query, (event_id, event_id))])


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
