"""The requests of actions: built from parameters, sent, and all pages of a list answer read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from changewire.actions.inputs import revealed
from changewire.connectors.messages import Request
from changewire.connectors.paths import encode_segment
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.templates import render, text_of
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, RequestSpec
    from changewire.connectors.client import Client

MOST_PAGES = 200
_PLACE = re.compile(r"\{(\w+)\}")


def build_request(
    action: ActionType, values: Mapping[str, Json], *, user: str | None = None, idempotency_key: str | None = None
) -> Request:
    """The first request of a request action. ``user`` stands in for ``me`` in the path; None: it stays ``me``."""
    spec = action.spec.request
    assert spec is not None
    request = fill_request(action, spec, values, user=user, idempotency_key=idempotency_key)
    if action.spec.idempotency == "header" and idempotency_key is not None:
        return replace(request, headers=(*request.headers, ("Idempotency-Key", idempotency_key)))
    return request


def fill_request(
    action: ActionType,
    spec: RequestSpec,
    values: Mapping[str, Json],
    *,
    user: str | None = None,
    idempotency_key: str | None = None,
) -> Request:
    """``spec`` with the values of an action's parameters in it, which are ``parameters`` to its expressions."""
    scope = {"parameters": dict.fromkeys(action.parameters) | revealed(dict(values))}
    names = {**scope, "idempotency_key": idempotency_key}
    query = [(name, text_of(render(value, names))) for name, value in spec.query.items()]
    body = _without_none(render(spec.body, names)) if spec.body is not None else None
    return Request(
        spec.method,
        _path(action, spec.path, scope["parameters"], user),
        tuple((name, text) for name, text in query if text),
        (("Content-Type", "application/json"),) if body is not None else (),
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


def ask(action: ActionType, values: Mapping[str, Json], client: Client, context: ActionContext) -> Json:
    """Send the request of an action and give the answer, all pages of it where that is asked for. Raises ApiError."""
    request = build_request(action, values, user=client.connection.user, idempotency_key=context.idempotency_key)
    if action.spec.items is None or not values.get("all_pages"):
        return client.send(request, deadline=context.deadline).data
    return read_all_pages(action, request, action.spec.items, client, context.deadline)


def read_all_pages(action: ActionType, request: Request, field: str, client: Client, deadline: float) -> Json:
    """The first page with the list of all pages in ``field``. An entry that slid onto the next page is there once."""
    try:
        return _all_pages(action, request, field, client, deadline)
    except ApiError as error:
        if error.reason != "dead_page_token":
            raise
    return _all_pages(action, request, field, client, deadline)


def _all_pages(action: ActionType, request: Request, field: str, client: Client, deadline: float) -> dict[str, Json]:
    paging = client.connector.paging
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
