"""What is new: four kinds of triggers from reading to reading."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from changewire.errors import PollError
from changewire.triggers.missing import BRAKE_PATIENCE
from changewire.triggers.noticed import item_key
from changewire.triggers.payloads import make_events
from changewire.values import loads
from tests.triggers.kinds import NOW, SCOPE, Watcher, kind_of

A, B = {"id": 1, "n": "a"}, {"id": 1, "n": "b"}
OPEN, SHUT = {"id": 1, "status": "open"}, {"id": 1, "status": "shut"}


def event_ids(watcher: Watcher, epoch: int = 1) -> list[str]:
    named: dict[str, Any] = {"trigger_id": "t", "epoch": epoch, "trigger": "t", "workflow": "w"}
    return [event.id for n in watcher.last.noticed for event in make_events(n, watcher.kind, SCOPE, **named, now=NOW)]


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "item", "text"),
        [
            ("id", {"id": 17}, "17"),
            ("id", {"id": 17.0}, "17"),
            ("id", {"id": True}, "true"),
            ("id", {"id": 0}, "0"),
            ("id", {"id": "a/b=="}, "a/b=="),
            ("id", {"id": "a:b%"}, "a%3Ab%25"),
            ("a.b", {"a": {"b": "x"}}, "x"),
            (["a", "b"], {"a": "x:y", "b": "z"}, "x%3Ay:z"),
            ([["id"], ["name"]], {"id": "", "name": "n"}, ":n"),
            ([["id"], ["a", "b"]], {"id": None, "a": 1, "b": 2}, ":1:2"),
        ],
    )
    def test_are_written(self, key: Any, item: Any, text: str) -> None:
        kind = kind_of(key=key)
        assert item_key(item, kind, SCOPE) == text

    def test_may_come_from_the_lookup_and_the_parameters(self) -> None:
        scope = {**SCOPE, "lookup": {"uuid": "u"}, "parameters": {"x": "p"}}
        kind = kind_of(key=[["lookup.uuid", "id", "parameters.x"]])
        assert item_key({"id": 1}, kind, scope) == "u:1:p"

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            ({"id": []}, "an item has no id, so it cannot be told from others; it begins b'{\"id\":[]}'"),
            ({"name": "x"}, 'an item has no id, so it cannot be told from others; it begins b\'{"name":"x"}\''),
            ({"id": {"a": 1}}, "an item's key id is not a plain value: choose fields that are"),
            ([1], "an item has no id, so it cannot be told from others; it begins b'[1]'"),
            (
                {"id": None, "x": loads("[" * 900 + "]" * 900)},
                "an item has no id, so it cannot be told from others; it is nested too deeply to be shown",
            ),
        ],
    )
    def test_are_never_guessed(self, item: Any, message: str) -> None:
        with pytest.raises(PollError) as error:
            item_key(item, kind_of(), SCOPE)
        assert str(error.value) == message

    TEXTS = st.text("ab:%", min_size=1, max_size=3)
    CHOICES = st.fixed_dictionaries({}, optional={"a": TEXTS, "b": TEXTS, "c": TEXTS, "d": TEXTS})

    @given(CHOICES, CHOICES)
    def test_are_equal_for_equal_values_only(self, one: dict[str, str], other: dict[str, str]) -> None:
        kind = kind_of(key=[["a", "b"], ["c"], ["d"]])

        def values(item: dict[str, str]) -> tuple[tuple[str, str], ...] | None:
            for parts in (("a", "b"), ("c",), ("d",)):
                if all(part in item for part in parts):
                    return tuple((part, item[part]) for part in parts)
            return None

        if values(one) and values(other):
            same = item_key(one, kind, SCOPE) == item_key(other, kind, SCOPE)
            assert same is (values(one) == values(other))


class TestCreated:
    def test_the_first_reading_is_silent_and_each_item_is_new_once(self) -> None:
        watcher = Watcher(kind_of("created"))
        assert watcher.read({"id": 1}) == []
        assert watcher.read({"id": 1}, {"id": 2}) == ["2"]
        assert watcher.read({"id": 2}, {"id": 1}) == []
        assert watcher.read() == []
        assert watcher.read({"id": 1}, {"id": 2}) == []

    def test_an_item_that_a_shifting_page_brings_twice_is_one(self) -> None:
        watcher = Watcher(kind_of("created"))
        watcher.read()
        assert watcher.read({"id": 1}, {"id": 1}) == ["1"]

    def test_an_item_made_long_before_the_watch_is_not_new(self) -> None:
        watcher = Watcher(kind_of("created", created_at="made", sample={"id": 1, "made": ""}))
        watcher.read()
        old, lately = "2026-11-21T09:30:00Z", "2026-11-21T09:50:00Z"
        assert watcher.read({"id": 1, "made": old}, {"id": 2, "made": lately}, {"id": 3, "made": "?"}, {"id": 4}) == [
            "2", "3", "4",
        ]  # fmt: skip
        assert watcher.last.verdicts["old"] == 1

    def test_an_item_made_now_is_new_though_the_clock_was_ahead_when_the_watch_began(self) -> None:
        watcher = Watcher(kind_of("created", created_at="made", sample={"id": 1, "made": ""}))
        watcher.read(now=NOW + timedelta(hours=7))
        old, lately = "2026-11-21T09:30:00Z", "2026-11-21T09:59:00Z"
        assert watcher.read({"id": 1, "made": old}, {"id": 2, "made": lately}) == ["2"]

    def test_an_item_of_the_day_of_the_first_reading_is_new_where_dates_are_all_there_is(self) -> None:
        watcher = Watcher(kind_of("created", created_at="made", sample={"id": 1, "made": ""}))
        watcher.read()
        today, long_ago, somewhere = "2026-11-21", "2026-11-19", "2026-11-21T02:00:00"
        found = watcher.read({"id": 1, "made": today}, {"id": 2, "made": long_ago}, {"id": 3, "made": somewhere})
        assert found == ["1", "3"]

    def test_an_item_that_is_not_ready_is_new_when_it_is(self) -> None:
        watcher = Watcher(kind_of("created", ready="{{ item.done | default(false) }}"))
        watcher.read({"id": 1})
        assert watcher.read({"id": 1}) == []
        assert watcher.read({"id": 1, "done": True}) == ["1"]
        assert watcher.read({"id": 1}) == []

    def test_backfill_fires_chosen_items_of_the_first_reading_marked(self) -> None:
        watcher = Watcher(kind_of("created"), backfill=["2"])
        assert watcher.read({"id": 1}, {"id": 2}) == ["2"]
        assert [n.backfill for n in watcher.last.noticed] == [True]
        assert watcher.read({"id": 1}, {"id": 2}) == []

    def test_settling_takes_readings_in_a_row_of_the_same(self) -> None:
        watcher = Watcher(kind_of("created"), settle=3)
        watcher.read()
        assert [watcher.read(A), watcher.read(A), watcher.read(B), watcher.read(B)] == [[]] * 4
        assert watcher.read(B) == ["1"]
        assert watcher.read(A) == []

    def test_an_item_that_goes_away_begins_to_settle_anew(self) -> None:
        watcher = Watcher(kind_of("created"), settle=2)
        watcher.read()
        assert [watcher.read(A), watcher.read(), watcher.read(A)] == [[]] * 3
        assert watcher.read(A) == ["1"]

    def test_an_event_has_the_same_id_whoever_finds_it(self) -> None:
        ids = []
        for _ in range(2):
            watcher = Watcher(kind_of("created"))
            watcher.read()
            watcher.read({"id": 1})
            ids += event_ids(watcher)
        assert len(set(ids)) == 1


class TestUpdated:
    def test_a_change_is_told_by_field(self) -> None:
        watcher = Watcher(kind_of(sample=A))
        assert watcher.read(A) == []
        assert watcher.read(A) == []
        assert watcher.read(B) == ["1:n"]
        assert watcher.last.noticed[0].old == A

    def test_to_and_fro_are_events_of_their_own(self) -> None:
        watcher = Watcher(kind_of(sample=A))
        watcher.read(A)
        ids = []
        for item in (B, A, B):
            assert watcher.read(item) == ["1:n"]
            ids += event_ids(watcher)
        assert len(set(ids)) == 3

    @pytest.mark.parametrize("epochs", [(1, 2), (1, 1)])
    def test_the_same_change_is_another_event_in_another_epoch_only_whenever_the_watch_began(
        self, epochs: tuple[int, int]
    ) -> None:
        ids = []
        for hours, epoch in enumerate(epochs):
            watcher = Watcher(kind_of(sample=A))
            watcher.read(A, now=NOW + timedelta(hours=hours))
            watcher.read(B)
            ids += event_ids(watcher, epoch)
        assert len(set(ids)) == len(set(epochs))

    def test_an_item_that_was_away_is_compared_with_what_it_was(self) -> None:
        watcher = Watcher(kind_of(sample=A))
        watcher.read(A)
        watcher.read()
        assert watcher.read(A) == []
        watcher.read()
        assert watcher.read(B) == ["1:n"]

    @pytest.mark.parametrize(("kind", "fired"), [("updated", []), (["created", "updated"], ["2"])])
    def test_an_item_not_seen_before_is_what_the_type_says(self, kind: Any, fired: list[str]) -> None:
        watcher = Watcher(kind_of(kind, sample=A))
        watcher.read(A)
        assert watcher.read(A, {"id": 2, "n": "x"}) == fired
        assert watcher.read(A, {"id": 2, "n": "y"}) == ["2:n"]

    def test_noise_is_taken_over_without_an_event(self) -> None:
        watcher = Watcher(kind_of(sample=A))
        watcher.read(A)
        assert watcher.read({**A, "unknown": 1}) == []
        assert watcher.last.verdicts["only_noise"] == 1
        assert watcher.read({**A, "unknown": 2}) == ["1:unknown"]

    def test_an_item_is_not_looked_at_while_it_is_not_ready(self) -> None:
        watcher = Watcher(kind_of(ready="{{ item.rows }}", sample={"id": 1, "rows": [1]}))
        watcher.read({"id": 1, "rows": [1]})
        assert watcher.read({"id": 1, "rows": []}) == []
        assert watcher.read({"id": 1, "rows": [1]}) == []
        assert watcher.read({"id": 1, "rows": [2]}) == ["1:rows"]

    def test_a_change_settles_before_it_counts(self) -> None:
        watcher = Watcher(kind_of(sample=A), settle=2)
        watcher.read(A)
        assert [watcher.read(B), watcher.read(A), watcher.read(B)] == [[]] * 3
        assert watcher.read(B) == ["1:n"]
        assert watcher.last.noticed[0].old == A
        assert watcher.read(B) == []

    def test_a_change_that_wanders_counts_once_it_rests(self) -> None:
        watcher = Watcher(kind_of(sample=A), settle=2)
        watcher.read(A)
        for n in range(4):
            assert watcher.read({"id": 1, "n": n}) == []
        assert watcher.read({"id": 1, "n": 3}) == ["1:n"]

    @pytest.mark.parametrize("kind", ["updated", "status"])
    def test_the_order_of_two_items_with_one_key_is_noise(self, kind: str) -> None:
        one, two = {"id": 1, "status": "a", "seen": 1}, {"id": 1, "status": "b", "seen": 2}
        watcher = Watcher(kind_of(kind, compare={"volatile": ["seen"]}))
        watcher.read(one, two)
        assert watcher.read(two, one) == []
        assert watcher.read({**one, "seen": 9}, two) == []
        assert watcher.read(two, {**one, "seen": 8}) == []
        assert watcher.read(two) == ["1:status"]


class TestEditedRules:
    SEEN = ({"id": 1, "n": "a", "x": 1}, {"id": 2, "n": "a", "x": 1})

    def watcher(self, *ignore: str) -> Watcher:
        watcher = Watcher(kind_of(sample=self.SEEN[0]), *ignore)
        watcher.read(*self.SEEN)
        return watcher

    def test_fire_nothing_by_themselves(self) -> None:
        watcher = self.watcher()
        watcher.ignore("x")
        assert watcher.read(*self.SEEN) == []
        watcher.ignore()
        assert watcher.read(*self.SEEN) == []

    def test_hide_no_change_that_happened_meanwhile(self) -> None:
        watcher = self.watcher("x")
        watcher.ignore("n")
        assert watcher.read({"id": 1, "n": "b", "x": 2}, self.SEEN[1]) == ["1:x"]

    def test_hold_for_a_change_that_happened_meanwhile(self) -> None:
        watcher = self.watcher()
        watcher.ignore("x")
        assert watcher.read({"id": 1, "n": "a", "x": 2}, self.SEEN[1]) == []
        watcher.ignore()
        assert watcher.read({"id": 1, "n": "a", "x": 2}, self.SEEN[1]) == []

    def test_hold_for_items_that_were_away_at_the_time(self) -> None:
        watcher = self.watcher()
        watcher.ignore("x")
        assert watcher.read(self.SEEN[0]) == []
        assert watcher.read({"id": 1, "n": "a", "x": 7}, {"id": 2, "n": "a", "x": 7}) == []
        assert watcher.read({"id": 1, "n": "a", "x": 7}, {"id": 2, "n": "b", "x": 7}) == ["2:n"]

    def test_may_use_parameters_also_for_items_that_are_away(self) -> None:
        only_if = "{{ entry.n > parameters.least }}"
        watcher = Watcher(
            kind_of(compare={"lists": {"rows": {"key": "n", "only_if": only_if}}}, sample={"id": 1, "rows": []})
        )
        watcher.items |= self.watcher().items
        watcher.baseline_at, watcher.rules = NOW, "other"
        assert watcher.read() == []

    def test_of_the_type_fire_nothing_that_did_not_count_before(self) -> None:
        watcher = Watcher(kind_of(compare={"volatile": ["x"]}, sample=self.SEEN[0]))
        watcher.read(*self.SEEN)
        assert watcher.read({"id": 1, "n": "a", "x": 50}, self.SEEN[1]) == []
        watcher.become(kind_of(sample=self.SEEN[0]))
        assert watcher.read({"id": 1, "n": "a", "x": 60}, self.SEEN[1]) == []
        assert watcher.last.verdicts["only_noise"] == 2
        assert watcher.read({"id": 1, "n": "a", "x": 61}, self.SEEN[1]) == ["1:x"]

    def test_of_the_type_hide_no_change_that_counted_before(self) -> None:
        watcher = Watcher(kind_of(compare={"volatile": ["x"]}, sample=self.SEEN[0]))
        watcher.read(*self.SEEN)
        watcher.become(kind_of(compare={"only": ["n"]}, sample=self.SEEN[0]))
        assert watcher.read({"id": 1, "n": "b", "x": 60}, self.SEEN[1]) == ["1:n"]

    def test_of_the_type_that_nobody_can_read_any_more_are_those_of_today(self) -> None:
        watcher = Watcher(kind_of(sample=self.SEEN[0]))
        watcher.read(*self.SEEN)
        watcher.compare = {"of_a_later_version": True}
        assert watcher.read({"id": 1, "n": "b", "x": 1}, self.SEEN[1]) == ["1:n"]

    def test_do_not_undo_settling_for_good(self) -> None:
        watcher = Watcher(kind_of(sample=A), settle=2)
        watcher.read(A)
        watcher.read(B)
        watcher.ignore("other")
        assert watcher.read(B) == ["1:n"]


class TestStatus:
    def test_only_the_watched_field_counts(self) -> None:
        watcher = Watcher(kind_of("status"))
        watcher.read(OPEN)
        assert watcher.read({**OPEN, "n": 1}) == []
        assert watcher.read(SHUT) == ["1:status"]
        assert (watcher.last.noticed[0].changes[0].old, watcher.last.noticed[0].changes[0].new) == ("open", "shut")

    @pytest.mark.parametrize(("old", "new"), [(1, 1.0), (None, ""), ([1, 2], [2, 1]), ({"a": 1, "b": None}, {"a": 1})])
    def test_noise_in_it_is_no_change(self, old: Any, new: Any) -> None:
        watcher = Watcher(kind_of("status"))
        watcher.read({"id": 1, "status": old})
        assert watcher.read({"id": 1, "status": new}) == []

    def test_it_may_be_empty_but_not_missing(self) -> None:
        watcher = Watcher(kind_of("status"))
        watcher.read({"id": 1, "status": None})
        assert watcher.read(OPEN) == ["1:status"]
        assert watcher.read({"id": 1}) == []
        ((key, _, error),) = watcher.last.failed
        assert (key, str(error)) == ("1", "item 1 has no field 'status', which is the watched status")

    def test_to_and_fro_are_events_of_their_own(self) -> None:
        watcher = Watcher(kind_of("status"))
        watcher.read(OPEN)
        ids = []
        for item in (SHUT, OPEN, SHUT):
            watcher.read(item)
            ids += event_ids(watcher)
        assert len(set(ids)) == 3

    def test_it_settles(self) -> None:
        watcher = Watcher(kind_of("status"), settle=2)
        watcher.read(OPEN)
        assert [watcher.read(SHUT), watcher.read(OPEN), watcher.read(SHUT)] == [[]] * 3
        assert watcher.read(SHUT) == ["1:status"]

    def test_another_field_named_in_the_type_fires_nothing_by_itself(self) -> None:
        watcher = Watcher(kind_of("status"))
        item = {"id": 1, "status": "open", "phase": 3}
        watcher.read(item)
        other = Watcher(kind_of("status", status="phase", sample=item))
        other.items, other.baseline_at, other.rules = watcher.items, watcher.baseline_at, watcher.rules
        assert other.read(item) == []
        assert other.read({**item, "phase": 4}) == ["1:phase"]


class TestDeleted:
    def test_takes_several_complete_readings_without_the_item(self) -> None:
        watcher = Watcher(kind_of("deleted", absences=3))
        watcher.read(A, {"id": 2})
        assert [watcher.read({"id": 2}), watcher.read({"id": 2})] == [[]] * 2
        assert watcher.read({"id": 2}) == ["1"]
        assert watcher.last.noticed[0].item == A
        assert watcher.read({"id": 2}) == []

    def test_an_item_that_comes_back_in_time_was_never_gone(self) -> None:
        watcher = Watcher(kind_of("deleted"))
        watcher.read(A)
        for _ in range(3):
            assert [watcher.read(), watcher.read(A)] == [[], []]

    def test_an_item_can_be_deleted_again(self) -> None:
        watcher = Watcher(kind_of("deleted", absences=1))
        watcher.read(A)
        ids = []
        for _ in range(2):
            assert watcher.read() == ["1"]
            ids += event_ids(watcher)
            assert watcher.read(A) == []
        assert len(set(ids)) == 2

    def test_the_last_content_is_what_is_told(self) -> None:
        watcher = Watcher(kind_of("deleted", absences=1))
        watcher.read(A)
        watcher.read(B)
        watcher.read()
        assert watcher.last.noticed[0].item == B

    def test_most_of_a_list_at_once_is_held_much_longer(self) -> None:
        watcher = Watcher(kind_of("deleted", absences=1))
        many = [{"id": n} for n in range(12)]
        watcher.read(*many)
        for _ in range(BRAKE_PATIENCE - 1):
            assert watcher.read() == []
        assert watcher.last.verdicts["held"] == 12
        assert len(watcher.read()) == 12

    def test_a_list_that_comes_back_from_a_hiccup_lost_nothing(self) -> None:
        watcher = Watcher(kind_of("deleted", absences=1))
        many = [{"id": n} for n in range(12)]
        watcher.read(*many)
        watcher.read()
        assert watcher.read(*many) == []
        assert watcher.read(*many[1:]) == ["0"]


class TestSeveralKinds:
    @pytest.mark.parametrize("kind", [["created", "deleted"], ["created", "status", "deleted"]])
    def test_who_comes_goes_and_comes_back_are_three_events(self, kind: list[str]) -> None:
        watcher = Watcher(kind_of(kind, absences=1))
        watcher.read(OPEN)
        ids = []
        for item in ([OPEN, {**SHUT, "id": 2}], [OPEN], [OPEN, {**OPEN, "id": 2}]):
            assert watcher.read(*item) == ["2"]
            ids += event_ids(watcher)
            assert watcher.read(*item) == []
        assert len(set(ids)) == 3
        assert watcher.last.noticed == []

    def test_content_counts_beside_coming_and_going(self) -> None:
        watcher = Watcher(kind_of(["created", "updated", "deleted"], absences=2, sample=A))
        watcher.read(A)
        fired = [watcher.read(*items) for items in ([B], [], [B], [], [], [A], [B])]
        assert fired == [["1:n"], [], [], [], ["1"], ["1"], ["1:n"]]

    def test_each_event_says_what_happened(self) -> None:
        watcher = Watcher(kind_of(["created", "updated", "deleted"], absences=1, sample=A))
        watcher.read()
        told = []
        for items in ([A], [B], []):
            watcher.read(*items)
            told += [noticed.kind for noticed in watcher.last.noticed]
        assert told == ["created", "updated", "deleted"]

    @pytest.mark.parametrize("kind", [["created", "deleted"], ["created", "updated"]])
    def test_a_type_that_learns_to_notice_more_fires_nothing_by_itself(self, kind: list[str]) -> None:
        before, after = Watcher(kind_of("created", sample=A)), Watcher(kind_of(kind, absences=1, sample=A))
        before.read(A)
        after.items, after.baseline_at, after.rules = before.items, before.baseline_at, before.rules
        assert after.read(A) == []
        assert after.read(A, {"id": 2, "n": "x"}) == ["2"]

    def test_an_item_that_is_not_ready_is_there_all_the_same(self) -> None:
        watcher = Watcher(kind_of(["created", "deleted"], ready="{{ item.n == 'a' }}", absences=1, sample=A))
        watcher.read(A)
        assert watcher.read(B) == []
        assert watcher.read() == ["1"]

    def test_an_item_that_has_to_settle_was_never_gone(self) -> None:
        watcher = Watcher(kind_of(["created", "deleted"], absences=1, sample=A), settle=2)
        watcher.read()
        assert [watcher.read(A), watcher.read(), watcher.read(A)] == [[]] * 3
        assert watcher.read(A) == ["1"]
        assert watcher.read() == ["1"]

    @pytest.mark.parametrize("kind", [[], ["updated", "status"], ["created", "created"]])
    def test_some_do_not_go_together(self, kind: list[str]) -> None:
        with pytest.raises(ValidationError, match="name created, deleted, and one of updated and status"):
            kind_of(kind, status="status")


VALUES = st.lists(st.sampled_from(["a", "b", None]), max_size=12)


@given(VALUES)
def test_events_are_exactly_the_changes_between_good_readings(history: list[str | None]) -> None:
    watcher = Watcher(kind_of(sample=A))
    watcher.read(A)
    known, ids = "a", []
    for value in history:
        fired = watcher.read(*([] if value is None else [{"id": 1, "n": value}]))
        assert fired == (["1:n"] if value not in (None, known) else [])
        ids += event_ids(watcher)
        known = value or known
    assert len(set(ids)) == len(ids)
