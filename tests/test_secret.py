"""Secrets show themselves nowhere."""

from __future__ import annotations

import base64
import html
import json
import urllib.parse
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.secret import (
    STARS,
    Secret,
    learn,
    mask,
    mask_data,
    mask_evidence,
    mask_message,
    masked_excerpt,
    masked_json,
)
from changewire.values import dumps_text

VALUE = 'p&ss "wörd"/+<1>'


@pytest.fixture
def secret() -> Secret:
    return Secret(VALUE)


def test_a_secret_is_given_away_by_name_only(secret: Secret) -> None:
    assert secret.reveal() == VALUE
    assert (str(secret), repr(secret), f"{secret}") == ("***", "Secret('***')", "***")
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_value_with_secrets_only(secret: Secret) -> None:
    assert secret == Secret(VALUE)
    assert hash(secret) == hash(Secret(VALUE))
    assert secret != VALUE
    assert not Secret("")


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        html.escape(VALUE),
        VALUE.encode().hex(),
        repr(VALUE)[1:-1],
    ],
)
def test_its_usual_forms_are_masked_inside_other_text(secret: Secret, form: str) -> None:
    assert mask(f"before {form} after") == f"before {STARS} after"


@given(st.text(max_size=12), st.text(max_size=12))
def test_it_is_masked_inside_base64_wherever_it_begins(before: str, after: str) -> None:
    value = "client-4f0c2b7a9d"
    learn(value)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(f"{before}{value}{after}".encode()).decode()
        assert STARS in mask(text)


def test_data_are_masked_keys_included(secret: Secret) -> None:
    data = {"a": [VALUE, secret, 1, None, (VALUE,)], VALUE: {"b": f"x{VALUE}"}}
    assert mask_data(data) == {"a": [STARS, STARS, 1, None, [STARS]], STARS: {"b": f"x{STARS}"}}


def test_short_values_do_not_blot_out_ordinary_text() -> None:
    learn("abc")
    learn("   x  ")
    assert mask("abc x") == "abc x"


def test_a_longer_secret_goes_before_one_inside_it() -> None:
    short = uuid.uuid4().hex
    learn(short)
    learn(f"{short}-longer")
    assert mask(f"<{short}-longer>") == f"<{STARS}>"


WORDS = st.sampled_from(
    [VALUE, 'tell p&ss "wörd"/+<1> to nobody', "qz7w-q", "qz7", "line\nbreak", html.escape(VALUE), "", "b"]
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(PLAIN, st.sampled_from([0, 8]))
def test_the_json_text_of_masked_data_is_the_same_however_it_is_made(data: object, at_least: int) -> None:
    learn(VALUE)
    learn("qz7w-q")
    assert masked_json(data, at_least) == dumps_text(mask_data(data, at_least))


def test_data_with_secret_objects_in_it_has_stars_in_its_json(secret: Secret) -> None:
    assert masked_json({"a": [secret, 1]}) == '{"a":["***",1]}'
    assert masked_json(secret) == '"***"'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://me:word@x.example/a failed", "GET https://***@x.example/a failed"),
        ("to ftp://me@x.example, then", "to ftp://***@x.example, then"),
        ("https://x.example/?access_token=abcdef&page=2", "https://x.example/?access_token=***&page=2"),
        (
            "https://x.example/?page=2&X-Amz-Signature=0a1b;sig=12345",
            "https://x.example/?page=2&X-Amz-Signature=***;sig=***",
        ),
        ("https://x.example/?client%5Fsecret=abcdef", "https://x.example/?client%5Fsecret=***"),
        ("mail me@x.example, or see https://x.example/@me", "mail me@x.example, or see https://x.example/@me"),
        ("a=b and page=12345, ?page=12345", "a=b and page=12345, ?page=12345"),
    ],
)
def test_messages_show_no_credentials_in_addresses_known_or_not(text: str, shown: str) -> None:
    assert mask_message(text) == shown
    assert mask_evidence({"a": [text, 1]}) == {"a": [shown, 1]}
    assert masked_excerpt(text, 1000) == shown
