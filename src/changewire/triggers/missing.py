"""What was there and is not in a reading: kept, replaced, or gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from changewire.errors import PollError
from changewire.paths import MISSING, get, parse_path
from changewire.state.records import ItemRecord
from changewire.triggers.noticed import BEFORE_WATCH, Memory, Notice, Noticed, Watch, first_key
from changewire.values import Json, loads

BRAKE_SHARE, BRAKE_COUNT, BRAKE_PATIENCE = 0.5, 10, 10
"""More than half of the items, and more than ten, gone at once is held for ten times as many polls as one item is."""
REPLACED = -(10**9)
"""Absences of an item whose place another one took: it is not missed until it is there again."""
_OTHER = "-"
"""A hash that no content has."""


def judge_unseen(
    seen: Collection[str],
    there: Collection[Json],
    watch: Watch,
    memory: Memory,
    result: Notice,
    *,
    unidentified: bool = False,
) -> list[str]:
    """Judge the remembered items whose keys were not ``seen``; ``there`` are the items of the reading.

    ``unidentified``: each of them may be one whose key cannot be read, so none is missing. Returns the keys of those
    that are not judged because of it.
    """
    unseen = [record for key, record in memory.items.items() if key not in seen and _is_watched(key, watch)]
    unseen = _keep_unseen(unseen, watch, memory, result)
    if "deleted" in watch.kind.kind and memory.baseline_at is not None:
        living = [record for record in unseen if record.body is not None and record.absences > REPLACED]
        result.missing = len(living)
        if unidentified:
            return [record.key for record in living]
        if watch.kind.newest_by is not None:
            unseen = _not_replaced(unseen, there, watch.kind.newest_by, result)
        _judge_absent(unseen, watch, memory, result)
    return []


def _is_watched(key: str, watch: Watch) -> bool:
    """Whether an item that was seen once would be seen again: not by its number where nobody counts any more."""
    return watch.kind.counts_alike or first_key(key) == key


def _keep_unseen(unseen: Iterable[ItemRecord], watch: Watch, memory: Memory, result: Notice) -> list[ItemRecord]:
    """Items that this reading did not hold, as they are kept: they settle in polls in a row only, and a hash that
    other rules made is dropped, so that the item is compared field by field when it is seen again."""
    hashed = "updated" in watch.kind.kind or watch.kind.counts_alike
    other_rules = hashed and memory.rules not in (None, watch.rules.fingerprint)
    dropped = _OTHER if watch.kind.counts_alike and memory.counted else ""  # one that is empty tells `uncounted`
    kept = []
    for record in unseen:
        if record.candidate not in (None, BEFORE_WATCH) or (other_rules and record.candidate is None):
            left = dropped if other_rules and record.hash else record.hash
            record = replace(record, hash=left, candidate=None, candidate_count=0)
            result.quiet.append(record)
        kept.append(record)
    return kept


def _not_replaced(unseen: list[ItemRecord], there: Iterable[Json], path: str, result: Notice) -> list[ItemRecord]:
    """Those of the items that are not there which were not replaced by a newer one: one at most, mostly."""
    ages = {r.key: text_at(remembered_item(r), path) for r in unseen if r.body is not None and r.absences > REPLACED}
    newest = max([*ages.values(), *(text_at(item, path) for item in there)], default="")
    missed = [record for record in unseen if ages.get(record.key) == newest]
    result.quiet += [replace(r, absences=REPLACED) for r in unseen if r.key in ages and r not in missed]
    return missed


def remembered_item(record: ItemRecord) -> Json:
    """The item as it is remembered; None if only its key is. Raises PollError if what is stored is damaged."""
    try:
        return loads(record.body or b"null")
    except ValueError:
        words = f"what is remembered of item {record.key} is damaged: restore a backup, or begin anew with `reset`"
        raise PollError(words) from None


def text_at(item: Json, path: str) -> str:
    """The value of a field as text, which moments are compared by; empty where there is none."""
    value = get(item, parse_path(path))
    return "" if value is MISSING or value is None else str(value)


def _judge_absent(gone: list[ItemRecord], watch: Watch, memory: Memory, result: Notice) -> None:
    gone = [record for record in gone if record.body is not None]
    living = sum(1 for record in memory.items.values() if record.body is not None)
    braked = len(gone) > BRAKE_COUNT and len(gone) > living * BRAKE_SHARE
    needed = watch.kind.absences * (BRAKE_PATIENCE if braked else 1)
    for record in gone:
        if record.absences + 1 < needed:
            result.quiet.append(replace(record, absences=record.absences + 1))
            result.hold("held" if braked else "absent", record.key)
            continue
        try:
            item = remembered_item(record)
        except PollError as error:
            result.failed.append((record.key, None, error))
            continue
        tombstone = replace(record, hash="", body=None, revision=record.revision + 1, absences=0)
        revision = (record.revision,)
        result.noticed.append(Noticed(record.key, "deleted", item, item, (), revision, tombstone, missing=record))
        result.verdicts["fired"] += 1
