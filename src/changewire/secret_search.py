"""The search for known secrets in a text, in all spellings of `changewire.spellings`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ahocorasick_rs import AhoCorasick, MatchKind

from changewire.spellings import (
    FROM_MIME,
    JOINED,
    JOINED_BARE,
    JOINED_MIME,
    MOST_LEVELS,
    PLAIN_TYPE,
    UNESCAPED,
    Reading,
    Span,
)

Steps = tuple[tuple[Reading, str], ...]  # how a view of a text was made: each reading, and of what
View = tuple[str, Steps]
_SPELLED = re.compile(r"[^\x00-\x7f]|[\\%&=\r\n]")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class SecretSearch:
    """Finds all of ``forms`` at once, in time linear in the text. Immutable, so that all threads can share it."""

    def __init__(self, forms: Iterable[str]) -> None:
        patterns = sorted({_whole(form) for form in forms if form})
        self._lengths = [len(pattern) for pattern in patterns]
        self._automaton = AhoCorasick(patterns, matchkind=MatchKind.Standard) if patterns else None

    def finds(self, text: str, at_least: int = 0) -> bool:
        """Whether ``text``, which may be JSON, contains a form of at least ``at_least`` characters."""
        return any(self._matches(view, at_least) for view, _ in self._views(text, MOST_LEVELS + 1))

    def spans(self, text: str, at_least: int = 0) -> list[Span]:
        """Return where such forms are in ``text``, in order; those that overlap are one span."""
        spans: list[Span] = []
        for view, steps in self._views(text, MOST_LEVELS):
            found = self._matches(view, at_least)
            for reading, source in reversed(steps) if found else ():
                places = reading.places(source)
                found = [places.source(span) for span in found]
            spans += found
        return _merged(spans) if spans else spans

    def _matches(self, text: str, at_least: int) -> list[Span]:
        if self._automaton is None:
            return []
        try:
            matches = self._automaton.find_matches_as_indexes(text, overlapping=True)
        except UnicodeEncodeError:  # half a character
            matches = self._automaton.find_matches_as_indexes(_whole(text), overlapping=True)
        return [(start, end) for which, start, end in matches if self._lengths[which] >= at_least]

    def _views(self, text: str, levels: int) -> Iterator[View]:
        if self._automaton is None:
            return
        steps: Steps = ()
        yield text, steps
        if not _SPELLED.search(text):
            return
        for _ in range(levels + 1):
            if (typed := next(_read(PLAIN_TYPE, text, steps), None)) is not None:
                yield typed
                text, steps = typed
            yield from _side_views(text, steps)
            decoded = next(_read(UNESCAPED, text, steps), None)
            if decoded is None:
                return
            yield decoded
            text, steps = decoded


def _read(reading: Reading, text: str, steps: Steps) -> Iterator[View]:
    """The text in that reading if it is another one."""
    view = reading.text(text)
    if view != text:
        yield view, (*steps, (reading, text))


def _side_views(text: str, steps: Steps) -> Iterator[View]:
    """Readings of a text that may be wrong: over line breaks, and as quoted-printable."""
    yield from _from_mime(text, steps)
    if not JOINED.possible(text):
        return
    for reading in (JOINED, JOINED_BARE, JOINED_MIME):
        for joined in _read(reading, text, steps):
            yield joined
            yield from _from_mime(*joined)


def _from_mime(text: str, steps: Steps) -> Iterator[View]:
    for decoded in _read(FROM_MIME, text, steps):
        yield decoded
        yield from _read(UNESCAPED, *decoded)


def _whole(text: str) -> str:
    """``text`` with U+FFFD for each half of a character, which the automaton cannot hold; places stay the same."""
    return text if text.isascii() else _HALF_CHARACTER.sub("\ufffd", text)


def _merged(spans: list[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
