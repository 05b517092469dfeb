"""What is paused, and what goes on when that ends: each function is one unit of writing, or one reading.

Whether a trigger is polled stands in its own row, so that looking for due ones costs nothing more. `apply` keeps the
rows in step with the pauses, inside the transaction that changes either.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from changewire.clock import to_text
from changewire.errors import CredentialError
from changewire.secret import mask
from changewire.state import alerts, rows
from changewire.state.queries import sql
from changewire.state.records import AlertRecord, Lifted, PauseCause, Paused, PauseKind, PauseRecord, TriggerState
from changewire.state.writer import Transaction
from changewire.values import Json

PAUSED, MENDED = "connection_paused", "connection_mended"  # alerts
FIRST_TRY, LONGEST_TRY = timedelta(minutes=1), timedelta(hours=1)


def next_try(tries: int, now: datetime) -> datetime:
    """When it is tried again whether a connection is mended, after ``tries`` that failed: from a minute to an hour."""
    wait: timedelta = min(FIRST_TRY * 2 ** min(tries, 10), LONGEST_TRY)
    return now + wait


def refusal(error: CredentialError, now: datetime, trial: str | None = None) -> PauseRecord:
    """The pause of a connection that was refused. ``trial``: the run that was."""
    return PauseRecord(
        PauseKind.CONNECTION,
        error.connection,
        PauseCause.CREDENTIAL,
        now,
        mask(str(error)),
        error.advice,
        error.by_request,
        trial=trial,
    )


def told(record: PauseRecord) -> str:
    """A pause of a refused connection in words, said once for all that waits for it."""
    return (
        f"connection {record.name!r} is paused: {record.reason}. Its triggers and the runs that need it wait, nothing "
        f"is lost, and all goes on by itself once it is mended (or: `changewire resume --connection {record.name}`)"
    )


def pauses(connection: sqlite3.Connection) -> list[PauseRecord]:
    """See `Store.pauses`."""
    found = []
    for row in rows.read_all(connection, sql("pauses")):
        with suppress(ValueError):
            found.append(rows.pause_of(row))
    return found


def is_paused(connection: sqlite3.Connection, held_by: str) -> bool:
    """Return whether the pause that runs name ``held_by`` still exists."""
    return bool(rows.read_all(connection, sql("is_paused"), {"held_by": held_by}))


def pause(record: PauseRecord, now: datetime, by: tuple[str, int] | None) -> Callable[[Transaction], Paused]:
    """See `Store.pause`."""

    def unit(transaction: Transaction) -> Paused:
        if by is not None and not _stands(transaction, by):
            return Paused.FENCED
        known = _known(transaction, record.kind, record.name)
        if known is not None and record.cause is PauseCause.CREDENTIAL:
            if known.trial is not None and known.trial in (record.trial, by and by[0]):
                _put_off(transaction, known, record.reason, now)
            return Paused.KNOWN
        if known is not None and known.cause is PauseCause.PERSON:
            return Paused.KNOWN
        try_at = next_try(0, now) if record.cause is PauseCause.CREDENTIAL else None
        _put(transaction, replace(record, try_at=try_at, trial=None), now)
        if record.cause is PauseCause.CREDENTIAL:
            alerts.put(transaction, _alert(PAUSED, record, record.since, told(record)))
        return Paused.NEW

    return unit


def lift(
    kind: PauseKind, name: str, now: datetime, cause: PauseCause | None, wall: datetime
) -> Callable[[Transaction], Lifted | None]:
    """See `Store.lift`. ``wall`` is ``now`` on the wall clock."""

    def unit(transaction: Transaction) -> Lifted | None:
        known = _known(transaction, kind, name)
        if known is None or (cause is not None and known.cause is not cause):
            return None
        transaction.execute("lift.pause", "DELETE FROM pauses WHERE kind = ? AND name = ?", (str(kind), name))
        given = {"now": to_text(now), "held_by": known.held_by, "run_id": None}
        resumed = transaction.execute("lift.runs", sql("resume_held_runs"), given).fetchall()
        if known.cause is PauseCause.CREDENTIAL:
            words = f"connection {name!r} works again: what waited for it goes on"
            alerts.put(transaction, _alert(MENDED, known, wall, words))
        elif kind is PauseKind.CONNECTION:  # it may have been refused before a person paused it
            words = f"connection {name!r} is no longer paused: what waited for it goes on"
            alerts.turn(transaction, _alert(MENDED, known, wall, words), PAUSED, MENDED)
        return Lifted(apply(transaction, now), [row[0] for row in resumed])

    return unit


def _alert(what: str, record: PauseRecord, now: datetime, message: str) -> AlertRecord:
    facts: dict[str, Json] = {"next": record.advice} if what == PAUSED else {}
    return AlertRecord(now, what, record.name, message, facts)


def put_off(name: str, reason: str | None, now: datetime) -> Callable[[Transaction], None]:
    """See `Store.put_off_pause`."""

    def unit(transaction: Transaction) -> None:
        known = _known(transaction, PauseKind.CONNECTION, name)
        if known is not None and known.cause is PauseCause.CREDENTIAL:
            _put_off(transaction, known, reason, now)

    return unit


def try_now(names: Collection[str] | None, now: datetime) -> Callable[[Transaction], None]:
    """See `Store.try_pauses`."""

    def unit(transaction: Transaction) -> None:
        for known in pauses(transaction.connection):
            if known.cause is PauseCause.CREDENTIAL and (names is None or known.name in names):
                _put(transaction, replace(known, try_at=now, trial=None), now)

    return unit


def begin_trial(name: str, now: datetime) -> Callable[[Transaction], str | None]:
    """See `Store.begin_trial`."""

    def unit(transaction: Transaction) -> str | None:
        known = _known(transaction, PauseKind.CONNECTION, name)
        if known is None or known.cause is not PauseCause.CREDENTIAL:
            return None
        others = [one for one in pauses(transaction.connection) if one.held_by != known.held_by]
        waiting = [
            row.id
            for row in _rows(transaction)
            if row.connection == name
            and row.active
            and row.state != TriggerState.UNAVAILABLE
            and _pause_of(row, others) is None
        ]
        trial = waiting[known.tries % len(waiting)] if waiting else _held_run(transaction, known, now)
        if trial is not None:
            _put(transaction, replace(known, try_at=next_try(known.tries, now), trial=trial), now)
        return trial

    return unit


def _held_run(transaction: Transaction, known: PauseRecord, now: datetime) -> str | None:
    """The run that is let through where no trigger can be; it is due from now on."""
    query = "SELECT id FROM runs WHERE state = 'paused' AND held_by = ? ORDER BY seq LIMIT 1"
    found = rows.read_all(transaction.connection, query, (known.held_by,))
    if not found:
        return None
    given = {"now": to_text(now), "held_by": known.held_by, "run_id": found[0][0]}
    transaction.execute("trial.run", sql("resume_held_runs"), given)
    return str(found[0][0])


def apply(transaction: Transaction, now: datetime) -> int:
    """Make the rows of all triggers say what the pauses say of them; how many go on that were paused."""
    found = pauses(transaction.connection)
    if not found and not rows.read_all(transaction.connection, "SELECT 1 FROM triggers WHERE paused = 1 LIMIT 1"):
        return 0
    freed = 0
    for row in _rows(transaction):
        pause = _pause_of(row, found) if row.active else None
        change = _free(row) if pause is None else _held(row, pause)
        if change is not None:
            freed += not change["paused"]
            given = {"id": row.id, "now": to_text(now), "due": not change["paused"], **change}
            transaction.execute("pauses.trigger", sql("pause_trigger"), given)
    return freed


@dataclass(frozen=True, slots=True)
class _Row:
    """What matters of a trigger, in the order of ``triggers_and_pauses``."""

    id: str
    workflow: str
    name: str
    connection: str | None
    paused: bool
    state: str
    error: str | None
    baseline_at: str | None
    active: bool


def _rows(transaction: Transaction) -> list[_Row]:
    return [_Row(*row) for row in rows.read_all(transaction.connection, sql("triggers_and_pauses"))]


def _pause_of(row: _Row, found: Sequence[PauseRecord]) -> PauseRecord | None:
    """The pause that concerns a trigger, one by a person before one that may end by itself."""
    names = {
        PauseKind.CONNECTION: row.connection,
        PauseKind.WORKFLOW: row.workflow,
        PauseKind.TRIGGER: f"{row.workflow}/{row.name}",
    }
    fitting = [pause for pause in found if names[pause.kind] == pause.name]
    return min(fitting, key=lambda pause: pause.cause is not PauseCause.PERSON, default=None)


def _held(row: _Row, pause: PauseRecord) -> dict[str, Any] | None:
    """The change of a trigger that is not to be polled, or is as a trial; None: its row says so already."""
    state = TriggerState.PAUSED if pause.cause is PauseCause.PERSON else TriggerState.SUSPENDED
    if row.state == TriggerState.UNAVAILABLE:
        return None if row.paused else _change(row, paused=True)
    if pause.trial == row.id:
        return _change(row, paused=False) if row.paused else None
    by_hand = pause.cause is PauseCause.PERSON
    words = rows.shown(f"{pause.kind} {pause.name!r} is paused: {pause.reason}" if by_hand else pause.reason)
    if row.paused and row.state == state and row.error == words:
        return None
    return {"paused": True, "state": str(state), "error": words, "error_class": str(pause.cause)}


def _free(row: _Row) -> dict[str, Any] | None:
    if not row.paused:
        return None
    if row.state == TriggerState.UNAVAILABLE:
        return _change(row, paused=False)
    state = TriggerState.OK if row.baseline_at else TriggerState.BASELINE_PENDING
    return {"paused": False, "state": str(state), "error": None, "error_class": None}


def _change(row: _Row, *, paused: bool) -> dict[str, Any]:
    kind = str(PauseCause.CREDENTIAL) if row.state == TriggerState.SUSPENDED else None
    return {"paused": paused, "state": row.state, "error": row.error, "error_class": kind}


def _put_off(transaction: Transaction, known: PauseRecord, reason: str | None, now: datetime) -> None:
    tries = known.tries + 1
    changed = replace(known, tries=tries, try_at=next_try(tries, now), trial=None, reason=reason or known.reason)
    _put(transaction, changed, now)


def _put(transaction: Transaction, record: PauseRecord, now: datetime) -> None:
    transaction.execute("pause.put", sql("put_pause"), rows.pause_row(record))
    apply(transaction, now)


def _known(transaction: Transaction, kind: PauseKind, name: str) -> PauseRecord | None:
    return next((one for one in pauses(transaction.connection) if (one.kind, one.name) == (kind, name)), None)


def _stands(transaction: Transaction, by: tuple[str, int]) -> bool:
    """Whether a poll still holds its claim, so that what it found out is news."""
    query = "SELECT 1 FROM triggers WHERE id = ? AND claim = ? AND claim <> 0"
    return bool(rows.read_all(transaction.connection, query, by))
