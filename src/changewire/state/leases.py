"""Claims of work under way: their leases, renewed for all of them at once, and what becomes of abandoned work.

A lease only has to end where the process that held the claim is gone, or forgot it. A living process renews what it
holds, so the length of a lease says nothing about how long the work may take.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Literal

from changewire.clock import to_text
from changewire.state import rows, runs
from changewire.state.polls import claimed
from changewire.state.records import Claim, Claimed, RunEnd, RunRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import dumps_text

MOST_ABANDONED = 5  # times in a row; then the run waits for a person
RETRY_S = 5.0  # until a run that was abandoned twice begins again; doubled each time

_RENEW = """
UPDATE {table} SET lease_until = :lease_until FROM json_each(:held) AS held
WHERE {table}.id = json_extract(held.value, '$[0]') AND claim = json_extract(held.value, '$[1]') AND claim <> 0
RETURNING {table}.id, claim
"""
_STALE = """
WHERE claim <> 0 AND lease_until <= :now AND NOT EXISTS (
    SELECT 1 FROM json_each(:held) AS held
    WHERE {table}.id = json_extract(held.value, '$[0]') AND claim = json_extract(held.value, '$[1]')
)
"""
_STALE_TRIGGERS = f"SELECT next_due, seq, claim, {rows.TRIGGER_COLUMNS} FROM triggers {_STALE.format(table='triggers')}"
_STALE_RUNS = f"SELECT {rows.RUN_COLUMNS} FROM runs {_STALE.format(table='runs')}"
Table = Literal["triggers", "runs"]
_TABLES: tuple[Table, ...] = ("triggers", "runs")
_COUNT = "UPDATE runs SET abandoned = :abandoned WHERE id = :run_id"


def renew(held: Collection[Claim], lease_until: datetime) -> Callable[[Transaction], set[Claim]]:
    """See `Store.renew_claims`."""
    tables = [table for table in _TABLES if any(claim.table == table for claim in held)]

    def unit(transaction: Transaction) -> set[Claim]:
        standing: set[Claim] = set()
        for table in tables:
            given = {"held": _listed(held, table), "lease_until": to_text(lease_until)}
            found = transaction.execute(f"renew.{table}", _RENEW.format(table=table), given).fetchall()
            standing |= {Claim(table, work_id, number) for work_id, number in found}
        return standing

    return unit


def _listed(held: Collection[Claim], table: Table) -> str:
    return dumps_text([[claim.id, claim.number] for claim in held if claim.table == table])


def stale(
    connection: sqlite3.Connection, now: datetime, held: Collection[Claim]
) -> tuple[list[Claimed], list[RunRecord]]:
    """See `Store.stale_claims`."""
    triggers = rows.read_all(connection, _STALE_TRIGGERS, {"now": to_text(now), "held": _listed(held, "triggers")})
    found = rows.read_all(connection, _STALE_RUNS, {"now": to_text(now), "held": _listed(held, "runs")})
    return claimed(triggers), [rows.run_of(row) for row in found]


def abandon(
    run_id: str, claim: int, now: datetime, reason: str, alert_after: int, wall: datetime
) -> Callable[[Transaction], RunState | None]:
    """See `Store.abandon_run`. ``wall`` is ``now`` on the wall clock."""

    def unit(transaction: Transaction) -> RunState | None:
        found = rows.read_all(transaction.connection, "SELECT abandoned FROM runs WHERE id = ?", (run_id,))
        count = int(found[0][0]) + 1 if found else 1
        state = RunState.PAUSED if count >= MOST_ABANDONED else RunState.PENDING
        words, due_at = reason, None
        if state is RunState.PAUSED:
            words = f"it was begun {count} times in a row and came to no end: {reason}"
        else:
            due_at = now + timedelta(seconds=RETRY_S * 2 ** (count - 2) if count > 1 else 0)
        end = RunEnd(state, words, due_at)
        if runs.leave_run(run_id, claim, end, now=now, wall=wall, alert_after=alert_after)(transaction) is None:
            return None
        if state is RunState.PENDING:
            transaction.execute("abandon.count", _COUNT, {"run_id": run_id, "abandoned": count})
        return state

    return unit
