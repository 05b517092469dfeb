"""Triggers and their polls: each function is one unit of writing, or one reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import to_text
from changewire.errors import StateError
from changewire.state import alerts, pauses, pending, rows, set_aside
from changewire.state.batches import put_runs
from changewire.state.echoes import settle
from changewire.state.queries import sql
from changewire.state.records import (
    Claimed,
    EventRecord,
    Handover,
    ItemRecord,
    PauseCause,
    PauseKind,
    PollCommit,
    RunRecord,
    TriggerRecord,
)
from changewire.state.writer import Transaction
from changewire.values import dumps_text


def next_claim(transaction: Transaction) -> int:
    """A claim number that was never given before."""
    return int(transaction.execute("claim.number", sql("next_claim")).fetchall()[0][0])


_HAND_OVER = f"{sql('hand_over_runs')}, {rows.RUN_COLUMNS}"
_CLAIM = f"{sql('claim_triggers')}, {rows.TRIGGER_COLUMNS}"


def claim_due(now: datetime, limit: int, lease: timedelta) -> Callable[[Transaction], list[tuple[Any, ...]]]:
    """See `Store.claim_due`; gives rows for `claimed`, for there is no time to lose while others wait to write."""

    def unit(transaction: Transaction) -> list[tuple[Any, ...]]:
        claim = next_claim(transaction)
        given = {"now": to_text(now), "limit": limit, "claim": claim, "lease_until": to_text(now + lease)}
        return transaction.execute("claim_due", _CLAIM, given).fetchall()

    return unit


def claimed(found: list[tuple[Any, ...]]) -> list[Claimed]:
    """What the rows of `claim_due` say, earliest first."""
    claims = []
    for due_at, _, claim, *row in sorted(found, key=lambda row: row[:2]):
        record = rows.trigger_of(row)
        due = record.late_since or rows.some_moment(due_at)
        claims.append(Claimed(record.id, due, claim, record.generation, record))
    return claims


def poll_now(ids: Collection[str], now: datetime) -> Callable[[Transaction], int]:
    """See `Store.poll_now`."""

    def unit(transaction: Transaction) -> int:
        given = {"now": to_text(now), "ids": dumps_text(sorted(ids))}
        return len(transaction.execute("poll_now", sql("poll_now"), given).fetchall())

    return unit


def release(
    trigger_id: str, claim: int, next_due: datetime, delayed: str | None, pending_from: datetime | None
) -> Callable[[Transaction], bool]:
    """See `Store.release`."""
    given = {"trigger_id": trigger_id, "claim": claim, "next_due": to_text(next_due), "delayed": rows.shown(delayed)}

    def unit(transaction: Transaction) -> bool:
        if transaction.execute("release", sql("release_trigger"), given).rowcount != 1:
            return False
        if pending_from is not None:
            pending.schedule(transaction, trigger_id, pending_from, in_turn=True)
        return True

    return unit


def commit_poll(commit: PollCommit) -> Callable[[Transaction], bool]:
    """See `Store.commit_poll`. ValueError where a failed poll wants to store more than its failure."""
    memory = (commit.upserts, commit.touches, commit.deletes, commit.events, commit.runs)
    left = (commit.pending, commit.settled, commit.set_aside)
    if not commit.ok and (any(memory) or any(left) or commit.baseline_at or commit.rules or commit.cursor is not None):
        raise ValueError("a poll that failed cannot store items, events, runs or memory")
    row = rows.commit_row(commit)
    changes, pend = _item_rows(commit), pending.write(commit)
    put_aside = set_aside.write(commit)
    events = [rows.event_row(event) for event in commit.events]
    mended = (
        None
        if commit.mends is None
        else pauses.lift(PauseKind.CONNECTION, commit.mends, commit.now, PauseCause.CREDENTIAL, commit.wall)
    )

    def unit(transaction: Transaction) -> bool:
        if transaction.execute("commit_poll.trigger", sql("commit_trigger"), row).rowcount != 1:
            return False
        for name, changed in changes:
            transaction.execute_many(f"commit_poll.{name}", sql(name), changed)
        pend(transaction)
        put_aside(transaction)
        if commit.pending_from is not None:
            pending.schedule(transaction, commit.trigger_id, commit.pending_from, in_turn=commit.in_turn)
        if events:
            _put_events(transaction, commit.trigger_id, events, commit.runs, "commit_poll")
        if commit.alert is not None:
            alerts.put(transaction, commit.alert)
        settle(transaction, commit.echoes, commit.wall)
        if mended is not None:
            mended(transaction)
        if commit.handover is not None and commit.runs:
            commit.handover.taken = _hand_over(transaction, commit.claim, commit.handover, commit.runs)
        return True

    return unit


def move_due(moments: Mapping[str, tuple[datetime, datetime]]) -> Callable[[Transaction], int]:
    """See `Store.move_due`."""
    changed = [{"id": name, "before": to_text(old), "due": to_text(new)} for name, (old, new) in moments.items()]

    def unit(transaction: Transaction) -> int:
        return sum(transaction.execute("move_due", sql("move_due"), one).rowcount for one in changed)

    return unit


def feed(events: Sequence[EventRecord], runs: Sequence[RunRecord]) -> Callable[[Transaction], list[str]]:
    """See `Store.feed`."""
    by_trigger: dict[str, list[tuple[Any, ...]]] = {}
    for event in events:
        by_trigger.setdefault(event.trigger_id, []).append(rows.event_row(event))

    def unit(transaction: Transaction) -> list[str]:
        return [
            event_id
            for trigger_id, found in by_trigger.items()
            for event_id in _put_events(transaction, trigger_id, found, runs, "feed")
        ]

    return unit


def _item_rows(commit: PollCommit) -> list[tuple[str, list[tuple[Any, ...]]]]:
    trigger = commit.trigger_id
    puts = [
        (trigger, i.key, i.hash, i.body, i.revision, i.candidate, i.candidate_count, i.absences) for i in commit.upserts
    ]
    touches = [(i.candidate, i.candidate_count, i.absences, trigger, i.key) for i in commit.touches]
    deletes = [(trigger, key) for key in commit.deletes]
    return [("delete_item", deletes), ("put_item", puts), ("touch_item", touches)]


def _put_events(
    transaction: Transaction, trigger_id: str, events: list[tuple[Any, ...]], runs: Sequence[RunRecord], point: str
) -> list[str]:
    """Ids of the events that were new."""
    new = {
        event[0]: event[8]
        for event in events
        if transaction.execute(f"{point}.event", sql("put_event"), event).rowcount == 1
    }
    put_runs(transaction, [run for run in runs if run.event_id in new], point)
    if new:
        given = {"trigger_id": trigger_id, "inserted": len(new), "last_event": max(new.values())}
        transaction.execute(f"{point}.counters", sql("count_events_of_trigger"), given)
    return list(new)


def _hand_over(transaction: Transaction, claim: int, handover: Handover, runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Claim runs that were stored just now; one of an event that was known before is not among them."""
    given = {"claim": claim, "now": to_text(handover.now), "lease_until": to_text(handover.lease_until)}
    wanted = {**given, "ids": dumps_text([run.id for run in runs]), "limit": handover.most}
    found = transaction.execute("commit_poll.hand_over", _HAND_OVER, wanted).fetchall()
    return [rows.run_of(row[1:]) for row in sorted(found)]


def load_poll_state(
    connection: sqlite3.Connection, trigger_id: str, keys: Collection[str] | None, *, alike: bool = False
) -> tuple[TriggerRecord, dict[str, ItemRecord]]:
    """See `Store.load_poll_state`."""
    query = f"SELECT {rows.TRIGGER_COLUMNS} FROM triggers WHERE id = ?"
    found = connection.execute(query, (trigger_id,)).fetchone()
    if found is None:
        raise StateError(f"There is no trigger {trigger_id} in the database: it was reset or left the config.")
    if keys is not None and any("\0" in key for key in keys):
        keys = None  # SQLite ends a text that it takes out of JSON at such a character
    given = {"trigger_id": trigger_id, "keys": dumps_text(list(keys or ()))}
    names = ["items"] if keys is None else ["items_of_keys", "items_alike"] if alike else ["items_of_keys"]
    items = [row for name in names for row in connection.execute(sql(name), given)]
    return rows.trigger_of(found), {row[0]: ItemRecord(*row) for row in items}
