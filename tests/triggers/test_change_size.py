"""How large the changes of one event are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.triggers.change_size import CHANGES_BYTES, PART_BYTES, VALUE_BYTES, bounded
from changewire.triggers.expressions import Change, fields
from changewire.values import dumps
from tests.triggers.test_comparing import DATA

NUMBERS = [number / 7 for number in range(20_000)]
LINES = [f"line {number}" for number in range(20_000)]
TOKENS = st.lists(st.sampled_from(["a", "b", "[1]", "c d"]), max_size=3).map(tuple)


def size(changes: tuple[Change, ...]) -> int:
    return len(dumps([change.as_dict() for change in changes]))


@given(st.lists(st.builds(Change, TOKENS, DATA, DATA), max_size=5))
def test_changes_that_are_short_stay_as_they_are(changes: list[Change]) -> None:
    assert bounded(changes) == tuple(changes)


def test_a_value_is_cut_beyond_the_limit_only() -> None:
    whole = "x" * (VALUE_BYTES - 2)  # and two quotation marks
    assert bounded([Change(("a",), whole, None)]) == (Change(("a",), whole, None),)
    (longer,) = bounded([Change(("a",), f"{whole}x", None)])
    assert longer.old == {"cut": "x" * PART_BYTES, "bytes": VALUE_BYTES + 1}
    assert longer.new is None


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        pytest.param(NUMBERS, [*NUMBERS[:9], -1, *NUMBERS[10:]], ([9 / 7], [-1]), id="an entry of a list"),
        pytest.param(NUMBERS, NUMBERS[::-1], ([], []), id="the order of a list"),
        pytest.param([1, 1, *NUMBERS], [1, *NUMBERS, True], ([1], [True]), id="how often an entry is there"),
        pytest.param("\n".join(LINES), "\n".join(["line 0", "new", *LINES[1:]]), ("", "new\n"), id="a line of a text"),
        pytest.param("a" * 70_000, "a" * 70_001, ("", "a"), id="a text that grows"),
        pytest.param("ä" * 40_000 + "b" + "ü" * 9, "ä" * 40_000 + "c" + "ü" * 9, ("b", "c"), id="one character"),
    ],
)
def test_of_a_long_value_the_part_that_differs_is_kept(old: Any, new: Any, parts: tuple[Any, Any]) -> None:
    (change,) = bounded([Change(("a",), old, new)])
    assert change.old == {"cut": parts[0], "bytes": len(dumps(old))}
    assert change.new == {"cut": parts[1], "bytes": len(dumps(new))}


@pytest.mark.parametrize("value", [LINES, "\n".join(LINES), dict.fromkeys(LINES, 1), [LINES]])
def test_of_a_long_value_that_is_new_its_beginning_is_kept_in_its_own_type(value: Any) -> None:
    (change,) = bounded([Change(("a",), None, value)])
    assert type(change.new["cut"]) is type(value)
    part = change.new["cut"]
    assert 0 < len(part if isinstance(part, str) else dumps(part)) <= PART_BYTES + 2 or value == [LINES]
    assert change.new["bytes"] == len(dumps(value))


def test_shorter_values_are_cut_where_there_are_many() -> None:
    changes = bounded([Change(("a", f"[{n}]"), None, {"id": n, "text": "x" * 5_000}) for n in range(1_000)])
    assert len(changes) == 1_000
    assert changes[7] == Change(("a", "[7]"), None, {"cut": {"id": 7}, "bytes": 5_018})
    assert size(changes) <= CHANGES_BYTES


def test_very_many_changes_are_one_for_each_path_above_them() -> None:
    many = [Change(("rows", f"[{n}]", "price"), n, n + 1) for n in range(100_000)]
    changes = bounded([*many, Change(("title",), "a", "b")])
    joined = {"cut": None, "changes": 100_000}
    assert changes == (Change(("rows",), joined, joined), Change(("title",), "a", "b"))
    assert fields(changes) == ["rows", "title"]


def test_very_many_fields_are_one_change_of_the_whole_item() -> None:
    (change,) = bounded([Change((f"field {n}",), n, n + 1) for n in range(100_000)])
    assert (change.path, change.new) == ("", {"cut": None, "changes": 100_000})
