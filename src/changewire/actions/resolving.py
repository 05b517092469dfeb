"""Action files say what differs; the rest comes from the table of operations. Here the two become one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from changewire.actions.definition import ActionParameter, ActionSpec, RequestSpec, Scopes, Where
from changewire.connectors.operations import Operation, OperationParameter, operations
from changewire.errors import nearest
from changewire.parameters import Parameter, canonical

_PLACE = re.compile(r"\{(\w+)\}")
_USED = re.compile(r"\bparameters\s*(?:\.\s*(\w+)|\[\s*['\"](\w+)['\"])")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SAID = {  # words for parameters that many operations have
    "page_size": "entries in one page",
    "next_page_token": "the page to read, as the page before it says",
    "page_number": "number of the page to read, from 1",
    "from": "first day or moment",
    "to": "last day or moment",
    "userId": "id or e-mail of the user, or me",
    "meetingId": "which meeting, by its number or the UUID of one session",
    "webinarId": "which webinar, by its number or the UUID of one session",
}


@dataclass(frozen=True)
class Amiss:
    """Something in an action that does not fit its operation or request."""

    at: tuple[str, ...]  # below the action
    message: str
    suggestion: str | None = None
    code: str = "unknown_parameter"


@dataclass
class Resolved:
    """An action with everything in it that its operation gives."""

    spec: ActionSpec
    operation: Operation | None = None
    amiss: list[Amiss] = field(default_factory=list)


def resolve(connector: str, spec: ActionSpec) -> Resolved:
    """``spec`` with method, path, label, scopes and the types and places of its parameters filled in."""
    if spec.operation is None:
        return Resolved(spec) if spec.request is None else _by_request(spec, spec.request)
    known = operations(connector)
    if spec.operation not in known:
        near = known.near(spec.operation)
        message = f"{connector} has no operation {spec.operation!r}; `changewire catalog {connector} WORD` finds them"
        return Resolved(spec, None, [Amiss(("operation",), message, near, "unknown_operation")])
    return _by_operation(spec, known[spec.operation])


def _by_request(spec: ActionSpec, request: RequestSpec) -> Resolved:
    """An action that says itself where its request goes."""
    path, method = request.path or "/", request.method or "GET"
    places, used = set(_PLACE.findall(path)), used_names(request)
    parameters: dict[str, ActionParameter] = {}
    for name, one in spec.parameters.items():
        usual: Where = "path" if name in places else "none" if name in used else _beside_path(method)
        parameters[name] = one.model_copy(update={"place": one.place or usual})
    amiss = list(unfilled(parameters, request, ("request",)))
    changes: dict[str, Any] = {
        "parameters": parameters,
        "request": request.model_copy(update={"method": method, "path": path}),
        "idempotency": _idempotency(spec, method),
    }
    return Resolved(spec.model_copy(update=changes), None, amiss)


def unfilled(parameters: Mapping[str, Parameter], request: RequestSpec, at: tuple[str, ...]) -> Iterator[Amiss]:
    """The places in a request's path that no parameter fills."""
    for place in _PLACE.findall(request.path or ""):
        if place not in parameters:
            message = f"the path asks for {place!r}, which is no parameter of this action"
            yield Amiss((*at, "path"), message, nearest(place, parameters))


def _beside_path(method: str) -> Where:
    return "query" if method in ("GET", "DELETE") else "body"


def _idempotency(spec: ActionSpec, method: str) -> str:
    """Whether the same request may be sent twice: what the file says, else what HTTP says of the method."""
    if "idempotency" in spec.model_fields_set:
        return spec.idempotency
    return "none" if method == "POST" else "natural"


