"""Finding the operation and the handler of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from changewire.sandbox.api import (
    archive,
    channels,
    crud,
    directory,
    events,
    live,
    messages,
    past,
    people,
    phone,
    recorded,
    recordings,
    registration,
    reports,
    rooms,
    users,
    webinars,
)
from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.table import Operation, operations
from changewire.sandbox.wire import Response

Handler = Callable[[Call], Reply | Response]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_VARIABLE = "{}"
_MODULES = (
    archive, channels, directory, events, live, messages, past, people, phone,
    recorded, recordings, registration, reports, rooms, users, webinars,
)  # fmt: skip
# A window is asked for in the documents, but running sessions are listed without one.
_ASK_THEMSELVES = ("GET /metrics/meetings", "GET /metrics/webinars")
_HANDLERS: dict[str, Handler] = {line: handler for module in _MODULES for line, handler in module.HANDLERS.items()}


@dataclass(frozen=True, slots=True)
class Route:
    """An operation, what answers it, and the names that its query must have."""

    operation: Operation
    handler: Handler
    asked: tuple[str, ...]


@cache
def all_scopes() -> tuple[str, ...]:
    """Return administrators' scopes: the classic ones, and the granular ones where handlers or no classic ones are."""
    wanted = [one.classic for one in operations()]
    wanted += [one.granular for one in operations() if not one.classic or f"{one.method} {one.path}" in _HANDLERS]
    return tuple(sorted({_widest(scopes) for scopes in wanted if scopes}))


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the endpoint of a still encoded path below ``/v2`` and its variable parts.

    Fixed parts win over variable ones, and a slash at the end counts for nothing, as some clients send one. None if
    there is no such endpoint.
    """
    parts = path.rstrip("/").split("/")[1:]
    route = _search(_tree(), parts, method)
    if route is None and parts[0] == "accounts":
        return _of_sub_account(method, parts)
    if route is None:
        return None
    names = route.operation.path.split("/")[1:]
    return route, {n.strip("{}"): part for n, part in zip(names, parts, strict=True) if n.startswith("{")}


def _of_sub_account(method: str, parts: list[str]) -> tuple[Route, dict[str, str]] | None:
    """Return the endpoint that a master account asks for one of its sub accounts, below its id."""
    found = find_route(method, "/" + "/".join(parts[2:])) if len(parts) > 2 and parts[2] != "accounts" else None
    if found is None or not any(scope.endswith(":master") for scope in found[0].operation.granular):
        return None
    return found[0], {"subAccountId": parts[1], **found[1]}


def is_known(path: str) -> bool:
    """Whether a path below ``/v2`` exists for any method."""
    return any(_search(_tree(), path.split("/")[1:], method) for method in METHODS)


@cache
def _tree() -> dict[str, Any]:
    root: dict[str, Any] = {}
    for operation in operations():
        node = root
        for part in operation.path.split("/")[1:]:
            node = node.setdefault(_VARIABLE if part.startswith("{") else part, {})
        line = f"{operation.method} {operation.path}"
        asked = () if line in _ASK_THEMSELVES else operation.asked
        node.setdefault("", {})[operation.method] = Route(operation, _HANDLERS.get(line, crud.answer), asked)
    return root


def _search(node: dict[str, Any], parts: list[str], method: str) -> Route | None:
    if not parts:
        by_method: dict[str, Route] = node.get("", {})
        return by_method.get(method)
    for name in (parts[0], _VARIABLE) if parts[0] else ():
        if name in node and (found := _search(node[name], parts[1:], method)) is not None:
            return found
    return None


def _widest(scopes: tuple[str, ...]) -> str:
    return next((scope for scope in scopes if scope.endswith(":admin")), scopes[0])
