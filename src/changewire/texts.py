"""Filters that make text: shortened, taken apart, encoded. What is not text yet becomes it, see `plain_text`."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from changewire.csv_text import csv_line
from changewire.effort import EFFORT, LARGEST
from changewire.html_text import html_to_text
from changewire.json_size import MOST_MEMORY, check_size
from changewire.patterns import Pattern, compile_pattern, encoded
from changewire.secret import masked_excerpt
from changewire.values import Json

_MOST_INDENT = 64 << 20  # bytes of blanks at most, far more than ordinary data has
_WIDE = re.compile(r"%[^a-zA-Z%]*(?:\d{5,}|\*)")


def plain_text(value: Any) -> str:
    """A value as text: nothing for None, ``true`` and ``false``, JSON for lists and mappings."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list | tuple):
        return to_json(value)
    return "" if value is None else str(value)


def to_json(value: Any, indent: int | None = None) -> str:
    """The value as JSON text; with any `indent`, spread over lines."""
    if not indent:
        return orjson.dumps(value).decode()
    size, levels = EFFORT.sizes.of(value, EFFORT.most)
    if size * 2 * levels > _MOST_INDENT:
        raise ValueError(f"json: {size} characters and entries on {levels} levels are too many to be indented")
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def from_json(value: str) -> Json:
    """The data that a JSON text holds."""
    try:
        check_size(value.encode(), MOST_MEMORY)
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"from_json: not JSON, see character {error.pos}") from None


def slug(value: Any, longest: int = 80) -> str:
    """Lower-case letters, digits and hyphens only, fit for a file name: `Weekly sync!` becomes `weekly-sync`."""
    # each character alone: sorting a long run of accents takes quadratic time, and they are left out in any order
    decomposed = "".join(unicodedata.normalize("NFKD", char) for char in plain_text(value))
    plain = decomposed.encode("ascii", "ignore").decode().lower()
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


def strip_html(value: Any) -> str:
    """The text of HTML as a reader sees it: no tags, scripts or styles, entities as characters, blocks on lines."""
    return html_to_text(plain_text(value))


def regex_replace(value: Any, pattern: str, replacement: str = "") -> str:
    r"""A text with every match of a regular expression replaced; `\1` stands for the first group."""
    compiled, text = compile_pattern(pattern), plain_text(value)
    parts, raw = _replacement(replacement, compiled), encoded(text)
    pieces, size, at = [], 0, 0
    for start, end, groups in compiled.spans(text):
        new = "".join(part if isinstance(part, str) else groups[part] or "" for part in parts)
        pieces += [raw[at:start].decode(), new]
        size, at = size + len(new), end
        if size > LARGEST:
            raise ValueError(f"regex_replace: the result is longer than {LARGEST} characters")
    return "".join((*pieces, raw[at:].decode()))


_ESCAPES = {"\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def _replacement(text: str, pattern: Pattern) -> list[str | int]:
    """The parts of a replacement: texts, and the numbers of groups."""
    parts: list[str | int] = []
    first, *others = re.split(r"\\([1-9][0-9]?|g<\w+>|.|$)", text, flags=re.DOTALL)
    parts.append(first)
    for escape, behind in zip(others[::2], others[1::2], strict=True):
        name = escape[2:-1] if len(escape) > 3 else escape
        group = int(name) if name.isdecimal() else pattern.names.get(name, -1) if name != escape else -1
        if not 0 <= group <= pattern.groups and escape not in _ESCAPES:
            raise ValueError(f"{text!r} names a group that the expression does not have, or ends with \\")
        parts += [_ESCAPES.get(escape, group), behind]
    return parts


def regex_search(value: Any, pattern: str) -> str | None:
    """The first match of a regular expression, or its first group if it has one; none if nothing matches."""
    groups = next(compile_pattern(pattern).matches(plain_text(value)), None)
    return None if groups is None else groups[min(1, len(groups) - 1)]


def regex_findall(value: Any, pattern: str) -> list[Any]:
    """All matches of a regular expression; if it has several groups, a list of these for each."""
    found = ([group or "" for group in groups] for groups in compile_pattern(pattern).matches(plain_text(value)))
    return [groups[-1] if len(groups) < 3 else groups[1:] for groups in found]


def regex_test(value: Any, pattern: str) -> bool:
    """Whether a regular expression matches anywhere in a text; also a test, `is matching('…')`."""
    return next(compile_pattern(pattern).matches(plain_text(value)), None) is not None


def format_text(value: str, *parts: Any) -> str:
    """`"%05d" | format(7)` gives `00007`."""
    widths = sum(map(int, re.findall(r"(?<!\d)\d{1,4}(?!\d)", value)))
    if _WIDE.search(value) or widths + EFFORT.sizes.of(parts, EFFORT.most)[0] > EFFORT.most:
        raise ValueError(f"format: {masked_excerpt(value, 80)!r} is too wide")
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


def csv(value: Any, delimiter: str = ",", safe: bool = True) -> str:
    """One cell, or of a list one line, quoted for CSV; `safe` puts a `'` before what looks like a formula."""
    cells = [plain_text(one) for one in value] if isinstance(value, list | tuple) else [plain_text(value)]
    return "" if cells == [""] else csv_line(cells, delimiter, safe=safe)
