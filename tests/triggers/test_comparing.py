"""What counts as a difference."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.paths import format_path, is_entry
from changewire.triggers.comparing import additions, canonical, changes_between, remembered
from changewire.values import Json, dumps, loads
from tests.triggers.kinds import SCOPE, differences, digest_of, rules_of

NAMES = st.sampled_from(["a", "b", "id", "__v", 'q"uo.te', "[x]", "*", "ü", "list"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from([0.5, 1.0, -0.0, 1e20, 2.0**53])
    | st.sampled_from(["", "x", "1", '["x"]', "null", "ä\u0308", "\x00", "a\nb"])
)
DATA = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
ITEMS = st.dictionaries(NAMES, DATA, max_size=5)


@given(ITEMS, st.data())
def test_nothing_that_differs_is_left_out_and_nothing_else_is_told(old: dict[str, Json], data: st.DataObject) -> None:
    kept = {name: value for name, value in old.items() if data.draw(st.booleans(), name)}
    new = kept | data.draw(ITEMS)
    sides = [canonical(side, rules_of(), SCOPE) for side in (old, new)]
    assert {change.path for change in changes_between(old, new, rules_of(), SCOPE)} == set(places(*sides))


def places(before: Json, after: Json, at: tuple[str, ...] = ()) -> Iterator[str]:
    """Where two canonical forms differ, found in the plainest way."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() | after.keys():
            yield from places(before.get(name), after.get(name), (*at, name))
    elif (before is None and records(after)) or (after is None and records(before)):
        yield from (format_path((*at, name)) for name in before or after)
    elif dumps(before) != dumps(after):
        yield format_path(at)


def records(form: Json) -> bool:
    return isinstance(form, dict) and bool(form) and all(map(is_entry, form))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, id="whole numbers of either type"),
        pytest.param({"a": -0.0}, {"a": 0}, id="minus nothing"),
        pytest.param({}, {"a": None, "b": "", "c": [], "d": {}, "e": {"f": {"g": []}}}, id="absent and empty"),
        pytest.param({"a": [3, 1, 2]}, {"a": [2, 3, 1]}, id="order of a list"),
        pytest.param({"a": [{"n": 1}, {"n": 2}]}, {"a": [{"n": 2}, {"n": 1}]}, id="order of records"),
        pytest.param({"a": [[1, 2], [3]]}, {"a": [[3], [2, 1]]}, id="order at every depth"),
        pytest.param({"a": [{"id": 1}, {"id": 2}]}, {"a": [{"id": 2.0}, {"id": 1}]}, id="order of identified records"),
        pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="order of fields"),
        pytest.param({}, [], id="an empty object and an empty list at the root"),
        pytest.param([], None, id="an empty list and nothing at the root"),
        pytest.param("", {"a": {"b": []}}, id="empty text at the root, and nothing but empty fields"),
        pytest.param([None], [{}], id="nothing and an empty object as an entry of the root"),
        pytest.param({"a": [None, 1]}, {"a": [1, ""]}, id="nothing and empty text among plain entries"),
        pytest.param({"a": [[], {"n": 1}]}, {"a": [{"n": 1}, {"b": None}]}, id="empty entries among records"),
        pytest.param({"a": [[None]]}, {"a": [[{"b": ""}]]}, id="empty entries of lists in lists"),
    ],
)
def test_noise_is_no_difference(old: Any, new: Any) -> None:
    assert differences(old, new) == {}
    assert digest_of(old, rules_of()) == digest_of(new, rules_of())


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": "1"}, {"a": (1, "1")}),
        ({"a": 1}, {"a": True}, {"a": (1, True)}),
        ({}, {"a": 0}, {"a": (None, 0)}),
        ({}, {"a": False}, {"a": (None, False)}),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 2}}}, {"a.b.c": (1, 2)}),
        ({"a": {"b": 1}}, {"a": None}, {"a": ({"b": 1}, None)}),
        ({"a": [1, 1]}, {"a": [1]}, {"a": ([1, 1], [1])}),
        ({"a": [1]}, {"a": [1, 2]}, {"a": ([1], [1, 2])}),
        ({"__v": 1}, {"__v": 2}, {"__v": (1, 2)}),
        ({"__class__": "a"}, {"__class__": "b"}, {"__class__": ("a", "b")}),
        ({"a": '["x"]'}, {"a": ["x"]}, {"a": ('["x"]', ["x"])}),
        ({"ü": "ä"}, {"ü": "ä\u0308"}, {"ü": ("ä", "ä\u0308")}),
        ({'a "b".c': 1}, {'a "b".c': 2}, {'["a \\"b\\".c"]': (1, 2)}),
        ({"a": 1e20}, {"a": 1.5e20}, {"a": (1e20, 1.5e20)}),
        ({"a": [{"id": 1, "n": 1}]}, {"a": [{"id": 1, "n": 2}]}, {"a[1].n": (1, 2)}),
        ({"a": [{"id": 1}]}, {"a": []}, {"a[1]": ({"id": 1}, None)}),
        ({"a": []}, {"a": [{"id": 1}]}, {"a[1]": (None, {"id": 1})}),
        ({"a": [{"id": 1}]}, {"a": [{"id": 1}, {}]}, {"a": ([{"id": 1}], [{"id": 1}, {}])}),
        ([1], [2], {"": ([1], [2])}),
        ([], 0, {"": ([], 0)}),
        (False, None, {"": (False, None)}),
        (None, {"a": 1}, {"a": (None, 1)}),
        ({"a": 1}, [], {"a": (1, None)}),
        ([], [{"id": 1}], {"[1]": (None, {"id": 1})}),
        ([{"id": 1}], None, {"[1]": ({"id": 1}, None)}),
        ({"a": [None]}, {"a": [None, None]}, {"a": ([None], [None, None])}),
    ],
)
def test_each_difference_is_told_where_it_is(old: Any, new: Any, changes: dict[str, Any]) -> None:
    assert differences(old, new) == changes
    assert digest_of(old, rules_of()) != digest_of(new, rules_of())


