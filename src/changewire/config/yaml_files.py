"""YAML files as data that knows its lines and columns, and their check against a pydantic model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from changewire.config.scalars import after
from changewire.config.wording import told
from changewire.config.yaml_reader import failed, load, place_after
from changewire.errors import ConfigError, Problem
from changewire.file_reader import TooLargeFileError, is_utf16, read_file, unreadable_reason
from changewire.secret import mask
from changewire.values import Json

try:
    from yaml import CBaseLoader as Composer
except ImportError:  # PyYAML built without libyaml: the same, only slower
    from yaml import BaseLoader as Composer  # type: ignore[assignment]

M = TypeVar("M", bound=BaseModel)
At = Sequence[str | int]  # keys and list positions (from 0) from the top of a file down to a value

MAX_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Document:
    """One YAML file as data. Where its values stand is looked up only when somebody asks."""

    path: Path
    shown: str  # how the file is named in messages
    text: str = field(repr=False)
    data: Json = field(repr=False)  # None for an empty file
    renamed: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)  # the file's keys by our paths

    def where(self, path: At, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the value at ``path`` or its key; of the nearest parent if absent."""
        node = self._root
        if node is None:
            return 1, 1
        mark = node.start_mark
        for depth, part in enumerate(path, 1):
            found = _child(node, self.renamed.get(tuple(path[:depth]), part))
            if found is None:
                break
            name, node = found
            mark = (name if key and depth == len(path) else node).start_mark
        return mark.line + 1, mark.column + 1

    def within(self, path: At, before: str) -> tuple[int, int]:
        """Line and column, from 1, of what comes in the text at ``path`` after the part ``before``."""
        node = self._root
        for depth, part in enumerate(path, 1):
            found = None if node is None else _child(node, self.renamed.get(tuple(path[:depth]), part))
            node = None if found is None else found[1]
        if not isinstance(node, yaml.ScalarNode):
            return self.where(path)
        return after(self.text, node, before)

    def problem(
        self,
        path: At,
        code: str,
        message: str,
        suggestion: str | None = None,
        key: bool = False,
        before: str = "",
    ) -> Problem:
        """A `Problem` at that value, or at its key, or in its text after the part ``before``. Secrets are masked."""
        line, column = self.within(path, before) if before else self.where(path, key)
        return Problem(self.shown, line, column, code, mask(message), suggestion)

    @cached_property
    def _root(self) -> yaml.Node | None:
        node: yaml.Node | None = yaml.compose(self.text, Loader=Composer)
        return node


def read_yaml(path: Path, shown: str | None = None) -> Document:
    """The data of one file. ``shown`` is its name in messages, None means ``path``. Raises ConfigError."""
    shown = shown or str(path)
    return parse_yaml(read_text(path, shown), shown, path)


def read_text(path: Path, shown: str) -> str:
    """The text of a file of at most 1 MiB. Raises ConfigError."""
    try:
        raw = read_file(path, MAX_BYTES)
    except TooLargeFileError:
        raise failed(shown, 0, 0, "too_large", "is larger than 1 MiB: split it") from None
    except OSError as error:
        raise failed(shown, 0, 0, "unreadable", f"cannot be read: {unreadable_reason(error)}") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line, column = place_after(raw[: error.start].decode("utf-8"))
        kind = "UTF-16 text, not UTF-8" if is_utf16(raw) else "not UTF-8 text"
        message = f"this is {kind}: save the file with the encoding UTF-8"
        raise failed(shown, line, column, "encoding", message) from None


def parse_yaml(text: str, shown: str, path: Path | None = None) -> Document:
    """The data of YAML text that came from ``path``, None: from no file. Raises ConfigError."""
    text = text.removeprefix("\ufeff")
    return Document(path or Path(shown), shown, text, load(text, shown))


def check(document: Document, model: type[M], at: At = (), data: Json = None) -> M:
    """The part of a document at ``at`` as a ``model``. ``data`` stands in for it, as with variables expanded.

    Raises ConfigError with every problem at its place: unknown keys, missing ones, wrong types and values.
    """
    if data is None:
        data = _part(document.data, at)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        wrong = told(model, data, error, repr(at[-1]) if at else "the file")
    problems = [document.problem([*at, *w.path], w.code, w.message, w.suggestion, w.at_key) for w in wrong]
    raise ConfigError(sorted(problems, key=lambda problem: (problem.line, problem.column)))


def _child(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Key and value of a mapping, or an item of a list twice; None when there is none."""
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if k.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _part(data: Json, at: At) -> Json:
    for part in at:
        data = data[part]
    return data
