from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.connectors.transport.messages import Answer, Request, encode_query
from changewire.errors import ApiError, FailureClass

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


def answer(body: bytes, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, "https://api.zoom.us/v2/users?secret=1", NOW, Request("GET", "/users"))


def test_data_is_decoded_once() -> None:
    one = answer(b'{"a": 1}')

    assert one.data == {"a": 1}
    assert one.data is one.data


def test_an_answer_without_content_has_no_data() -> None:
    assert answer(b"", status=204).data is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "https://api.zoom.us/v2/users answered 200 with text/html, 6 bytes instead of JSON"),
        (b"", "https://api.zoom.us/v2/users answered 200 with an empty body instead of JSON"),
        (b'{"a": ', "https://api.zoom.us/v2/users answered 200 with text/html, 6 bytes instead of JSON"),
    ],
)
def test_what_is_not_json_is_a_broken_answer(body: bytes, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        _ = answer(body, Content_Type="text/html; charset=utf-8").data
    assert caught.value.failure is FailureClass.BROKEN
    assert str(caught.value) == f"{words}: check the address, and what answers there"


def test_json_as_other_programs_write_it_is_data() -> None:
    assert answer(b'\xef\xbb\xbf{"id": 100000000000000000001}').data == {"id": "100000000000000000001"}


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("Sat, 21 Nov 2026 09:59:58 GMT", datetime(2026, 11, 21, 9, 59, 58, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 10:59:58 +0100", datetime(2026, 11, 21, 9, 59, 58, tzinfo=UTC)),
        ("Fri, 31 Dec 9999 23:59:59 -1200", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_date_of_the_server(header: str, moment: datetime | None) -> None:
    assert answer(b"", Date=header).date == moment


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1))))
def test_a_query_comes_back_as_it_was(pairs: list[tuple[str, str]]) -> None:
    assert parse_qsl(encode_query(tuple(pairs))) == pairs


def test_equal_requests_are_the_same_question() -> None:
    one = Request("GET", "/users", query=(("page_size", "300"),), label="MEDIUM")
    other = Request("GET", "/users", query=(("page_size", "300"),), label="MEDIUM")

    assert {one: 1}[other] == 1
