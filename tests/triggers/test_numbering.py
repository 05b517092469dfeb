"""Rows that are alike, counted: never twice, never for noise, and none is lost."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from changewire.errors import PollError
from changewire.triggers.noticed import first_key
from changewire.triggers.payloads import make_events
from tests.triggers.kinds import NOW, SCOPE, Watcher, kind_of

SAMPLE = {"name": "Ann", "text": "Hi"}
ANN, BEN = {"name": "Ann", "text": "Hi"}, {"name": "Ben", "text": "Hi"}


def counting(kind: str | list[str] = "created", **parts: Any) -> Any:
    return kind_of(kind, **{"key": "name", "alike": "count", "sample": SAMPLE, **parts})


def one(kind: str | list[str] = "created", **parts: Any) -> Any:
    return counting(kind, alike="one", **parts)


def ann(text: str, **more: Any) -> dict[str, Any]:
    return {"name": "Ann", "text": text, **more}


def event_ids(watcher: Watcher) -> list[str]:
    return [
        event.id
        for n in watcher.last.noticed
        for event in make_events(n, watcher.kind, SCOPE, trigger_id="t", epoch=1, trigger="t", workflow="w", now=NOW)
    ]


class TestNewRows:
    def test_each_row_is_an_item_and_one_more_is_one_event(self) -> None:
        watcher = Watcher(counting())
        assert watcher.read(ANN, ANN, BEN) == []
        assert watcher.read(ANN, BEN, ANN, ANN) == ["Ann::3"]
        assert watcher.read(BEN, ANN, ANN, ANN) == []

    def test_a_row_that_goes_away_and_comes_back_is_not_new(self) -> None:
        watcher = Watcher(counting())
        watcher.read(ANN, ANN, ANN)
        assert [watcher.read(ANN, ANN), watcher.read(), watcher.read(ANN, ANN, ANN)] == [[]] * 3
        assert watcher.read(ANN, ANN, ANN, ANN) == ["Ann::4"]

    def test_rows_with_one_key_are_told_apart_by_their_content(self) -> None:
        watcher = Watcher(counting())
        watcher.read(ann("b"))
        watcher.read(ann("a"), ann("b"))
        assert [n.item for n in watcher.last.noticed] == [ann("a")]
        watcher.read(ann("c"), ann("b"), ann("a"))
        assert [(n.key, n.item) for n in watcher.last.noticed] == [("Ann::3", ann("c"))]

    def test_content_that_moves_is_no_news(self) -> None:
        watcher = Watcher(counting())
        watcher.read(ann("a", link=1), ann("b", link=1))
        assert watcher.read(ann("b", link=2), ann("a", link=2)) == []
        watcher.read(ann("b", link=2), ann("a", link=2), ann("c", link=2))
        assert [n.item["text"] for n in watcher.last.noticed] == ["c"]

    def test_the_same_rows_in_two_answers_are_no_more_than_in_the_longer_one(self) -> None:
        watcher = Watcher(counting())
        watcher.read()
        answer, longer = [(ANN, SCOPE)], [(ANN, SCOPE), (ANN, SCOPE)]
        assert watcher.read_answers(answer, answer, answer) == ["Ann"]
        assert watcher.read_answers(answer, longer, answer) == ["Ann::2"]

    def test_rows_of_several_lookups_are_different_where_the_key_says_so(self) -> None:
        watcher = Watcher(counting(key=["lookup.id", "name"]))
        watcher.read()
        answers = [[(ANN, {**SCOPE, "lookup": {"id": number}})] for number in (1, 2)]
        assert watcher.read_answers(*answers) == ["1:Ann", "2:Ann"]

    def test_a_first_reading_of_two_answers_knows_the_rows_of_the_longer_one(self) -> None:
        watcher = Watcher(counting())
        watcher.read_answers([(ann("x"), SCOPE)], [(ann("y"), SCOPE), (ann("x"), SCOPE)])
        assert watcher.read(ann("x"), ann("y")) == []

    def test_backfill_fires_each_row(self) -> None:
        watcher = Watcher(counting(), backfill=["Ann", "Ann::2"])
        assert watcher.read(ANN, ANN, ANN) == ["Ann", "Ann::2"]

    def test_each_row_settles_by_itself(self) -> None:
        watcher = Watcher(counting(), settle=2)
        watcher.read(ANN)
        assert watcher.read(ANN, ANN) == []
        assert watcher.read(ANN) == []
        assert watcher.read(ANN, ANN, ANN) == []
        assert watcher.read(ANN, ANN) == ["Ann::2"]
        assert watcher.read(ANN, ANN, ANN) == []
        assert watcher.read(ANN, ANN, ANN) == ["Ann::3"]

    def test_a_row_that_is_not_ready_takes_no_number_from_one_that_is(self) -> None:
        watcher = Watcher(
            counting(ready="{{ item.done }}", sample={**SAMPLE, "done": True}, compare={"only": ["text"]})
        )
        done, half = ann("a", done=True), ann("a", done=False)
        watcher.read(done)
        assert watcher.read(half, done) == []
        assert watcher.read(done, half) == []
        assert watcher.read(done, done) == ["Ann::2"]

    def test_an_old_row_is_not_new_whatever_its_number(self) -> None:
        watcher = Watcher(counting(created_at="made", sample={**SAMPLE, "made": ""}))
        watcher.read()
        old = ann("a", made="2026-11-20T10:00:00Z")
        assert watcher.read(old, old) == []
        assert watcher.read(old, ann("a", made="2026-11-21T10:00:00Z"), old) == ["Ann::3"]


class TestChangedRows:
    def watcher(self, *rows: Any, kind: Any = ("created", "updated"), **parts: Any) -> Watcher:
        watcher = Watcher(counting(list(kind), **parts))
        watcher.read(*rows)
        return watcher

    def test_the_order_of_rows_is_no_change(self) -> None:
        watcher = self.watcher(ann("a"), ann("b"), ann("b"))
        assert watcher.read(ann("b"), ann("a"), ann("b")) == []
        assert watcher.read(ann("b"), ann("b"), ann("a")) == []

    def test_as_few_changes_as_can_be_are_told(self) -> None:
        watcher = self.watcher(ann("", size=1), ann("", size=2), sample={**SAMPLE, "size": 1})
        watcher.read(ann("yes", size=2), ann("", size=1))
        assert [(n.old, n.item) for n in watcher.last.noticed] == [(ann("", size=2), ann("yes", size=2))]
        watcher.read(ann("yes", size=2), ann("no", size=1), ann("", size=3))
        changed, new = watcher.last.noticed
        assert (changed.old, changed.item) == (ann("", size=1), ann("no", size=1))
        assert (new.key, new.kind, new.item) == ("Ann::3", "created", ann("", size=3))

    def test_a_new_row_beside_an_equal_one_is_new_and_not_a_change(self) -> None:
        watcher = self.watcher(ann("b"))
        assert watcher.read(ann("a"), ann("b")) == ["Ann::2"]

    def test_a_field_that_the_api_adds_does_not_mix_rows_up(self) -> None:
        watcher = self.watcher(ann("b"), ann("a"), ann("c"))
        assert watcher.read(*(ann(text, grown=text) for text in "cab")) == []
        assert watcher.read(*(ann(text, grown=text) for text in "bca")) == []

    def test_edited_rules_neither_fire_nor_hide(self) -> None:
        watcher = self.watcher(ann("b", seen=1), ann("a", seen=1), sample={**SAMPLE, "seen": 1})
        watcher.ignore("seen")
        assert watcher.read(ann("a", seen=2), ann("b", seen=2)) == []
        watcher.ignore()
        assert watcher.read(ann("a", seen=2), ann("b", seen=2), ann("b", seen=2)) == ["Ann::3"]

    def test_a_row_that_is_away_while_rules_are_edited_is_counted_all_the_same(self) -> None:
        watcher = self.watcher(ANN)
        watcher.ignore("text")
        watcher.read()
        assert watcher.read(ANN, ANN) == ["Ann::2"]

    @pytest.mark.parametrize(("gone", "stays", "comes"), list(permutations("xyz")))
    def test_a_change_settles_at_its_row(self, gone: str, stays: str, comes: str) -> None:
        watcher = Watcher(counting(["created", "updated"]), settle=2)
        watcher.read(ann(""), ann(""), ann(""))
        assert watcher.read(ann(""), ann(gone), ann(stays)) == []
        watcher.read(ann(stays), ann(comes), ann(""))
        assert [n.item["text"] for n in watcher.last.noticed] == [stays]

    def test_rows_that_are_not_alike_at_all_are_refused(self) -> None:
        watcher = self.watcher(*(ann(str(number)) for number in range(60)))
        assert watcher.read(*(ann(f"new {number}") for number in range(60)), BEN) == ["Ben"]
        ((key, _, error),) = watcher.last.failed
        assert (key, type(error), str(error)) == (
            "Ann",
            PollError,
            "too many different rows have the key Ann, so nobody can tell which of them changed; "
            "`alike: count` is for rows that are alike: name more fields in `key`",
        )

    def test_many_rows_that_are_alike_are_no_burden(self) -> None:
        watcher = self.watcher(*[ann("a")] * 2000)
        assert watcher.read(*[ann("a", grown=1)] * 2000) == []
        assert watcher.read(*[ann("b", grown=1)], *[ann("a", grown=1)] * 2000) == ["Ann::2001"]


class TestRowsThatGo:
    def test_as_many_are_gone_as_are_missing(self) -> None:
        watcher = Watcher(counting(["created", "deleted"]))
        watcher.read(ANN, ANN, ANN)
        assert [watcher.read(ANN), watcher.read(ANN)] == [[], ["Ann::2", "Ann::3"]]
        assert [watcher.read(ANN), watcher.read(ANN, ANN)] == [[], ["Ann::2"]]
        assert [watcher.read(ANN), watcher.read(ANN, ANN)] == [[], []]

    def test_the_one_that_differs_is_the_one_that_is_gone(self) -> None:
        watcher = Watcher(counting(["created", "updated", "deleted"], absences=1))
        watcher.read(ann("a"), ann("b"), ann("c"))
        watcher.read(ann("c"), ann("a"))
        assert [(n.kind, n.item) for n in watcher.last.noticed] == [("deleted", ann("b"))]
        watcher.read(ann("c"), ann("d"), ann("a"))
        assert [(n.kind, n.item) for n in watcher.last.noticed] == [("created", ann("d"))]

    def test_once_nobody_counts_any_more_nothing_is_gone(self) -> None:
        watcher = Watcher(counting(["created", "deleted"]))
        watcher.read(ANN, ANN)
        watcher.become(one(["created", "deleted"]))
        assert [watcher.read(ANN, ANN) for _ in range(3)] == [[]] * 3
        assert [watcher.read(), watcher.read()] == [[], ["Ann"]]


class TestUpgrades:
    """A type begins to count what it took for one before."""

    @pytest.mark.parametrize("kind", ["created", "updated", ["created", "updated"], ["created", "deleted"]])
    def test_rows_that_were_there_do_not_fire_and_the_next_one_does(self, kind: Any) -> None:
        watcher = Watcher(one(kind))
        watcher.read(ANN, ANN, BEN)
        watcher.become(counting(kind))
        assert watcher.read(ANN, ANN, BEN) == []
        fires = "created" in kind
        assert watcher.read(ANN, ANN, ANN, BEN, BEN) == (["Ann::3", "Ben::2"] if fires else [])
        assert watcher.read(ANN, ANN, ANN, BEN, BEN) == []

    @pytest.mark.parametrize("kind", ["created", ["created", "updated"], ["created", "deleted"]])
    def test_rows_that_are_away_at_that_moment_do_not_fire_when_they_come_back(self, kind: Any) -> None:
        watcher = Watcher(one(kind))
        watcher.read(ANN, ANN, BEN)
        watcher.become(counting(kind))
        assert [watcher.read(BEN), watcher.read(ANN, ANN, BEN)] == [[], []]
        assert watcher.read(ANN, ANN, BEN, ANN) == ["Ann::3"]

    @pytest.mark.parametrize("kind", ["created", ["created", "updated"]])
    def test_counting_can_be_turned_off_and_on(self, kind: Any) -> None:
        watcher = Watcher(counting(kind))
        watcher.read(ann("a"), ann("a"))
        watcher.become(one(kind))
        assert watcher.read(ann("a"), ann("a"), ann("a")) == []
        watcher.become(counting(kind))
        assert watcher.read(ann("a"), ann("b"), ann("c"), ann("d")) == []
        assert watcher.read(ann("b"), ann("a"), ann("d"), ann("c")) == []
        assert watcher.read(ann("b"), ann("a"), ann("d"), ann("c"), ann("a")) == ["Ann::5"]

    def test_a_key_that_is_new_afterwards_counts_from_its_first_row(self) -> None:
        watcher = Watcher(one())
        watcher.read(ANN)
        watcher.become(counting())
        watcher.read(ANN)
        assert watcher.read(ANN, BEN, BEN) == ["Ben", "Ben::2"]

    def test_the_first_row_keeps_the_id_of_its_event(self) -> None:
        ids = []
        for kind in (one(), counting()):
            watcher = Watcher(kind)
            watcher.read()
            watcher.read(ANN)
            ids += event_ids(watcher)
        assert ids[0] == ids[1]


REFUSED = [
    ({"paging": {"kind": "link"}}, "`paging` cannot stand beside `alike: count`: a page that shifts while a list"),
    ({"status": "text", "kind": "status"}, "`status` cannot stand beside `alike: count`: nobody can tell which of two"),
    ({"kind": "deleted", "evidence": {"path": "/x"}}, "`evidence` cannot stand beside `alike: count`: one of several"),
    ({"items": ""}, "`alike: count` counts rows in a list, so `items` must say where the list is"),
    (
        {"window": {"start": "a", "end": "b", "lookback": "7d", "longest": "7d", "reach": "7d"}},
        "`window` cannot stand beside `alike: count`: spans share a day, and rows come and go with the time",
    ),
    ({"source": "internal", "request": None, "items": None}, "`alike` belongs to a `request`"),
]


@pytest.mark.parametrize(("parts", "words"), REFUSED)
def test_what_cannot_be_counted_is_refused(parts: dict[str, Any], words: str) -> None:
    kind_of(kind="created", key="name", sample=SAMPLE, paging={"kind": "none"}, alike="count")
    with pytest.raises(ValidationError) as error:
        counting(**parts)
    assert words in str(error.value)


@given(st.text("ab:%", min_size=1), st.text("ab:%", min_size=1))
def test_a_number_never_looks_like_a_value(name: str, text: str) -> None:
    watcher = Watcher(counting(key=[["name", "text"], ["text"]]))
    watcher.read({"name": name, "text": text}, {"name": name, "text": text}, {"text": text}, {"text": text})
    keys = list(watcher.items)
    assert len(keys) == 4
    assert [first_key(key) == key for key in keys] == [True, False, True, False]
    assert {first_key(key) for key in keys} == {keys[0], keys[2]}


ROWS = st.lists(
    st.builds(lambda name, text: {"name": name, "text": text}, st.sampled_from("AB"), st.sampled_from("xyz"))
)
READINGS = st.lists(ROWS, min_size=2, max_size=8)


def names(rows: list[dict[str, str]]) -> Counter[str]:
    return Counter(row["name"] for row in rows)


def told(watcher: Watcher) -> Counter[tuple[str, str]]:
    return Counter((first_key(n.key), n.kind) for n in watcher.last.noticed)


@given(READINGS)
def test_new_rows_are_what_a_heap_has_grown_by(readings: list[list[dict[str, str]]]) -> None:
    watcher, most, ids = Watcher(counting()), names(readings[0]), list[str]()
    watcher.read(*readings[0])
    for rows in readings[1:]:
        watcher.read(*rows)
        now = names(rows)
        assert told(watcher) == {(name, "created"): n - most[name] for name, n in now.items() if n > most[name]}
        most |= now
        ids += event_ids(watcher)
    assert len(set(ids)) == len(ids)


@given(READINGS)
def test_rows_that_come_and_go_are_what_a_heap_grows_and_shrinks_by(readings: list[list[dict[str, str]]]) -> None:
    watcher, there, ids = Watcher(counting(["created", "deleted"], absences=1)), names(readings[0]), list[str]()
    watcher.read(*readings[0])
    for rows in readings[1:]:
        watcher.read(*rows)
        now = names(rows)
        gone = {(name, "deleted"): n for name, n in (there - now).items()}
        if sum(gone.values()) <= 10:
            assert told(watcher) == {**{(name, "created"): n for name, n in (now - there).items()}, **gone}
        else:
            return  # so many at once are held back
        there = now
        ids += event_ids(watcher)
    assert len(set(ids)) == len(ids)


@given(READINGS, st.randoms())
def test_changed_rows_are_as_few_as_explain_what_is_there(readings: list[list[dict[str, str]]], chance: Any) -> None:
    watcher, ids = Watcher(counting(["created", "updated"])), list[str]()
    heap: list[dict[str, str]] = []
    for number, rows in enumerate(readings):
        missing = names(heap) - names(rows)
        now = [*rows, *(row for name in "AB" for row in [r for r in heap if r["name"] == name][: missing[name]])]
        chance.shuffle(now)
        watcher.read(*now)
        expected: Counter[tuple[str, str]] = Counter()
        for name in "AB" if number else "":
            was = Counter(row["text"] for row in heap if row["name"] == name)
            found = Counter(row["text"] for row in now if row["name"] == name)
            expected[name, "created"] = found.total() - was.total()
            expected[name, "updated"] = (was - found).total()
        assert told(watcher) == +expected
        heap = now
        ids += event_ids(watcher)
        assert watcher.read(*now) == []
    assert len(set(ids)) == len(ids)
