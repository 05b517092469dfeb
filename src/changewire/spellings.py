"""Spellings of text: what JSON, URLs, HTML, MIME and programming languages make of its characters, and the way back.

A `Reading` gives a text without one kind of them and knows where each character came from, so that what is found in it
can be replaced in the source. `encoded_forms` gives the spellings that have no way back from inside of other text, such
as base64.
"""

from __future__ import annotations

import base64
import bisect
import functools
import html.entities
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SHORTEST_ENCODED = 8  # characters; a shorter piece of base64 or hex turns up in ordinary identifiers by chance
MOST_LEVELS = 5  # escapes inside of escapes: JSON inside of JSON, a URL inside of a URL

Span = tuple[int, int]

_H = "[0-9A-Fa-f]"
_ESCAPE = re.compile(
    rf"[\\%&](?:(?<=%)(?P<percent>{_H}{{2}}(?:%{_H}{{2}})*)"
    rf"|(?<=\\)(?P<bytes>x{_H}{{2}}(?:\\x{_H}{{2}})*)"
    rf"|(?<=[\\%])u(?P<pair>[dD][89abAB]{_H}{{2}}[\\%]u[dD][c-fC-F]{_H}{{2}})"
    rf"|(?<=[\\%])u(?P<hex4>{_H}{{4}})"
    rf"|(?<=\\)(?:U(?P<hex8>{_H}{{8}})|u\{{(?P<braced>{_H}{{1,6}})\}})"
    rf"|(?<=\\)(?P<octal>[0-3][0-7]{{2}}(?:\\[0-3][0-7]{{2}})*)"
    r"|(?<=\\)(?P<slashes>\\(?:\\\\)*)"
    rf"|(?<=\\)(?!%{_H}{{2}}|&(?:\#|\w{{2,31}};))(?P<letter>[^\d\r\n])"
    rf"|(?<=&)\#(?:[xX](?P<hex>{_H}{{1,8}})|(?P<decimal>[0-9]{{1,10}}));?"
    r"|(?<=&)(?P<name>[A-Za-z][A-Za-z0-9]{1,30};)"
    r"|(?<=&)(?P<bare>amp|lt|gt|quot))"
)
_FIRST = re.compile(rf"^(?:{_H}{{2}}|[a-zA-Z])")
_LAST = re.compile(rf"(?:[\\=]|[%=]{_H}?|&\#?\w{{0,10}})$")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}
_LONGEST_KEPT = 12  # characters of an escape that is kept decoded, for it comes again
_BASES = {"octal": 8, "decimal": 10}
_MIME = re.compile(rf"=(?P<mime>{_H}{{2}}(?:={_H}{{2}})*)")
_MIME_SIGN = re.compile(
    rf"=(?:{_H}{{2}}={_H}{{2}}|3[Dd]|20(?!\d\d)|[23][A-F]|5[B-F]|7[B-F]|\?[\w-]{{1,40}}\?[qQ]\?)"
)  # what quoted-printable has and queries such as "?id=42" or "?year=2026" have not
_LATIN = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}  # what `surrogateescape` makes of bytes
_TYPOGRAPHY = re.compile("[\uff01-\uff5e\u3000\u00ad\u200b-\u200d\u2060\ufeff]")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_TYPOGRAPHIC = {**_WIDE, **dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))}
_TYPOGRAPHIC_BYTES = (
    b"\xef\xbc",
    b"\xef\xbd",
    b"\xe3\x80\x80",
    b"\xc2\xad",
    b"\xe2\x80",
    b"\xe2\x81\xa0",
    b"\xef\xbb\xbf",
)


class Places:
    """Where each character of a decoded text came from: segments of characters that are spelled alike."""

    def __init__(self) -> None:
        self._at: list[int] = []  # where a segment begins in the decoded text
        self._from: list[int] = []  # where it begins in the source
        self._step: list[int] = []  # how many characters of the source make one of it
        self._length = 0

    def add(self, length: int, start: int, step: int = 1) -> None:
        """Add ``length`` characters that begin in the source at ``start`` and take ``step`` characters there each."""
        if length:
            self._at.append(self._length)
            self._from.append(start)
            self._step.append(step)
            self._length += length

    def source(self, span: Span) -> Span:
        """Return the span of the source that the span of the decoded text was made of."""
        return self._place(span[0])[0], self._place(span[1] - 1)[1]

    def _place(self, index: int) -> Span:
        segment = bisect.bisect_right(self._at, index) - 1
        step = self._step[segment]
        start = self._from[segment] + (index - self._at[segment]) * step
        return start, start + step


@dataclass(frozen=True)
class Reading:
    """One kind of spelling and the way to undo it."""

    pattern: re.Pattern[str]
    decode: Callable[[re.Match[str]], str]
    possible: Callable[[str], bool]  # a quick look whether a text may have any

    def text(self, source: str) -> str:
        """``source`` with these spellings undone once."""
        return self.pattern.sub(self.decode, source) if self.possible(source) else source

    def places(self, source: str) -> Places:
        """Where the characters of `text` are in ``source``."""
        places, end = Places(), 0
        for found in self.pattern.finditer(source):
            places.add(found.start() - end, end)
            end = found.end()
            _place(found, self.decode(found), places)
        places.add(len(source) - end, end)
        return places


