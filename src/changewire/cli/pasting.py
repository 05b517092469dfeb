"""YAML to paste for a trigger type or an action, and the payload that a trigger type makes of its sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from changewire.cli.output import to_yaml
from changewire.errors import ChangewireError
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.parameters import Parameter
    from changewire.triggers.definition import TriggerType

_PLACEHOLDERS: dict[str, Json] = {
    "integer": 1, "number": 1, "boolean": True, "object": {}, "list": [], "string": "…",
    "date": "2026-11-01", "date-time": "2026-11-01T08:00:00Z",
}  # fmt: skip


def sample_payload(kind: TriggerType) -> Json:
    """A payload as the type's own sample makes it; None where that depends on parameters."""
    from changewire.triggers.loading import sample_events

    try:
        return sample_events(kind)[0].payload
    except ChangewireError:
        return None


def snippet(name: str, kind: TriggerType | ActionType) -> str:
    """YAML to paste: a whole workflow for a trigger type, a step for an action."""
    from changewire.actions.definition import ActionType

    sample = kind.spec.sample if isinstance(kind, ActionType) else kind.sample
    written = kind.spec.example if isinstance(kind, ActionType) else None
    given = written or {key: _example(key, each, sample) for key, each in kind.parameters.items() if each.required}
    filled = {"with": given} if given else {}
    if isinstance(kind, ActionType):
        return to_yaml([{"use": name, **filled}])
    steps = [{"use": "core.log", "with": {"message": _message(kind)}}]
    every = {} if kind.source else {"every": "5m"}
    return to_yaml({"name": kind.title, "trigger": {"type": name, **every, **filled}, "steps": steps})


def _message(kind: TriggerType) -> str:
    """A line about an event: with a field of the payload that tells people what it is about, where one is known."""
    own = kind.connector == "http" and kind.shape  # then fields are those of whatever API is watched
    payload = None if own else sample_payload(kind)
    places = {"payload": payload} if isinstance(payload, dict) else {}
    places |= {f"payload.{key}": one for key, one in places.get("payload", {}).items() if key != "changes_detected"}
    for place, fields in places.items():
        found = next((name for name in _TELLING if isinstance(fields, dict) and fields.get(name)), None)
        if found and not kind.source:
            return f"{{{{ event.event_type }}}}: {{{{ {place}.{found} }}}}"
    return "{{ event.event_type }} {{ event.key }}"


_TELLING = (
    "topic", "meeting_topic", "display_name", "device_name", "file_name", "name", "title", "user_name", "message",
    "email", "user_email", "question",
)  # fmt: skip
_EXAMPLES: dict[str, Json] = {
    "meetingid": "85746065432", "webinarid": "95204914252", "userid": "someone@example.com", "path": "/orders",
    "email": "someone@example.com",
}  # fmt: skip
"""What stands for a parameter of such a name; the ``id`` of a sample is mostly that of something inside."""


def _example(name: str, parameter: Parameter, sample: Any) -> Json:
    """A value for a parameter that must be given: out of the sample where it knows one."""
    from changewire.parameters import Parameter, check_values

    if parameter.enum:
        return parameter.enum[0]
    known = _EXAMPLES.get(name.replace("_", "").lower())
    for value in (sample.get(name) if isinstance(sample, Mapping) else None, known):
        fitting, _ = check_values({name: parameter}, {name: value}) if value else ({}, [])
        if name in fitting:
            return fitting[name]
    if name == "url":
        return "https://api.example.com/things"
    if parameter.type == "list" and parameter.min:
        return [_example(name, parameter.entries or Parameter(), sample)]
    if parameter.type == "object" and (parameter.fields or parameter.needs):
        known_fields = parameter.fields or {}
        wanted = {key: one for key, one in known_fields.items() if one.required} or _some(known_fields)
        return {**{key: _example(key, one, None) for key, one in wanted.items()}, **_needed(parameter.needs)}
    return _PLACEHOLDERS.get(parameter.type, "…")


def _some(fields: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Where any field will do, one that people know: the e-mail, else the first."""
    name = "email" if "email" in fields else next(iter(fields), None)
    return {name: fields[name]} if name else {}


def _needed(names: Sequence[str]) -> dict[str, Json]:
    """An object with fields of these names; dots lead further in."""
    made: dict[str, Json] = {}
    for name in names:
        head, _, tail = name.partition(".")
        inner = made.get(head)
        made[head] = {**(inner if isinstance(inner, dict) else {}), **_needed([tail])} if tail else (inner or "…")
    return made
