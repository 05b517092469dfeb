"""Make the stored triggers those of the files, in one unit: a process that ends in between has changed nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from changewire.clock import to_text
from changewire.state import adoption, pauses, renames, rows
from changewire.state.adoption import HomeFiles, Plan
from changewire.state.queries import sql
from changewire.state.records import TriggerRecord, TriggerState
from changewire.state.writer import Transaction
from changewire.values import dumps_text

_CONFIG = ("workflow", "name", "type", "connection", "fingerprint", "interval_s", "schedule")
_ORIGIN = ("file", "version", "account")


@dataclass(slots=True)
class Synced:
    """What a sync did besides storing the config of the triggers."""

    plan: Plan
    returned: list[TriggerRecord]  # as they were stored: triggers that are in the files again, with their memory
    workflows: dict[str, str] = field(default_factory=dict)  # renamed ones, new name by old name


def sync(records: Sequence[TriggerRecord], now: datetime, files: HomeFiles) -> Callable[[Transaction], Synced]:
    """See `Store.sync_triggers`."""

    def unit(transaction: Transaction) -> Synced:
        transaction.execute_many("sync.versions", sql("put_version"), list(files.texts.items()))
        query = f"SELECT {rows.TRIGGER_COLUMNS} FROM triggers"
        stored = [rows.trigger_of(row) for row in rows.read_all(transaction.connection, query)]
        wanted = adoption.with_broken(stored, records, files.broken)
        plan = adoption.plan(stored, wanted, files)
        names = renames.find(stored, wanted, plan.adopted)
        renames.move(transaction, names, plan.adopted, wanted)
        for before, after in plan.adopted:
            _take_over(transaction, before, after, now)
        done = {after.id for _, after in plan.adopted}
        returned = _store(transaction, [record for record in wanted if record.id not in done], stored, now)
        given = {"now": to_text(now), "ids": dumps_text([record.id for record in wanted])}
        transaction.execute("sync.leave", sql("leave_triggers"), given)
        pauses.apply(transaction, now)
        for name in ("retry_failing", "retry_pending"):
            transaction.execute(f"sync.{name}", sql(name), {"now": to_text(now)})
        return Synced(plan, returned, names.workflow)

    return unit


def _store(
    transaction: Transaction, records: Sequence[TriggerRecord], stored: Sequence[TriggerRecord], now: datetime
) -> list[TriggerRecord]:
    """Write what the files say of each trigger; those that were not in the files before, as they were."""
    by_id, returned = {trigger.id: trigger for trigger in stored}, []
    for record in records:
        known = by_id.get(record.id)
        if known is None:
            _insert(transaction, record, now)
        elif _changed(known, record):
            transaction.execute("sync.change", sql("change_trigger"), _change(known, record, now))
            returned += [] if known.active or known.baseline_at is None else [known]
        elif record.state is not TriggerState.UNAVAILABLE and _origin(known) != _origin(record):
            transaction.execute("sync.origin", sql("put_origin"), {"id": record.id, **_origin(record)})
    return returned


def _insert(transaction: Transaction, record: TriggerRecord, now: datetime) -> None:
    row = rows.trigger_row(record, now) | {"epoch": next_epoch(transaction)}
    names = ", ".join(row)
    marks = ", ".join(f":{name}" for name in row)
    transaction.execute("sync.insert", f"INSERT INTO triggers ({names}) VALUES ({marks})", row)


def _origin(record: TriggerRecord) -> dict[str, str]:
    return {name: getattr(record, name) for name in _ORIGIN}


def _changed(known: TriggerRecord, record: TriggerRecord) -> bool:
    unavailable = TriggerState.UNAVAILABLE
    if not known.active or (known.state is unavailable) != (record.state is unavailable):
        return True
    if record.state is unavailable:
        return known.error != rows.shown(record.error) or (not known.fingerprint and known.type != record.type)
    asleep = record.interval_s > 0 and known.next_due is None
    return asleep or any(getattr(known, name) != getattr(record, name) for name in _CONFIG)


def _change(known: TriggerRecord, record: TriggerRecord, now: datetime) -> dict[str, Any]:
    """The row after a change. An unreadable workflow says nothing of its trigger: what was known stays."""
    unavailable = record.state is TriggerState.UNAVAILABLE
    source = known if unavailable and known.fingerprint else record
    row: dict[str, Any] = {name: getattr(source, name) for name in (*_CONFIG, *_ORIGIN)}
    state, error, error_class = known.state, known.error, known.error_class
    if unavailable:
        state, error, error_class = record.state, record.error, record.error_class
    elif not record.interval_s:  # internal events feed it: no poll, no baseline
        state, error, error_class = TriggerState.OK, None, None
    elif known.state is TriggerState.UNAVAILABLE or not known.interval_s:
        state = TriggerState.OK if known.baseline_at else TriggerState.BASELINE_PENDING
        error = error_class = None
    row |= {
        "id": source.id,
        "stored_id": known.id,
        "next_due": rows.text(record.next_due),
        "now": to_text(now),
    }
    return row | {"state": str(state), "error": rows.shown(error), "error_class": error_class}


def _take_over(transaction: Transaction, before: TriggerRecord, after: TriggerRecord, now: datetime) -> None:
    """Let a new trigger have the row, items, events and own writes of one that left the files."""
    transaction.execute("adopt.replace", "DELETE FROM triggers WHERE id = ?", (after.id,))
    transaction.execute("adopt.trigger", sql("change_trigger"), _change(before, after, now))
    given = {"old": before.id, "new": after.id, "workflow": after.workflow, "shown": after.shown}
    for table in ("items", "events", "echoes", "pending_changes", "set_aside", "internal_events"):
        transaction.execute(f"adopt.{table}", sql(f"adopt_{table}"), given)


def next_epoch(transaction: Transaction) -> int:
    """Return an epoch that no memory of a trigger ever had."""
    return int(transaction.execute("epoch.number", sql("next_epoch")).fetchall()[0][0])


def forget(trigger_id: str, now: datetime) -> Callable[[Transaction], int]:
    """See `Store.forget`."""

    def unit(transaction: Transaction) -> int:
        deleted = transaction.execute("forget.items", "DELETE FROM items WHERE trigger_id = ?", (trigger_id,))
        transaction.execute("forget.pending", "DELETE FROM pending_changes WHERE trigger_id = ?", (trigger_id,))
        transaction.execute("forget.set_aside", "DELETE FROM set_aside WHERE trigger_id = ?", (trigger_id,))
        transaction.execute("forget.internal", "DELETE FROM internal_events WHERE trigger_id = ?", (trigger_id,))
        given = {"trigger_id": trigger_id, "now": to_text(now), "epoch": next_epoch(transaction)}
        if transaction.execute("forget.trigger", sql("forget_trigger"), given).rowcount == 0:
            transaction.execute("forget.leave", "DELETE FROM triggers WHERE id = ?", (trigger_id,))
        return deleted.rowcount

    return unit


def repair_due(now: datetime) -> Callable[[Transaction], list[str]]:
    """See `Store.repair_due`."""

    def unit(transaction: Transaction) -> list[str]:
        found = transaction.execute("repair_due", sql("repair_due"), {"now": to_text(now)}).fetchall()
        return [f"{workflow}/{name}" for workflow, name in found]

    return unit
