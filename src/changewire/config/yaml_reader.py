"""YAML text to plain JSON data, by YAML 1.2 rules for plain values.

One pass over the parser's events: composing nodes takes longer and has no depth limit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from changewire.errors import MOST_PROBLEMS, ConfigError, Problem
from changewire.values import Json

try:
    from yaml import CSafeLoader as Parser
except ImportError:  # PyYAML built without libyaml: the same, only slower
    from yaml import SafeLoader as Parser  # type: ignore[assignment]

MAX_DEPTH = 50  # mappings and lists inside each other
MAX_VALUES = 100_000  # values in a file that repeats anchors: small files must not become huge data
MAX_CHARACTERS = 4 << 20  # of all texts in a file that repeats anchors

_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
_NUMBER_START = frozenset("+-.0123456789")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Unicode line separators: YAML 1.2 keeps them, libyaml would turn them into line breaks
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load(text: str, shown: str) -> Json:
    """The data of YAML text, None for an empty one. Raises ConfigError, all problems of a file at once."""
    bad = _UNREADABLE.search(text)
    if bad:
        escape = f'"\\u{ord(bad[0]):04x}"'
        message = f"an invisible character stands here: write it as {escape}, in double quotes"
        raise failed(shown, *place_after(text[: bad.start()]), "character", message)
    reader = _Reader(text, shown)
    try:
        data = reader.document()
    except yaml.MarkedYAMLError as error:
        raise _syntax(shown, text, error) from None
    finally:
        reader.close()
    if reader.problems:
        raise ConfigError(reader.problems)
    return data


class _Reader:
    """Builds the data of one text and gathers what is wrong with it."""

    def __init__(self, text: str, shown: str) -> None:
        self.shown = shown
        self.problems: list[Problem] = []
        self.loader = Parser(text)
        self.next: Callable[[], Any] = self.loader.get_event
        self.anchors: dict[str, tuple[Json, int, int]] = {}  # value, number of values and of characters in it
        self.count = 0
        self.characters = 0

    def close(self) -> None:
        self.loader.dispose()

    def document(self) -> Json:
        self.next()  # the start of the stream
        if isinstance(self.next(), yaml.StreamEndEvent):
            return None
        data = self.value(self.next(), 0)
        self.next()  # the end of the document
        event = self.next()
        if not isinstance(event, yaml.StreamEndEvent):
            self.note(event, "several_documents", "a second document begins here: make it a file of its own")
        return data

    def value(self, event: Any, depth: int) -> Json:
        kind = type(event)
        if kind is yaml.AliasEvent:
            return self.alias(event)
        if event.tag is not None:
            self.note(event, "tag", _TAG)
        self.count += 1
        if kind is yaml.ScalarEvent:
            value = self.plain(event) if event.implicit[0] else event.value
            self.characters += len(event.value)
            if event.anchor:
                self.anchors[event.anchor] = value, 1, len(event.value)
            return value
        if depth >= MAX_DEPTH:
            raise self.failure(event, "too_deep", f"more than {MAX_DEPTH} levels inside each other")
        before, characters = self.count, self.characters
        build = self.mapping if kind is yaml.MappingStartEvent else self.sequence
        data = build(depth + 1)
        if event.anchor:
            self.anchors[event.anchor] = data, self.count - before + 1, self.characters - characters
        return data

    def sequence(self, depth: int) -> list[Json]:
        items: list[Json] = []
        while type(event := self.next()) is not yaml.SequenceEndEvent:
            items.append(self.value(event, depth))
        return items

    def mapping(self, depth: int) -> dict[str, Json]:
        data: dict[str, Json] = {}
        lines: dict[str, int] = {}
        while type(event := self.next()) is not yaml.MappingEndEvent:
            key = self.key(event, depth)
            if key in lines:
                message = f"{key!r} is already there in line {lines[key]}: keep one of the two"
                self.note(event, "duplicate_key", message)
            value = self.value(self.next(), depth)
            if key is not None:
                lines.setdefault(key, event.start_mark.line + 1)
                data[key] = value
        return data

    def key(self, event: Any, depth: int) -> str | None:
        """The key's text; None (and a problem) when it is not text."""
        key = self.value(event, depth)
        if key == "<<" and event.implicit[0]:
            self.note(event, "merge_key", "merge keys (<<) are not used here: write the keys out")
        if isinstance(key, str):
            return key
        if isinstance(key, dict):
            message = 'a { } cannot be a key: put an expression in quotes, as in "{{ payload.id }}"'
        elif isinstance(key, list):
            message = "a list cannot be a key: put text with [ ] in quotes"
        else:
            message = f"a key must be text: put {event.value or 'it'} in quotes"
        self.note(event, "key_not_text", message)
        return None

    def alias(self, event: Any) -> Json:
        if event.anchor not in self.anchors:
            raise self.failure(
                event,
                "unknown_anchor",
                f"there is no anchor &{event.anchor} above: put text that begins with * in quotes",
            )
        value, size, characters = self.anchors[event.anchor]
        self.count += size
        self.characters += characters
        if self.count > MAX_VALUES:
            raise self.failure(event, "too_large", f"repeats more than {MAX_VALUES} values")
        if self.characters > MAX_CHARACTERS:
            raise self.failure(event, "too_large", f"repeats more than {MAX_CHARACTERS} characters")
        return value

    def plain(self, event: Any) -> Json:
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMBER_START:
            return text
        if _INT.fullmatch(text):
            number = int(text, 0) if len(text) < 30 else 1 << 64
            if -(1 << 63) <= number < 1 << 64:
                return number
        elif _FLOAT.fullmatch(text):
            if abs(real := float(text)) != float("inf"):
                return real
        elif not _NOT_JSON.fullmatch(text):
            return text
        self.note(event, "number", f"the number {text[:40]} is out of range: put it in quotes if it is text")
        return None

    def note(self, event: Any, code: str, message: str) -> None:
        mark = event.start_mark
        self.problems.append(Problem(self.shown, mark.line + 1, mark.column + 1, code, message))
        if len(self.problems) >= MOST_PROBLEMS:
            message = f"has {MOST_PROBLEMS} problems and maybe more: correct these first"
            raise ConfigError([*self.problems, Problem(self.shown, 0, 0, "too_many", message)])

    def failure(self, event: Any, code: str, message: str) -> ConfigError:
        self.note(event, code, message)
        return ConfigError(self.problems)


