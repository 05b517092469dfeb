"""Tables of the documentation that follow from files of the product.

``python -m tests.docs.generated`` puts them into the pages anew.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import requests

from changewire.catalog import Catalog, load_catalog
from changewire.connectors.definition import load_connector
from changewire.connectors.operations import operations
from changewire.sandbox import Sandbox
from changewire.triggers.definition import TriggerType
from tests.docs.domains import DOMAINS, domain
from tests.docs.entries import action_entry, calls, cell, codes, trigger_entry
from tests.docs.pages import DOCS, PAGES, ROOT, anchor

Type = TypeVar("Type")
GENERATED = [*PAGES, ROOT / "README.md"]


@cache
def catalog() -> Catalog:
    return load_catalog(DOCS.parent)


def scopes() -> Iterator[str]:
    """What each Zoom trigger type needs."""
    yield "| trigger type | granular scopes | classic scopes | smallest plan | also |"
    yield "| --- | --- | --- | --- | --- |"
    for kind in _zoom():
        needs = kind.needs
        cells = (
            codes(needs.scopes.granular),
            codes(needs.scopes.classic),
            needs.plan or "free",
            " ".join(needs.notes),
        )
        yield f"| `{kind.type}` | {' | '.join(cells)} |".replace("|  |", "| |")


def labels() -> Iterator[str]:
    """The label of each call that a poll makes."""
    yield "| trigger type | calls of one poll |"
    yield "| --- | --- |"
    yield from (f"| `{kind.type}` | {calls(kind)} |" for kind in _zoom())


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


def trigger_list() -> Iterator[str]:
    """All trigger types, by domain."""
    for page, kinds in _by_domain(catalog().triggers).items():
        yield f"### [{DOMAINS[page]}]({page}.md)"
        yield ""
        yield "| trigger type | what it is | kind | plan |"
        yield "| --- | --- | --- | --- |"
        for name, kind in kinds.items():
            plan = kind.needs.plan or ("free" if kind.connector == "zoom" else "–")
            yield f"| [`{name}`]({page}.md#{anchor(name)}) | {cell(kind.title)} | {', '.join(kind.kind)} | {plan} |"
        yield ""


def action_list() -> Iterator[str]:
    """All actions, by domain."""
    for page, actions in _by_domain(catalog().actions).items():
        yield f"### [{DOMAINS[page]}]({page}.md)"
        yield ""
        yield "| action | what it does | plan |"
        yield "| --- | --- | --- |"
        for name, action in actions.items():
            plan = action.spec.plan or "–"
            yield f"| [`{name}`]({page}.md#{anchor(name)}) | {cell(action.spec.title)} | {plan} |"
        yield ""


def counts() -> Iterator[str]:
    """How much there is."""
    triggers, actions = catalog().triggers, catalog().actions
    zoom = [name for name in triggers if name.startswith("zoom.")]
    yield f"**{len(triggers)} trigger types** ({len(zoom)} of them for Zoom), **{len(list(actions))} actions**, and all"
    yield f"**{len(operations('zoom')):,} operations** of Zoom's API."


def _entries(page: str, *, actions: bool) -> Callable[[], Iterator[str]]:
    def entries() -> Iterator[str]:
        if actions:
            told: dict[str, str] = {}
            for action in _by_domain(catalog().actions)[page].values():
                yield from action_entry(action, told)
        else:
            for kind in _by_domain(catalog().triggers)[page].values():
                yield from trigger_entry(kind)

    return entries


def _by_domain(known: Mapping[str, Type]) -> dict[str, dict[str, Type]]:
    found: dict[str, dict[str, Type]] = {page: {} for page in DOMAINS}
    for name in sorted(known):
        found[domain(name)][name] = known[name]
    return {page: kinds for page, kinds in found.items() if kinds}


def happenings() -> Iterator[str]:
    """The control calls of the sandbox."""
    yield "| name | arguments | what happens |"
    yield "| --- | --- | --- |"
    for name, takes in _sandbox()["actions"].items():
        cells = [f"[`{one}`]" if default else f"`{one}`" for one, default in _ARGUMENT.findall(takes)]
        cells += ["`...`"] if "**" in takes else []
        about = re.sub(r":meth:`(\w+)`", r"`\1`", _sandbox()["about"][name].replace("``", "`").replace("\n", " "))
        yield f"| `{name}` | {', '.join(cells) or '–'} | {cell(about)} |"


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


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "scopes": scopes, "labels": labels, "limits": limits, "happenings": happenings, "switches": switches,
    "trigger list": trigger_list, "action list": action_list, "counts": counts,
    **{f"trigger types {page}": _entries(page, actions=False) for page in _by_domain(catalog().triggers)},
    **{f"actions {page}": _entries(page, actions=True) for page in _by_domain(catalog().actions)},
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
    main(GENERATED)
