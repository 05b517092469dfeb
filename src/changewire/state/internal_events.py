"""Internal events that wait for triggers which are not in the files or cannot be used at the moment."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from changewire.clock import to_text
from changewire.secret import mask_data
from changewire.state import polls, rows
from changewire.state.queries import sql
from changewire.state.records import EventRecord, KeptEvent, Raised, RunRecord
from changewire.state.writer import Transaction
from changewire.values import dumps_text


def feed(
    events: Sequence[EventRecord], runs: Sequence[RunRecord], raised: Raised, known: Collection[str], now: datetime
) -> Callable[[Transaction], list[str]]:
    """See `Store.feed`."""
    put = polls.feed(events, runs)
    given = {
        "id": raised.id,
        "type": raised.type,
        "item": dumps_text(mask_data(dict(raised.item))),
        "chain": dumps_text(raised.chain),
        "cause": raised.cause,
        "now": to_text(now),
        "known": dumps_text(list(known)),
    }

    def unit(transaction: Transaction) -> list[str]:
        transaction.execute("feed.keep", sql("keep_internal_event"), given)
        return put(transaction)

    return unit


def missed(connection: sqlite3.Connection, type_: str, known: Collection[str]) -> bool:
    """Whether a stored trigger of this type is not among those of the files."""
    given = {"type": type_, "known": dumps_text(list(known))}
    return bool(rows.read_all(connection, sql("triggers_that_miss"), given))


def kept(connection: sqlite3.Connection, trigger_ids: Collection[str], limit: int) -> list[KeptEvent]:
    """See `Store.kept_events`."""
    given = {"ids": dumps_text(list(trigger_ids)), "limit": limit}
    found = rows.read_all(connection, sql("kept_internal_events"), given)
    return [
        KeptEvent(seq, trigger_id, Raised(type_, id_, fields, tuple(rows.json_or(chain, [])), cause))
        for seq, trigger_id, id_, type_, item, chain, cause in found
        if isinstance(fields := rows.json_or(item, None), dict)  # one that is damaged holds up no other
    ]


def feed_kept(
    number: int, events: Sequence[EventRecord], runs: Sequence[RunRecord]
) -> Callable[[Transaction], list[str]]:
    """See `Store.feed_kept`."""
    put = polls.feed(events, runs)

    def unit(transaction: Transaction) -> list[str]:
        transaction.execute("feed.kept", "DELETE FROM internal_events WHERE seq = ?", (number,))
        return put(transaction)

    return unit


def prune(before: datetime) -> Callable[[Transaction], None]:
    """Forget internal events that were raised before this and whose trigger did not return."""
    given = {"before": to_text(before)}

    def unit(transaction: Transaction) -> None:
        transaction.execute("prune.internal_events", sql("prune_internal_events"), given)

    return unit
