"""What the reference says of one trigger type or one action."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from changewire.actions.definition import ActionType
from changewire.cli.pasting import sample_payload, snippet
from changewire.cli.showing import IDEMPOTENCY
from changewire.durations import format_duration
from changewire.parameters import Parameter, spread
from changewire.triggers.definition import TriggerType
from changewire.values import Json
from tests.docs.pages import anchor

WIDTH = 110
UNTOLD = {"interval", "connection", "account", "all_pages"}  # told once for all
KINDS = {
    "created": "what is new",
    "updated": "what differs",
    "status": "another value of `{status}`",
    "deleted": "what is gone",
}


def trigger_entry(kind: TriggerType) -> Iterator[str]:
    """The whole section of a trigger type."""
    yield f"## {kind.type}"
    yield ""
    yield f"**{kind.title}.** {kind.description}"
    yield ""
    yield from _fenced("yaml", snippet(kind.type, kind).rstrip())
    yield from _parameters(kind.type, kind.parameters, {})
    yield f"- Notices: {_notices(kind)}"
    yield f"- Event types: {_words(kind)}. Payload: {_payload(kind)}."
    yield from _request(kind)
    yield from _needs(kind.needs.plan, kind.needs.scopes.granular, kind.needs.scopes.classic, kind.needs.notes)
    if kind.caveat:
        yield f"- Good to know: {kind.caveat}"
    yield ""
    yield from _sample("A payload", sample_payload(kind))


def action_entry(action: ActionType, told: dict[str, str]) -> Iterator[str]:
    """The whole section of an action. ``told``: which action of the page told of the fields of an object first."""
    spec = action.spec
    yield f"## {action.name}"
    yield ""
    yield f"**{spec.title}.** {spec.description}"
    yield ""
    yield from _fenced("yaml", snippet(action.name, action).rstrip())
    yield from _parameters(action.name, action.parameters, told)
    if action.operation is not None:
        label = f", rate label {spec.label}" if spec.label else ""
        yield f"- Request: `{action.operation.method} {action.operation.path}`{label}."
    yield from _needs(spec.plan, spec.scopes.granular, spec.scopes.classic, ())
    yield f"- Done twice (`{spec.idempotency}`): {IDEMPOTENCY[spec.idempotency]}."
    if action.pages:
        yield "- The answer is a list; all pages are read unless `all_pages: false`."
    yield ""
    if spec.output:
        yield "| output | meaning |"
        yield "| --- | --- |"
        yield from (f"| `{name}` | {cell(what)} |" for name, what in spec.output.items())
    else:
        yield "There is no output."
    yield ""
    yield from _sample("Its output", spec.sample)


def codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", re.sub(r"\s+", " ", text).strip().rstrip("."))


def compact(value: Json, indent: int = 0, width: int = WIDTH) -> str:
    """JSON in as few lines as fit.

    >>> compact({"a": [1, 2]})
    '{"a": [1, 2]}'
    """
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(line) + indent <= width:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {compact(one, indent + 2, width - len(key) - 5)}" for key, one in value.items()]
    else:
        parts = [compact(one, indent + 2, width) for one in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{' ' * indent}{closing}"


def _notices(kind: TriggerType) -> str:
    told = " and ".join(KINDS[one].format(status=kind.status) for one in kind.kind)
    names = f" (`kind: {kind.kind[0]}`)" if len(kind.kind) == 1 else f" (`kind: [{', '.join(kind.kind)}]`)"
    if kind.source is not None:
        return f"what is raised inside{names}."
    by = " else ".join(" with ".join(f"`{part}`" for part in parts) for parts in kind.key)
    if kind.shape.get("key"):
        by = "the parameter `key`"
    text = f"{told}{names}; told apart by {by}{', and counted where they are alike' if kind.counts_alike else ''}."
    if kind.window is not None:
        text += f" Every poll looks back {format_duration(kind.window.lookback)}."
    if "deleted" in kind.kind:
        sure = ", and only if a request for it says so" if kind.evidence is not None else ""
        text += f" Gone is what is missing in {kind.absences} polls in a row{sure}."
    if kind.created_at:
        text += " What was made long before the watch began is not new."
    return text


def calls(kind: TriggerType) -> str:
    """What one poll asks, by rate label."""
    label = (kind.request.label if kind.request else None) or "no label"
    told = f"{label} for each page" if kind.paging else label
    look = kind.lookup
    if look is not None and not look.path:
        told += f", {len(look.records)} times"
    elif look is not None:
        told = f"{look.label}{_when(look.when)} first; {told}" + (f", up to {look.take} times" if look.take > 1 else "")
    for asked, each in ((kind.detail, "each new one"), (kind.evidence, "each that is missing")):
        if asked is not None:
            told += f"; {asked.label} for {each}"
    return told


def _when(when: str) -> str:
    number = re.search(r"parameters\.(\w+)", when)
    return f", where `{number[1]}` is a number," if number else ""


def _words(kind: TriggerType) -> str:
    return "any" if any("{{" in word for word in kind.event_types) else codes(kind.event_types)


def _payload(kind: TriggerType) -> str:
    return "any" if isinstance(kind.payload, str) else codes(kind.payload)


def _request(kind: TriggerType) -> Iterator[str]:
    if kind.request is not None and kind.connector == "zoom":
        yield f"- Request: `GET {kind.request.path}`. A poll costs {calls(kind)}."


def _needs(plan: str | None, granular: Iterable[str], classic: Iterable[str], notes: Iterable[str]) -> Iterator[str]:
    told = [f"plan `{plan}` or higher"] if plan not in (None, "free") else []
    scopes = [
        f"{word} scope {' or '.join(f'`{one}`' for one in names)}"
        for word, names in (("granular", granular), ("classic", classic))
        if names
    ]
    told += [", or the ".join(scopes)] if scopes else []
    if told or notes:
        yield "- Needs: " + ". ".join(filter(None, ["; ".join(told), " ".join(notes).rstrip(".")])) + "."


def _fenced(language: str, text: str) -> Iterator[str]:
    yield f"```{language}"
    yield text
    yield "```"
    yield ""


def _sample(head: str, sample: Json) -> Iterator[str]:
    if sample is not None:
        yield f"{head}:"
        yield ""
        yield from _fenced("json", compact(_shortened(sample)))


def _shortened(sample: Json) -> Json:
    """Of a list of records only the first: the others look like it."""
    if isinstance(sample, dict):
        return {key: _shortened(one) for key, one in sample.items()}
    if not isinstance(sample, list):
        return sample
    more = len(sample) - 1 if isinstance(sample[:1] and sample[0], dict) else 0
    return [_shortened(sample[0]), f"… and {more} more"] if more else [_shortened(one) for one in sample]


def _parameters(owner: str, given: Mapping[str, Parameter], told: dict[str, str]) -> Iterator[str]:
    parameters = {name: one for name, one in given.items() if name not in UNTOLD}
    if parameters:
        yield "| parameter | meaning | type | default |"
        yield "| --- | --- | --- | --- |"
    for name, one in parameters.items():
        inner = list(spread({name: one}))[1:]
        first = told.setdefault("".join(f"{key}={each}" for key, each in inner), owner) if inner else owner
        more = "" if first == owner else f"; its fields are [those of `{first}`](#{anchor(first)})"
        yield _row(name, one, more)
        yield from (_row(key, each) for key, each in inner if first == owner)
    if parameters:
        yield ""


def _row(name: str, one: Parameter, more: str = "") -> str:
    default = "required" if one.required else "–" if one.default in (None, "") else f"`{_yaml(one.default)}`"
    words = codes(str(word) for word in one.enum) if one.enum else ""
    meaning = ": ".join(filter(None, [cell(one.description), words])) or "–"
    return f"| `{name}` | {meaning}{more} | {one.type} | {default} |"


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)
