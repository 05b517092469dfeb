"""Regular expressions in linear time (RE2), for patterns that people write and text that anybody wrote.

RE2 has no look-around, back-references, atomic groups or possessive repetitions; everything else is written as in
Python. ``\\d``, ``\\w`` and ``\\s`` know all alphabets, ``\\b`` only ASCII.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import re2

from changewire.effort import EFFORT
from changewire.values import storable_text

LONGEST_PATTERN = 500  # characters
LONGEST_TEXT = 1 << 20  # characters
MOST_WORK = 64_000_000  # instructions of the compiled pattern times bytes of the text: about a second at worst
_MEMORY = 4 << 20  # bytes that one compiled pattern may take

_WITHIN = frozenset(bytes([byte]) for byte in range(0x80, 0xC0))  # bytes of a character that are not its first
_OUTSIDE = {"d": r"\p{Nd}", "D": r"\P{Nd}", "w": r"[\p{L}\p{N}_]", "W": r"[^\p{L}\p{N}_]"}
_OUTSIDE |= {"s": r"[\s\p{Z}\x85]", "S": r"[^\s\p{Z}\x85]"}
_INSIDE = {"d": r"\p{Nd}", "D": r"\P{Nd}", "w": r"\p{L}\p{N}_", "s": r"\s\p{Z}\x85"}

_WORDS = (
    ("invalid perl operator: (?=", "RE2 has no look-ahead (?=…): match more and take a group"),
    ("invalid perl operator: (?!", "RE2 has no look-ahead (?!…): test for the unwanted text with a second expression"),
    ("invalid perl operator: (?<", "RE2 has no look-behind (?<…): match more and take a group"),
    ("invalid perl operator: (?P", "RE2 has no back-reference (?P=…)"),
    ("invalid perl operator: (?(", "RE2 has no condition (?(…)"),
    ("invalid perl operator: (?>", "RE2 has no atomic group (?>…), and needs none: write (?:…)"),
    ("invalid perl operator: (?#", "RE2 has no comment (?#…)"),
    ("invalid perl operator", "this does not follow (?"),
    ("invalid named capture", "the name of a group is wrong: write (?P<name>…)"),
    ("missing ]", "a [ is never closed"),
    ("missing )", "a ( is never closed"),
    ("unexpected )", "a ) closes nothing"),
    ("no argument for repetition", "there is nothing to repeat before *, +, ? or {"),
    ("bad repetition operator", "a repetition cannot be repeated: RE2 has no possessive ++, *+ or ?+"),
    ("invalid repetition size", "the numbers in { } go up to 1000, all repetitions together, the lower one first"),
    ("trailing", "it ends with a single backslash"),
    ("invalid character class range", "a range in [ ] is unknown, or does not begin with the lower character"),
    ("pattern too large", "it is too large: use smaller numbers in { }"),
)


class Pattern:
    """A compiled pattern. Thread-safe."""

    def __init__(self, source: str) -> None:
        self.source = source
        plain = "".join(_translated(source, {}, {}))
        self._any = _compiled("".join(_translated(source, _OUTSIDE, _INSIDE)).encode(), source)
        self._ascii = _compiled(plain.encode(), source)
        narrow = "".join(char if char.isascii() else "\xff" for char in plain).encode("latin-1")
        with suppress(re2.error):  # it names a character that Latin-1 does not have
            self._ascii = re2.compile(narrow, _options(latin=True))
        self.groups: int = self._any.groups
        self.names: dict[str, int] = {name.decode(): number for name, number in self._any.groupindex.items()}

    def matches(self, text: str) -> Iterator[tuple[str | None, ...]]:
        """Return the non-overlapping matches with their groups: the whole match first, None for an unused group."""
        for _, _, groups in self.spans(text):
            yield groups

    def spans(self, text: str) -> Iterator[tuple[int, int, tuple[str | None, ...]]]:
        """As `matches`, each with the bytes in ``encoded(text)`` at which it begins and ends. Raises ValueError."""
        raw = encoded(text)
        if len(text) > LONGEST_TEXT or len(raw) * self._ascii.programsize > MOST_WORK:
            raise ValueError(
                f"{self.source!r} takes too long on {len(text)} characters: shorten the text, as with truncate, "
                "or use smaller numbers in { }"
            )
        chosen = self._ascii if text.isascii() else self._any
        last = (-1, -1)
        for found in chosen.finditer(raw):
            EFFORT.count()
            if (
                found.span() == last or raw[found.start() : found.start() + 1] in _WITHIN
            ):  # the library repeats empty matches
                continue
            last = found.span()
            groups = (found.group(), *found.groups())
            yield found.start(), found.end(), tuple(None if one is None else one.decode() for one in groups)


def encoded(text: str) -> bytes:
    """Return ``text`` as UTF-8, with U+FFFD for half a character."""
    return storable_text(text).encode()


@functools.lru_cache(64)
def compile_pattern(source: str) -> Pattern:
    """Return the compiled pattern. Raises ValueError that says what RE2 cannot do, or what is wrong."""
    if len(source) > LONGEST_PATTERN:
        raise ValueError(f"a regular expression may have at most {LONGEST_PATTERN} characters")
    return Pattern(storable_text(source))


def _options(latin: bool) -> Any:
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    if latin:
        options.encoding = re2.Options.Encoding.LATIN1
    return options


def _compiled(pattern: bytes, source: str) -> Any:
    try:
        return re2.compile(pattern, _options(latin=False))
    except re2.error as error:
        said: str = error.args[0].decode(errors="replace")
    raise ValueError(f"{source!r} is not a regular expression: {_trouble(said)}") from None


def _trouble(said: str) -> str:
    kind, _, place = said.partition(": ")
    if kind == "invalid escape sequence":
        return "RE2 has no back-reference such as \\1" if place[1:].isdigit() else f"there is no escape {place}"
    words = next((words for begin, words in _WORDS if said.startswith(begin)), said)
    return words if "(?" in words or not place else f"{words} (at {place[:20]!r})"


def _translated(source: str, outside: dict[str, str], inside: dict[str, str]) -> Iterator[str]:
    """Return the pieces of a pattern of Python in RE2's spelling, with the classes of one letter replaced."""
    at, first = 0, -1  # ``first``: where the entries of the character class begin that is open; -1: none is
    while at < len(source):
        char, size = source[at], 1
        if char == "\\" and at + 1 < len(source):
            name, size = source[at + 1], 2
            digits = source[at + 2 : at + 6]
            if name == "u" and len(digits) == 4 and all(digit in "0123456789abcdefABCDEF" for digit in digits):
                char, size = f"\\x{{{digits}}}", 6
            elif name == "Z" and first < 0:
                char = "\\z"
            else:
                char = (outside if first < 0 else inside).get(name, source[at : at + 2])
        elif first < 0 and char == "[":
            char, size = ("[^", 2) if source[at + 1 : at + 2] == "^" else ("[", 1)
            first = at + size
        elif first >= 0 and char == "]" and at > first:
            first = -1
        elif first >= 0 and source.startswith("[:", at) and (end := source.find(":]", at + 2)) > 0:
            char, size = source[at : end + 2], end + 2 - at
        yield char
        at += size
