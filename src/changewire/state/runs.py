"""Runs and their attempts: each function is one unit of writing, or one reading."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import to_text
from changewire.errors import StateError
from changewire.state import alerts, batches, lanes, pauses, rows
from changewire.state.polls import next_claim
from changewire.state.queries import sql
from changewire.state.records import AttemptRecord, EventRecord, RunEnd, RunRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import make_id


def claim_runs(now: datetime, limit: int, lease: timedelta, wall: datetime) -> Callable[[Transaction], list[RunRecord]]:
    """See `Store.claim_runs`. ``wall`` is ``now`` on the wall clock."""

    def unit(transaction: Transaction) -> list[RunRecord]:
        claim = next_claim(transaction)
        given = {"now": to_text(now), "claim": claim, "lease_until": to_text(now + lease), "wall": to_text(wall)}
        claimed = lanes.claim(limit, given, sql("claim_runs"), now)(transaction)
        return [rows.run_of(row[2:]) for row in sorted(claimed, key=lambda row: row[:2])]

    return unit


def start_attempt(
    claim: int, attempt: AttemptRecord, before: Sequence[AttemptRecord] = (), ending_step: str | None = None
) -> Callable[[Transaction], bool]:
    """See `Store.start_attempt`."""
    row, decided = rows.attempt_row(attempt), [rows.attempt_row(one) for one in before]
    hold = {"run_id": attempt.run_id, "claim": claim, "ending_step": ending_step}

    def unit(transaction: Transaction) -> bool:
        if transaction.execute("start_attempt.run", sql("run_is_held"), hold).fetchone() is None:
            return False
        if ending_step is not None:
            transaction.execute("start_attempt.ending", sql("end_run_at"), hold)
        transaction.execute_many("start_attempt.before", sql("put_attempt"), decided)
        transaction.execute("start_attempt.attempt", sql("put_attempt"), row)
        return True

    return unit


def commit_step(
    attempt: AttemptRecord, leave: Callable[[Transaction], RunState | None], before: Sequence[AttemptRecord] = ()
) -> Callable[[Transaction], RunState | None]:
    """See `Store.commit_step`; ``leave`` writes the run's row."""
    row, decided = rows.attempt_row(attempt), [rows.attempt_row(one) for one in before]

    def unit(transaction: Transaction) -> RunState | None:
        state = leave(transaction)
        if state is not None:
            transaction.execute_many("commit_step.before", sql("put_attempt"), decided)
            transaction.execute("commit_step.attempt", sql("put_attempt"), row)
        return state

    return unit


def leave_run(
    run_id: str, claim: int, end: RunEnd, *, now: datetime, wall: datetime, alert_after: int
) -> Callable[[Transaction], RunState | None]:
    """See `Store.finish_run`. ValueError where the run would go on by itself at no time, or end at none.

    ``wall`` is ``now`` on the wall clock.
    """
    state, held_by = end.state, end.held_by
    if (state in {RunState.PENDING, RunState.WAITING}) != (end.due_at is not None):
        raise ValueError(f"a run that is {state} {'takes no' if end.due_at else 'needs a'} due_at")
    if state.finished != (end.finished_at is not None):
        raise ValueError(f"a run that is {state} {'takes no' if end.finished_at else 'needs a'} finished_at")
    given: dict[str, Any] = {
        "run_id": run_id,
        "claim": claim,
        "state": str(state),
        "reason": rows.shown(end.reason),
        "due_at": rows.text(end.due_at),
        "finished_at": rows.text(end.finished_at),
        "held_by": held_by,
        "waits_for": end.waits_for,
        "ending_step": end.ending_step,
        "time_left_s": end.time_left_s,
    }
    nothing = dict.fromkeys(("reason", "held_by", "waits_for", "time_left_s"))
    awake = {**nothing, "state": str(RunState.PENDING), "due_at": to_text(now)}
    counts = state in {RunState.SUCCEEDED, RunState.FAILED} or (state is RunState.PAUSED and held_by is None)

    def unit(transaction: Transaction) -> RunState | None:
        lifted = held_by is not None and not pauses.is_paused(transaction.connection, held_by)
        wanted = {**given, **awake} if lifted else given
        if transaction.execute("leave_run", sql("leave_run"), wanted).rowcount != 1:
            return None
        if counts:
            alerts.count_run(transaction, run_id, state, end.reason, wall, alert_after)
        return RunState.PENDING if lifted else state

    return unit


