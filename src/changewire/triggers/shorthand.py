"""What a type file may leave out, filled in: behind this door there is only the long form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from changewire.connectors.definition import connector_names, load_connector
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


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """A type with its connector, and with what the connector and the language themselves say of its parameters."""
    connector = data.get("connector", str(data.get("type", "")).partition(".")[0])
    found = {**data, "connector": connector}
    given = data.get("parameters", {})
    if isinstance(given, dict):
        common = load_connector(connector).parameters if connector in connector_names() else {}
        polled = {} if "source" in data else {"interval": INTERVAL}
        found["parameters"] = {n: _parameter(one, common.get(n, {})) for n, one in given.items()} | polled
    return {"key": "key", "kind": "created", **found} if "source" in data else found


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