def _place(found: re.Match[str], text: str, places: Places) -> None:
    raw, start = _bytes(found), found.start()
    if raw is None or len(raw) == len(text):
        places.add(len(text), start, len(found[0]) // max(1, len(text)))
        return
    step = len(found[0]) // len(raw)
    for char in raw.decode(errors="surrogateescape"):
        width = step * (1 if ord(char) in _LATIN else len(char.encode()))
        places.add(1, start, width)
        start += width


def _bytes(found: re.Match[str]) -> bytes | None:
    """The bytes that a run of escapes spells; None if it spells a character."""
    if found.lastgroup == "octal":
        return bytes(int(digits, 8) for digits in found[0][1:].split("\\"))
    if found.lastgroup in ("percent", "mime"):
        return bytes.fromhex(found[0].replace(found[0][0], ""))
    return bytes.fromhex(found[0].replace("\\x", "")) if found.lastgroup == "bytes" else None


def _character(found: re.Match[str]) -> str:
    """What an escape stands for: bytes as UTF-8, or else as Latin-1. Itself if there is no such character."""
    return _character_of(found[0]) if len(found[0]) <= _LONGEST_KEPT else _decoded(found)


@functools.lru_cache(maxsize=4096)
def _character_of(escape: str) -> str:
    found = _ESCAPE.fullmatch(escape) or _MIME.fullmatch(escape)
    return _decoded(found) if found else escape


def _decoded(found: re.Match[str]) -> str:
    kind = found.lastgroup or ""
    value = found[kind]
    if kind == "letter":
        return _LETTERS.get(value, value)
    if kind == "slashes":
        return "\\" * (len(found[0]) // 2)
    if (raw := _bytes(found)) is not None:
        return raw.decode(errors="surrogateescape").translate(_LATIN)
    if kind in ("name", "bare"):
        return html.entities.html5.get(value, found[0])
    if kind == "pair":
        return bytes.fromhex(value[:4] + value[6:]).decode("utf-16-be")
    number = int(value, _BASES.get(kind, 16))
    return chr(number) if number < 0x110000 else found[0]


def _typographic(text: str) -> bool:
    if text.isascii():
        return False
    try:
        return b"\xad" in text.encode("latin-1")
    except UnicodeEncodeError:
        raw = text.encode(errors="surrogatepass")
        return any(mark in raw for mark in _TYPOGRAPHIC_BYTES)


def _nothing(found: re.Match[str]) -> str:
    return ""


UNESCAPED = Reading(_ESCAPE, _character, lambda text: "\\" in text or "%" in text or "&" in text)
"""The escapes of JSON, URLs, HTML and programming languages undone once."""
PLAIN_TYPE = Reading(_TYPOGRAPHY, lambda found: found[0].translate(_TYPOGRAPHIC), _typographic)
"""ASCII for its full-width forms, and no characters without width."""
FROM_MIME = Reading(_MIME, _character, lambda text: "=" in text and _MIME_SIGN.search(text) is not None)
"""The bytes of quoted-printable undone."""
JOINED = Reading(re.compile(r"[\r\n][\r\n \t]*"), _nothing, lambda text: "\n" in text or "\r" in text)
"""Without line breaks and the indentation after them."""
JOINED_BARE = Reading(re.compile(r"[\r\n]+"), _nothing, lambda text: "\n " in text or "\n\t" in text)
"""Without line breaks, where that is not the same."""
JOINED_MIME = Reading(re.compile(r"=\r?\n"), _nothing, lambda text: "=\n" in text or "=\r\n" in text)
"""Without the line breaks that quoted-printable adds."""


def encoded_forms(value: str) -> set[str]:
    """The spellings of ``value`` that are searched for as they are, itself among them.

    Base64 of either alphabet wherever ``value`` begins in it, hexadecimal, without line breaks, with ``+`` for blanks,
    in each normal form of Unicode, as UTF-8 read as Latin-1, and with all escapes undone.
    """
    forms = {value, value.strip()}
    forms |= {unicodedata.normalize(form, value) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    forms |= {form.encode(errors="surrogatepass").decode("latin-1") for form in list(forms)}
    forms |= {between.join(form.splitlines()) for form in list(forms) for between in ("", " ")}
    forms |= {form.replace(" ", "+") for form in list(forms)}
    forms |= {form for form in _plainest(value) if len(form) >= min(SHORTEST_ENCODED, len(value))}
    forms |= {form for form in map(_inner, list(forms)) if len(form) >= SHORTEST_ENCODED}
    if re.fullmatch(f"[-{_H[1:-1]}]*", value):
        forms |= {value.lower(), value.upper()}
    for spelled in {value, urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)}:
        raw = spelled.encode(errors="surrogatepass")
        forms |= {form for form in _base64(raw) if len(form) >= SHORTEST_ENCODED}
        forms |= {raw.hex(), raw.hex().upper()}
    return forms


def _inner(form: str) -> str:
    """``form`` without ends that an escape character beside it, or its own last one, could make part of an escape."""
    return _LAST.sub("", _FIRST.sub("", form))


def _base64(raw: bytes) -> Iterator[str]:
    for offset in range(3):  # base64 of a text that contains the value depends on where it begins in it
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        middle = encoded[-(-offset * 8 // 6) : (offset + len(raw)) * 8 // 6]
        yield from (middle, middle.replace("+", "-").replace("/", "_"))


def _plainest(text: str) -> Iterator[str]:
    """``text`` with its own escapes undone, once and again: what it becomes where another text is unescaped."""
    for _ in range(MOST_LEVELS):
        decoded = UNESCAPED.text(PLAIN_TYPE.text(text))
        if decoded == text:
            return
        text = decoded
        yield text
