"""What somebody should know: stored in the transaction of its cause, and told after it until that is known to be done.

So an alert is there exactly when what it tells of is, and whoever tells it may be killed at any moment: the event that
it becomes follows from its id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from changewire.clock import from_text, to_text
from changewire.secret import mask
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import AlertRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import dumps_text, loads, make_id

KEPT = timedelta(days=90)  # after they were told
WATCHES = "core.alert"  # the trigger type of workflows that alerts start; they raise none about themselves


def put(transaction: Transaction, alert: AlertRecord) -> bool:
    """Store an alert; False where it was stored before."""
    row = (alert.id, to_text(alert.at), alert.what, alert.name, mask(alert.message))
    more = (dumps_text(alert.facts), dumps_text(list(alert.chain)), alert.cause)
    return transaction.execute("alert.put", sql("put_alert"), (*row, *more)).rowcount == 1


def raise_alert(alert: AlertRecord) -> Callable[[Transaction], bool]:
    """See `Store.raise_alert`."""
    return lambda transaction: put(transaction, alert)


def untold(connection: sqlite3.Connection) -> list[AlertRecord]:
    """See `Store.untold_alerts`."""
    return [_record(row) for row in rows.read_all(connection, sql("untold_alerts"))]


def latest(connection: sqlite3.Connection, name: str, whats: Sequence[str]) -> AlertRecord | None:
    """See `Store.latest_alert`."""
    given = {"name": name, "whats": dumps_text(list(whats))}
    found = rows.read_all(connection, sql("latest_alert"), given)
    return _record(found[0]) if found else None


def told(ids: Sequence[str]) -> Callable[[Transaction], None]:
    """See `Store.alerts_told`."""

    def unit(transaction: Transaction) -> None:
        transaction.execute_many("alert.told", "UPDATE alerts SET told = 1 WHERE id = ?", [(one,) for one in ids])

    return unit


def prune(before: datetime) -> Callable[[Transaction], None]:
    """Delete alerts from before this that were told."""
    given = {"before": to_text(before)}

    def unit(transaction: Transaction) -> None:
        transaction.execute("prune.alerts", sql("prune_alerts"), given)

    return unit


def count_run(
    transaction: Transaction, run_id: str, state: RunState, reason: str | None, now: datetime, after: int
) -> None:
    """Count a run that came to its end or waits for a person, and tell when ``after`` in a row did not succeed."""
    if state is RunState.SUCCEEDED and not rows.read_all(transaction.connection, "SELECT 1 FROM streaks LIMIT 1"):
        return
    ((workflow, kind, chain, failures),) = rows.read_all(transaction.connection, sql("streak_of_run"), (run_id,))
    if kind == WATCHES or (state is RunState.SUCCEEDED and not failures):
        return
    if state is RunState.SUCCEEDED:
        transaction.execute("streak.end", "DELETE FROM streaks WHERE workflow = ?", (workflow,))
        what, words = "workflow_recovered", f"{workflow} is well again after {failures} runs that were not"
    else:
        failures += 1
        transaction.execute("streak.put", "INSERT OR REPLACE INTO streaks VALUES (?, ?)", (workflow, failures))
        often = f"{failures} runs in a row were not done" if failures > 1 else "a run was not done"
        what, words = "workflow_failing", f"{workflow}: {often}; the last is {state}: {reason or 'no reason given'}"
    if failures == after or (state is RunState.SUCCEEDED and failures > after):
        facts = {"run": run_id, "failures": failures, "next": f"`changewire runs {run_id}`"}
        put(
            transaction,
            AlertRecord(
                make_id("alert", what, run_id, str(failures)),
                now,
                what,
                workflow,
                words,
                facts,
                (*loads(chain), workflow),
                run_id,
            ),
        )


def _record(row: tuple[str, ...]) -> AlertRecord:
    alert_id, at, what, name, message, facts, chain, cause = row
    return AlertRecord(alert_id, from_text(at), what, name, message, loads(facts), tuple(loads(chain)), cause)
