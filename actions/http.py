"""The code of the HTTP actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from changewire.actions.answers import Checks, check_answer, make_checks
from changewire.actions.calling import LARGEST_OUTPUT
from changewire.actions.context import ActionContext
from changewire.actions.files import strict_place, write_whole
from changewire.actions.forms import encode_form
from changewire.actions.inputs import revealed
from changewire.actions.provenance import named_origin
from changewire.config.connections import Connection
from changewire.config.fields import parse_size
from changewire.connectors.client import Client
from changewire.connectors.transport.messages import MAX_BYTES, Answer, Request
from changewire.errors import ApiError, UsageError
from changewire.templates import text_of
from changewire.values import Json, dumps

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def request(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Send one request and give status, headers and body of the answer."""
    values = revealed(dict(values))
    headers, body = _body(context, values)
    headers |= {name: text_of(value) for name, value in (values.get("headers") or {}).items()}
    if values["method"] not in _READING and not any(name.lower() == "idempotency-key" for name in headers):
        headers["Idempotency-Key"] = context.idempotency_key
    asked = Request(
        values["method"],
        values["url"],
        tuple(_query(values.get("query") or {})),
        tuple(headers.items()),
        body,
        ok_statuses=_expected(values.get("expect")),
        named=named_origin(context, "url"),
    )
    checks = make_checks(values.get("expect_json") or {})
    target = strict_place(context.home / "state" / "files", values["save_to"]) if values.get("save_to") else None
    with _client(context) as client:
        answer = client.send(asked, deadline=context.deadline, max_bytes=_most(values, saved=target is not None))
    return _told(context, answer, checks, target)


def _told(context: ActionContext, answer: Answer, checks: Checks, target: Path | None) -> Json:
    if checks:
        check_answer(checks, answer.data)
    if target is not None:
        write_whole(target, lambda file: file.write(answer.body))
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
    return {
        "status": answer.status,
        "headers": headers,
        "body": _read(answer) if target is None else None,
        "url": answer.url,
        "path": str(target.relative_to(context.home)) if target is not None else None,
        "size": len(answer.body),
    }


def _query(query: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for name, value in query.items():
        for one in value if isinstance(value, list) else [value]:
            if text := text_of(one):
                yield name, text


def _most(values: Mapping[str, Json], *, saved: bool) -> int:
    given = values.get("max_bytes")
    usual = MAX_BYTES if saved else LARGEST_OUTPUT
    return usual if given is None else min(parse_size(given), MAX_BYTES)


def _body(context: ActionContext, values: Mapping[str, Json]) -> tuple[dict[str, str], bytes | None]:
    given = [name for name in ("json", "form", "files", "body") if values.get(name) is not None]
    if len(given) > 1 and given != ["form", "files"]:
        raise UsageError(f"{' and '.join(given)} cannot be sent together: keep one")
    if not given:
        return {}, None
    if "files" in given:
        kind, parts = encode_form(context.home, values.get("form") or {}, values["files"], context.idempotency_key)
        return {"Content-Type": kind}, parts
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
