"""A request as it would be sent, without its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from changewire.actions.sending import build_request
from changewire.cli.output import print_pretty, print_text
from changewire.connectors.destinations import HEADERS
from changewire.connectors.transport.messages import encode_query
from changewire.secret import STARS
from changewire.values import Json, loads

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.config.connections import Connection
    from changewire.connectors.client import Client


def request_view(kind: ActionType, given: Mapping[str, Json], client: Client) -> dict[str, Json]:
    """Method, URL, query, headers and body of the first request; nobody is asked for it, not even for a token."""
    request = build_request(kind, given, user=client.connection.user)
    base = client.connection.base_url or client.connector.base_url or ""
    prefix = client.connector.api_prefix if request.prefixed else ""
    query: dict[str, Json] = {}
    for name, value in request.query:
        before = query.get(name)
        query[name] = value if before is None else [*_each(before), value]
    return {
        "method": request.method,
        "url": f"{base}{prefix}{request.path}",
        "query": query,
        "headers": {**HEADERS, **_credentials(client.connection), **dict(request.headers)},
        "body": None if request.body is None else loads(request.body),
    }


def _each(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def _credentials(connection: Connection) -> dict[str, str]:
    """The header that the connection signs in with, its value hidden."""
    auth = connection.auth
    if auth.type == "none":
        return {}
    if auth.type == "api_key":
        return {auth.name: STARS} if auth.in_ == "header" else {}
    return {"Authorization": f"{'Basic' if auth.type == 'basic' else 'Bearer'} {STARS}"}


def print_request(view: Mapping[str, Json]) -> None:
    """The request as HTTP writes it."""
    pairs = [(name, one) for name, value in view["query"].items() for one in _each(value)]
    query = f"?{encode_query(tuple(pairs))}" if pairs else ""
    print_text(f"{view['method']} {view['url']}{query}")
    for name, value in view["headers"].items():
        print_text(f"{name}: {value}")
    if view["body"] is not None:
        print_text("")
        print_pretty(view["body"])
