"""Which fields of an answer differ and were left out as noise: told by `explain`, decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice

from changewire.state.records import ItemRecord
from changewire.triggers.comparing import Scope, masked, remembered
from changewire.triggers.noticed import Watch, item_key
from changewire.values import Json, loads

LOOKED_AT, MOST = 20, 10  # items, and paths that are named


def ignored_paths(
    items: Iterable[tuple[Json, Scope]], watch: Watch, known: Mapping[str, ItemRecord], told: Collection[str]
) -> list[str]:
    """Paths that differ in some items which count as unchanged; ``told`` are the keys of those that do not."""
    found: dict[str, None] = {}
    for item, scope in islice(items, LOOKED_AT):
        key = item_key(item, watch.kind, scope)
        record = known.get(key)
        if key in told or record is None or record.body is None or record.candidate is not None:
            continue
        with suppress(Exception):  # it decides nothing, and judging the item has said what is wrong
            differing = _differing(loads(record.body), masked(remembered(item, watch.rules)), "")
            found |= dict.fromkeys(islice(differing, MOST - len(found)))
        if len(found) == MOST:
            break
    return list(found)


def _differing(old: Json, new: Json, at: str) -> Iterator[str]:
    """Where two values differ; a list counts as one place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from _differing(old.get(name), new.get(name), f"{at}.{name}" if at else name)
    elif old != new:
        yield at or "."
