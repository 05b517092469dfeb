"""What somebody should know: stored in the transaction of its cause, and told after it until that is known to be done.

So an alert is there exactly when what it tells of is, and whoever tells it may be killed at any moment: the event that
it becomes follows from its id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from changewire.clock import to_text
from changewire.secret import masked_json
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import AlertRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import Json, dumps_text, make_id

KEPT = timedelta(days=90)  # after they were told
WATCHES = "core.alert"  # the trigger type of workflows that alerts start; they raise none about themselves


def put(transaction: Transaction, alert: AlertRecord) -> None:
    """Store an alert under an id that no other alert has or had: numbers of claims are never given again."""
    ((number,),) = transaction.execute("alert.number", sql("next_claim")).fetchall()
    row = (
        make_id("alert", alert.what, str(number)),
        to_text(alert.at),
        alert.what,
        alert.name,
        rows.shown(alert.message),
    )
    more = (masked_json(alert.facts), dumps_text(list(alert.chain)), alert.cause)
    transaction.execute("alert.put", sql("put_alert"), (*row, *more))


def put_turn(alert: AlertRecord, begins: str, ends: str) -> Callable[[Transaction], bool]:
    """See `Store.alert_turn`."""
    return lambda transaction: turn(transaction, alert, begins, ends)


def turn(transaction: Transaction, alert: AlertRecord, begins: str, ends: str) -> bool:
    """Store an alert unless the latest of its name and kind says the same; whether it was stored."""
    given = {"name": alert.name, "whats": dumps_text([begins, ends])}
    found = rows.read_all(transaction.connection, sql("latest_alert"), given)
    if alert.what == (found[0][0] if found else ends):
        return False
    put(transaction, alert)
    return True


def untold(connection: sqlite3.Connection) -> list[AlertRecord]:
    """See `Store.untold_alerts`."""
    return [_record(row) for row in rows.read_all(connection, sql("untold_alerts"))]


def untold_since(connection: sqlite3.Connection) -> datetime | None:
    """See `Store.untold_since`."""
    return rows.moment_or_none(rows.read_all(connection, "SELECT min(at) FROM alerts WHERE told = 0")[0][0])


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
    found = rows.read_all(transaction.connection, sql("streak_of_run"), (run_id,))
    ((workflow, kind, chain, failures, alerted),) = found
    if kind == WATCHES or (state is RunState.SUCCEEDED and not failures):
        return
    if state is RunState.SUCCEEDED:
        transaction.execute("streak.end", "DELETE FROM streaks WHERE workflow = ?", (workflow,))
        what, words = "workflow_recovered", f"{workflow} is well again after {failures} runs that were not"
        is_news = bool(alerted)
    else:
        failures += 1
        is_news = not alerted and failures >= after
        given = (workflow, failures, int(alerted or is_news))
        transaction.execute("streak.put", "INSERT OR REPLACE INTO streaks VALUES (?, ?, ?)", given)
        often = f"{failures} runs in a row were not done" if failures > 1 else "a run was not done"
        what, words = "workflow_failing", f"{workflow}: {often}; the last is {state}: {reason or 'no reason given'}"
    if is_news:
        facts: dict[str, Json] = {"run": run_id, "failures": failures, "next": f"`changewire runs {run_id}`"}
        put(transaction, AlertRecord(now, what, workflow, words, facts, (*rows.json_or(chain, []), workflow), run_id))


def _record(row: tuple[str, ...]) -> AlertRecord:
    alert_id, at, what, name, message, facts, chain, cause = row
    given = (rows.json_or(facts, {}), tuple(rows.json_or(chain, [])))
    return AlertRecord(rows.some_moment(at), what, name, message, *given, cause, alert_id)