def used_names(request: RequestSpec) -> set[str]:
    """The parameters that the expressions of a request use, which are sent only as these say."""
    return {found[1] or found[2] for text in _texts([request.query, request.body]) for found in _USED.finditer(text)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def _by_operation(spec: ActionSpec, operation: Operation) -> Resolved:
    request = spec.request or RequestSpec()
    merge = _Merge(operation, used_names(request))
    for name, one in spec.parameters.items():
        merge.add(name, one)
    merge.inherit()
    method, path = request.method or operation.method, request.path or operation.path
    scopes = spec.scopes if spec.scopes != Scopes() else Scopes(classic=operation.classic, granular=operation.granular)
    changes: dict[str, Any] = {
        "parameters": merge.parameters,
        "request": request.model_copy(update={"method": method, "path": path}),
        "label": spec.label or operation.label,
        "scopes": scopes,
        "plan": spec.plan or operation.plan,
        "idempotency": _idempotency(spec, method),
        "items": spec.items or operation.items,
        "paging": spec.paging or operation.paging,
    }
    return Resolved(spec.model_copy(update=changes), operation, merge.amiss)


class _Merge:
    """The parameters of an action held against those of its operation."""

    def __init__(self, operation: Operation, used: set[str]) -> None:
        self.operation, self._used = operation, used
        self._path = {one.name: one for one in operation.path_parameters}
        self._query = {one.name: one for one in operation.query_parameters}
        self.parameters: dict[str, ActionParameter] = {}
        self.amiss: list[Amiss] = []

    def add(self, name: str, one: ActionParameter) -> None:
        """Take a parameter that the file writes."""
        known = {**self._query, **self._path}
        sent = canonical(one.sent_as or name, known)
        if one.place in (None, "path", "query") and sent in known and (sent in self._path or name not in self._used):
            place: Where = "path" if sent in self._path else "query"
            proper = name if one.sent_as is not None else sent
            self.parameters[proper] = _typed(one, known[sent], one.place or place, None if proper == sent else sent)
            return
        where = one.place or self._usual(name)
        if where is None or (where == "path" and sent not in self._path):
            message = f"operation {self.operation.name} takes no {one.sent_as or name!r} in its path or query"
            message += ", and has no body: leave it out, or write where it is sent (in:)" if where is None else ""
            self.amiss.append(Amiss(("parameters", name), message, nearest(one.sent_as or name, known)))
        else:
            self.parameters[name] = one.model_copy(update={"place": where})

    def inherit(self) -> None:
        """Take what the operation has and the file does not write."""
        sent = {one.sent_as or name for name, one in self.parameters.items() if one.place in ("path", "query")}
        ahead = {name: made(one, "path") for name, one in self._path.items() if name not in sent}
        rest = {name: made(one, "query") for name, one in self._query.items() if name not in sent | self._used}
        self.parameters = {
            **ahead,
            **self.parameters,
            **{n: one for n, one in rest.items() if n not in self.parameters},
        }

    def _usual(self, name: str) -> Where | None:
        if name in self._used:
            return "none"
        if self.operation.has_body:
            return "body"
        return "query" if self.operation.open_query else None


def _typed(one: ActionParameter, known: OperationParameter, place: Where, sent_as: str | None) -> ActionParameter:
    """A written parameter with what the table knows and the file does not say."""
    written = one.model_fields_set
    told = _told(known)
    if "type" in written and one.type != told["type"]:
        told = {key: value for key, value in told.items() if key in ("required", "uuid")}
    if one.default is not None:
        told.pop("required", None)
    kept = {key: value for key, value in told.items() if key not in written}
    return one.model_copy(update={**kept, "place": place, "sent_as": sent_as})


@cache
def made(known: OperationParameter, place: Where) -> ActionParameter:
    """A parameter as the table knows it."""
    words = _SAID.get(known.name) or _HUMP.sub(" ", known.name).replace("_", " ").lower()
    usual = f"; {known.default} where it is left out" if known.default is not None else ""
    return ActionParameter.model_validate({**_told(known), "description": words + usual, "in": place})


def _told(known: OperationParameter) -> dict[str, Any]:
    told = {"type": known.type, "enum": known.enum, "max": known.max, "required": known.required, "uuid": known.uuid}
    return {key: value for key, value in told.items() if value}
