"""Changes that were noticed and are no event yet."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import from_text, to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import PendingRecord, PollCommit, WaitingChanges
from changewire.state.writer import Transaction


def write(commit: PollCommit) -> Callable[[Transaction], None]:
    """What a poll did to the pending changes of its trigger; part of the transaction that stores the poll."""
    new = [_row(record) for record in commit.pending if record.number is None]
    put_off = [
        (
            *(to_text(record.due_at), record.tries, rows.shown(record.reason), int(record.broken)),
            *(record.trigger_id, record.number),
        )
        for record in commit.pending
        if record.number is not None
    ]
    settled = [(commit.trigger_id, number) for number in commit.settled]

    def unit(transaction: Transaction) -> None:
        for name, changed in (("settle_pending", settled), ("put_off_pending", put_off), ("put_pending", new)):
            transaction.execute_many(f"commit_poll.{name}", sql(name), changed)

    return unit


def _row(record: PendingRecord) -> tuple[Any, ...]:
    moments = (to_text(record.noticed_at), to_text(record.due_at))
    state = (record.tries, rows.shown(record.reason), int(record.broken))
    return (record.trigger_id, record.key, record.change, *moments, *state)


def schedule(transaction: Transaction, trigger_id: str, earliest: datetime, *, in_turn: bool) -> None:
    """Let the next poll work on pending changes if one of them is due before the list is.

    ``in_turn``: also if that delays the list, by one interval at most. Polls take turns, so that neither the list nor
    the pending changes starve if the budget, or the time between two polls, is enough for one of them only.
    """
    given = {"trigger_id": trigger_id, "earliest": to_text(earliest)}
    found = transaction.connection.execute(sql("next_pending"), given).fetchone()
    if found is None or found[1] is None:
        return
    due_at, list_due, interval_s = found
    due_at = to_text(rows.some_moment(due_at))
    at = max(to_text(earliest), due_at)
    patience = timedelta(seconds=interval_s) if in_turn and due_at <= to_text(earliest) else timedelta(0)
    if at <= to_text(from_text(list_due) + patience):
        transaction.execute("pending.schedule", sql("schedule_pending"), {"trigger_id": trigger_id, "at": at})


def due(connection: sqlite3.Connection, trigger_id: str, now: datetime, limit: int) -> list[PendingRecord]:
    """See `Store.due_pending`."""
    given = {"trigger_id": trigger_id, "now": to_text(now), "limit": limit}
    return _records(rows.read_all(connection, sql("due_pending"), given))


def broken(connection: sqlite3.Connection, trigger_id: str) -> list[PendingRecord]:
    """See `Store.broken_changes`."""
    return _records(rows.read_all(connection, sql("broken_pending"), {"trigger_id": trigger_id}))


def _records(found: list[tuple[Any, ...]]) -> list[PendingRecord]:
    return [
        PendingRecord(
            which, key, change, rows.some_moment(noticed_at), rows.some_moment(due_at), tries, reason, seq, bool(broken)
        )
        for which, key, change, noticed_at, due_at, tries, reason, seq, broken in found
    ]


def keys(connection: sqlite3.Connection, trigger_id: str) -> frozenset[str]:
    """See `Store.pending_keys`."""
    return frozenset(key for (key,) in rows.read_all(connection, sql("pending_keys"), {"trigger_id": trigger_id}))


def waiting(connection: sqlite3.Connection, inactive: bool, offset: timedelta) -> dict[str, WaitingChanges]:
    """See `Store.waiting_changes`."""
    found = {}
    for trigger_id, *head, reason, due_at, interval_s, delayed, idle_since, held in rows.read_all(
        connection, sql("waiting_changes"), {"inactive": inactive}
    ):
        trigger, count, broken, since, tries = head
        due, idle = rows.some_moment(due_at) + offset, rows.moment_or_none(idle_since)
        found[trigger_id] = WaitingChanges(
            trigger, count, broken, rows.some_moment(since), tries, reason, due, interval_s, delayed, idle, bool(held)
        )
    return found
