"""Spellings are undone, and every place is known."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changewire.secret import STARS, learn, mask, mask_data, masked_excerpt, masked_json
from changewire.spellings import PLAIN_TYPE, UNESCAPED
from changewire.values import dumps_text
from tests.spelled import SPELLINGS

SECRETS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=10, max_size=40) | st.text(
    "abcdefABCDEF0123456789+/=%&\\\"'<>#;_-.~ ", min_size=10, max_size=40
).map(str.strip).filter(lambda text: len(text) >= 10)
AROUND = st.sampled_from(
    [("", ""), ("?token=", "&page=2"), ('{"a": "', '"}'), ("Bearer ", " was refused"), ("<", ">"), ("über ", "\n")]
)
LONGEST_LEFT = 6  # characters of a secret that may stay beside the stars


def longest_common(one: str, other: str) -> int:
    """How many characters in a row of ``one`` are in ``other``."""
    return max(
        (n for n in range(1, len(one) + 1) for i in range(len(one) - n + 1) if one[i : i + n] in other), default=0
    )


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize(
    "value",
    [
        "ab/12+CD==&x<y>",
        "q\"uo'te\\n%41;tail",
        "pässwörd-€-漢字-😀!",
        "tok_live_51H8xQ2eZvKYlo2C/==",
        "correct horse & battery/staple",
        "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
    ],
)
def test_a_secret_is_masked_in_every_spelling(name: str, value: str) -> None:
    learn(value)
    masked = mask(f"before {SPELLINGS[name](value)} after")
    assert STARS in masked
    assert longest_common(value, masked.removeprefix("before ").removesuffix(" after")) <= LONGEST_LEFT


@settings(max_examples=100, deadline=None)
@given(SECRETS, st.sampled_from(sorted(set(SPELLINGS) - {"HTML without semicolons"})), AROUND)
def test_no_part_of_a_random_secret_is_left(value: str, name: str, around: tuple[str, str]) -> None:
    learn(value)
    spelled = SPELLINGS[name](value)
    before, after = around
    masked = mask(f"{before}{spelled}{after}")
    assert STARS in masked
    assert masked == mask(masked)
    assert spelled not in masked


@settings(max_examples=100, deadline=None)
@given(SECRETS, st.sampled_from(sorted(SPELLINGS)), st.sampled_from([0, 8]))
def test_the_json_of_masked_data_is_the_same_however_it_is_made(value: str, name: str, at_least: int) -> None:
    learn(value)
    data = {"a": [SPELLINGS[name](value), "plain"], SPELLINGS[name](value): {"n": 1}}
    assert masked_json(data, at_least) == dumps_text(mask_data(data, at_least))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_a_text_without_a_secret_stays_as_it_is(text: str) -> None:
    learn("zq9-unlikely-7f3c1b")
    assert mask(text) == text


@settings(deadline=None)
@given(st.text("ab%2F6\\/u00xn&amp;#1;é\u200b\uff21", max_size=40), st.data())
def test_the_place_of_a_decoded_character_is_the_escape_that_spells_it(text: str, data: st.DataObject) -> None:
    for reading in (UNESCAPED, PLAIN_TYPE):
        decoded = reading.text(text)
        if not decoded:
            continue
        start = data.draw(st.integers(0, len(decoded) - 1))
        place = reading.places(text).source((start, start + 1))
        assert reading.text(text[slice(*place)]) == decoded[start]
        assert 0 <= place[0] < place[1] <= len(text)


def test_secrets_that_overlap_or_touch_are_masked_as_a_whole() -> None:
    learn("overlap-one-two")
    learn("one-two-and-three")
    assert mask("<overlap-one-two-and-three>") == f"<{STARS}>"
    assert mask("overlap-one-twooverlap-one-two") == STARS * 2


def test_the_lines_of_a_secret_are_found_without_their_breaks() -> None:
    learn("-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEFAASC\n-----END KEY-----\n")
    assert (
        mask("is -----BEGIN KEY-----MIIEvQIBADANBgkqhkiG9w0BAQEFAASC-----END KEY----- wrong?") == f"is {STARS} wrong?"
    )
    assert STARS in mask(
        dumps_text(["-----BEGIN KEY-----\r\nMIIEvQIBADANBg\r\nkqhkiG9w0BAQEFAASC\r\n-----END KEY-----"])
    )


def test_half_a_character_beside_a_secret_changes_nothing() -> None:
    learn("beside-half-a-character")
    assert mask("\ud83d beside-half-a-character \ude00") == f"\ud83d {STARS} \ude00"


def test_a_whole_number_with_the_digits_of_a_secret_is_masked() -> None:
    learn("918273645546")
    assert mask_data({"pin": 918273645546, "other": 91827364554, "sure": True}) == {
        "pin": STARS,
        "other": 91827364554,
        "sure": True,
    }
    assert masked_json([918273645546]) == f'["{STARS}"]'


def test_an_excerpt_is_masked_before_it_is_cut() -> None:
    learn("half-of-this-would-be-left")
    text = "the token half-of-this-would-be-left was refused"
    assert [masked_excerpt(text, longest) for longest in (10, 14, 20, 100)] == [
        "the token ",
        "the token *** ",
        "the token *** was re",
        "the token *** was refused",
    ]
    assert masked_excerpt(text, 20, "…") == "the token *** was r…"
    assert masked_excerpt("short", 5, "…") == "short"