@given(ITEMS, ITEMS)
def test_there_are_changes_exactly_where_the_canonical_forms_differ(old: Any, new: Any) -> None:
    rules = rules_of()
    same = digest_of(old, rules) == digest_of(new, rules)
    assert (differences(old, new) == {}) is same


def _shuffled(data: Any, chance: random.Random) -> Any:
    """The same with lists and fields in another order, whole numbers as floats, and empty fields added."""
    if isinstance(data, dict):
        pairs = [(key, _shuffled(value, chance)) for key, value in data.items()]
        pairs += [(f"empty{n}", chance.choice([None, "", [], {}])) for n in range(chance.randrange(2))]
        chance.shuffle(pairs)
        return dict(pairs)
    if isinstance(data, list):
        return chance.sample([_shuffled(value, chance) for value in data], len(data))
    is_number = isinstance(data, int) and not isinstance(data, bool)
    return float(data) if is_number and chance.random() < 0.5 else data


PEOPLE = st.lists(st.fixed_dictionaries({"id": st.integers(1, 3), "n": st.integers(0, 2)}), max_size=4)


@given(
    st.fixed_dictionaries(
        {"n": st.integers(-(2**53), 2**53), "tags": st.lists(st.text(max_size=2)), "people": PEOPLE, "url": DATA}
    ),
    DATA,
    st.randoms(use_true_random=False),
)
def test_noise_never_changes_the_hash(item: dict[str, Any], other: Any, chance: random.Random) -> None:
    rules = rules_of("url", lists={"people": {"key": "id"}}, sample={"people": [{"id": 1}], "url": ""})
    noisy = _shuffled({**item, "url": other}, chance)
    assert digest_of(noisy, rules) == digest_of(item, rules)
    assert changes_between(item, noisy, rules, SCOPE) == []


def test_order_counts_where_the_type_says_so() -> None:
    rules = rules_of(ordered=["a"], sample={"a": [1]})
    assert differences({"a": [1, 2]}, {"a": [2, 1]}, rules) == {"a": ([1, 2], [2, 1])}
    steps = [{"id": 1}, {"id": 2}]
    assert differences({"a": steps}, {"a": steps[::-1]}, rules) == {"a": (steps, steps[::-1])}


def test_parts_of_a_text_are_a_set_where_the_type_says_so() -> None:
    rules = rules_of(text_sets={"hosts": ";"}, sample={"hosts": ""})
    assert differences({"hosts": "a@x;b@x"}, {"hosts": " b@x;a@x; "}, rules) == {}
    assert differences({"hosts": "a@x"}, {"hosts": "a@x;b@x"}, rules) == {"hosts": ("a@x", "a@x;b@x")}
    assert differences({"hosts": ";"}, {}, rules) == {}


