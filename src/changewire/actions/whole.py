"""Every operation of an API as an action, made when it is first asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

from changewire.actions.definition import ActionParameter, ActionSpec, ActionType
from changewire.actions.resolving import resolve
from changewire.actions.sending import SPREAD
from changewire.connectors.operations import Operation, operations


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
    spec = ActionSpec(
        title=operation.title,
        description=_description(operation),
        operation=operation.name,
        parameters=_parameters(operation),
        output={operation.items: "the list"} if operation.items else {},
    )
    resolved = resolve(connector, spec)
    full = f"{connector}.{operation.name}"
    return ActionType(full, connector, resolved.spec, f"the operations of {connector}", None, operation)


def _description(operation: Operation) -> str:
    return f"{operation.title}: {operation.method} {operation.path}."


def _parameters(operation: Operation) -> dict[str, ActionParameter]:
    taken = {one.name for one in (*operation.path_parameters, *operation.query_parameters)}
    made: dict[str, dict[str, Any]] = {}
    if operation.has_body:
        needs = operation.required_body
        made["body"] = {"type": "object", "in": "body", "as": SPREAD, "required": bool(needs), "needs": needs}
        made["body"]["description"] = "the body" + (f", with {', '.join(needs)}" if needs else "")
    made["query"] = {"type": "object", "in": "query", "as": SPREAD}
    made["query"]["description"] = "further parameters of the query, by name"
    return {name: ActionParameter.model_validate(one) for name, one in made.items() if name not in taken}
