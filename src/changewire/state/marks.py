"""How far back history may be deleted, by what the daemon has witnessed instead of by the wall clock alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.writer import Transaction

DAY_S = 86_400


@dataclass(frozen=True)
class Limit:
    """What may be deleted: rows with moments before ``before`` and numbers up to the last ones."""

    before: datetime
    event_seq: int | None = None  # None: whatever its number is
    run_seq: int | None = None


def put(witnessed_s: int, wall: datetime) -> Callable[[Transaction], None]:
    """See `Store.mark`."""
    given = {"witnessed_s": witnessed_s, "wall": to_text(wall), "apart_s": DAY_S}

    def unit(transaction: Transaction) -> None:
        transaction.execute("mark", sql("put_mark"), given)

    return unit


def last(connection: sqlite3.Connection) -> int:
    """See `Store.witnessed`."""
    return int(rows.read_all(connection, "SELECT coalesce(max(witnessed_s), 0) FROM marks")[0][0])


def limit(connection: sqlite3.Connection, wall: datetime, kept: timedelta, witnessed_s: int | None) -> Limit | None:
    """What is older than ``kept``, by the wall clock and by ``witnessed_s``; None: nothing.

    ``witnessed_s`` None: by the wall clock alone, which a person vouches for.
    """
    if witnessed_s is None:
        return Limit(wall - kept)
    found = rows.read_all(connection, sql("mark_before"), {"most": witnessed_s - kept.total_seconds()})
    if not found:
        return None
    ((at, event_seq, run_seq),) = found
    return Limit(min(wall - kept, rows.some_moment(at)), event_seq, run_seq)
