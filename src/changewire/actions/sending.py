"""The requests of actions: built from parameters, and sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from changewire.actions.forms import encode_form
from changewire.actions.inputs import revealed
from changewire.actions.pages import listing, read_all_pages
from changewire.connectors.operations import squash
from changewire.connectors.path_segments import encode_segment
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.templates import render, text_of
from changewire.values import Json, dumps, loads

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, RequestSpec
    from changewire.connectors.client import Client

SPREAD = "*"  # as: "*" sends the fields of an object, not the object
NOT_THERE = frozenset({FailureClass.GONE, FailureClass.NOT_YET})
_PLACE = re.compile(r"\{(\w+)\}")


def build_request(
    action: ActionType,
    values: Mapping[str, Json],
    *,
    user: str | None = None,
    idempotency_key: str | None = None,
    home: Path | None = None,
) -> Request:
    """The first request of a request action. ``user`` stands in for ``me`` in the path; None: it stays ``me``.

    ``home`` is where the files of a form are; None: only their names are sent, for showing the request.
    """
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
    if action.operation is not None and action.operation.body == "form":
        kind, form = _form(action, written, values, home, idempotency_key or "form")
        return replace(request, query=query, headers=(("Content-Type", kind), *headers), body=form)
    return replace(request, query=query, headers=(*_json_headers(written), *headers), body=_json(written))


def _form(
    action: ActionType, fields: Json, values: Mapping[str, Json], home: Path | None, key: str
) -> tuple[str, bytes]:
    """Content type and body of a form. Raises UsageError where a field that it must have is missing."""
    files = revealed(values.get("files") or {})
    form = revealed(fields or {})
    assert action.operation is not None
    lacking = [name for name in action.operation.required_body if name not in {**form, **files}]
    if lacking:
        raise UsageError(f"{action.name}: body and files lack {', '.join(lacking)}")
    if home is None:
        return "multipart/form-data", dumps({**form, **files})
    return encode_form(home, form, files, key)


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
    """Send the request of an action and give the answer, all pages of it where that is asked for. Raises ApiError.

    Where an earlier attempt may have done it, a DELETE of what is not there any more has succeeded: it gives None.
    """
    many = action.pages and bool(values.get("all_pages"))
    user, key = client.connection.user, context.idempotency_key
    given = _widest(action, values) if many else values
    request = build_request(action, given, user=user, idempotency_key=key, home=context.home)
    if not many:
        return _once(request, client, context)
    which = listing(action.name, action.spec.items, action.spec.paging, client, context.clock)
    return read_all_pages(which, request, client, context.deadline, context.reach)


def _once(request: Request, client: Client, context: ActionContext) -> Json:
    try:
        return client.send(request, deadline=context.deadline).data
    except ApiError as error:
        if request.method == "DELETE" and context.look_first and error.failure in NOT_THERE:
            return None  # the earlier attempt, whose answer never came, did it
        raise


def _widest(action: ActionType, values: Mapping[str, Json]) -> Mapping[str, Json]:
    """``values`` with the largest pages that there are, where nobody said how large: fewer requests for the same."""
    size = action.spec.parameters.get("page_size")
    if "page_size" in values or size is None or size.max is None or size.place != "query":
        return values
    return {**values, "page_size": int(size.max)}
