"""Filters that make text: shortened, taken apart, encoded. What is not text yet becomes it, see `plain_text`."""

from __future__ import annotations

import base64
import binascii
import csv as csv_format
import hashlib
import html.parser
import io
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from changewire.values import Json

_LONGEST_TEXT = 100_000  # characters a regular expression may look through
_LONGEST_PATTERN = 500  # characters of a regular expression
_NESTED = re.compile(r"\([^()]*(?<!\\)[+*}][^()]*\)\s*[+*{]")
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{5,}|\*)")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)%?")


def plain_text(value: Any) -> str:
    """A value as text: nothing for None, ``true`` and ``false``, JSON for lists and mappings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return to_json(value)
    return "" if value is None else str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """The value as JSON text; with any `indent`, spread over lines."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else None).decode()


def from_json(value: str) -> Json:
    """The data that a JSON text holds."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"from_json: not JSON, see character {error.pos}") from None


def slug(value: Any, longest: int = 80) -> str:
    """Lower-case letters, digits and hyphens only, fit for a file name: `Weekly sync!` becomes `weekly-sync`."""
    plain = unicodedata.normalize("NFKD", plain_text(value)).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:longest].rstrip("-")


def truncate(value: Any, length: int = 255, killwords: bool = False, end: str = "…") -> str:
    """A text of at most so many characters, cut between words unless `killwords`, with `end` where something is cut."""
    text = plain_text(value)
    if len(text) <= length:
        return text
    cut = text[: max(length - len(end), 0)]
    if not killwords and " " in cut and not text[len(cut)].isspace():
        cut = cut.rsplit(" ", 1)[0]
    return (cut.rstrip() + end)[: max(length, 0)]


def split(value: Any, separator: str | None = None, most: int = -1) -> list[str]:
    """The parts of a text between separators; without one, its words."""
    return plain_text(value).split(separator, most)


class _Stripper(html.parser.HTMLParser):
    """Collects what a reader would see."""

    _BREAKS = frozenset({"br", "p", "div", "li", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"})
    _HIDDEN = frozenset({"script", "style", "template"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self._HIDDEN
        if tag in self._BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in self._HIDDEN and self._hidden > 0
        if tag in self._BREAKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data if data.strip() else " ")


def strip_html(value: Any) -> str:
    """The text of HTML as a reader sees it: no tags, scripts or styles, entities as characters, blocks on lines."""
    stripper = _Stripper()
    stripper.feed(plain_text(value))
    stripper.close()
    lines = (" ".join(line.split()) for line in "".join(stripper.pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _regex(pattern: str, text: str) -> re.Pattern[str]:
    if len(pattern) > _LONGEST_PATTERN or len(text) > _LONGEST_TEXT:
        raise ValueError(f"regular expressions: at most {_LONGEST_PATTERN} characters on {_LONGEST_TEXT} of text")
    if _NESTED.search(pattern):
        raise ValueError(f"{pattern!r} repeats a group that repeats inside: this can take for ever")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {_regex_trouble(error)}") from None


_REGEX_WORDS = {
    "unterminated subpattern": "a ( is never closed",
    "unbalanced parenthesis": "a ) closes nothing",
    "to repeat": "there is nothing to repeat before *, +, ? or {",
    "multiple repeat": "there is nothing to repeat before *, +, ? or {",
    "unterminated character set": "a [ is never closed",
    "bad escape": "a backslash cannot stand before this",
    "character range": "a range must begin with the lower character",
    "group": "there is no such group, or its name is wrong",
    "extension": "this does not follow (?",
    "look-behind": "what stands in (?<= ) must have a fixed length",
    "min repeat": "the first number in { } must be the lower one",
}


def _regex_trouble(error: re.error) -> str:
    words = next((words for part, words in _REGEX_WORDS.items() if part in error.msg), error.msg)
    return words if error.pos is None else f"{words} (character {error.pos + 1})"


def regex_replace(value: Any, pattern: str, replacement: str = "") -> str:
    r"""A text with every match of a regular expression replaced; `\1` stands for the first group."""
    found = _regex(pattern, text := plain_text(value))
    try:
        return found.sub(replacement, text)
    except (re.error, IndexError):
        raise ValueError(f"{replacement!r} names a group that the expression does not have, or ends with \\") from None


def regex_search(value: Any, pattern: str) -> str | None:
    """The first match of a regular expression, or its first group where there is one; none where nothing matches."""
    found = _regex(pattern, text := plain_text(value)).search(text)
    return None if found is None else found.group(1 if found.re.groups else 0)


def regex_findall(value: Any, pattern: str) -> list[Any]:
    """All matches of a regular expression; of one with several groups, a list of these for each."""
    found = _regex(pattern, text := plain_text(value)).findall(text)
    return [list(one) if isinstance(one, tuple) else one for one in found]


def regex_test(value: Any, pattern: str) -> bool:
    """Whether a regular expression matches anywhere in a text; also a test, `is matching('…')`."""
    return _regex(pattern, text := plain_text(value)).search(text) is not None


def format_text(value: str, *parts: Any) -> str:
    """`"%05d" | format(7)` gives `00007`."""
    if _WIDE.search(value):
        raise ValueError(f"format: {value!r} is too wide")
    return value % parts


def b64encode(value: Any, urlsafe: bool = False) -> str:
    """Base64 of a text's UTF-8 bytes; `urlsafe` with `-` and `_` and without padding."""
    raw = plain_text(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=") if urlsafe else base64.b64encode(raw).decode()


def b64decode(value: str) -> str:
    """The text that base64, of either alphabet, holds."""
    plain = str(value).strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ValueError("b64decode: this is not base64 of UTF-8 text") from None


def hash_text(value: Any, algorithm: str = "sha256") -> str:
    """The hexadecimal digest of a text's UTF-8 bytes; sha256, sha512, sha1 or md5."""
    if algorithm not in {"sha256", "sha512", "sha1", "md5"}:
        raise ValueError(f"hash: {algorithm!r} is not known; use sha256, sha512, sha1 or md5")
    return hashlib.new(algorithm, plain_text(value).encode(), usedforsecurity=False).hexdigest()


def urldecode(value: Any, plus: bool = False) -> str:
    """A text without percent-encoding; with `plus`, a plus sign is a space."""
    return unquote_plus(plain_text(value)) if plus else unquote(plain_text(value))


def csv_safe(text: str) -> str:
    """``text`` so that no spreadsheet takes it for a formula; a number stays one."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _NUMBER.fullmatch(text) else text


def csv(value: Any, delimiter: str = ",", safe: bool = True) -> str:
    """One cell, or of a list one line, quoted for CSV; `safe` puts a `'` before what looks like a formula."""
    cells = [plain_text(one) for one in value] if isinstance(value, list | tuple) else [plain_text(value)]
    line = io.StringIO()
    csv_format.writer(line, delimiter=delimiter, lineterminator="").writerow(map(csv_safe, cells) if safe else cells)
    return "" if cells == [""] else line.getvalue()
