"""What monitoring asks: a few short readings that find little and cost little, whatever is stored."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Any

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import Figures, TriggerRecord, WorkflowFigures


def suspects(connection: sqlite3.Connection, now: datetime) -> list[TriggerRecord]:
    """See `Store.suspects`."""
    return [_suspect(row) for row in rows.read_all(connection, sql("suspects"), {"now": to_text(now)})]


def _suspect(row: tuple[Any, ...]) -> TriggerRecord:
    *head, state, due, error, paused, since, delayed = row
    record = TriggerRecord(*head)
    record.state, record.error, record.paused = rows.trigger_state(state), error, bool(paused)
    record.next_due, record.late_since = rows.moment_or_none(due), rows.moment_or_none(since)
    record.delayed = delayed
    return record


def waiting_for_a_person(connection: sqlite3.Connection) -> dict[str, int]:
    """See `Store.waiting_for_a_person`."""
    return dict(rows.read_all(connection, sql("runs_for_a_person")))


def figures(connection: sqlite3.Connection, now: datetime) -> Figures:
    """See `Store.figures`."""
    found = Figures()
    for workflow, state, count in rows.read_all(connection, sql("figures_of_states")):
        found.triggers[workflow, state] = count
    for workflow, events, last_ok, lag_p99_ms, due_since in rows.read_all(connection, sql("figures_of_workflows")):
        moments = rows.moment_or_none(last_ok), rows.moment_or_none(due_since)
        found.workflows[workflow] = WorkflowFigures(events, moments[0], lag_p99_ms, moments[1])
    for workflow, state, count, due, due_since in rows.read_all(
        connection, sql("figures_of_runs"), {"now": to_text(now)}
    ):
        found.runs[workflow, state] = found.runs.get((workflow, state), 0) + count
        found.runs_due += due
        since = rows.moment_or_none(due_since)
        if since is not None:
            found.runs_due_since = min(since, found.runs_due_since or since)
    return found
