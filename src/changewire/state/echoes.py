"""What workflows wrote to what they watch, and what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from changewire.clock import from_text, to_text
from changewire.secret import mask, mask_data
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import WriteRecord
from changewire.state.writer import Transaction
from changewire.values import dumps_text, loads


def put(writes: Sequence[WriteRecord]) -> Callable[[Transaction], None]:
    """See `Store.put_writes`."""
    made = [_row(write) for write in writes]
    return lambda transaction: transaction.execute_many("put_writes", sql("put_echo"), made)


def _row(write: WriteRecord) -> tuple[object, ...]:
    assert write.acknowledged_at is not None  # before that nobody knows whether anything was written
    what = (write.method, mask(write.path), dumps_text(mask_data(write.body)), write.key)
    head = (write.trigger_id, write.run_id, write.address)
    return (*head, *what, to_text(write.sent_at), to_text(write.acknowledged_at))


def expected(connection: sqlite3.Connection, trigger_id: str) -> list[WriteRecord]:
    """See `Store.writes`."""
    found = rows.read_all(connection, sql("expected_echoes"), {"trigger_id": trigger_id})
    return [
        WriteRecord(trigger, run, address, method, path, loads(body), key, from_text(sent), from_text(done), number=seq)
        for seq, trigger, run, address, method, path, body, key, sent, done in found
    ]


def settle(transaction: Transaction, outcomes: Mapping[int, str], now: datetime) -> None:
    """Store what became of writes, by their number."""
    found = [(outcome, to_text(now), seq) for seq, outcome in outcomes.items()]
    transaction.execute_many("commit_poll.echoes", sql("settle_echo"), found)


def prune(before: datetime) -> Callable[[Transaction], None]:
    """Forget writes that were acknowledged before this."""
    given = {"before": to_text(before)}

    def unit(transaction: Transaction) -> None:
        transaction.execute("prune.echoes", sql("prune_echoes"), given)

    return unit
