"""What a type file may leave out, filled in: behind this door there is only the long form."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from changewire.config.fields import refused
from changewire.connectors.definition import connector_names, load_connector
from changewire.connectors.operations import Operation, operations
from changewire.values import Json, dumps_text

OTHERWISE = "otherwise"
"""The condition of the event type that an event has when it has no other."""
INTERVAL = {
    "type": "number",
    "min": 0.01,
    "tuning": True,
    "description": "Minutes between two polls; the workflow's own `every` goes before it.",
}
"""A parameter that every type has."""


PLANS = ("free", "pro", "business")
"""From the smallest to the largest."""
REQUESTS = ("request", "lookup", "detail", "evidence")
_PLACE = re.compile(r"\{(\w+)\}")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """A type with what its connector, the table of operations and the language itself say of it. Raises
    PydanticCustomError where it names an operation that there is not.
    """
    connector = data.get("connector", str(data.get("type", "")).partition(".")[0])
    found = {**data, "connector": connector}
    connector = connector if isinstance(connector, str) else ""  # whatever else it is, is refused later
    used = {part: _operation(connector, part, data[part]) for part in REQUESTS if _names_operation(data.get(part))}
    for part, operation in used.items():
        found[part] = {"path": _path(operation), "label": operation.label, **data[part]}
    if "request" in used:
        found = _in_pages(found, used["request"])
    if used:
        found["needs"] = _needs(found.get("needs", {}), used)
    given = found.get("parameters", {})
    if isinstance(given, dict):
        common = load_connector(connector).parameters if connector in connector_names() else {}
        words = {name: _parameter(one, common.get(name, {})) for name, one in given.items()}
        found["parameters"] = words | ({} if "source" in data else {"interval": INTERVAL})
    return {"key": "key", "kind": "created", **found} if "source" in data else found


def _names_operation(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("operation"), str)


def _operation(connector: str, part: str, spec: Mapping[str, Any]) -> Operation:
    known, name = operations(connector), spec["operation"]
    if name not in known:
        told = f"{connector} has no operation {name!r}" if known else f"{connector} has no table of operations"
        at = (part, "operation")
        raise refused(f"{told}: write `path`", code="unknown_operation", at=at, suggestion=known.near(name))
    operation = known[name]
    if operation.method != "GET":
        raise refused(
            f"{name} changes something, and a trigger only reads", code="unfit_operation", at=(part, "operation")
        )
    if "path" in spec and _shape(str(spec["path"])) != _shape(operation.path):
        told = f"the path of {name} is {operation.path}, to be filled otherwise, but not another one"
        raise refused(told, code="unfit_operation", at=(part, "path"))
    return operation


def _shape(path: str) -> list[str]:
    """The parts of a path that always stay."""
    return [re.sub(r"\{[^{}]*\}", "{}", part) for part in path.split("/")]


def _path(operation: Operation) -> str:
    """The path with the names of parameters in it: ``{userId}`` becomes ``{user_id}``."""
    return _PLACE.sub(lambda place: "{" + _HUMP.sub("_", place[1]).lower() + "}", operation.path)


def _in_pages(data: Mapping[str, Any], operation: Operation) -> dict[str, Any]:
    """How the operation's list goes on, with a parameter for the size of a page where it has one."""
    found = dict(data)
    if not data.get("items"):
        return found
    if operation.paging in ("token", "token_or_page"):  # without a token the page is the last one, numbers or not
        found.setdefault("paging", {"kind": "token"})
    size = next((one for one in operation.query_parameters if one.name == "page_size"), None)
    query, parameters = data["request"].get("query", {}), data.get("parameters", {})
    given = (parameters.get("page_size") or {}) if isinstance(parameters, dict) else None
    if size is not None and isinstance(query, dict) and isinstance(given, dict):
        limits = {"max": size.max, "default": int(size.default) if size.default else None}
        own = {**{name: limit for name, limit in limits.items() if limit}, **given}
        found["parameters"] = {**parameters, "page_size": own}
        found["request"] = {**data["request"], "query": {"page_size": "{{ parameters.page_size }}", **query}}
    return found


def _needs(given: Any, used: Mapping[str, Operation]) -> Any:
    """Plan and scopes of the main operation, where nothing else is said, and those of other requests as notes."""
    if not isinstance(given, dict) or not isinstance(given.get("notes", []), list):
        return given
    main = used.get("request")
    notes = [
        f"Also {' or '.join(_lean(one.granular))} with granular scopes: {one.title[:1].lower()}{one.title[1:]}."
        for one in dict.fromkeys(used.values())
        if one is not main and one.granular and not (main and set(_lean(one.granular)) & set(_lean(main.granular)))
    ]
    own = {"scopes": {"classic": _lean(main.classic), "granular": _lean(main.granular)}} if main else {}
    plans = [one.plan for one in used.values() if one.plan]
    plan = {"plan": max(plans, key=PLANS.index)} if plans else {}
    return {**plan, **own, **given, "notes": [*given.get("notes", ()), *notes]}


def _lean(scopes: Sequence[str]) -> list[str]:
    """Those that a person would choose: none for master accounts, and none to write where one to read is enough."""
    own = [scope for scope in scopes if not scope.endswith(":master")]
    return [scope for scope in own if ":write" not in scope] or own


def long_form(data: Mapping[str, Any]) -> dict[str, Any]:
    """A type with its event type and its payload written out."""
    found = dict(data)
    found.setdefault("event_type", str(data.get("type", "")).rpartition(".")[2])
    flat = data.get("fields")
    payload = data.get("payload", {} if flat else "item")
    if isinstance(payload, str) and "{{" not in payload:
        payload = _payload(payload, data.get("kind"))
    if isinstance(payload, dict) and isinstance(flat, dict):
        payload = {**payload, **{name: _field(name, empty) for name, empty in flat.items()}}
    return {**found, "payload": payload}


def _parameter(given: Any, common: Mapping[str, Any]) -> Any:
    """What is said of a parameter, and what the connector says of that name besides."""
    if given is not None and not isinstance(given, dict):
        return given
    given = given or {}
    left = {"default"} if given.get("required") else {"required"} if "default" in given else set()
    return {**{word: value for word, value in common.items() if word not in left}, **given}


def _payload(name: str, kind: Any) -> dict[str, Any]:
    kinds = kind if isinstance(kind, list | tuple) else [kind]
    payload = {"event_type": "{{ event_type }}", name: "{{ detail }}"}
    if {"updated", "status"} & {one for one in kinds if isinstance(one, str)}:
        payload["changes_detected"] = "{{ changes | as_fields }}"
    return payload


def _field(name: str, empty: Json) -> str:
    """The field of the detail, else of the item, else ``empty``; text stays text."""
    otherwise = dumps_text(empty) if empty is not None else "none"
    text = " | string" if isinstance(empty, str) else ""
    return f"{{{{ detail.{name} | default(item.{name} | default({otherwise}, true), true){text} }}}}"
