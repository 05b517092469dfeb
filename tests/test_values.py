"""Plain JSON data: one form, hashes, ids."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.values import (
    digest,
    dumps,
    dumps_text,
    harmless,
    loads,
    loads_answer,
    make_id,
    one_line,
    scalar_text,
    valid_text,
)

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(DATA)
def test_data_come_back_as_they_were(data: Any) -> None:
    assert loads(dumps(data)) == data
    assert dumps_text(data).encode() == dumps(data)


@given(st.dictionaries(st.text(max_size=3), DATA, max_size=5), st.randoms(use_true_random=False))
def test_equal_data_have_equal_bytes(data: dict[str, Any], chance: Any) -> None:
    pairs = list(data.items())
    chance.shuffle(pairs)
    assert dumps(dict(pairs)) == dumps(data)


@given(DATA)
def test_data_in_an_answer_come_as_they_are(data: Any) -> None:
    assert loads_answer(dumps(data)) == data


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b"[100000000000000000001,100000000000000000002]", ["100000000000000000001", "100000000000000000002"]),
        (b'{"id": -9223372036854775809}', {"id": "-9223372036854775809"}),
        (b'{"id": -9223372036854775808}', {"id": -9223372036854775808}),
        (b'{"id": 18446744073709551615}', {"id": 18446744073709551615}),
        (b'{"id": 18446744073709551616}', {"id": "18446744073709551616"}),
        (b'{"id": ' + b"9" * 300 + b"}", {"id": "9" * 300}),
        (b'[10000000000000000000000.5, "10000000000000000000000"]', [1e22, "10000000000000000000000"]),
        (b'{"n": [1e400, -1E+400, 1e-400, 0.5, "1e400", 7]}', {"n": ["1e400", "-1E+400", 0.0, 0.5, "1e400", 7]}),
        (b'[1e400, 18446744073709551616, "\\ud83d"]', ["1e400", "18446744073709551616", "\ufffd"]),
        (b'["\\ud83d", "a\\ude00b", "\\ud83d\\ude00", "\\\\ud83d"]', ["\ufffd", "a\ufffdb", "\U0001f600", "\\ud83d"]),
    ],
)
def test_json_of_other_programs_is_read_without_loss(body: bytes, data: Any) -> None:
    assert loads_answer(body) == data


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[NaN]",
        b"[1e999, NaN]",
        b"[-Infinity, 1e999]",
        b"[1e999, '\xff']",
        b"\xff\xfe[\x00",
        b'["\\ud83d]',
        b"[" * 5000,
    ],
)
def test_what_is_no_json_in_an_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        loads_answer(body)


@pytest.mark.parametrize("text", [b"", b"{", b"nul", b"NaN", b'{"a":1,}', b"\xff", b'"\\ud800"'])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):
        loads(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße – 会議 🎉\n\tb", "Grüße – 会議 🎉\n\tb"),
        ("\x1b]52;c;Y2F0\x07\x1b[2J", "\\u001b]52;c;Y2F0\\u0007\\u001b[2J"),
        ("a\rb\x9b31m\x7f", "a\\u000db\\u009b31m\\u007f"),
        ("invoice\u202efdp.exe", "invoice\\u202efdp.exe"),
        ("ad\u200bmin\ufeff\u2060\xad", "ad\\u200bmin\\ufeff\\u2060\\u00ad"),
        ("ad\u200dmin \u200c", "ad\\u200dmin \\u200c"),
        ("👨\u200d👩\u200d👧 می\u200cخواهم", "👨\u200d👩\u200d👧 می\u200cخواهم"),
        ("a\U000e0041b", "a\\udb40\\udc41b"),
    ],
)
def test_text_for_a_terminal_steers_nothing(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(f"a{text}b").splitlines()) == 1
    assert "\t" not in one_line(text)


@given(DATA)
def test_data_that_were_made_harmless_are_still_the_same_data(data: Any) -> None:
    assert loads(harmless(dumps_text(data))) == data


def test_a_digest_has_as_many_digits_as_asked_for() -> None:
    assert digest(b"x") == "2d711642b726b04401627ca9fbac32f5"
    assert digest(b"x", 16) == "2d711642b726b044"


def test_an_id_follows_from_its_parts_for_ever() -> None:
    assert make_id("evt", "trigger", "created", "42") == "evt_43aedf7b657df70fafc3cde9"


@given(st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_other_parts_give_another_id(one: list[Any], other: list[Any]) -> None:
    assert (make_id("x", *one) == make_id("x", *other)) is (one == other)


@given(st.text(st.characters(codec="utf-8")))
def test_text_that_can_be_stored_is_left_as_it_is(text: str) -> None:
    assert valid_text(text) == text


@pytest.mark.parametrize(("text", "valid"), [("a\ud800b", "a\ufffdb"), ("\udcff", "\ufffd"), ("\ud83d\ude00", "😀")])
def test_half_characters_are_replaced(text: str, valid: str) -> None:
    assert valid_text(text) == valid


@pytest.mark.parametrize(
    ("value", "text"),
    [("", ""), ("x", "x"), (0, "0"), (1.5, "1.5"), (True, None), (None, None), ([], None), ({}, None)],
)
def test_only_texts_and_numbers_are_words(value: Any, text: str | None) -> None:
    assert scalar_text(value) == text
    assert scalar_text(loads("[" * 1000 + "]" * 1000)) is None
