"""What there is to choose from, with something to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import Command, Options, say
from changewire.cli.completing import complete_name
from changewire.cli.output import print_json, print_table, print_text, print_yaml, to_yaml
from changewire.cli.searching import search, title_of
from changewire.errors import ChangewireError, UsageError, nearest
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.catalog import Catalog
    from changewire.connectors.operations import Operation
    from changewire.parameters import Parameter
    from changewire.triggers.definition import TriggerType

_PLACEHOLDERS: dict[str, Json] = {
    "integer": 1, "number": 1, "boolean": True, "object": {}, "list": [], "string": "…",
    "date": "2026-11-01", "date-time": "2026-11-01T08:00:00Z",
}  # fmt: skip


@click.command(
    cls=Command,
    short_help="List trigger types and actions, or show one.",
    examples=[
        ("changewire catalog", "all trigger types and actions"),
        ("changewire catalog zoom", "those of one API"),
        ("changewire catalog zoom recording", "search, also in everything that the API can do"),
        ("changewire catalog zoom.new_meeting_created", "parameters, needs, payload, YAML to paste"),
        ("changewire catalog --json | jq -r .name", "for programs"),
    ],
)
@click.argument("name", required=False, shell_complete=complete_name)
@click.argument("words", nargs=-1, metavar="[WORD]...")
@click.pass_obj
def catalog(options: Options, name: str | None, words: Sequence[str]) -> int:
    """List trigger types and actions; with NAME show one of them, or all of one API. With more words, search.

    What is searched are names, titles and paths, also of all operations of an API that no action stands for: each of
    them can be used as `zoom.NAME`.

    The home's own types are listed with the built-in ones; outside of a home there are only these. With --json each
    line has kind (trigger or action), name, title, description, connector, parameters, needs and snippet; a trigger
    type also event_types, payload and caveat, an action idempotency, output and sample.
    """
    found = _catalog(options)
    known: dict[str, TriggerType | ActionType] = {**found.triggers, **found.actions}
    connectors = {kind.connector for kind in known.values()}
    if words or (name is not None and name not in connectors and not _find(found, name)):
        chosen = search(found, [*filter(None, [name]), *words], connectors)
        if not chosen:
            raise _nothing(found, name or "", words)
    elif name is not None and name not in connectors:
        kind = _find(found, name)
        assert kind is not None
        shown = view(name if name in known else _name_of(kind), kind)
        print_json(shown) if options.json else _show(shown)
        return 0
    else:
        chosen = {key: kind for key, kind in sorted(known.items()) if name in (None, kind.connector)}
    if options.json:
        for key, kind in chosen.items():
            print_json(view(key, kind))
    else:
        _list(chosen)
        _say_more(name, words)
    return 0


def _find(found: Catalog, name: str) -> TriggerType | ActionType | None:
    return found.triggers.get(name) or found.actions.get(name)


def _name_of(kind: TriggerType | ActionType) -> str:
    from changewire.actions.definition import ActionType

    return kind.name if isinstance(kind, ActionType) else kind.type


def _nothing(found: Catalog, name: str, words: Sequence[str]) -> UsageError:
    if words:
        return UsageError(f"nothing has {' and '.join(words)} in its name, title or path")
    near = nearest(name, found.triggers) or found.actions.near(name)
    hint = f"; did you mean {near!r}?" if near else "; `changewire catalog` lists what there is"
    return UsageError(f"there is no trigger type or action {name!r}{hint}")


def _say_more(name: str | None, words: Sequence[str]) -> None:
    from changewire.connectors.operations import operations

    say("`changewire catalog NAME` shows parameters, needs and YAML to paste")
    count = 0 if words or name is None else len(operations(name))
    if count:
        say(f"`changewire catalog {name} WORD` searches all {count:,} operations of the API")


def _catalog(options: Options) -> Catalog:
    from changewire.catalog import builtin_folder, load_catalog

    try:
        home = options.find_home()
    except UsageError:
        if options.home is not None:
            raise
        home = builtin_folder("triggers").parent
    found = load_catalog(home)
    if found.problems:
        say(f"{len(found.problems)} problems in own types: `changewire validate` tells them")
    return found


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


def _list(chosen: Mapping[str, TriggerType | ActionType]) -> None:
    from changewire.actions.definition import ActionType

    for head, actions in (("trigger type", False), ("action", True)):
        kinds = {
            name: kind
            for name, kind in chosen.items()
            if isinstance(kind, ActionType) is actions and not _is_whole(kind)
        }
        if kinds:
            print_table((head, "what it is"), [(name, title_of(kind)) for name, kind in kinds.items()])
            print_text("")
    rows = [(kind.name, one.title, f"{one.method} {one.path}", one.label, _status(one)) for kind, one in _pairs(chosen)]
    if rows:
        print_table(("operation", "what it is", "request", "label", "status"), rows)
        print_text("")


def _pairs(chosen: Mapping[str, TriggerType | ActionType]) -> list[tuple[ActionType, Operation]]:
    from changewire.actions.definition import ActionType

    kinds = [kind for kind in chosen.values() if isinstance(kind, ActionType) and kind.whole]
    return [(kind, kind.operation) for kind in kinds if kind.operation is not None]


def _is_whole(kind: TriggerType | ActionType) -> bool:
    return bool(getattr(kind, "whole", False))


def _status(one: Operation) -> str | None:
    if one.status in ("current", "new"):
        return None
    return f"{one.status}, use {one.successor}" if one.successor else one.status


def _show(shown: Mapping[str, Any]) -> None:
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


IDEMPOTENCY = {
    "pure": "it changes nothing outside, so it is simply done again",
    "natural": "doing it again comes to the same, so it is done again where nobody knows whether it was done",
    "header": "it carries a key by which the other side knows a repetition, so it is done again",
    "probe": "it is looked first whether it was done, and done again only where it was not",
    "none": "a repetition cannot be told: where nobody knows whether it was done, the run waits for a person",
}


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
