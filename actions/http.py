"""The code of the HTTP actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import urlencode

from changewire.actions.calling import LARGEST_OUTPUT
from changewire.actions.context import ActionContext
from changewire.actions.inputs import revealed
from changewire.config.connections import Connection
from changewire.connectors.client import Answer, Client
from changewire.connectors.messages import Request
from changewire.errors import ApiError, UsageError
from changewire.templates import text_of
from changewire.values import Json, dumps


def request(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Send one request and give status, headers and body of the answer."""
    values = revealed(dict(values))
    headers, body = _body(values)
    headers |= {name: text_of(value) for name, value in (values.get("headers") or {}).items()}
    if values["method"] not in {"GET", "HEAD"}:
        headers.setdefault("Idempotency-Key", context.idempotency_key)
    query = [(name, text_of(value)) for name, value in (values.get("query") or {}).items()]
    asked = Request(
        values["method"],
        values["url"],
        tuple((name, value) for name, value in query if value),
        tuple(headers.items()),
        body,
        ok_statuses=_expected(values.get("expect")),
        guard=_host_comes_from_data(context.written.get("url")),
    )
    with _client(context) as client:
        answer = client.send(asked, deadline=context.deadline, max_bytes=LARGEST_OUTPUT)
    names = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
    return {"status": answer.status, "headers": names, "body": _read(answer)}


def _host_comes_from_data(url: Json) -> bool:
    """Whether an expression decides which host is asked. One that stands in the workflow is the owner's own choice."""
    host = str(url or "{{").partition("://")[2].partition("/")[0]
    return not host or "{{" in host or "{%" in host


def _body(values: Mapping[str, Json]) -> tuple[dict[str, str], bytes | None]:
    given = [name for name in ("json", "form", "body") if values.get(name) is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} cannot be sent together: keep one")
    if not given:
        return {}, None
    value = values[given[0]]
    if given[0] == "json":
        return {"Content-Type": "application/json"}, dumps(value)
    if given[0] == "form":
        pairs = [(name, text_of(one)) for name, one in value.items()]
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(pairs).encode()
    return {"Content-Type": "text/plain; charset=utf-8"}, value.encode()


def _expected(statuses: Json) -> tuple[int, ...]:
    try:
        return tuple(int(status) for status in statuses or ())
    except (TypeError, ValueError):
        raise UsageError("expect must be a list of HTTP statuses, such as [200, 404]") from None


@contextmanager
def _client(context: ActionContext) -> Iterator[Client]:
    """The connection's client, or one without credentials that is closed afterwards."""
    if context.client is not None:
        yield context.client
        return
    connection = Connection.model_validate({"name": "http", "connector": "http"})
    client = Client(connection, context.clock, context.settings.http)
    try:
        yield client
    finally:
        client.close()


def _read(answer: Answer) -> Json:
    try:
        return answer.data
    except ApiError:
        return answer.body.decode("utf-8", "replace")
