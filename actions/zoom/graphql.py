"""The code of the GraphQL action."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from changewire.actions.context import ActionContext
from changewire.actions.inputs import revealed
from changewire.connectors.client import Client
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import mask
from changewire.values import Json, dumps

_PATH = "/v3/graphql"
_CURSOR = re.compile(r"\$after\b")
_MOST_SHOWN = 5  # errors in a message
_CLASSES = {
    "UNAUTHENTICATED": FailureClass.CREDENTIAL,
    "FORBIDDEN": FailureClass.SCOPE,
    "UNAUTHORIZED": FailureClass.SCOPE,
    "NOT_FOUND": FailureClass.GONE,
    "TOO_MANY_REQUESTS": FailureClass.RATE,
    "INTERNAL_SERVER_ERROR": FailureClass.TRANSIENT,
}


def graphql(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Ask, and give what came under ``data``."""
    values = revealed(dict(values))
    if context.client is None:
        raise UsageError("zoom.graphql needs a connection of zoom")
    body = {"query": values["query"], "variables": values.get("variables") or {}}
    if values.get("operationName"):
        body["operationName"] = values["operationName"]
    if not values["all_pages"]:
        return {"data": _ask(context.client, body, context.deadline)}
    if not _CURSOR.search(values["query"]):
        raise UsageError("all_pages: the query needs a variable $after: query($after: String) { … after: $after }")
    return {"data": _all_pages(context, context.client, body)}


def _ask(client: Client, body: Mapping[str, Json], deadline: float) -> dict[str, Any]:
    headers = (("Content-Type", "application/json"),)
    request = Request("POST", _PATH, headers=headers, body=dumps(body), label="HEAVY", prefixed=False)
    answer = client.send(request, deadline=deadline).data
    if not isinstance(answer, dict):
        raise ApiError("GraphQL answered something that is no object", FailureClass.BROKEN)
    if answer.get("errors"):
        raise _error(answer["errors"])
    if not isinstance(answer.get("data"), dict):
        raise ApiError("GraphQL answered neither data nor errors", FailureClass.BROKEN)
    return dict(answer["data"])


def _error(errors: Json) -> ApiError:
    told = [one for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    words = "; ".join(_words(one) for one in told[:_MOST_SHOWN]) or "no explanation"
    codes = [str((one.get("extensions") or {}).get("code", "")) for one in told if _has_code(one)]
    failure = next((_CLASSES[code] for code in codes if code in _CLASSES), FailureClass.BAD_INPUT)
    return ApiError(f"GraphQL answered with errors: {mask(words)}", failure, code=next(iter(codes), None))


def _has_code(error: Mapping[str, Json]) -> bool:
    return isinstance(error.get("extensions"), dict) and "code" in error["extensions"]


def _words(error: Mapping[str, Json]) -> str:
    path = error.get("path")
    place = ".".join(str(part) for part in path) + ": " if isinstance(path, list) and path else ""
    return place + str(error.get("message", "no explanation"))[:300]


def _all_pages(context: ActionContext, client: Client, body: dict[str, Json]) -> dict[str, Any]:
    """The first answer with the edges of all pages in the one list that has a cursor."""
    first: dict[str, Any] | None = None
    edges: list[Json] = []
    seen: set[str] = set()
    cursor = ""
    for _ in range(context.reach.pages):
        variables = {**body["variables"], "after": cursor} if cursor else body["variables"]
        data = _ask(client, {**body, "variables": variables}, context.deadline)
        listed = next(_lists(data), None)
        if listed is None:
            raise UsageError("all_pages: the query asks for no list with edges and pageInfo { cursor }")
        first = data if first is None else first
        edges += listed["edges"]
        cursor = str(listed["pageInfo"].get("cursor") or "")
        if not cursor or (context.reach.limit is not None and len(edges) >= context.reach.limit):
            whole = next(_lists(first))
            whole["edges"], whole["pageInfo"] = edges[: context.reach.limit], {**whole["pageInfo"], "cursor": ""}
            return first
        if cursor in seen:
            raise ApiError("zoom.graphql: the same page comes again and again", FailureClass.BROKEN)
        seen.add(cursor)
    raise UsageError(f"zoom.graphql: more than {context.reach.pages} pages; ask for less or set all_pages: false")


def _lists(data: Json) -> Iterator[dict[str, Any]]:
    """The lists in an answer that come in pages, from the outside in."""
    if isinstance(data, dict):
        if isinstance(data.get("edges"), list) and isinstance(data.get("pageInfo"), dict):
            yield data
        for inner in data.values():
            yield from _lists(inner)
