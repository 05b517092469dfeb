"""Plain JSON data: one canonical form, hashes and sizes."""

from __future__ import annotations

import codecs
import hashlib
import json
import math
import re
from contextlib import suppress
from typing import Any, TypeAlias

import orjson

from changewire.json_size import MOST_MEMORY, TooLargeError, check_size

Json: TypeAlias = Any
"""None, bool, int, float, str, or lists and dicts (with text keys) of these."""


def loads(text: bytes | str) -> Json:
    """Data from JSON text. Raises ValueError where it is none."""
    return orjson.loads(text)


_NINETEEN, _DIGITS = b"0" * 19, bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))
_LONG = re.compile(rb"[\[:,\s](?:-\d{19}|\d{20})")
_HALF = re.compile(
    rb"\\u[dD][89abAB]\w\w(?!\\u[dD][c-fC-F]\w\w)|(?<!\\u[dD][89abAB]\w\w)\\u[dD][c-fC-F]\w\w"
)  # half a character, in a text whose backslashes are hidden
_BACKSLASH, _HIDDEN_BACKSLASH = b"\\\\", b"\xff\xff"  # UTF-8 has no such bytes


def loads_answer(body: bytes, most: int = MOST_MEMORY) -> Json:
    """Data from JSON as other programs write it. Raises ValueError where it is none.

    A byte order mark is skipped, half a character (as where a text was cut off inside an emoji) becomes U+FFFD, and
    whole numbers of more than 64 bits become text: as numbers they would lose the digits that tell them apart. So do
    numbers like 1e400, which no float can be. ``most``: the bytes of memory that the data may take, by an estimate;
    TooLargeError, a ValueError, is raised before anything is decoded.
    """
    check_size(body, most)
    try:
        return _loads_whole(body.removeprefix(codecs.BOM_UTF8))
    except MemoryError:  # a limit of this process is lower than the estimate
        raise TooLargeError(f"{len(body)} bytes of JSON take more memory as data than this process may have") from None


def _loads_whole(body: bytes) -> Json:
    try:
        data = loads(body)
    except ValueError as error:
        if "infinity" in str(error):
            with suppress(RecursionError):
                return _loads_slowly(body)
        body = _whole_characters(body)
        data = loads(body)
    if _NINETEEN not in body.translate(_DIGITS) or not _LONG.search(body):  # the first look takes a tenth of the second
        return data
    try:
        return _loads_slowly(body)
    except RecursionError:
        return data


def _loads_slowly(body: bytes) -> Json:
    """As `loads_answer`, for numbers that Python alone can read. Raises RecursionError on very deep data."""
    text = _whole_characters(body).decode()
    return json.loads(text, parse_int=_whole, parse_float=_fraction, parse_constant=_no_number)


def _whole_characters(body: bytes) -> bytes:
    """``body`` with U+FFFD for half a character. Takes little memory, however many backslashes there are."""
    if b"\xff" in body or b"\\u" not in body:  # nothing to do, or no UTF-8, which is left as wrong as it is
        return body
    hidden = body.replace(_BACKSLASH, _HIDDEN_BACKSLASH)
    return _HALF.sub(rb"\\ufffd", hidden).replace(_HIDDEN_BACKSLASH, _BACKSLASH)


def _no_number(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _fraction(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _whole(digits: str) -> int | str:
    if len(digits) > 20:
        return digits
    number = int(digits)
    return number if -(2**63) <= number < 2**64 else digits


def scalar_text(value: Json) -> str | None:
    """Return a text or a number as text, or None: true and false, lists and objects are no words.

    What a server sends in place of a word may be nested too deeply for ``str``.
    """
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def storable_text(text: str) -> str:
    """``text`` with U+FFFD for half a character, which neither JSON nor the database can hold."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def storable_number(number: float) -> float | str | None:
    """The number as JSON can hold it: whole ones of more than 64 bits are text, infinite ones and NaN are None."""
    if isinstance(number, int):
        return number if -(2**63) <= number < 2**64 else str(number)
    return number if math.isfinite(number) else None


def json_trouble(error: ValueError) -> str:
    """Why `loads` refused a text, and at which of its characters."""
    said, place = str(error), getattr(error, "pos", 0) + 1
    return next((words for part, words in _JSON_WORDS.items() if part in said), "it goes wrong at character {}").format(
        place
    )


_JSON_WORDS = {
    "zero-length": "it is empty",
    "end of data": "it ends too early, with a bracket or quotation open",
    "string key": "a key in double quotes is missing at character {}",
    "JSON value": "no value begins like character {}; text stands in double quotes",
    "literal": "no value begins like character {}; text stands in double quotes",
    "content after": "something follows from character {} on, where it is whole",
    "escape": "the backslash at character {} stands before what needs none",
    "control character": "a line break or control character stands in a text at character {}",
}


_ROOM = 1024  # bytes that orjson takes for any text, however short


def dumps(data: Json) -> bytes:
    """JSON text with sorted keys: equal data give equal bytes. Raises TypeError for what JSON cannot express."""
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    return text if len(text) >= _ROOM else bytes(memoryview(text))  # a copy, which takes no more room than it needs


def dumps_text(data: Json) -> str:
    """`dumps` as text."""
    return dumps(data).decode()


def valid_text(text: str) -> str:
    """``text`` with U+FFFD in place of half characters, which neither JSON nor the database can hold.

    >>> valid_text("a\\ud800b")
    'a\ufffdb'
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_JOINED = "[^\\x00-\\x7f]"  # what a joiner may join: letters of other scripts and emoji
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
    f"|(?<!{_JOINED})[\u200c\u200d]|[\u200c\u200d](?!{_JOINED})"
)


def harmless(text: str) -> str:
    """``text`` for a terminal: what would steer it, turn the direction of reading, or not be seen, as JSON writes it
    (``\\u001b``).

    Line breaks and tabs stay; of JSON text the data stay the same.
    """
    return _STEERING.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def one_line(text: str) -> str:
    """`harmless` text that is one line, whoever wrote it: line breaks and tabs as JSON writes them (``\\n``)."""
    return harmless(text).replace("\n", "\\n").replace("\t", "\\t")


def digest(data: bytes, length: int = 32) -> str:
    """The first ``length`` hexadecimal digits of the SHA-256 of ``data``."""
    return hashlib.sha256(data).hexdigest()[:length]


def make_id(prefix: str, *parts: Json) -> str:
    """An id that follows from its parts: the same parts give the same id on every machine and in every version.

    >>> make_id("evt", "trigger", "created", "42")
    'evt_43aedf7b657df70fafc3cde9'
    """
    return f"{prefix}_{digest(dumps(list(parts)), 24)}"
