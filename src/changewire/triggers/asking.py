"""One request out of what a type and the parameters of a workflow say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from changewire.connectors.paging import merge_query
from changewire.connectors.path_segments import encode_segment
from changewire.connectors.transport.addresses import literal_origin, split_url
from changewire.connectors.transport.messages import Request
from changewire.errors import PollError
from changewire.paths import MISSING, get, parse_path
from changewire.templates import has_expression, literal_part
from changewire.triggers.binding import Reader
from changewire.triggers.comparing import Scope
from changewire.triggers.definition import RequestSpec
from changewire.triggers.expressions import EXPRESSIONS
from changewire.values import Json, dumps_text

_MOVING = re.compile(r"\b(now|lookup|outer)\b")
_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_.]*)(:uuid)?\}")


def main_request(reader: Reader, scope: Scope, window: tuple[tuple[str, str], ...]) -> Request:
    """The request for what is watched. Where nothing in it moves with the time it is worked out once."""
    if reader.kept:
        return reader.kept[0]
    spec = reader.kind.request
    assert spec is not None  # a type without one is never polled
    request = build_request(spec, reader, scope, window)
    if not window and not _MOVING.search(dumps_text([spec.path, spec.query, spec.headers])):
        reader.kept.append(request)
    return request


def build_request(spec: RequestSpec, reader: Reader, scope: Scope, more: tuple[tuple[str, str], ...] = ()) -> Request:
    """The request that ``spec`` describes. Raises PollError where the path asks for something that is not there."""
    path = _path_of(spec, reader, scope)
    named = None if path.startswith("/") else _named_origin(path, spec, reader)
    query = [pair for name, value in EXPRESSIONS.render(spec.query, scope).items() for pair in _pairs(name, value)]
    headers = [(name, _query_text(value)) for name, value in EXPRESSIONS.render(spec.headers, scope).items()]
    return Request(
        method="GET",
        path=path,
        query=merge_query(tuple((name, text) for name, text in query if text), more),
        headers=tuple(headers),
        label=spec.label,
        named=named,
        linked=named is None and not path.startswith("/"),
    )


def _named_origin(path: str, spec: RequestSpec, reader: Reader) -> str | None:
    """Return the origin of ``path`` if it stands literally in the type's path or in a parameter; None: it is data."""
    origin, _ = split_url(path)
    literals = [literal_origin(*literal_part(spec.path))]
    literals += [literal_origin(value, True) for value in reader.parameters.values() if isinstance(value, str)]
    return origin if origin in literals else None


def names_in_path(path: str) -> Mapping[str, bool]:
    """The placeholders of a path, and whether each is written as a UUID; a template has none."""
    return {} if has_expression(path) else {m[1]: bool(m[2]) for m in _PLACEHOLDER.finditer(path)}


def _path_of(spec: RequestSpec, reader: Reader, scope: Scope) -> str:
    if has_expression(spec.path):  # what it gives is a path as it is, braces and all
        return str(EXPRESSIONS.render(spec.path, scope))
    return _PLACEHOLDER.sub(lambda m: _segment(m[1], bool(m[2]), reader, scope), spec.path)


def _segment(name: str, uuid: bool, reader: Reader, scope: Scope) -> str:
    head = name.partition(".")[0]
    if head in ("lookup", "outer", "item") and "." in name:
        value = get(scope[head], parse_path(name.partition(".")[2]))
    else:
        value = reader.parameters.get(name)
        uuid = uuid or reader.kind.parameters[name].uuid
    if value in (MISSING, None, ""):
        raise PollError(f"the request's path needs {name}, and there is none")
    return encode_segment(str(value), uuid=uuid)


def _pairs(name: str, value: Json) -> list[tuple[str, str]]:
    """``state: [open, new]`` → ``state=open&state=new``."""
    return [(name, _query_text(one)) for one in (value if isinstance(value, list) else [value])]


def _query_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return dumps_text(value)
    return "" if value is None else str(value)
