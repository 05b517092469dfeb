"""The requests of actions: built from parameters, sent, and all pages of a list answer read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from changewire.actions.inputs import revealed
from changewire.connectors.messages import Request
from changewire.connectors.operations import squash
from changewire.connectors.paths import encode_segment
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.templates import render, text_of
from changewire.values import Json, dumps, loads

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, RequestSpec
    from changewire.connectors.client import Client

MOST_PAGES = 200
SPREAD = "*"  # as: "*" sends the fields of an object, not the object
_PLACE = re.compile(r"\{(\w+)\}")


def build_request(
    action: ActionType, values: Mapping[str, Json], *, user: str | None = None, idempotency_key: str | None = None
) -> Request:
    """The first request of a request action. ``user`` stands in for ``me`` in the path; None: it stays ``me``."""
    spec = action.spec.request
    assert spec is not None
    request = fill_request(action, spec, values, user=user, idempotency_key=idempotency_key)
    body, headers = _placed(action, values), _headers(action, values)
    written = loads(request.body) if request.body is not None else None
    if isinstance(written, dict):
        written = _joined(body, written)
    elif written is None and (body or _wants_body(action)):
        written = body
    if (
        account := values.get("account")
        if "account" in action.parameters and "account" not in action.spec.parameters
        else None
    ):
        request = replace(request, path=f"/accounts/{encode_segment(text_of(revealed(account)))}{request.path}")
    if action.spec.idempotency == "header" and idempotency_key is not None:
        headers += (("Idempotency-Key", idempotency_key),)
    query = (*_query(action, values, {name for name, _ in request.query}), *request.query)
    return replace(request, query=query, headers=(*_json_headers(written), *headers), body=_json(written))


def fill_request(
    action: ActionType,
    spec: RequestSpec,
    values: Mapping[str, Json],
    *,
    user: str | None = None,
    idempotency_key: str | None = None,
) -> Request:
    """What ``spec`` itself says, with the values of an action's parameters, ``parameters`` to its expressions."""
    scope = {"parameters": dict.fromkeys(action.parameters) | revealed(dict(values))}
    names = {**scope, "idempotency_key": idempotency_key}
    query = [(name, text_of(render(value, names))) for name, value in spec.query.items()]
    body = _without_none(render(spec.body, names)) if spec.body is not None else None
    return Request(
        spec.method or "GET",
        _path(action, spec.path or "/", scope["parameters"], user),
        tuple((name, text) for name, text in query if text),
        _json_headers(body),
        _json(body),
        label=action.spec.label,
    )


def _json_headers(body: Json) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", "application/json"),) if body is not None else ()


def _json(body: Json) -> bytes | None:
    return dumps(revealed(body)) if body is not None else None


def _wants_body(action: ActionType) -> bool:
    """Whether a body is sent even where nothing is in it."""
    return action.operation is not None and action.operation.body == "json"


def _query(action: ActionType, values: Mapping[str, Json], without: set[str]) -> Iterator[tuple[str, str]]:
    """What parameters send in the query: a list entry by entry, nothing for what is empty."""
    for name, one in action.spec.parameters.items():
        if one.place == "query" and name in values:
            value = revealed(values[name])
            named = (
                value.items() if one.sent_as == SPREAD and isinstance(value, dict) else [(one.sent_as or name, value)]
            )
            for key, inner in named:
                entries = inner if isinstance(inner, list) else [inner]
                yield from ((key, text) for entry in entries if key not in without and (text := text_of(entry)))


def _headers(action: ActionType, values: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    placed = [(name, one) for name, one in action.spec.parameters.items() if one.place == "header" and name in values]
    return tuple((one.sent_as or name, text_of(revealed(values[name]))) for name, one in placed)


def _placed(action: ActionType, values: Mapping[str, Json]) -> Json:
    """The body that the parameters make by themselves; empty where they make none."""
    body: dict[str, Json] = {}
    for name, one in action.spec.parameters.items():
        if one.place == "body" and name in values:
            value = _without_none(values[name])
            if one.sent_as == SPREAD and not isinstance(value, dict):
                return value
            inner = value if one.sent_as == SPREAD else _deep((one.sent_as or name).split("."), value)
            body = _joined(body, inner)
    return body


def _deep(path: Sequence[str], value: Json) -> dict[str, Json]:
    return {path[0]: value if len(path) == 1 else _deep(path[1:], value)}


def _joined(one: Json, other: Json) -> Json:
    """Two bodies as one; where both say something, the second counts."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: _joined(one[key], inner) if key in one else inner for key, inner in other.items()}}


def _path(action: ActionType, path: str, values: Mapping[str, Json], user: str | None) -> str:
    named = {one.sent_as: name for name, one in action.spec.parameters.items() if one.place == "path" and one.sent_as}

    def encoded(found: re.Match[str]) -> str:
        name = named.get(found[1], found[1])
        value = text_of(values[name])
        if value == "me" and squash(found[1]) == "userid" and user is not None:
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
    if action.spec.items is None or not action.pages or not values.get("all_pages"):
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