def test_a_url_is_compared_up_to_its_query_where_the_type_says_so() -> None:
    rules = rules_of(without_query=["url"], sample={"url": ""})
    assert differences({"url": "https://x/j/1?pwd=a"}, {"url": "https://x/j/1?pwd=b"}, rules) == {}
    assert differences({"url": "https://x/j/1"}, {"url": "https://x/j/2"}, rules).keys() == {"url"}


class TestRecords:
    FILES: ClassVar[dict[str, Any]] = {"files": {"key": [["id"], ["type", "start"]]}}
    SAMPLE: ClassVar[dict[str, Any]] = {"files": [{"id": 1, "type": "", "start": "", "size": 1, "url": ""}]}

    def rules(self, **compare: Any) -> Any:
        return rules_of(lists=self.FILES, sample=self.SAMPLE, **compare)

    def test_are_found_again_by_the_first_fields_that_they_have(self) -> None:
        old = {"files": [{"id": "x", "size": 1}, {"type": "CC", "start": "10", "size": 1}]}
        new = {"files": [{"type": "CC", "start": "10", "size": 2}, {"id": "x", "size": 1}]}
        assert differences(old, new, self.rules()) == {"files[CC/10].size": (1, 2)}

    def test_with_one_identity_are_told_apart_by_what_they_hold(self) -> None:
        twins = [{"type": "CC", "start": "10", "size": 1}, {"type": "CC", "start": "10", "size": 2}]
        assert differences({"files": twins}, {"files": twins[::-1]}, self.rules()) == {}
        changed = differences({"files": twins}, {"files": [twins[0], {**twins[1], "size": 3}]}, self.rules())
        assert changed == {"files[CC/10#2].size": (2, 3)}
        gone = differences({"files": twins}, {"files": twins[:1]}, self.rules())
        assert gone == {"files[CC/10#2]": (twins[1], None)}

    @pytest.mark.parametrize(
        "identities",
        [
            ["a", "a", "a#2"],
            ["a#2", "a#2", "a", "a", "a%232"],
            ["a#2", "a%232", "a%25232", "a%2525232", "a#", "a#"],
            ["?", None, None, "?#2", "%3F"],
        ],
    )
    def test_have_names_of_their_own_whatever_their_identities_are(self, identities: list[str | None]) -> None:
        files = [{"id": identity, "size": size} for size, identity in enumerate(identities)]
        assert len(canonical({"files": files}, self.rules(), SCOPE)["files"]) == len(files)
        for place, file in enumerate(files):
            changed = [*files[:place], {**file, "size": 100}, *files[place + 1 :]]
            told = differences({"files": files}, {"files": changed}, self.rules())
            assert 100 in [new for _, new in told.values()]
            gone = differences({"files": files}, {"files": files[:place] + files[place + 1 :]}, self.rules())
            assert [new for _, new in gone.values()].count(None) == 1

    def test_of_another_identity_take_no_name_from_a_repeated_one(self) -> None:
        twins = [{"id": "a", "size": 1}, {"id": "a", "size": 2}]
        other = {"id": "a#2", "size": 2}
        assert differences({"files": twins}, {"files": [*twins, other]}, self.rules()) == {
            "files[a%232]": (None, other)
        }

    def test_whose_identity_has_several_parts_are_not_taken_for_others_with_the_same_text(self) -> None:
        files = [{"type": "a/b", "start": "c", "size": 1}, {"type": "a", "start": "b/c", "size": 2}]
        old, new = {"files": files[:1]}, {"files": files[1:]}
        assert differences(old, new, self.rules()).keys() == {"files[a%2Fb/c]", "files[a/b%2Fc]"}

    def test_are_found_again_by_an_object_whose_fields_come_in_another_order(self) -> None:
        old, new = {"id": {"n": 1, "s": "x"}, "size": 1}, {"id": {"s": "x", "n": 1.0}, "size": 1}
        assert differences({"files": [old]}, {"files": [new]}, self.rules()) == {}

    def test_are_found_again_by_their_next_fields_whatever_stands_for_nothing(self) -> None:
        named = {"type": "CC", "start": "10", "size": 1}
        nothings: tuple[Any, ...] = (None, "", [], {})
        for nothing in nothings:
            assert differences({"files": [named]}, {"files": [{**named, "id": nothing}]}, self.rules()) == {}

    def test_without_any_identity_do_not_depend_on_their_order(self) -> None:
        old = {"files": [{"size": 1}, {"size": 2}]}
        assert differences(old, {"files": old["files"][::-1]}, self.rules()) == {}
        assert differences(old, {"files": [{"size": 2}]}, self.rules()) != {}

    def test_with_a_zero_for_identity_are_found(self) -> None:
        assert differences({"files": [{"id": 0, "size": 1}]}, {"files": [{"id": 0, "size": 2}]}, self.rules()) == {
            "files[0].size": (1, 2)
        }

    def test_that_are_new_are_the_changes_of_a_new_item(self) -> None:
        item = {"files": [{"id": "x"}, {"id": "y"}], "n": 1}
        assert [c.path for c in additions(item, self.rules(), SCOPE)] == ["files[x]", "files[y]"]

    def test_that_may_vanish_do_so_in_silence(self) -> None:
        rules = self.rules(may_vanish=["files[*]"])
        assert differences({"files": [{"id": 1}, {"id": 2}]}, {"files": [{"id": 1}]}, rules) == {}
        assert differences({"files": [{"id": 1}]}, {"files": [{"id": 1}, {"id": 2}]}, rules).keys() == {"files[2]"}