def resume(now: datetime, by: str, run_id: str | None, workflow: str | None) -> Callable[[Transaction], list[str]]:
    """See `Store.resume`."""
    given = {"now": to_text(now), "by": by, "run_id": run_id, "workflow": workflow}

    def unit(transaction: Transaction) -> list[str]:
        return [row[0] for row in transaction.execute("resume.runs", sql("resume_runs"), given).fetchall()]

    return unit


def hasten(now: datetime) -> Callable[[Transaction], int]:
    """See `Store.hasten_runs`."""
    given = {"now": to_text(now)}
    return lambda transaction: transaction.execute("hasten.runs", sql("hasten_runs"), given).rowcount


def wake_sleepers(now: datetime) -> Callable[[Transaction], list[str]]:
    """See `Store.wake_sleepers`."""
    given = {"now": to_text(now)}

    def unit(transaction: Transaction) -> list[str]:
        woken = transaction.execute("wake.unheld", sql("wake_unheld_runs"), given).fetchall()
        woken += transaction.execute("wake.undue", sql("wake_undue_runs"), given).fetchall()
        transaction.execute("wake.slots", sql("free_slots"))
        return [row[0] for row in woken]

    return unit


def sleepers(connection: sqlite3.Connection) -> dict[str, int]:
    """See `Store.sleepers`."""
    return dict(rows.read_all(connection, sql("sleeping_runs")))


def cancel(run_id: str, now: datetime, reason: str, wall: datetime) -> Callable[[Transaction], bool]:
    """See `Store.cancel`. ``wall`` is ``now`` on the wall clock."""
    given = {"run_id": run_id, "now": to_text(now), "reason": rows.shown(reason), "wall": to_text(wall)}

    def unit(transaction: Transaction) -> bool:
        if transaction.execute("cancel.run", sql("cancel_run"), given).rowcount != 1:
            return False
        transaction.execute("cancel.attempts", sql("cancel_attempts"), given)
        return True

    return unit


def wake(now: datetime, wall: datetime) -> Callable[[Transaction], int]:
    """See `Store.wake_runs`."""
    given = {"now": to_text(now), "wall": to_text(wall)}

    def unit(transaction: Transaction) -> int:
        return transaction.execute("wake_runs", sql("wake_runs"), given).rowcount

    return unit


def replay(
    wanted: Sequence[RunRecord], due: Callable[[datetime], datetime]
) -> Callable[[Transaction], list[RunRecord]]:
    """See `Store.replay`. ``due`` says when what is created at a moment on the wall clock is due."""

    def unit(transaction: Transaction) -> list[RunRecord]:
        stored = []
        for group in batches.grouped(wanted):
            run = group[-1]
            counted = transaction.execute("replay.count", sql("count_replay"), (run.event_id,)).fetchall()
            for (number,) in counted:  # none where the event was pruned meanwhile
                run_id = make_id("run", run.event_id, run.workflow, number)
                made = replace(run, id=run_id, replay=number)
                if made.state is RunState.PENDING:
                    made.due_at = due(run.created_at)
                if run.batch_max is None:
                    transaction.execute("replay.run", sql("put_run"), rows.run_row(made))
                else:
                    event_ids = [one.event_id for one in group]
                    batches.put_batch(transaction, made, event_ids, "replay", gathering=None)
                stored.append(made)
        return stored

    return unit


def load_run(
    connection: sqlite3.Connection, run_id: str, with_attempts: bool
) -> tuple[RunRecord, EventRecord, list[AttemptRecord]]:
    """See `Store.load_run`."""
    found = rows.read_all(connection, f"SELECT {rows.RUN_COLUMNS} FROM runs WHERE id = ?", (run_id,))
    if not found:
        raise StateError(f"There is no run {run_id} in the database.")
    run = rows.run_of(found[0])
    query = f"SELECT {rows.EVENT_COLUMNS} FROM events WHERE id = ?"
    stored = rows.read_all(connection, query, (run.event_id,))
    if not stored:
        raise StateError(f"The event {run.event_id} of run {run_id} is not in the database: cancel the run.")
    event = rows.event_of(stored[0])
    if not with_attempts:
        return run, event, []
    query = f"SELECT {rows.ATTEMPT_COLUMNS} FROM attempts WHERE run_id = ?"
    attempts = [rows.attempt_of(row) for row in rows.read_all(connection, query, (run_id,))]
    return run, event, rows.in_address_order(attempts)
