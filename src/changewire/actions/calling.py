"""Doing one action: a request with all pages of its answer, or the code beside the action file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from changewire.actions.inputs import revealed
from changewire.connectors.messages import Request
from changewire.connectors.paths import encode_segment
from changewire.errors import ApiError, FailureClass, UsageError, nearest
from changewire.parameters import check_values
from changewire.templates import render, text_of
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType
    from changewire.config.connections import Connection
    from changewire.connectors.client import Client

MOST_PAGES = 200
LARGEST_OUTPUT = 1 << 20  # bytes of JSON that are kept of an output
_PLACE = re.compile(r"\{(\w+)\}")


def check_inputs(action: ActionType, given: Mapping[str, Json]) -> dict[str, Json]:
    """The values that the action gets, in their types and with defaults. Raises UsageError naming all problems."""
    values, problems = check_values(action.parameters, given)
    if problems:
        hints = [f"{p.message} (did you mean {p.suggestion!r}?)" if p.suggestion else p.message for p in problems]
        raise UsageError(f"{action.name}: {'; '.join(hints)}")
    return values


def choose_connection(
    action: ActionType, named: str | None, usual: str | None, connections: Mapping[str, Connection]
) -> str | None:
    """The connection that an action works on; None where it needs none.

    ``named`` is what the step says and ``usual`` the trigger's, which counts where it is of the action's connector.
    Raises UsageError where that leaves none or more than one.
    """
    if action.connector == "core":
        return None
    fitting = [name for name, one in connections.items() if one.connector == action.connector]
    if named is not None:
        if named not in connections:
            hint = f"; did you mean {near!r}?" if (near := nearest(named, connections)) else ""
            raise UsageError(f"there is no connection {named!r}{hint}")
        if named not in fitting and action.connector != "http":
            other = connections[named].connector
            raise UsageError(f"connection {named!r} is of {other}, and {action.name} needs one of {action.connector}")
        return named
    if action.connector == "http":
        return None
    if usual in fitting:
        return usual
    if len(fitting) == 1:
        return fitting[0]
    known = f"write connection: with one of {', '.join(fitting)}" if fitting else "add one to connections.yaml"
    raise UsageError(f"{action.name} needs a connection of {action.connector}: {known}")


def perform(action: ActionType, values: Mapping[str, Json], context: ActionContext) -> Json:
    """Do it once and give its output, plain data of at most 1 MiB. ``values`` come from `check_inputs`.

    Raises ApiError, ChangewireError, or whatever the action's own code raises.
    """
    if action.run is not None:
        output = action.run(context, values)
    elif context.client is None:
        raise UsageError(f"{action.name} needs a connection")
    else:
        output = _ask(action, values, context.client, context)
    return _checked(action, output)


def _checked(action: ActionType, output: Json) -> Json:
    try:
        size = len(dumps(output))
    except TypeError as error:
        raise UsageError(f"{action.name} gave something that is not plain data: {error}") from None
    if size > LARGEST_OUTPUT:
        raise UsageError(
            f"the output of {action.name} is {size} bytes, more than the {LARGEST_OUTPUT} that are kept of a step:"
            " ask for less, such as a shorter time or a single page"
        )
    return output


def build_request(
    action: ActionType, values: Mapping[str, Json], *, user: str | None = None, idempotency_key: str | None = None
) -> Request:
    """The first request of a request action. ``user`` stands in for ``me`` in the path; None: it stays ``me``."""
    spec = action.spec.request
    assert spec is not None
    scope = {"parameters": dict.fromkeys(action.parameters) | revealed(dict(values))}
    query = [(name, text_of(render(value, scope))) for name, value in spec.query.items()]
    body = _without_none(render(spec.body, scope)) if spec.body is not None else None
    headers = [("Content-Type", "application/json")] if body is not None else []
    if action.spec.idempotency == "header" and idempotency_key is not None:
        headers.append(("Idempotency-Key", idempotency_key))
    return Request(
        spec.method,
        _path(action, spec.path, scope["parameters"], user),
        tuple((name, text) for name, text in query if text),
        tuple(headers),
        dumps(revealed(body)) if body is not None else None,
        label=action.spec.label,
    )


def _path(action: ActionType, path: str, values: Mapping[str, Json], user: str | None) -> str:
    def encoded(found: re.Match[str]) -> str:
        name = found[1]
        value = text_of(values[name])
        if value == "me" and name == "user_id" and user is not None:
            value = user
        try:
            return encode_segment(value, action.parameters[name].uuid)
        except ValueError as error:
            raise UsageError(f"{action.name}: {name}: {error}") from None

    return _PLACE.sub(encoded, path)


def _without_none(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value


def _ask(action: ActionType, values: Mapping[str, Json], client: Client, context: ActionContext) -> Json:
    request = build_request(action, values, user=client.connection.user, idempotency_key=context.idempotency_key)
    if action.spec.items is None or not values.get("all_pages"):
        return client.send(request, deadline=context.deadline).data
    try:
        return _all_pages(action, request, client, context.deadline)
    except ApiError as error:
        if error.reason != "dead_page_token":
            raise
    return _all_pages(action, request, client, context.deadline)


def _all_pages(action: ActionType, request: Request, client: Client, deadline: float) -> dict[str, Json]:
    """The first page with the list of all pages in it. An entry that slid onto the next page is there once."""
    paging, field = client.connector.paging, action.spec.items or ""
    entries: dict[bytes, Json] = {}
    first: dict[str, Json] | None = None
    used: set[str] = set()
    token = ""
    for _ in range(MOST_PAGES):
        query = (*request.query, (paging.token_query, token)) if token else request.query
        page = _page(action, client.send(replace(request, query=query), deadline=deadline).data, field)
        first = first if first is not None else page
        entries.update((dumps(entry), entry) for entry in page[field])
        token = str(page.get(paging.token_field) or "")
        if not token:
            return {**first, field: list(entries.values()), paging.token_field: ""}
        if token in used:
            raise ApiError(f"{action.name}: the same page comes again and again", FailureClass.BROKEN)
        used.add(token)
    raise UsageError(f"{action.name}: more than {MOST_PAGES} pages; ask for less or set all_pages: false")


def _page(action: ActionType, data: Any, field: str) -> dict[str, Json]:
    if not isinstance(data, dict) or not isinstance(data.get(field), list):
        raise ApiError(f"{action.name}: the answer has no list {field!r}", FailureClass.BROKEN)
    return data
