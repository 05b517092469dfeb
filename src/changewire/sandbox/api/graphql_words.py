"""The words of a GraphQL document: as much of the language as queries for lists and records need."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'"((?:[^"\\\n]|\\.)*)"|(\$?\w+)|(-?\d+)|([{}()\[\]:=!@]|\.\.\.)|(?:[\s,]+|#[^\n]*)|(.)', re.DOTALL)
_PLAIN: dict[str, Any] = {"true": True, "false": False, "null": None}
_DEEPEST = 12


class QueryError(Exception):
    """What cannot be read or answered; becomes an entry of ``errors``."""


@dataclass
class Field:
    """A field that is asked for: ``key`` is its name in the answer, ``fields`` are those inside of it."""

    name: str
    key: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)


def parse(text: str, variables: dict[str, Any]) -> list[Field]:
    """Return the fields that a document with one query asks for, with its variables put in. Raises QueryError."""
    reader = _Reader(text, variables)
    if reader.take("query"):
        if reader.peek() not in ("{", "("):
            reader.next()
        reader.defaults()
    elif reader.peek() in ("mutation", "subscription"):
        raise QueryError(f"The sandbox answers queries only, no {reader.peek()}.")
    found = reader.fields(0)
    if reader.peek():
        raise QueryError(f"Syntax Error: Unexpected {reader.peek()!r}: the sandbox takes one query, without fragments.")
    return found


class _Reader:
    def __init__(self, text: str, variables: dict[str, Any]) -> None:
        self._tokens: list[tuple[str, bool]] = []  # with whether it is a quoted text
        for quoted, word, number, sign, wrong in (m.groups() for m in _TOKEN.finditer(text)):
            if wrong:
                raise QueryError(f"Syntax Error: Unexpected character: {wrong!r}.")
            if quoted is not None or word or number or sign:
                self._tokens.append((quoted if quoted is not None else word or number or sign, quoted is not None))
        self._at = 0
        self._variables = dict(variables)

    def peek(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def next(self) -> tuple[str, bool]:
        if self._at >= len(self._tokens):
            raise QueryError("Syntax Error: Unexpected <EOF>.")
        self._at += 1
        return self._tokens[self._at - 1]

    def take(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self._at += 1
        return True

    def need(self, word: str) -> None:
        if not self.take(word):
            raise QueryError(f"Syntax Error: Expected {word!r}, found {self.peek() or '<EOF>'!r}.")

    def defaults(self) -> None:
        """Read the variables of a query: a type is not checked, a default is put where nothing was sent."""
        if not self.take("("):
            return
        while not self.take(")"):
            name, needed = self.next()[0].removeprefix("$"), False
            self.need(":")
            while self.peek() in ("[", "]", "!") or re.fullmatch(r"\w+", self.peek()):
                needed = self.next()[0] == "!"
            if self.take("="):
                self._variables.setdefault(name, self.value())
            elif needed and self._variables.get(name) is None:
                raise QueryError(f"Variable '${name}' of a required type was not provided.")
            else:
                self._variables.setdefault(name, None)

    def fields(self, depth: int) -> list[Field]:
        self.need("{")
        if depth > _DEEPEST:
            raise QueryError(f"The query is deeper than {_DEEPEST} levels.")
        found = []
        while not self.take("}"):
            name = self.next()[0]
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise QueryError(f"Syntax Error: Expected Name, found {name!r}.")
            one = Field(name, name)
            if self.take(":"):
                one.name = self.next()[0]
            if self.take("("):
                while not self.take(")"):
                    argument = self.next()[0]
                    self.need(":")
                    one.arguments[argument] = self.value()
            if self.peek() == "{":
                one.fields = self.fields(depth + 1)
            found.append(one)
        if not found:
            raise QueryError("Syntax Error: Expected Name, found '}'.")
        return found

    def value(self) -> Any:
        word, quoted = self.next()
        if quoted:
            return re.sub(r"\\(.)", r"\1", word)
        if word.startswith("$"):
            if word[1:] not in self._variables:
                raise QueryError(f"Variable '{word}' is not defined.")
            return self._variables[word[1:]]
        if re.fullmatch(r"-?\d+", word):
            return int(word)
        return _PLAIN.get(word, word)
