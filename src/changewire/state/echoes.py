"""What workflows wrote to what they watch, and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from changewire.clock import to_text
from changewire.secret import mask, mask_data
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import WriteRecord
from changewire.state.writer import Transaction
from changewire.values import dumps_text


def put(writes: Sequence[WriteRecord]) -> Callable[[Transaction], None]:
    """See `Store.put_writes`."""
    made = [_row(write) for write in writes]
    answered = [_doubt(write) for write in writes if write.acknowledged_at is not None]

    def unit(transaction: Transaction) -> None:
        transaction.execute_many("put_writes.doubts", sql("drop_doubt"), answered)
        transaction.execute_many("put_writes", sql("put_echo"), made)

    return unit


def drop(writes: Sequence[WriteRecord]) -> Callable[[Transaction], None]:
    """See `Store.drop_writes`."""
    dropped = [{**_doubt(write), "sent_at": to_text(write.sent_at)} for write in writes]
    return lambda transaction: transaction.execute_many("drop_writes", sql("drop_doubt"), dropped)


def _row(write: WriteRecord) -> tuple[object, ...]:
    what = (write.method, mask(write.path), dumps_text(mask_data(write.body)), write.key)
    head = (write.trigger_id, write.run_id, write.address)
    return (*head, *what, to_text(write.sent_at), to_text(write.acknowledged_at) if write.acknowledged_at else None)


def _doubt(write: WriteRecord) -> dict[str, object]:
    """What tells earlier tries of a write that were not answered; with their moment, this try."""
    step = {"trigger_id": write.trigger_id, "run_id": write.run_id, "address": write.address}
    return {**step, "method": write.method, "path": mask(write.path), "sent_at": None}


def expected(connection: sqlite3.Connection, trigger_id: str) -> list[WriteRecord]:
    """See `Store.writes`."""
    found = rows.read_all(connection, sql("expected_echoes"), {"trigger_id": trigger_id})
    return [
        WriteRecord(
            *(trigger, run, address, method, path, rows.json_or(body, None), key),
            sent_at=rows.some_moment(sent),
            acknowledged_at=rows.moment_or_none(done),
            number=seq,
        )
        for seq, trigger, run, address, method, path, body, key, sent, done in found
    ]


def settle(transaction: Transaction, outcomes: Mapping[int, str], now: datetime) -> None:
    """Store what became of writes, by their number."""
    found = [(outcome, to_text(now), seq) for seq, outcome in outcomes.items()]
    transaction.execute_many("commit_poll.echoes", sql("settle_echo"), found)


def prune(before: datetime) -> Callable[[Transaction], None]:
    """Forget writes that were acknowledged, or sent for nobody knows what, before this."""
    given = {"before": to_text(before)}

    def unit(transaction: Transaction) -> None:
        transaction.execute("prune.echoes", sql("prune_echoes"), given)

    return unit
