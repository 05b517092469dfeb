"""What is due, after the clock on the wall was set: waiting for the old time to come again would be a silence.

A `wait_until` waits for a moment on the wall, and stays. So does what began before the clock went ahead: it was worked
out by the right time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import from_text, to_text
from changewire.state import rows
from changewire.state.writer import Transaction
from changewire.values import dumps_text, loads

_TRIGGERS = "SELECT next_due, late_since, lease_until, id FROM triggers"
_MOVE_TRIGGER = "UPDATE triggers SET next_due = ?, late_since = ?, lease_until = ? WHERE id = ?"
_DUE = """
UPDATE runs SET due_at = :now
WHERE claim = 0 AND state IN ('pending', 'running', 'waiting') AND due_at > :now AND due_at <= :before
    AND gathering IS NULL
"""
_BEGUN = """
UPDATE runs SET started_at = :now
WHERE state IN ('pending', 'running', 'waiting', 'paused') AND started_at > :now
"""
_WAITS = """
SELECT run_id, address, attempt, use, output, retry_at FROM runs CROSS JOIN attempts ON run_id = runs.id
WHERE runs.state IN ('pending', 'running', 'waiting') AND due_at > :now AND attempts.started_at > :now
    AND (retry_at > :now OR (use = 'wait' AND attempts.state = 'running'))
"""
_MOVE_WAIT = "UPDATE attempts SET output = ?, retry_at = ? WHERE run_id = ? AND address = ? AND attempt = ?"
_LATER = """
SELECT due_at, id FROM runs
WHERE claim = 0 AND state IN ('pending', 'waiting') AND due_at > :now
    AND (id IN (SELECT value FROM json_each(:waiting)) OR (gathering IS NOT NULL AND created_at > :now))
"""
_MOVE_RUN = """
UPDATE runs SET due_at = :due, reason = replace(reason, due_at, :due), claims = claims + 1 WHERE id = :id
"""  # claimed once more: what a process knows of it in memory counts no longer
_TRIES = "SELECT since, try_at, kind, name FROM pauses"
_MOVE_PAUSE = "UPDATE pauses SET since = ?, try_at = ? WHERE kind = ? AND name = ?"


def set_back(now: datetime, step: timedelta) -> Callable[[Transaction], None]:
    """See `Store.set_back`."""

    def moved(text: str | None) -> str | None:
        return None if text is None else to_text(from_text(text) - step)

    def unit(transaction: Transaction) -> None:
        triggers = rows.read_all(transaction.connection, _TRIGGERS)
        found = [(moved(due), moved(late), moved(lease), which) for due, late, lease, which in triggers]
        transaction.execute_many("set_back.triggers", _MOVE_TRIGGER, found)
        _move_leases(transaction, "runs", moved)
        given = {"now": to_text(now), "before": to_text(now + step)}
        _move_waits(transaction, given, moved)
        transaction.execute("set_back.due", _DUE, given)
        transaction.execute("set_back.begun", _BEGUN, given)
        pauses = rows.read_all(transaction.connection, _TRIES)
        tries = [(moved(since), moved(at), kind, name) for since, at, kind, name in pauses]
        transaction.execute_many("set_back.pauses", _MOVE_PAUSE, tries)

    return unit


def lengthen_leases(step: timedelta) -> Callable[[Transaction], None]:
    """See `Store.lengthen_leases`."""

    def later(text: str | None) -> str | None:
        return None if text is None else to_text(from_text(text) + step)

    def unit(transaction: Transaction) -> None:
        for table in ("triggers", "runs"):
            _move_leases(transaction, table, later)

    return unit


def _move_leases(transaction: Transaction, table: str, moved: Callable[[str | None], str | None]) -> None:
    query = f"SELECT lease_until, id FROM {table} WHERE claim <> 0 AND lease_until IS NOT NULL"
    leases = [(moved(until), which) for until, which in rows.read_all(transaction.connection, query)]
    transaction.execute_many(f"leases.{table}", f"UPDATE {table} SET lease_until = ? WHERE id = ?", leases)


def _move_waits(transaction: Transaction, given: dict[str, Any], moved: Callable[[str | None], str | None]) -> None:
    """What was to be waited for, as worked out while the clock was ahead."""
    waits = rows.read_all(transaction.connection, _WAITS, given)
    changed = []
    for run_id, address, attempt, use, output, retry_at in waits:
        if use == "wait":
            output = dumps_text({"until": moved(loads(output)["until"])})
        changed.append((output, moved(retry_at), run_id, address, attempt))
    transaction.execute_many("set_back.waits", _MOVE_WAIT, changed)
    found = {**given, "waiting": dumps_text(sorted({run_id for run_id, *_ in waits}))}
    for due, run_id in rows.read_all(transaction.connection, _LATER, found):
        transaction.execute("set_back.run", _MOVE_RUN, {"due": moved(due), "id": run_id})
