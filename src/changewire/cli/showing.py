"""One trigger type or action type: as it is shown, as a line for programs, and as YAML to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from changewire.cli.output import print_table, print_text, print_yaml, to_yaml
from changewire.errors import ChangewireError
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.connectors.operations import Operation
    from changewire.parameters import Parameter
    from changewire.triggers.definition import TriggerType

_PLACEHOLDERS: dict[str, Json] = {
    "integer": 1, "number": 1, "boolean": True, "object": {}, "list": [], "string": "…",
    "date": "2026-11-01", "date-time": "2026-11-01T08:00:00Z",
}  # fmt: skip
IDEMPOTENCY = {
    "pure": "it changes nothing outside, so it is simply done again",
    "natural": "doing it again comes to the same, so it is done again where nobody knows whether it was done",
    "header": "it carries a key by which the other side knows a repetition, so it is done again",
    "probe": "it is looked first whether it was done, and done again only where it was not",
    "none": "a repetition cannot be told: where nobody knows whether it was done, the run waits for a person",
}


def view(name: str, kind: TriggerType | ActionType) -> dict[str, Json]:
    """One line of ``catalog --json``."""
    from changewire.actions.definition import ActionType

    if isinstance(kind, ActionType):
        spec = kind.spec
        needs: dict[str, Json] = {"plan": spec.plan, "scopes": spec.scopes.model_dump(mode="json"), "notes": []}
        own: dict[str, Json] = {"idempotency": spec.idempotency, "output": spec.output, "sample": spec.sample}
        own |= {"label": spec.label, "operation": _operation(kind.operation)}
        title, description = spec.title, spec.description
    else:
        needs = kind.needs.model_dump(mode="json")
        own = {"event_types": list(kind.event_types), "payload": sample_payload(kind), "caveat": kind.caveat}
        title, description = kind.title, kind.description
    return {
        "v": 1,
        "kind": "action" if isinstance(kind, ActionType) else "trigger",
        "name": name,
        "title": title,
        "description": description,
        "connector": kind.connector,
        "parameters": {key: _parameter(parameter) for key, parameter in kind.parameters.items()},
        "needs": needs,
        **own,
        "snippet": snippet(name, kind),
    }


def _operation(one: Operation | None) -> Json:
    if one is None:
        return None
    return {
        "name": one.name,
        "domain": one.domain,
        "method": one.method,
        "path": one.path,
        "status": one.status,
        "successor": one.successor,
    }


def _parameter(parameter: Parameter) -> dict[str, Json]:
    wanted = ("type", "required", "default", "enum", "min", "max", "description")
    return {key: value for key, value in parameter.model_dump(mode="json").items() if key in wanted}


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
    given = {key: _example(key, each, sample) for key, each in kind.parameters.items() if each.required}
    filled = {"with": given} if given else {}
    if isinstance(kind, ActionType):
        return to_yaml([{"use": name, **filled}])
    message = "{{ event.event_type }} {{ event.key }}"
    steps = [{"use": "core.log", "with": {"message": message}}]
    every = {} if kind.source else {"every": "5m"}
    return to_yaml({"name": kind.title, "trigger": {"type": name, **every, **filled}, "steps": steps})


_EXAMPLES: dict[str, Json] = {"meetingid": "85746065432", "webinarid": "95204914252", "userid": "someone@example.com"}
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
        wanted = {key: one for key, one in (parameter.fields or {}).items() if one.required}
        return {**{key: _example(key, one, None) for key, one in wanted.items()}, **_needed(parameter.needs)}
    return _PLACEHOLDERS.get(parameter.type, "…")


def _needed(names: Sequence[str]) -> dict[str, Json]:
    """An object with fields of these names; dots lead further in."""
    made: dict[str, Json] = {}
    for name in names:
        head, _, tail = name.partition(".")
        inner = made.get(head)
        made[head] = {**(inner if isinstance(inner, dict) else {}), **_needed([tail])} if tail else (inner or "…")
    return made


def show(shown: Mapping[str, Any]) -> None:
    """Print what `view` gave, for people."""
    print_text(f"{shown['name']}  ({'trigger type' if shown['kind'] == 'trigger' else 'action'})")
    print_text(f"{shown['title']}. {shown['description']}")
    if shown["parameters"]:
        print_text("\nParameters (under `with:`)")
        rows = [(key, p["type"], _default(p), _limits(p), p["description"]) for key, p in shown["parameters"].items()]
        print_table(("  name", "type", "default", "limits", "what it is"), [(f"  {r[0]}", *r[1:]) for r in rows])
    _show_request(shown)
    _show_needs(shown["needs"])
    if shown.get("caveat"):
        print_text(f"\nGood to know\n  {shown['caveat']}")
    if "idempotency" in shown:
        print_text(f"\nDone twice\n  {IDEMPOTENCY[shown['idempotency']]} (idempotency: {shown['idempotency']})")
    for key, head in (
        ("event_types", "Event types"),
        ("payload", "Payload (a sample)"),
        ("sample", "Output (a sample)"),
    ):
        if shown.get(key):
            print_text(f"\n{head}")
            print_yaml(shown[key], indent=2)
    print_text("\nTo paste")
    print_text("\n".join(f"  {line}" for line in shown["snippet"].splitlines()))


def _show_request(shown: Mapping[str, Any]) -> None:
    one = shown.get("operation")
    if one is not None:
        label = f", rate label {shown['label']}" if shown["label"] else ""
        print_text(f"\nRequest\n  {one['method']} {one['path']}{label}")
    if one is not None and one["status"] in ("deprecated", "retired"):
        print_text(
            f"  {one['status']}: " + (f"use {one['successor']}" if one["successor"] else "nothing took its place")
        )


def _show_needs(needs: Mapping[str, Any]) -> None:
    lines = [f"  plan: {needs['plan']} or higher"] if needs["plan"] not in (None, "free") else []
    lines += [f"  scope ({kind}): {' or '.join(names)}" for kind, names in needs["scopes"].items() if names]
    lines += [f"  {note}" for note in needs["notes"]]
    if lines:
        print_text("\n".join(["\nNeeds", *lines]))


def _default(parameter: Mapping[str, Any]) -> str | None:
    if parameter["required"]:
        return "required"
    return None if parameter["default"] is None else to_yaml(parameter["default"])


def _limits(parameter: Mapping[str, Any]) -> str | None:
    if parameter["enum"]:
        return ", ".join(map(str, parameter["enum"]))
    least, most = (None if parameter[key] is None else f"{parameter[key]:g}" for key in ("min", "max"))
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else f"at most {most}" if most else None
