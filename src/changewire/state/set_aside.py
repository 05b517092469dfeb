"""Items that could not be processed, as they are kept: bounded in number and size."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from changewire.clock import to_text
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import AsideRecord, PollCommit, SetAsideItems
from changewire.state.writer import Transaction
from changewire.values import digest, dumps_text

MOST_KEPT = 100  # of one trigger; further items are counted
_LONGEST_KEY, _LONGEST_TEXT = 200, 1_000  # characters


def write(commit: PollCommit) -> Callable[[Transaction], None]:
    """What a poll does to the items set aside of its trigger; part of the transaction that stores the poll."""
    if commit.set_aside is None:
        return lambda transaction: None
    since = to_text(commit.wall)
    kept = [_row(record, since, place) for place, record in enumerate(commit.set_aside[:MOST_KEPT])]
    further = commit.set_aside[MOST_KEPT:]
    if further:
        reason = (rows.shown(further[0].reason) or "")[:_LONGEST_TEXT]
        kept.append((commit.trigger_id, "", f"{len(further)} more", reason, "", since, MOST_KEPT, len(further)))
    keys = {"trigger_id": commit.trigger_id, "keys": dumps_text([row[1] for row in kept])}

    def unit(transaction: Transaction) -> None:
        transaction.execute("commit_poll.drop_set_aside", sql("drop_set_aside"), keys)
        transaction.execute_many("commit_poll.put_set_aside", sql("put_set_aside"), kept)

    return unit


def _row(record: AsideRecord, since: str, place: int) -> tuple[str | int, ...]:
    plain = record.key.isprintable() and len(record.key) <= _LONGEST_KEY and record.key
    key = record.key if plain else digest(record.key.encode("utf-8", "surrogatepass"))
    texts = [(rows.shown(text) or "") for text in (record.name, record.reason, record.excerpt)]
    name, reason, excerpt = texts[0][:_LONGEST_KEY], texts[1][:_LONGEST_TEXT], texts[2]
    return (record.trigger_id, key, name, reason, excerpt, since, place, 1)


def stored(connection: sqlite3.Connection, inactive: bool) -> list[SetAsideItems]:
    """See `Store.set_aside`."""
    return [
        SetAsideItems(
            trigger_id, trigger, name, reason, rows.some_moment(since), polls, count, excerpt or None, bool(event)
        )
        for trigger_id, trigger, name, reason, since, polls, count, excerpt, event, _ in rows.read_all(
            connection, sql("items_set_aside"), {"inactive": inactive}
        )
    ]