class TestWindowThatSlides:
    DATES: ClassVar[dict[str, Any]] = {
        "dates": {"key": "id", "only_if": "{{ entry.start | default('9', true) >= now }}", "window_by": "start"}
    }

    def rules(self) -> Any:
        return rules_of(lists=self.DATES, sample={"dates": [{"id": 1, "start": "", "state": ""}]})

    @staticmethod
    def dates(*days: int, **state: str) -> dict[str, Any]:
        return {"dates": [{"id": d, "start": f"2026-12-{d:02}T08:00:00Z", "state": "on", **state} for d in days]}

    def test_brings_later_dates_in_silence(self) -> None:
        assert differences(self.dates(1, 2, 3), self.dates(2, 3, 4), self.rules()).keys() == {"dates[1]"}
        assert differences(self.dates(1, 2), self.dates(1, 2, 3, 4), self.rules()) == {}

    def test_shows_a_date_put_in_between_and_one_cancelled(self) -> None:
        assert differences(self.dates(1, 3), self.dates(1, 2, 3), self.rules()).keys() == {"dates[2]"}
        cancelled = self.dates(1)
        cancelled["dates"] += self.dates(2, state="off")["dates"]
        assert differences(self.dates(1, 2), cancelled, self.rules()) == {"dates[2].state": ("on", "off")}

    def test_forgets_dates_that_are_over(self) -> None:
        over = {"dates": [{"id": 0, "start": "2026-11-01T08:00:00Z"}, *self.dates(1)["dates"]]}
        assert differences(over, self.dates(1), self.rules()) == {}

    def test_may_have_slid_by_its_whole_length(self) -> None:
        over = {"dates": [{"id": n, "start": f"2026-11-0{n}T08:00:00Z"} for n in (1, 2)]}
        assert differences(over, self.dates(1, 2), self.rules()) == {}

    def test_counts_from_the_first_date_on(self) -> None:
        assert differences({"dates": []}, self.dates(1), self.rules()).keys() == {"dates[1]"}

    def test_survives_a_date_without_a_moment(self) -> None:
        assert differences(self.dates(1), {"dates": [{"id": 1, "start": None}]}, self.rules()).keys() == {
            "dates[1].start",
            "dates[1].state",
        }


