"""The changes of an event in bounded size.

Long values are cut to the part that differs, and very many changes are joined.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from changewire.paths import Tokens
from changewire.triggers.expressions import Change
from changewire.values import Json, dumps

VALUE_BYTES = 65_536  # of JSON; a longer old or new value is cut
CHANGES_BYTES = 1_000_000  # of JSON, of all changes of one event
PART_BYTES = 4_096  # of JSON that is kept of a value that is cut; of a text so many characters
_STRICTER = (4_096, 256)  # for values, where many changes are too long together
_AROUND = 40  # bytes of JSON around path and values


def bounded(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The same changes with at most `CHANGES_BYTES` of JSON.

    A value of more than `VALUE_BYTES` is replaced by ``{"cut": part, "bytes": length}`` with the beginning of the part
    that the other side does not have. If all values are too long together, shorter ones are cut as well, and if there
    are too many, those below one path become one change, both values ``{"cut": None, "changes": count}``.
    """
    for most in (VALUE_BYTES, *_STRICTER):
        cut = tuple(_cut(change, most) for change in changes)
        if _size(cut) <= CHANGES_BYTES:
            return cut
    levels = max(len(change.tokens) for change in changes)
    joined = (_joined(cut, level) for level in range(levels - 1, -1, -1))
    return next(fewer for fewer in joined if _size(fewer) <= CHANGES_BYTES)


def _size(changes: Iterable[Change]) -> int:
    return sum(len(change.path) + len(dumps([change.old, change.new])) + _AROUND for change in changes)


def _joined(changes: Sequence[Change], level: int) -> tuple[Change, ...]:
    """The changes with those that share the first ``level`` tokens of their paths as one."""
    groups: dict[Tokens, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.tokens[:level], []).append(change)
    return tuple(_together(tokens, group) for tokens, group in groups.items())


def _together(tokens: Tokens, changes: list[Change]) -> Change:
    if len(changes) == 1:
        return changes[0]
    return Change(tokens, *[{"cut": None, "changes": len(changes)}] * 2)


def _cut(change: Change, most: int) -> Change:
    sizes = [len(dumps(value)) for value in (change.old, change.new)]
    if max(sizes) <= most:
        return change
    sides = zip((change.old, change.new), _different(change.old, change.new), sizes, strict=True)
    room = min(most, PART_BYTES)
    return Change(
        change.tokens,
        *({"cut": _beginning(part, room), "bytes": size} if size > most else value for value, part, size in sides),
    )


def _different(old: Json, new: Json) -> tuple[Json, Json]:
    """What each of two values has that the other one does not have; the values themselves if they are of two types."""
    if isinstance(old, str) and isinstance(new, str):
        begin = _common(old, new)
        old, new = old[begin:], new[begin:]
        end = _common(old[::-1], new[::-1])
        return old[: len(old) - end], new[: len(new) - end]
    if isinstance(old, list) and isinstance(new, list):
        texts = [dumps(entry) for entry in old], [dumps(entry) for entry in new]
        return _without(old, *texts), _without(new, *texts[::-1])
    return old, new


def _without(entries: list[Json], texts: list[bytes], others: list[bytes]) -> list[Json]:
    """The entries, whose JSON is ``texts``, without as many of each as there are among the others."""
    there = Counter(others)
    there.subtract(texts)
    left = {text: -count for text, count in there.items() if count < 0}
    kept = []
    for entry, text in zip(entries, texts, strict=True):
        if left.get(text, 0) > 0:
            left[text] -= 1
            kept.append(entry)
    return kept


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    most = min(len(one), len(other))
    return bisect_left(range(1, most + 1), True, key=lambda length: one[:length] != other[:length])


def _different_entries(value: list[Json], other: list[Json]) -> list[Json]:
    there = Counter(map(dumps, other))
    different = []
    for entry in value:
        text = dumps(entry)
        if there[text]:
            there[text] -= 1
        else:
            different.append(entry)
    return different


def _beginning(value: Json, room: int) -> Json:
    """As much of a text, list or object as has room; whole entries and fields only."""
    if isinstance(value, str):
        return value[:room]
    if isinstance(value, dict):
        return dict(_first(value.items(), room))
    return _first(value, room)


def _first(parts: Iterable[Json], room: int) -> list[Json]:
    kept = []
    for part in parts:
        room -= len(dumps(part)) + 1
        if room < 0:
            break
        kept.append(part)
    return kept
