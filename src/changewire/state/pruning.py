"""How the past is deleted: looked for beside the writer, deleted in small parts between which everybody else writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.marks import Limit
from changewire.state.queries import sql
from changewire.state.writer import Transaction
from changewire.values import dumps_text

LOOKED_AT = 10_000  # rows that one look finds at most
AT_ONCE = 1_500  # rows that one transaction deletes about, so that polls need not wait long for it
Found = list[tuple[Any, ...]]


def find_runs(limit: Limit) -> Callable[[sqlite3.Connection], Found]:
    """Some of the finished runs that ended before the limit: (seq, id, number of its attempts). None left: empty.

    They come by their ids: attempts and the index of ids lie in that order, so that neighbours share pages. By time,
    every run would be on pages of its own.
    """
    given = {"before": to_text(limit.before), "last": limit.run_seq, "limit": LOOKED_AT}
    return lambda connection: sorted(rows.read_all(connection, sql("old_runs"), given), key=itemgetter(1))


def find_events(limit: Limit, after: tuple[str, int]) -> Callable[[sqlite3.Connection], Found]:
    """Some of the events without runs that are older than the limit: (detected_at, seq), ``after`` such a pair."""
    given = {"before": to_text(limit.before), "last": limit.event_seq, "limit": LOOKED_AT}
    given |= {"detected_at": after[0], "seq": after[1]}
    return lambda connection: rows.read_all(connection, sql("old_events"), given)


def parts(found: Found) -> list[Found]:
    """Runs as they are deleted together: few where each has many attempts. One alone may have more than its share."""
    made: list[Found] = [[]]
    room = AT_ONCE
    for row in found:
        cost = 1 + row[2]
        if made[-1] and cost > room:
            made.append([])
            room = AT_ONCE
        made[-1].append(row)
        room -= cost
    return made if found else []


def thin_out(run_id: str) -> Callable[[Transaction], int]:
    """Delete some of the attempts of a run that has very many; how many."""

    def unit(transaction: Transaction) -> int:
        given = {"run_id": run_id, "limit": AT_ONCE}
        return transaction.execute("prune.thin_out", sql("thin_out_run"), given).rowcount

    return unit


def delete_runs(found: Found) -> Callable[[Transaction], int]:
    """Delete these runs with their attempts; how many runs. A finished run stays one, so nothing is asked again."""
    given = {"seqs": dumps_text([row[0] for row in found]), "ids": dumps_text([row[1] for row in found])}

    def unit(transaction: Transaction) -> int:
        transaction.execute("prune.attempts", sql("prune_attempts"), given)
        transaction.execute("prune.batches", sql("prune_batches"), given)
        return transaction.execute("prune.runs", sql("prune_runs"), given).rowcount

    return unit


def delete_events(found: Found) -> Callable[[Transaction], int]:
    """Delete those of these events that still have no run; how many."""
    given = {"seqs": dumps_text([row[1] for row in found])}

    def unit(transaction: Transaction) -> int:
        return transaction.execute("prune.events", sql("prune_events"), given).rowcount

    return unit
