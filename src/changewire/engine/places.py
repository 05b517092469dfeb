"""Where an expression stands that could not be evaluated, so that a person finds it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from changewire.catalog import builtin_folder
from changewire.config.yaml_files import Document, read_yaml
from changewire.engine.telling import describe
from changewire.errors import ChangewireError
from changewire.home.definition import Home, Trigger
from changewire.templates import TemplateError, has_expression
from changewire.values import Json

_COMPARED = 60  # characters of an expression; messages cut longer ones


class Places:
    """Finds expressions in the files of one trigger. Files are read once, and only if there is an error to explain."""

    def __init__(self, trigger: Trigger, home: Home) -> None:
        self._trigger, self._home = trigger, home
        self._documents: list[Document] | None = None

    def reason(self, error: Exception) -> str:
        """The words of an error without secrets, with file and line of its expression if it can be found."""
        _, words = describe(error)
        place = self._place(error.message) if isinstance(error, TemplateError) else None
        return words if place is None else f"{words} ({place})"

    def _place(self, message: str) -> str | None:
        if self._documents is None:
            self._documents = list(self._read())
        for document in self._documents:
            for path, text in _texts(document.data, ()):
                if has_expression(text) and message.startswith(" ".join(text.split())[:_COMPARED]):
                    return f"{document.shown}:{document.where(path)[0]}"
        return None

    def _read(self) -> Iterator[Document]:
        file = self._home.workflows.get(self._trigger.workflow.name)
        if file is not None and file.document is not None:
            yield file.document
        for folder in (self._home.path / "triggers", builtin_folder("triggers")):
            for path in sorted(folder.rglob("*.yaml")):
                document = _document(path, f"triggers/{path.relative_to(folder)}", self._trigger.config.type)
                if document is not None:
                    yield document
                    return


def _document(path: Path, shown: str, kind: str) -> Document | None:
    """The file if it is the one of that type."""
    try:
        if kind.encode() not in path.read_bytes():
            return None
        document = read_yaml(path, shown)
    except (OSError, ChangewireError):  # not the file that the type was read from
        return None
    return document if isinstance(document.data, dict) and document.data.get("type") == kind else None


def _texts(data: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict | list):
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _texts(value, (*path, name))
