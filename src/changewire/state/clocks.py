"""What is due, after the clock on the wall was set back: waiting for the old time to come again would be a silence.

What a workflow waits for (`wait_until`, retries) is a moment on the wall, and stays.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.writer import Transaction

_TRIGGERS = "SELECT next_due, late_since, lease_until, id FROM triggers"
_MOVE_TRIGGER = "UPDATE triggers SET next_due = ?, late_since = ?, lease_until = ? WHERE id = ?"
_LEASES = "SELECT lease_until, id FROM runs WHERE claim <> 0 AND lease_until IS NOT NULL"
_DUE = """
UPDATE runs SET due_at = :now
WHERE claim = 0 AND state IN ('pending', 'running', 'waiting') AND due_at > :now AND due_at <= :before
    AND gathering IS NULL
"""
_TRIES = "SELECT try_at, kind, name FROM pauses WHERE try_at IS NOT NULL"


def set_back(now: datetime, step: timedelta) -> Callable[[Transaction], None]:
    """See `Store.set_back`."""

    def moved(text: str | None) -> str | None:
        moment = rows.moment(text)
        return None if moment is None else to_text(moment - step)

    def unit(transaction: Transaction) -> None:
        triggers = rows.read_all(transaction.connection, _TRIGGERS)
        found = [(moved(due), moved(late), moved(lease), which) for due, late, lease, which in triggers]
        transaction.execute_many("set_back.triggers", _MOVE_TRIGGER, found)
        leases = [(moved(until), run_id) for until, run_id in rows.read_all(transaction.connection, _LEASES)]
        transaction.execute_many("set_back.runs", "UPDATE runs SET lease_until = ? WHERE id = ?", leases)
        transaction.execute("set_back.due", _DUE, {"now": to_text(now), "before": to_text(now + step)})
        tries = [(moved(at), kind, name) for at, kind, name in rows.read_all(transaction.connection, _TRIES)]
        transaction.execute_many("set_back.pauses", "UPDATE pauses SET try_at = ? WHERE kind = ? AND name = ?", tries)

    return unit