class TestSchemaGrowth:
    SAMPLE: ClassVar[dict[str, Any]] = {"id": 1, "inner": {"a": 1}, "rows": [{"n": 1}], "files": [{"id": 1}]}

    def rules(self, **compare: Any) -> Any:
        return rules_of(sample=self.SAMPLE, new_fields="quiet", **compare)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"id": 1}, {"id": 1, "new": 5}),
            ({"id": 1, "gone": 5}, {"id": 1}),
            ({"inner": {"a": 1}}, {"inner": {"a": 1, "b": {"c": 2}}}),
            ({"files": [{"id": 1}]}, {"files": [{"id": 1, "hash": "x"}]}),
            ({"rows": [{"n": 1}, {"n": 2}]}, {"rows": [{"n": 2, "m": 0}, {"n": 1, "m": 1}]}),
        ],
    )
    def test_is_no_change(self, old: Any, new: Any) -> None:
        assert differences(old, new, self.rules()) == {}

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"id": 1, "unknown": 1}, {"id": 1, "unknown": 2}),
            ({"id": 1}, {"id": 1, "inner": {"a": 1}}),
            ({"inner": {"a": 1}}, {"inner": {}}),
            ({"rows": [{"n": 1}]}, {"rows": [{"n": 2, "m": 0}]}),
            ({"rows": [{"n": 1}]}, {"rows": [{"m": 1}]}),
            ({"rows": [{"n": 1}]}, {"rows": [{"n": 1, "m": 1}, {"n": 1, "m": 2}]}),
        ],
    )
    def test_hides_no_change(self, old: Any, new: Any) -> None:
        assert differences(old, new, self.rules()) != {}

    def test_of_known_fields_counts(self) -> None:
        assert differences({"id": 1}, {"id": 1, "rare": 1}, self.rules(also_possible=["rare"])) == {"rare": (None, 1)}

    def test_may_go_both_ways_for_deprecated_fields(self) -> None:
        rules = rules_of(sample={"old": 1}, new_fields="quiet", may_vanish=["old"])
        assert differences({"old": 1}, {}, rules) == {}
        assert differences({"old": 1}, {"old": 2}, rules) == {"old": (1, 2)}


class TestIgnoring:
    def test_names_exactly_one_place(self) -> None:
        rules = rules_of("url")
        old = {"url": 1, "url_old": 1, "a": {"url": 1}}
        assert differences(old, {"url": 2, "url_old": 2, "a": {"url": 2}}, rules).keys() == {"url_old", "a.url"}

    def test_every_key_includes_keys_with_rules_of_their_own(self) -> None:
        rules = rules_of("settings.*", text_sets={"settings.hosts": ";"}, sample={"settings": {"hosts": ""}})
        assert differences({"settings": {"hosts": "a", "b": 1}}, {"settings": {"hosts": "b", "b": 2}}, rules) == {}

    def test_every_entry(self) -> None:
        rules = rules_of("files[*].url", sample={"files": [{"url": ""}]})
        old, new = ({"files": [{"id": 1, "url": n}]} for n in (1, 2))
        assert differences(old, new, rules) == {}
        assert differences({"a": [1]}, {"a": [2]}, rules_of("a[*]")) == {}

    def test_depends_on_the_item_where_the_type_says_so(self) -> None:
        rules = rules_of(volatile=[{"path": "start", "when": "{{ item.type == 8 }}"}], sample={"start": 1})
        assert differences({"type": 8, "start": 1}, {"type": 8, "start": 2}, rules) == {}
        assert differences({"type": 2, "start": 1}, {"type": 2, "start": 2}, rules).keys() == {"start"}
        assert differences({"type": 2, "start": 1}, {"type": 8, "start": 2}, rules).keys() == {"type"}

    def test_all_but_some(self) -> None:
        rules = rules_of(only=["a", "b.c"], sample={"a": 1, "b": {"c": 1}})
        assert differences({"a": 1, "b": {"c": 1, "d": 1}, "e": 1}, {"a": 1, "b": {"c": 2}}, rules) == {"b.c": (1, 2)}


def test_secrets_are_neither_compared_nor_remembered() -> None:
    rules = rules_of(secret=["token", "files[*].token"], sample={"token": "", "files": [{"token": ""}]})
    item = {"token": "t", "files": [{"id": 1, "token": "t"}], "n": 1}
    assert remembered(item, rules) == {"files": [{"id": 1}], "n": 1}
    assert differences(item, {**item, "token": "u"}, rules) == {}


def test_items_are_left_as_they_were() -> None:
    item = {"a": [3, 1], "b": {"c": 1.0}, "token": 1}
    before = loads('{"a": [3, 1], "b": {"c": 1.0}, "token": 1}')
    rules = rules_of(secret=["token"], only=["a", "b"], sample={"token": 1, "a": 1, "b": 1})
    canonical(item, rules, SCOPE)
    remembered(item, rules)
    assert item == before


def test_large_items_are_compared_in_reasonable_time() -> None:
    lines = [f"line {n}" for n in range(20_000)]
    old: dict[str, Any] = {
        "text": "\n".join(lines),
        "rows": [{"id": n, "n": n} for n in range(2_000)],
        "tags": list(range(20_000)),
    }
    new = {**old, "text": "\n".join(lines[::-1]), "rows": [{**row, "n": 1} for row in old["rows"]]}
    assert len(differences(old, new)) == 2_000
