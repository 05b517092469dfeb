"""Every operation of an API as an action, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from changewire.actions.definition import ActionParameter, ActionSpec, ActionType
from changewire.actions.resolving import resolve
from changewire.actions.sending import SPREAD
from changewire.connectors.operations import Operation, operations, squash
from changewire.errors import nearest


class Actions(Mapping[str, ActionType]):
    """The actions of files, and every operation of the APIs that have a table.

    Iterating gives the names of those in files. Look-up also finds operations, and forgives case and underscores.
    """

    def __init__(self, written: Mapping[str, ActionType]) -> None:
        self._written = written
        self._squashed = {squash(name): name for name in written}

    def __getitem__(self, name: str) -> ActionType:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)

    def _find(self, name: str) -> ActionType | None:
        if name in self._written:
            return self._written[name]
        connector, _, word = name.partition(".")
        known = operations(connector)
        if word in known and known.proper(word) == word:  # written exactly, it is meant exactly
            return operation_action(connector, word)
        similar = self._squashed.get(squash(name))
        return self._written[similar] if similar is not None else operation_action(connector, word)

    def near(self, name: str) -> str | None:
        """The name of an action or operation that is most like ``name``; None where none is near."""
        connector, _, word = name.partition(".")
        known = {one.partition(".")[2] for one in self._written if one.startswith(f"{connector}.")}
        found = nearest(word, (*known, *operations(connector))) if known else None
        return f"{connector}.{found}" if found is not None else nearest(name, self._written)


@cache
def operation_action(connector: str, name: str) -> ActionType | None:
    """The action ``connector.name`` that does one operation and nothing else; None where there is no such operation.

    Its parameters are those of path and query, ``query`` for any further ones, and ``body``. One request is sent unless
    ``all_pages`` asks for more.
    """
    known = operations(connector)
    if name not in known:
        return None
    operation = known[name]
    if operation.name != name:
        return operation_action(connector, operation.name)
    spec = ActionSpec(
        title=operation.title,
        description=_description(operation),
        operation=operation.name,
        parameters=_parameters(operation),
    )
    resolved = resolve(connector, spec)
    full = f"{connector}.{operation.name}"
    return ActionType(full, connector, resolved.spec, f"the operations of {connector}", None, operation, whole=True)


def _description(operation: Operation) -> str:
    return f"Sends {operation.method} {operation.path} and gives the answer."


def _parameters(operation: Operation) -> dict[str, ActionParameter]:
    taken = {one.name for one in (*operation.path_parameters, *operation.query_parameters)}
    made: dict[str, dict[str, Any]] = {}
    if operation.has_body:
        needs = operation.required_body if operation.body != "form" else ()  # a form's may be files
        made["body"] = {"type": "object", "in": "body", "as": SPREAD, "required": bool(needs), "needs": needs}
        needed = f", with {', '.join(needs)}" if needs else ""
        made["body"]["description"] = f"the body{needed}; the API's own reference has all its fields"
    if operation.body == "form":
        made["files"] = {"type": "object", "in": "none"}
        fields = f"; needed are {', '.join(operation.required_body)}" if operation.required_body else ""
        made["files"]["description"] = f"files by field, such as {{file: state/downloads/a.png}}{fields}"
    made["query"] = {"type": "object", "in": "query", "as": SPREAD}
    made["query"]["description"] = "further parameters of the query, by name"
    return {name: ActionParameter.model_validate(one) for name, one in made.items() if name not in taken}
