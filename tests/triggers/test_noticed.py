"""Which of the remembered items a reading needs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.state import polls
from changewire.state.queries import sql
from changewire.state.records import ItemRecord
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock
from changewire.triggers.comparing import Scope
from changewire.triggers.noticed import Memory, Notice, Watch, keys_to_load
from changewire.triggers.noticing import notice
from changewire.triggers.numbering import numbered
from changewire.triggers.rules import make_rules
from changewire.values import Json
from tests.state.samples import trigger
from tests.triggers.kinds import NOW, SCOPE, kind_of

Answer = list[tuple[Json, Scope]]
ITEMS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "a::2", "a:", "ä", "a%3A", "a\0b", "\0"]),
        "n": st.integers(0, 2),
        "ready": st.booleans(),
    }
)
WATCHES = st.builds(
    lambda alike, settle, ready, ignore: Watch(
        kind := kind_of("created", alike=alike, ready="{{ item.ready }}" if ready else None),
        make_rules(kind, ignore),
        settle,
    ),
    st.sampled_from(["one", "count"]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from([(), ("n",)]),
)
READINGS = st.lists(st.tuples(st.lists(st.lists(ITEMS, max_size=5), max_size=2), WATCHES), min_size=2, max_size=8)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("state") / "changewire.db"
    with SqliteStore(path, clock=ManualClock()) as store:
        store.sync_triggers([trigger()], NOW)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def judged(answers: Sequence[Answer], watch: Watch, memory: Memory) -> Notice:
    found = [numbered(answers, watch, memory.items).found] if watch.kind.counts_alike else answers
    return notice([item for answer in found for item in answer], watch, memory, NOW)


def plain(result: Notice) -> Any:
    """What is stored of it."""
    noticed = [(n.key, n.kind, n.discriminator, n.record) for n in result.noticed]
    return noticed, sorted(result.quiet, key=lambda record: record.key), +result.verdicts, sorted(result.held)


@given(READINGS)
def test_a_reading_means_the_same_whether_all_items_are_loaded_or_those_that_it_needs(
    database: sqlite3.Connection, readings: list[tuple[list[list[Json]], Watch]]
) -> None:
    database.execute("DELETE FROM items")
    items: dict[str, ItemRecord] = {}
    rules = None
    for number, (found, watch) in enumerate(readings):
        answers: list[Answer] = [[(item, SCOPE) for item in answer] for answer in found]
        keys = keys_to_load(answers, watch, rules)
        loaded = polls.load_poll_state(database, "t1", keys, alike=watch.kind.counts_alike)[1]
        assert loaded.items() <= items.items()
        baseline = NOW if number else None
        whole = judged(answers, watch, Memory(items, baseline, rules))
        assert plain(judged(answers, watch, Memory(loaded, baseline, rules))) == plain(whole)
        records = [*whole.quiet, *(noticed.record for noticed in whole.noticed if noticed.record is not None)]
        items |= {record.key: record for record in records}
        rules = watch.rules.fingerprint
        database.executemany(
            sql("put_item"),
            [("t1", r.key, r.hash, r.body, r.revision, r.candidate, r.candidate_count, r.absences) for r in records],
        )


@pytest.mark.parametrize("alike", ["one", "count"])
def test_of_many_items_only_those_in_the_answer_are_loaded(database: sqlite3.Connection, alike: str) -> None:
    database.execute("DELETE FROM items")
    rows: list[tuple[Any, ...]] = [("t1", f"k{n}", "", None, 1, None, 0, 0) for n in range(1000)]
    rows += [("t1", "k1::2", "", None, 1, None, 0, 0), ("t1", "old", "", None, 0, "settling", 1, 0)]
    database.executemany(sql("put_item"), rows)
    watch = Watch(kind := kind_of("created", alike=alike), make_rules(kind))
    keys = keys_to_load([[({"id": "k1"}, SCOPE)]], watch, watch.rules.fingerprint)
    loaded = polls.load_poll_state(database, "t1", keys, alike=watch.kind.counts_alike)[1]
    assert loaded.keys() == {"k1", "old"} | ({"k1::2"} if alike == "count" else set())


@pytest.mark.parametrize("kind", ["updated", "status", "deleted", ["created", "updated"]])
def test_a_trigger_that_looks_for_more_than_new_items_needs_all(kind: str | list[str]) -> None:
    watch = Watch(made := kind_of(kind), make_rules(made))
    assert keys_to_load([[({"id": 1}, SCOPE)]], watch, watch.rules.fingerprint) is None
