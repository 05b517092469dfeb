"""Which of the rows that have one key is which, where a type counts them. Pure functions.

Rows without an identity of their own are a heap: three that are alike are three items, and nothing tells them apart but
their number. The first has the key itself, the second the key and a 2. Their order says nothing, so a row is the one of
which the same content is remembered, and a number is only given anew where there are more rows than ever before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from typing import NamedTuple

from changewire.errors import PollError
from changewire.state.records import ItemRecord
from changewire.triggers.comparing import Scope, canonical, changes_between, content_hash, masked
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticed import Watch, first_key, item_key, key_of_number
from changewire.values import Json, loads

MOST_COMPARED = 2_500
"""How many comparisons the rows of one key are worth; those that need more are not alike."""
_NOT_ALIKE = (
    "too many different rows have the key {key}, so nobody can tell which of them changed; "
    "`alike: count` is for rows that are alike: name more fields in `key`"
)

Found = tuple[Json, Scope]


@dataclass(frozen=True)
class _Row:
    item: Json
    scope: Scope
    waiting: bool  # it does not count as there yet
    digest: str


class Numbered(NamedTuple):
    """The items of one reading, each key and number once; the number of each but the first is in its scope."""

    found: list[Found]
    failed: list[tuple[str, Json, Exception]]  # key, one of its rows, and why they cannot be told apart
    present: set[str]  # keys of remembered items that are there, although nobody knows which of the rows they are


def numbered(answers: Iterable[Sequence[Found]], watch: Watch, known: Mapping[str, ItemRecord]) -> Numbered:
    """Tell the rows of one reading apart.

    Rows count within one answer: what another answer brings as well may be the same.
    """
    result = Numbered([], [], set())
    for key, rows in _most_of_each(answers, watch).items():
        if len(rows) == 1 and key_of_number(key, 2) not in known:
            result.found.extend(rows)
            continue
        try:
            result.found.extend(_told_apart(key, rows, watch, known))
        except Exception as error:  # whatever it is, it must not hold up the rows of other keys
            result.failed.append((key, rows[0][0], error))
    if failed := {key for key, _, _ in result.failed}:
        result.present.update(key for key in known if first_key(key) in failed)
    return result


def _told_apart(key: str, rows: Sequence[Found], watch: Watch, known: Mapping[str, ItemRecord]) -> list[Found]:
    judged = sorted((_row(*row, watch) for row in rows), key=lambda row: (row.waiting, row.digest))
    pairs = zip(_Heap(key, judged, known, watch).numbers(), judged, strict=True)
    return [(row.item, row.scope if n == 1 else {**row.scope, "number": n}) for n, row in sorted(pairs, key=_first)]


def _first(pair: tuple[int, _Row]) -> int:
    return pair[0]


def _most_of_each(answers: Iterable[Sequence[Found]], watch: Watch) -> dict[str, list[Found]]:
    """The rows of each key, from the answer that has the most of them."""
    most: dict[str, list[Found]] = {}
    for answer in answers:
        here: dict[str, list[Found]] = defaultdict(list)
        for item, scope in answer:
            here[item_key(item, watch.kind, scope)].append((item, scope))
        most |= {key: rows for key, rows in here.items() if len(rows) > len(most.get(key, ()))}
    return most


def _row(item: Json, scope: Scope, watch: Watch) -> _Row:
    ready = watch.kind.ready
    waiting = ready is not None and not EXPRESSIONS.condition(ready, {**scope, "item": item})
    return _Row(item, scope, waiting, content_hash(canonical(item, watch.rules, scope)))


class _Heap:
    """The rows of one key, and what is remembered of them by number."""

    def __init__(self, key: str, rows: Sequence[_Row], known: Mapping[str, ItemRecord], watch: Watch) -> None:
        self._key, self._rows, self._watch = key, rows, watch
        self._compares = "updated" in watch.kind.kind
        self._free: dict[int, ItemRecord] = {}
        self._next = 1
        while record := known.get(key_of_number(key, self._next)):
            self._free[self._next] = record
            self._next += 1
        self._numbers: dict[int, int] = {}  # by the place of a row

    def numbers(self) -> list[int]:
        """The number of each row."""
        self._give_equal(lambda record: record.hash if self._lives(record) else None)
        self._give_equal(lambda record: record.candidate)
        self._give_similar()
        for place, number in zip(self._left(), chain(sorted(self._free), count(self._next)), strict=False):
            self._numbers[place] = number
        return [self._numbers[place] for place in range(len(self._rows))]

    def _lives(self, record: ItemRecord) -> bool:
        return record.revision > 0 and (record.body is not None or self._watch.kind.only_new)

    def _left(self) -> list[int]:
        return [place for place in range(len(self._rows)) if place not in self._numbers]

    def _give(self, place: int, number: int) -> None:
        self._numbers[place] = number
        del self._free[number]

    def _give_equal(self, of: Callable[[ItemRecord], str | None]) -> None:
        numbers: dict[str | None, list[int]] = defaultdict(list)
        for number in sorted(self._free, reverse=True):
            numbers[of(self._free[number])].append(number)
        for place in self._left():
            if same := numbers.get(self._rows[place].digest):
                self._give(place, same.pop())

    def _give_similar(self) -> None:
        """Rows that are none of those remembered are the remaining ones, changed: as little as can be."""
        places: dict[tuple[bool, str], list[int]] = defaultdict(list)
        for place in reversed(self._left()):
            row = self._rows[place]
            places[row.waiting, row.digest if self._compares else ""].append(place)
        numbers: dict[bytes | None, list[int]] = defaultdict(list)
        for number in sorted((n for n, record in self._free.items() if self._lives(record)), reverse=True):
            numbers[self._free[number].body if self._compares else None].append(number)
        if len(places) * len(numbers) > MOST_COMPARED:
            raise PollError(_NOT_ALIKE.format(key=self._key))
        pairs = {
            (waiting, self._changes(old[-1], new[-1]), old[-1], digest): (old, new)
            for (waiting, digest), new in places.items()
            for old in numbers.values()
        }
        for mark in sorted(pairs):
            old, new = pairs[mark]
            while old and new:
                self._give(new.pop(), old.pop())

    def _changes(self, number: int, place: int) -> int:
        """How many changes make the remembered item this row; content that is not compared never changes."""
        body, row = self._free[number].body, self._rows[place]
        if body is None or not self._compares:
            return 0
        return len(changes_between(loads(body), masked(row.item), self._watch.rules, row.scope))
