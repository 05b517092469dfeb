"""The path language."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.paths import MISSING, all_paths, exists, format_path, general, get, parse_path


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", ()),
        ("topic", ("topic",)),
        ("settings.audio", ("settings", "audio")),
        ("files[*].url", ("files", "[*]", "url")),
        ("[*]", ("[*]",)),
        ("[*].id", ("[*]", "id")),
        ("a[*][*]", ("a", "[*]", "[*]")),
        ("settings.*", ("settings", "*")),
        ('prices["a.b"]', ("prices", "a.b")),
        ('["a b"].c', ("a b", "c")),
        (r'["say \"x\" \\ y"]', ('say "x" \\ y',)),
        ("größe.ü", ("größe", "ü")),
        ("a-b.c_d.$e.0", ("a-b", "c_d", "$e", "0")),
    ],
)
def test_a_path_is_read_and_written(text: str, tokens: tuple[str, ...]) -> None:
    assert parse_path(text) == tokens
    assert format_path(tokens) == text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (".a", ".a"),
        ("a.", "."),
        ("a..b", "..b"),
        ("a b", " b"),
        ("a[0]", "[0]"),
        ("a[", "["),
        ("a.[*]", ".[*]"),
        ("[*]a", "a"),
        ('a["b', '["b'),
        ('a[""]', '[""]'),
        ("a]", "]"),
        ("**", "*"),
    ],
)
def test_what_is_no_path_is_refused_where_it_goes_wrong(text: str, rest: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_path(text)
    assert str(error.value) == f'{text!r} is not a path: it goes wrong at {rest!r}; write a.b, list[*].c or a["b.c"]'


NAMES = st.text(min_size=1, max_size=6).filter(lambda n: n != "*" and not (n.startswith("[") and n.endswith("]")))
TOKENS = st.lists(st.one_of(NAMES, st.sampled_from(["[*]", "*"])), max_size=5).map(tuple)


@given(TOKENS)
def test_every_path_that_is_written_is_read_again(tokens: tuple[str, ...]) -> None:
    assert parse_path(format_path(tokens)) == tokens


@given(st.text(max_size=12))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        tokens = parse_path(text)
    except ValueError:
        return
    assert parse_path(format_path(tokens)) == tokens


def test_a_value_is_found_and_none_is_a_value() -> None:
    data = {"a": {"b": None, "c.d": 1}, "l": [{"x": 1}]}
    assert get(data, ()) is data
    assert get(data, ("a", "b")) is None
    assert get(data, ("a", "c.d")) == 1
    for path in ("a.x", "a.b.c", "l.x", "l[*].x", "z"):
        assert get(data, parse_path(path)) is MISSING
    assert not MISSING


@pytest.mark.parametrize(
    ("path", "there"),
    [
        *[(path, True) for path in ("", "a", "a.b", "a.*", "l[*].y", "*.b")],
        *[(path, False) for path in ("l[*].z", "a[*]", "l.x", "e[*]", "ab", "*.q")],
    ],
)
def test_a_path_leads_somewhere_or_not(path: str, there: bool) -> None:
    data: Any = {"a": {"b": None}, "l": [{"x": 1}, {"y": 1}], "e": []}
    assert exists(data, parse_path(path)) is there


def test_all_places_of_a_sample() -> None:
    data = {"a": {"b": 1}, "l": [{"x": 1}, {"y": [2]}]}
    assert {format_path(path) for path in all_paths(data)} == {"a", "a.b", "l", "l[*]", "l[*].x", "l[*].y", "l[*].y[*]"}


def test_entries_of_keyed_lists_are_one_place() -> None:
    assert general(("files", "[9f1c]", "status")) == ("files", "[*]", "status")
