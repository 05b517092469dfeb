from __future__ import annotations

import tracemalloc

import pytest

from changewire.connectors.transport.messages import Answer, Request
from changewire.errors import ApiError, FailureClass
from changewire.json_size import MOST_MEMORY, TooLargeError, check_size, decoded_size
from changewire.testing import ManualClock
from changewire.values import loads, loads_answer

SIZE = 300_000
SHAPES = {
    "lists": b"[" + b"[]," * (SIZE // 3) + b"[]]",
    "mappings": b"[" + b"{}," * (SIZE // 3) + b"{}]",
    "short lists": b"[" + b"[0]," * (SIZE // 4) + b"0]",
    "short mappings": b"[" + b'{"":0},' * (SIZE // 7) + b"0]",
    "mappings inside": b"[" + b'{"a":{}},' * (SIZE // 9) + b"0]",
    "texts": b"[" + b",".join(b'"%d"' % n for n in range(SIZE // 9)) + b"]",
    "fields": b"{" + b",".join(b'"k%d":0' % n for n in range(SIZE // 10)) + b"}",
    "numbers": b"[" + b",".join(b"%d" % n for n in range(SIZE // 7)) + b"]",
    "fractions": b"[" + b"0.5," * (SIZE // 4) + b"0]",
    "records": b"[" + b",".join(b'{"id":"a%d","topic":"Sync","n":%d}' % (n, n) for n in range(SIZE // 40)) + b"]",
    "backslashes": b'["' + b"\\\\" * (SIZE // 2) + b'"]',
    "escapes": b'["' + b"\\u4e00" * (SIZE // 6) + b'"]',
    "one wide character": b'["' + b"a" * SIZE + "😀".encode() + b'"]',
}


@pytest.mark.parametrize("body", SHAPES.values(), ids=SHAPES)
def test_data_take_no_more_memory_than_estimated(body: bytes) -> None:
    tracemalloc.start()
    try:
        data = loads(body)
        real = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert data
    assert real <= decoded_size(body) * 1.15 + 4096, "orjson allocates some of it where nothing is traced"


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"\\\\",', b'{"":0},', b'"",', b"[[[[[1]]]]],"])
def test_an_answer_of_too_many_values_is_refused_before_it_is_decoded(unit: bytes) -> None:
    body = b"[" + unit * (20_000_000 // len(unit)) + b"0]"
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=r"^\d{8} bytes of JSON would take some \d{3,4} MB of memory as data"):
            loads_answer(body, 64 << 20)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_the_error_says_where_and_which_setting_helps() -> None:
    body = b"[" + b"[]," * 3_000_000 + b"0]"
    request = Request("GET", "/items")
    answer = Answer(200, {}, body, "https://example.com/items?x=1", ManualClock().now(), request)
    with pytest.raises(ApiError) as caught:
        _ = answer.data
    assert str(caught.value).startswith("https://example.com/items answered too much: 9000003 bytes of JSON would take")
    assert str(caught.value).endswith("MB allowed; ask for less, or raise poll: bytes")
    assert caught.value.failure is FailureClass.BROKEN
    allowed = Answer(200, {}, body, answer.url, answer.asked_at, request, memory=4 * MOST_MEMORY)
    assert len(allowed.data) == 3_000_001


def test_backslashes_and_half_characters_take_little_memory() -> None:
    body = b'["' + b"\\\\" * 1_000_000 + b"\\ud83d" * 100_000 + b'"]'
    tracemalloc.start()
    try:
        (text,) = loads_answer(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert text == "\\" * 1_000_000 + "\ufffd" * 100_000
    assert peak < 16 * len(body), "it took 70 bytes for each byte"


def test_small_answers_are_not_looked_at() -> None:
    check_size(b"[" * 1000, MOST_MEMORY)
    assert loads_answer(b'["\\\\ud83d", "\\\\\\ud83d", "\\ude00\\ud83d\\ude00"]') == ["\\ud83d", "\\\ufffd", "\ufffd😀"]


@pytest.mark.parametrize("text", ["\\\\", "\\ud83d", "ab", "\\u4e00"])
def test_the_estimate_counts_what_the_parser_takes(text: str) -> None:
    body = b'["' + text.encode() * (62_000_000 // len(text)) + b'"]'
    assert decoded_size(body) > 4 * len(body)
    with pytest.raises(TooLargeError, match="of memory as data, more than the 192 MB allowed"):
        loads_answer(body)
