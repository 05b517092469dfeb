"""HTML as the text that a reader sees, in one pass whose time grows with the length, whatever the HTML is."""

from __future__ import annotations

import html
import re

_BREAKS = frozenset({"br", "p", "div", "li", "tr", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"})
_LONGEST_NAME = 16  # characters; no element that matters here has a longer name
_NAME = re.compile(r"[a-zA-Z][^\s/>]*")
_QUOTE_OR_END = re.compile("[\"'>]")
_RAW_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
_HUGE_REFERENCE = re.compile(r"&#0*[0-9]{9,};?")
_MANY_BREAKS = re.compile(r"\n{3,}")


def html_to_text(source: str) -> str:
    """Return the text: no tags, comments, scripts or styles, entities as characters, blocks on lines of their own.

    Broken HTML is read as browsers do, but a ``<`` that no ``>`` follows is text.
    """
    scanner = _Scanner(source)
    scanner.run()
    lines = (" ".join(line.split()) for line in "".join(scanner.pieces).split("\n"))
    return _MANY_BREAKS.sub("\n\n", "\n".join(lines)).strip()


def _unescaped(text: str) -> str:
    """Return ``text`` with entities as characters; no character has a number of more than eight digits."""
    return html.unescape(_HUGE_REFERENCE.sub("\ufffd", text)) if "&" in text else text


class _Scanner:
    """Collects the visible pieces of one source. Each method that takes ``at`` returns the place after what it read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.pieces: list[str] = []
        self._templates = 0  # open elements whose content is not shown
        self._quotes = True  # False once a quotation was never closed: quotation marks mean nothing from there on

    def run(self) -> None:
        at, end = 0, self.source.rfind(">")  # no tag can begin behind the last >
        while at < len(self.source):
            start = self.source.find("<", at, max(end, at))
            if start < 0:
                self._text(self.source[at:])
                return
            self._text(self.source[at:start])
            at = self._markup(start)

    def _text(self, text: str) -> None:
        if text and not self._templates:
            self.pieces.append(_unescaped(text) if text.strip() else " ")

    def _markup(self, at: int) -> int:
        if self.source.startswith("<!--", at):
            return self._comment(at)
        behind = self.source[at + 1 : at + 3]
        if behind[:1] in {"!", "?"}:
            return self.source.find(">", at) + 1
        closing = behind[:1] == "/"
        name = _NAME.match(self.source, at + 1 + closing, at + 1 + closing + _LONGEST_NAME)
        if name is None:
            self._text("<")
            return at + 1
        return self._tag(name[0].lower(), closing, name.end())

    def _comment(self, at: int) -> int:
        for empty in ("<!-->", "<!--->"):
            if self.source.startswith(empty, at):
                return at + len(empty)
        end = self.source.find("-->", at + 4)
        return len(self.source) if end < 0 else end + 3

    def _tag(self, name: str, closing: bool, at: int) -> int:
        end = self._end_of_tag(at)
        if name in _BREAKS and not self._templates:
            self.pieces.append("\n")
        if name == "template":
            self._templates = max(0, self._templates + (-1 if closing else 1))
        if closing or name not in _RAW_ENDS:
            return end
        found = _RAW_ENDS[name].search(self.source, end)
        return len(self.source) if found is None else found.start()

    def _end_of_tag(self, at: int) -> int:
        """Return the place behind the tag's ``>``, which does not count inside a quoted value."""
        place = at
        while self._quotes and (mark := _QUOTE_OR_END.search(self.source, place)):
            if mark[0] == ">":
                return mark.end()
            place = self.source.find(mark[0], mark.end()) + 1
            if place == 0:
                self._quotes = False
        return self.source.find(">", at) + 1 or len(self.source)
