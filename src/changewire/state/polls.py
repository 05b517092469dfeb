"""Triggers and their polls: each function is one unit of writing, or one reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import from_text, to_text
from changewire.errors import StateError
from changewire.state import alerts, pauses, pending, rows
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
    TriggerState,
)
from changewire.state.writer import Transaction
from changewire.values import dumps_text

_CONFIG = ("workflow", "name", "type", "connection", "fingerprint", "interval_s", "schedule")


def next_claim(transaction: Transaction) -> int:
    """A claim number that was never given before."""
    return int(transaction.execute("claim.number", sql("next_claim")).fetchall()[0][0])


def next_epoch(transaction: Transaction) -> int:
    """Return an epoch that no memory of a trigger ever had."""
    return int(transaction.execute("epoch.number", sql("next_epoch")).fetchall()[0][0])


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
        due = record.late_since or from_text(due_at)
        claims.append(Claimed(record.id, due, claim, record.generation, record))
    return claims


def release(
    trigger_id: str, claim: int, next_due: datetime | None, delayed: str | None, pending_from: datetime | None
) -> Callable[[Transaction], bool]:
    """See `Store.release`."""
    given = {"trigger_id": trigger_id, "claim": claim, "next_due": rows.text(next_due), "delayed": rows.shown(delayed)}

    def unit(transaction: Transaction) -> bool:
        if transaction.execute("release", sql("release_trigger"), given).rowcount != 1:
            return False
        if pending_from is not None:
            pending.schedule(transaction, trigger_id, pending_from, listed=True)
        return True

    return unit


def commit_poll(commit: PollCommit) -> Callable[[Transaction], bool]:
    """See `Store.commit_poll`. ValueError where a failed poll wants to store more than its failure."""
    memory = (commit.upserts, commit.touches, commit.deletes, commit.events, commit.runs)
    left = (commit.pending, commit.settled)
    if not commit.ok and (any(memory) or any(left) or commit.baseline_at or commit.rules or commit.cursor is not None):
        raise ValueError("a poll that failed cannot store items, events, runs or memory")
    row = rows.commit_row(commit)
    changes, pend = _item_rows(commit), pending.write(commit)
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
        if commit.pending_from is not None:
            pending.schedule(transaction, commit.trigger_id, commit.pending_from, listed=commit.listed)
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
    given = {"trigger_id": trigger_id, "keys": dumps_text(list(keys or ()))}
    names = ["items"] if keys is None else ["items_of_keys", "items_alike"] if alike else ["items_of_keys"]
    items = [row for name in names for row in connection.execute(sql(name), given)]
    return rows.trigger_of(found), {row[0]: ItemRecord(*row) for row in items}


def sync(records: Sequence[TriggerRecord], now: datetime) -> Callable[[Transaction], None]:
    """See `Store.sync_triggers`."""

    def unit(transaction: Transaction) -> None:
        query = f"SELECT {rows.TRIGGER_COLUMNS} FROM triggers"
        stored = {row[0]: rows.trigger_of(row) for row in rows.read_all(transaction.connection, query)}
        for record in records:
            known = stored.get(record.id)
            if known is None:
                insert(transaction, record, now)
            elif _changed(known, record):
                transaction.execute("sync.change", sql("change_trigger"), _change(known, record, now))
        given = {"now": to_text(now), "ids": dumps_text([record.id for record in records])}
        transaction.execute("sync.leave", sql("leave_triggers"), given)
        pauses.apply(transaction, now)

    return unit


def insert(transaction: Transaction, record: TriggerRecord, now: datetime) -> None:
    """A trigger that was never seen before."""
    row = rows.trigger_row(record, now) | {"epoch": next_epoch(transaction)}
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    transaction.execute("sync.insert", f"INSERT INTO triggers ({names}) VALUES ({marks})", row)


def _changed(known: TriggerRecord, record: TriggerRecord) -> bool:
    unavailable = TriggerState.UNAVAILABLE
    if not known.active or (known.state is unavailable) != (record.state is unavailable):
        return True
    if record.state is unavailable:
        return known.error != rows.shown(record.error) or (not known.fingerprint and known.type != record.type)
    return any(getattr(known, name) != getattr(record, name) for name in _CONFIG)


def _change(known: TriggerRecord, record: TriggerRecord, now: datetime) -> dict[str, Any]:
    """The row after a change. An unreadable workflow says nothing of its trigger: what was known stays."""
    unavailable = record.state is TriggerState.UNAVAILABLE
    source = known if unavailable and known.fingerprint else record
    row: dict[str, Any] = {name: getattr(source, name) for name in _CONFIG}
    state, error, error_class = known.state, known.error, known.error_class
    if unavailable:
        state, error, error_class = record.state, record.error, record.error_class
    elif known.state is TriggerState.UNAVAILABLE:
        fed = record.state is TriggerState.OK  # by what happens inside, so it needs no baseline
        state = TriggerState.OK if known.baseline_at or fed else TriggerState.BASELINE_PENDING
        error = error_class = None
    row |= {
        "id": source.id,
        "stored_id": known.id,
        "next_due": rows.text(record.next_due),
        "now": to_text(now),
    }
    return row | {"state": str(state), "error": rows.shown(error), "error_class": error_class}


def adopt(orphan_id: str, record: TriggerRecord, now: datetime) -> Callable[[Transaction], bool]:
    """See `Store.adopt`."""

    def unit(transaction: Transaction) -> bool:
        query = f"SELECT {rows.TRIGGER_COLUMNS} FROM triggers WHERE id IN (?, ?)"
        found = map(rows.trigger_of, rows.read_all(transaction.connection, query, (orphan_id, record.id)))
        stored = {trigger.id: trigger for trigger in found}
        orphan, present = stored.get(orphan_id), stored.get(record.id)
        if orphan is None or orphan.active or orphan.fingerprint != record.fingerprint:
            return False
        if present is not None and (present.baseline_at is not None or present.polls):
            return False
        transaction.execute("adopt.replace", "DELETE FROM triggers WHERE id = ?", (record.id,))
        transaction.execute("adopt.trigger", sql("change_trigger"), _change(orphan, record, now))
        for table in ("items", "events", "echoes", "pending_changes"):
            moved = f"UPDATE {table} SET trigger_id = ? WHERE trigger_id = ?"
            transaction.execute(f"adopt.{table}", moved, (record.id, orphan_id))
        return True

    return unit


def retry_failing(now: datetime) -> Callable[[Transaction], int]:
    """See `Store.retry_failing`."""
    changed = "UPDATE triggers SET next_due = :now WHERE active AND failures > 0 AND next_due > :now"
    refused = "UPDATE pending_changes SET due_at = :now WHERE tries > 0 AND due_at > :now"

    def unit(transaction: Transaction) -> int:
        transaction.execute("retry_failing.pending", refused, {"now": to_text(now)})
        return transaction.execute("retry_failing", changed, {"now": to_text(now)}).rowcount

    return unit


def forget(trigger_id: str, now: datetime) -> Callable[[Transaction], int]:
    """See `Store.forget`."""

    def unit(transaction: Transaction) -> int:
        deleted = transaction.execute("forget.items", "DELETE FROM items WHERE trigger_id = ?", (trigger_id,))
        transaction.execute("forget.pending", "DELETE FROM pending_changes WHERE trigger_id = ?", (trigger_id,))
        given = {"trigger_id": trigger_id, "now": to_text(now), "epoch": next_epoch(transaction)}
        if transaction.execute("forget.trigger", sql("forget_trigger"), given).rowcount == 0:
            transaction.execute("forget.leave", "DELETE FROM triggers WHERE id = ?", (trigger_id,))
        return deleted.rowcount

    return unit
