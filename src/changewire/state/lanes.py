"""Which runs may begin where their workflow does not let all of them work at the same time.

Decided inside the transaction that claims them, from rows alone, so that it holds for any number of claimers and
over restarts. A run holds a *slot* from its beginning until it is finished or paused, also while it waits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import Lane
from changewire.state.writer import Transaction
from changewire.values import dumps_text


@dataclass(frozen=True, slots=True)
class Waiting:
    """A run that is due, in the order of its columns in ``lane_candidates``."""

    seq: int
    id: str
    workflow: str
    due_at: str
    lane: str
    most: int | None
    begun: bool
    slot: bool


@dataclass
class Plan:
    """What is to become of the runs that are due in lanes."""

    claims: list[Waiting] = field(default_factory=list)
    filtered: list[tuple[Waiting, str]] = field(default_factory=list)  # with the id of the run that was not finished

    def __bool__(self) -> bool:
        return bool(self.claims or self.filtered)


def plan(connection: sqlite3.Connection, now: datetime) -> Plan:
    """What may be claimed at ``now``, workflow by workflow."""
    made = Plan()
    given = {"now": to_text(now)}
    for (workflow,) in rows.read_all(connection, sql("lanes_due"), given):
        _plan_workflow(connection, {**given, "workflow": workflow}, made)
    return made


def _plan_workflow(connection: sqlite3.Connection, given: dict[str, Any], made: Plan) -> None:
    ((taken, holder),) = rows.read_all(connection, sql("lane_slots"), given)
    waiting = [Waiting(*row) for row in rows.read_all(connection, sql("lane_candidates"), given)]
    newest = max((run.seq for run in waiting if run.lane == Lane.RESTART and not run.slot), default=None)
    for run in waiting:
        if run.slot:
            made.claims.append(run)
        elif run.lane == Lane.RESTART:
            if run.seq == newest:
                made.claims.append(run)
        elif taken < _room(run):
            made.claims.append(run)
            taken, holder = taken + 1, holder or run.id
        elif run.lane == Lane.SINGLE and not run.begun:
            made.filtered.append((run, holder))


def _room(run: Waiting) -> float:
    """How many runs of the workflow may hold a slot when ``run`` begins as well."""
    if run.lane == Lane.PARALLEL:
        return float("inf") if run.most is None else run.most
    return 1


def claim(limit: int, given: dict[str, Any], claiming: str, now: datetime) -> Callable[[Transaction], list[Any]]:
    """Claim what may be claimed, in lanes and out of them, earliest first; the rows as ``claiming`` returns them."""

    def unit(transaction: Transaction) -> list[Any]:
        made = plan(transaction.connection, now)
        free = rows.read_all(transaction.connection, sql("due_runs"), {"now": given["now"], "limit": limit})
        due = [(run.due_at, run.seq, run) for run in made.claims] + [(at, seq, None) for at, seq in free]
        chosen = sorted(due, key=lambda one: one[:2])[:limit]
        _filter(transaction, made.filtered, given)
        _supersede(transaction, [run for _, _, run in chosen if run is not None], given)
        seqs = dumps_text([seq for _, seq, _ in chosen])
        return transaction.execute("claim_runs.claim", claiming, {**given, "seqs": seqs}).fetchall()

    return unit


def _filter(transaction: Transaction, filtered: Iterable[tuple[Waiting, str]], given: dict[str, Any]) -> None:
    for run, other in filtered:
        reason = f"mode: single: {other} of this workflow was not finished"
        transaction.execute("claim_runs.filter", sql("filter_run"), {**given, "seq": run.seq, "reason": reason})


def _supersede(transaction: Transaction, chosen: Iterable[Waiting], given: dict[str, Any]) -> None:
    for run in chosen:
        if run.lane != Lane.RESTART or run.slot:
            continue
        reason = f"mode: restart: {run.id} began"
        wanted = {**given, "workflow": run.workflow, "seq": run.seq, "reason": reason}
        for (run_id,) in transaction.execute("claim_runs.supersede", sql("supersede_runs"), wanted).fetchall():
            ended = {**given, "run_id": run_id, "reason": reason}
            transaction.execute("claim_runs.attempts", sql("cancel_attempts"), ended)
