"""Tables of the documentation that follow from files of the product.

``python -m tests.docs.generated`` puts them into the pages anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import requests

from changewire.actions.definition import ActionType
from changewire.catalog import Catalog, load_catalog
from changewire.connectors.definition import load_connector
from changewire.parameters import Parameter
from changewire.sandbox import Sandbox
from changewire.triggers.definition import TriggerType
from tests.docs.pages import DOCS, PAGES


def catalog() -> Catalog:
    return load_catalog(DOCS.parent)


def scopes() -> Iterator[str]:
    """What each Zoom trigger type needs."""
    yield "| trigger type | granular scopes | classic scopes | smallest plan | also |"
    yield "| --- | --- | --- | --- | --- |"
    for kind in _zoom():
        needs = kind.needs
        cells = (
            _codes(needs.scopes.granular),
            _codes(needs.scopes.classic),
            needs.plan or "free",
            " ".join(needs.notes),
        )
        yield f"| `{kind.type}` | {' | '.join(cells)} |".replace("|  |", "| |")


def labels() -> Iterator[str]:
    """The label of each call that a poll makes."""
    yield "| trigger type | calls of one poll |"
    yield "| --- | --- |"
    for kind in _zoom():
        label = kind.request.label if kind.request else None
        calls = [f"{label} for each page" if kind.paging else f"{label}"]
        if kind.lookup and kind.lookup.path:
            asked = re.search(r"parameters\.(\w+)", kind.lookup.when)
            calls.insert(0, f"{kind.lookup.label} first" + (f", where `{asked[1]}` is a number" if asked else ""))
            if kind.lookup.take > 1:
                calls[-1] += f", up to {kind.lookup.take} times"
        elif kind.lookup:
            calls[-1] += f", {len(kind.lookup.records)} times"
        if kind.detail:
            calls.append(f"{kind.detail.label} for each new one")
        if kind.evidence:
            calls.append(f"{kind.evidence.label} for each that is missing")
        yield f"| `{kind.type}` | {'; '.join(calls)} |"


def limits() -> Iterator[str]:
    """The request limits by plan."""
    zoom = load_connector("zoom")
    names = ("LIGHT", "MEDIUM", "HEAVY")
    yield f"| plan | {' | '.join(names)} |"
    yield "| --- | --- | --- | --- |"
    for plan in zoom.rates:
        cells = []
        for name in names:
            one = zoom.rates[plan][name]
            cells.append(f"{one.second} a second" + (f", {one.day:,} a day" if one.day else ""))
        yield f"| `{plan}` | {' | '.join(cells)} |"


def trigger_types() -> Iterator[str]:
    """Every trigger type with its parameters and payload."""
    for name, kind in sorted(catalog().triggers.items()):
        yield f"### {name}"
        yield ""
        yield kind.description
        yield ""
        yield from _parameters(kind.parameters)
        payload = "free" if isinstance(kind.payload, str) else _codes(kind.payload)
        words = "free" if any("{{" in word for word in kind.event_types) else _codes(kind.event_types)
        yield f"Event types: {words}. Payload: {payload}."
        yield ""


def action_types() -> Iterator[str]:
    """Every action with its parameters and output."""
    for name, action in sorted(catalog().actions.items()):
        yield f"### {name}"
        yield ""
        yield action.spec.description
        yield ""
        yield from _parameters(action.parameters)
        yield f"Output: {_outputs(action)}."
        yield ""


def happenings() -> Iterator[str]:
    """The control calls of the sandbox."""
    yield "| name | arguments | what happens |"
    yield "| --- | --- | --- |"
    for name, takes in _sandbox()["actions"].items():
        cells = [f"[`{one}`]" if default else f"`{one}`" for one, default in _ARGUMENT.findall(takes)]
        cells += ["`...`"] if "**" in takes else []
        about = re.sub(r":meth:`(\w+)`", r"`\1`", _sandbox()["about"][name].replace("``", "`").replace("\n", " "))
        yield f"| `{name}` | {', '.join(cells) or '–'} | {_cell(about)} |"


def switches() -> Iterator[str]:
    """The switches of the sandbox and how they stand at first."""
    yield "| switch | at first |"
    yield "| --- | --- |"
    for name, value in _sandbox()["switches"].items():
        yield f"| `{name}` | `{_yaml(value) if value is not None else 'null'}` |"


@cache
def _sandbox() -> dict[str, dict[str, Any]]:
    with Sandbox(populate=False) as sandbox:
        told: dict[str, dict[str, Any]] = requests.get(f"{sandbox.url}/sandbox", timeout=5).json()
    return told


def _zoom() -> list[TriggerType]:
    return [kind for _, kind in sorted(catalog().triggers.items()) if kind.connector == "zoom"]


def _codes(names: object) -> str:
    return ", ".join(f"`{name}`" for name in names)  # type: ignore[attr-defined]


def _parameters(given: Mapping[str, Parameter]) -> Iterator[str]:
    parameters = {name: one for name, one in given.items() if name != "interval"}  # told once for all
    if parameters:
        yield "| parameter | meaning | type | default |"
        yield "| --- | --- | --- | --- |"
    for name, one in parameters.items():
        default = "required" if one.required else "–" if one.default in (None, "") else f"`{_yaml(one.default)}`"
        limits = f": {_codes(one.enum)}" if one.enum and all(isinstance(w, str) for w in one.enum) else ""
        yield f"| `{name}` | {_cell(one.description)}{limits} | {one.type} | {default} |"
    if parameters:
        yield ""


def _yaml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_yaml(v)}" for k, v in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text.strip().rstrip("."))


def _outputs(action: ActionType) -> str:
    return "; ".join(f"`{name}` ({_cell(what)})" for name, what in action.spec.output.items())


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "scopes": scopes, "labels": labels, "limits": limits, "trigger types": trigger_types, "actions": action_types,
    "happenings": happenings, "switches": switches,
}  # fmt: skip
_ARGUMENT = re.compile(r"(?<!\*)\b(\w+): '[^']*'( = )?")
PLACE = re.compile(r"<!-- generated: ([a-z ]+) -->\n.*?<!-- end -->", re.DOTALL)


def renewed(text: str) -> str:
    """A page with its tables as they ought to be."""

    def table(found: re.Match[str]) -> str:
        body = "\n".join(TABLES[found[1]]()).strip()
        return f"<!-- generated: {found[1]} -->\n\n{body}\n\n<!-- end -->"

    return PLACE.sub(table, text)


def main(pages: list[Path]) -> None:
    for page in pages:
        text = page.read_text()
        if (new := renewed(text)) != text:
            page.write_text(new)


if __name__ == "__main__":
    main(PAGES)
