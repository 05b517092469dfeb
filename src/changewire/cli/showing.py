"""One trigger type or action type: as it is shown, and as a line for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from changewire.cli.output import print_table, print_text, print_yaml, shorten
from changewire.cli.pasting import sample_payload, snippet
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.connectors.operations import Operation
    from changewire.parameters import Parameter
    from changewire.triggers.definition import TriggerType

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
    shown = {key: value for key, value in parameter.model_dump(mode="json").items() if key in wanted}
    if parameter.fields:
        shown["fields"] = {key: _parameter(each) for key, each in parameter.fields.items()}
    if parameter.entries:
        shown["entries"] = _parameter(parameter.entries)
    return shown


def show(shown: Mapping[str, Any]) -> None:
    """Print what `view` gave, for people."""
    print_text(f"{shown['name']}  ({'trigger type' if shown['kind'] == 'trigger' else 'action'})")
    print_text(*f"{shown['title']}. {shown['description']}".splitlines())
    if shown["parameters"]:
        print_text("", "Parameters (under `with:`)")
        columns = ("  name", "type", "default", "limits", "what it is")
        print_table(columns, list(_rows(shown["parameters"], "  ")), whole=columns[:1])
    _show_request(shown)
    _show_needs(shown["needs"])
    if shown.get("caveat"):
        print_text("", "Good to know", *(f"  {line}" for line in shown["caveat"].splitlines()))
    if "idempotency" in shown:
        print_text("", "Done twice", f"  {IDEMPOTENCY[shown['idempotency']]} (idempotency: {shown['idempotency']})")
    for key, head in (
        ("event_types", "Event types"),
        ("payload", "Payload (a sample)"),
        ("sample", "Output (a sample)"),
    ):
        if shown.get(key):
            print_text("", head)
            print_yaml(shown[key], indent=2)
    print_text("", "To paste", *(f"  {line}" for line in shown["snippet"].splitlines()))


def _rows(parameters: Mapping[str, Any], before: str) -> Iterator[tuple[str | None, ...]]:
    """A row for each parameter, followed by those of what is known to be in it: ``settings.host_video``."""
    for key, one in parameters.items():
        yield before + key, one["type"], _default(one), _limits(one), one["description"]
        yield from _rows(one.get("fields", {}), f"{before}{key}.")
        yield from _rows(one.get("entries", {}).get("fields", {}), f"{before}{key}[].")


def _show_request(shown: Mapping[str, Any]) -> None:
    one = shown.get("operation")
    if one is not None:
        label = f", rate label {shown['label']}" if shown["label"] else ""
        print_text("", "Request", f"  {one['method']} {one['path']}{label}")
    if one is not None and one["status"] in ("deprecated", "retired"):
        print_text(
            f"  {one['status']}: " + (f"use {one['successor']}" if one["successor"] else "nothing took its place")
        )


def _show_needs(needs: Mapping[str, Any]) -> None:
    lines = [f"  plan: {needs['plan']} or higher"] if needs["plan"] not in (None, "free") else []
    lines += [f"  scope ({kind}): {' or '.join(names)}" for kind, names in needs["scopes"].items() if names]
    lines += [f"  {note}" for note in needs["notes"]]
    if lines:
        print_text("", "Needs", *lines)


def _default(parameter: Mapping[str, Any]) -> str | None:
    if parameter["required"]:
        return "required"
    return None if parameter["default"] is None else shorten(parameter["default"], 200)


def _limits(parameter: Mapping[str, Any]) -> str | None:
    if parameter["enum"]:
        return ", ".join(map(str, parameter["enum"]))
    least, most = (None if parameter[key] is None else f"{parameter[key]:g}" for key in ("min", "max"))
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}" if least else f"at most {most}" if most else None
