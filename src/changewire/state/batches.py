"""Runs that work on several events: the events gather in the run that they are to start, until it begins.

The run is stored with the first of its events and is due when the time of its batch is over, so a batch needs no clock
of its own and survives like any run. The one that is full is due at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import EventRecord, RunRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import dumps_text


def put_runs(transaction: Transaction, runs: Sequence[RunRecord], point: str) -> None:
    """Store runs, each with the event that starts it; an event of a batch joins the one that gathers.

    A run that is no batch ends what its workflow gathered before, as when its file was changed: what came first is not
    to come last.
    """
    alone = [run for run in runs if run.batch_max is None]
    transaction.execute_many(f"{point}.runs", sql("put_run"), [rows.run_row(run) for run in alone])
    for workflow, at in {run.workflow: _due(run) for run in alone if run.state is RunState.PENDING}.items():
        if rows.read_all(transaction.connection, sql("gathering_runs"), {"workflow": workflow}):
            given = {"workflow": workflow, "now": to_text(at)}
            transaction.execute(f"{point}.close_batches", sql("close_batches"), given)
    for run in runs:
        if run.batch_max is not None:
            _gather(transaction, run, run.batch_max, point)


def _gather(transaction: Transaction, run: RunRecord, most: int, point: str) -> None:
    given = {"workflow": run.workflow, "order_value": run.order_value}
    found = rows.read_all(transaction.connection, sql("open_batch"), given)
    if found and found[0][1] >= most:  # the workflow's `max` was lowered since
        closed = {"run_id": found[0][0], "now": to_text(_due(run))}
        transaction.execute(f"{point}.close_batch", sql("close_batch"), closed)
        found = []
    if not found:
        put_batch(transaction, run, [run.event_id], point, gathering=None if most == 1 else 1)
        return
    ((run_id, count),) = found
    full = count + 1 >= most
    joined = {"run_id": run_id, "event_id": run.event_id, "version": run.version, "batch_max": most, "full": full}
    joined |= {"gathering": None if full else count + 1, "now": to_text(_due(run))}
    transaction.execute(f"{point}.join_batch", sql("join_batch"), joined)
    transaction.execute(f"{point}.batch", sql("put_batch"), (run_id, count, run.event_id))


def _due(run: RunRecord) -> datetime:
    return run.due_at or run.created_at


def put_batch(
    transaction: Transaction, run: RunRecord, event_ids: Sequence[str], point: str, *, gathering: int | None
) -> None:
    """Store a batch with its events, oldest first. ``gathering`` None: no other event joins, and it is due at once."""
    run = replace(run, reason=None) if gathering is None else replace(run, due_at=run.gathers_until)
    transaction.execute(f"{point}.run", sql("put_run"), rows.run_row(run, gathering))
    places = [(run.id, place, event_id) for place, event_id in enumerate(event_ids)]
    transaction.execute_many(f"{point}.batch", sql("put_batch"), places)


def events_of(connection: sqlite3.Connection, run_id: str) -> list[EventRecord]:
    """The events of a batch, oldest first."""
    columns = ", ".join(f"events.{name}" for name in rows.EVENT_COLUMNS.split(", "))
    query = f"SELECT {columns} FROM batches JOIN events ON events.id = event_id WHERE run_id = ? ORDER BY place"
    return [rows.event_of(row) for row in rows.read_all(connection, query, (run_id,))]


def ids_of(connection: sqlite3.Connection, run_ids: Iterable[str]) -> dict[str, list[str]]:
    """The ids of the events of each run that is a batch, oldest first."""
    query = """SELECT run_id, event_id FROM batches WHERE run_id IN (SELECT value FROM json_each(?))
               ORDER BY run_id, place"""
    found: dict[str, list[str]] = {}
    for run_id, event_id in rows.read_all(connection, query, (dumps_text(list(run_ids)),)):
        found.setdefault(run_id, []).append(event_id)
    return found


def grouped(wanted: Sequence[RunRecord]) -> list[list[RunRecord]]:
    """Runs that are asked for together, those of a batch as one: as many as it may have, in their order."""
    groups: list[list[RunRecord]] = []
    open_groups: dict[tuple[str, str | None], list[RunRecord]] = {}
    for run in wanted:
        place = (run.workflow, run.order_value)
        group = open_groups.get(place, []) if run.batch_max is not None else []
        if not group or len(group) >= (run.batch_max or 1):
            group = []
            groups.append(group)
        group.append(run)
        if run.batch_max is not None:
            open_groups[place] = group
    return groups