_INDENT = "this line does not fit the {} around it: mend the indent, or {}"
_ESCAPE = "unknown escape in double quotes: write \\\\ for a backslash, or use single quotes"
_TAG = "tags (!…) are not used here: write plain values, and text in quotes"
_DIRECTIVE = "a line that begins with % is no data: put text in quotes"
_ADVICE = {
    "mapping values are not allowed": "a ':' cannot be here: quote text that has ': ' in it, or mend the indent",
    "mapping keys are not allowed": "a '?' cannot begin this: put text in quotes",
    "block sequence entries are not allowed": "a list begins on a line of its own: put '- ' on the next line, indented",
    "tab character": "a tab stands here: indent with spaces",
    "cannot start any token": "text that begins with {} must be in quotes",
    "expected node content": "a value is missing before this, or text that begins with {} is not in quotes",
    "expected comment or line break": "nothing can stand here behind | or >: begin the text on the next line, indented",
    "unexpected end of stream": "the quotation that begins here is never closed",
    "unexpected document indicator": "the quotation that begins here is never closed",
    "expected ',' or ']'": "the list that begins here is not closed with ], or a comma is missing",
    "expected ',' or '}'": "a comma or }} is missing: put text that holds {{ }} [ ] , # in quotes",
    "expected key": _INDENT.format("mapping", "write `key: value`"),
    "expected '-' indicator": _INDENT.format("list", "begin with '- '"),
    "expected ':'": "this is not `key: value`: a ':' with a space behind it is missing",
    "expected alphabetic": "text that begins with * or & must be in quotes",
    "expected <document start>": "the data has ended before this: mend the brackets, or take out a line '...'",
    "unknown escape": _ESCAPE,
    "hexdecimal": _ESCAPE,
    "Unicode character escape": _ESCAPE,
    "directive": _DIRECTIVE,
    "tag": _TAG,
}
_AT_START = (
    "unexpected end of stream",
    "document indicator",
    "expected ',' or ']'",
    "expected ':'",
    "expected alphabetic",
)
_BEHIND = {
    "'": "the quotation ends before this: put the whole text in quotes, and double each ' inside: ''",
    '"': 'the quotation ends before this: put the whole text in quotes, and write \\" for each " inside',
    "]": "the list ends before this: put text that begins with [ in quotes",
    "}": "what { } holds ends before this: put text that begins with { in quotes",
}
"""What stands before the place where a line goes on although its value is whole."""


def _syntax(shown: str, text: str, error: yaml.MarkedYAMLError) -> ConfigError:
    found, context = error.problem or "", error.context or ""
    at_start = error.context_mark is not None and any(part in found for part in _AT_START)
    mark = error.context_mark if at_start else error.problem_mark
    if mark is None:
        return failed(shown, 0, 0, "yaml", f"this is no YAML: {found}")
    line = text.split("\n")[mark.line] if mark.line < text.count("\n") + 1 else ""
    message = _told(found, context, line[: mark.column], line[mark.column : mark.column + 1])
    return failed(shown, mark.line + 1, mark.column + 1, "yaml", message)


def _told(found: str, context: str, before: str, here: str) -> str:
    """What is probably wrong; ``before`` is the line before the place, ``here`` the character at it."""
    behind = _BEHIND.get(before.rstrip()[-1:])
    if "expected key" in found and behind is not None:
        return behind
    if "directive" in context:
        return _DIRECTIVE
    if "tag" in context:
        return _TAG
    if here == "\t" and "cannot start any token" in found:
        return _ADVICE["tab character"]
    form = next((advice for part, advice in _ADVICE.items() if part in found), None)
    if form is None:
        return f"this cannot be read ({found}): put text in quotes, and check indent and brackets above"
    return form.format(here or "a special character")


def failed(shown: str, line: int, column: int, code: str, message: str) -> ConfigError:
    """An error of one problem."""
    return ConfigError([Problem(shown, line, column, code, message)])


def place_after(before: str) -> tuple[int, int]:
    """Line and column of the character that follows ``before``."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
