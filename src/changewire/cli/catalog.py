"""What there is to choose from, with something to paste."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING

import click

from changewire.cli.base import Command, Options, say
from changewire.cli.completing import complete_name
from changewire.cli.output import print_json, print_table, print_text
from changewire.cli.searching import search, title_of
from changewire.cli.showing import show, view
from changewire.errors import UsageError, nearest

if TYPE_CHECKING:
    from pathlib import Path

    from changewire.actions.definition import ActionType
    from changewire.catalog import Catalog
    from changewire.connectors.operations import Operation
    from changewire.triggers.definition import TriggerType


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
    name = name.lower() if name is not None and name.lower() in connectors else name
    if words or (name is not None and name not in connectors and not _find(found, name)):
        chosen = _searched(found, [*filter(None, [name]), *words], connectors)
    elif name is not None and name not in connectors:
        kind = _find(found, name)
        assert kind is not None
        shown = view(name if name in known else _name_of(kind), kind)
        print_json(shown) if options.json else show(shown)
        _say_what_is_easier(found, kind)
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


def _searched(found: Catalog, words: Sequence[str], connectors: Set[str]) -> dict[str, TriggerType | ActionType]:
    """What has the words, or most of them. Raises UsageError with the nearest name."""
    chosen, all_there = search(found, words, connectors)
    if not chosen:
        raise _nothing(found, words, connectors)
    if not all_there:
        say(f"nothing has all of {', '.join(words)}; shown is what has most of them")
    return chosen


def _nothing(found: Catalog, words: Sequence[str], connectors: Set[str]) -> UsageError:
    words = words[1:] if len(words) > 1 and words[0].lower() in connectors else words
    name = words[0]
    near = nearest(name, [*found.triggers, *found.actions, *connectors]) or found.actions.near(name)
    if len(words) > 1 or near is None:
        text = f"nothing has {' or '.join(words)} in its name, title or path"
        return UsageError(f"{text}: try another word; `changewire catalog` lists what there is")
    return UsageError(f"there is no trigger type or action {name!r}; did you mean {near!r}?")


def _say_more(name: str | None, words: Sequence[str]) -> None:
    from changewire.connectors.operations import operations

    say("`changewire catalog NAME` shows parameters, needs and YAML to paste")
    count = 0 if words or name is None else len(operations(name))
    if count:
        say(f"`changewire catalog {name} WORD` searches all {count:,} operations of the API")


def _say_what_is_easier(found: Catalog, kind: TriggerType | ActionType) -> None:
    if not _is_whole(kind):
        return
    for name, action in found.actions.items():
        if action.operation == getattr(kind, "operation", None):
            say("", f"{name} does the same with parameters that are explained: `changewire catalog {name}`")


def _catalog(options: Options) -> Catalog:
    from changewire.catalog import load_catalog

    home: Path | None = None
    try:
        home = options.find_home()
    except UsageError:
        if options.home is not None:
            raise
    found = load_catalog(home)
    if found.problems:
        say(f"{len(found.problems)} problems in own types: `changewire validate` tells them")
    return found


def _list(chosen: Mapping[str, TriggerType | ActionType]) -> None:
    from changewire.actions.definition import ActionType

    for head, actions in (("trigger type", False), ("action", True)):
        kinds = {
            name: kind
            for name, kind in chosen.items()
            if isinstance(kind, ActionType) is actions and not _is_whole(kind)
        }
        if kinds:
            print_table((head, "what it is"), [(name, title_of(kind)) for name, kind in kinds.items()], whole=(head,))
            print_text("")
    rows = [(kind.name, one.title, f"{one.method} {one.path}", one.label, _status(one)) for kind, one in _pairs(chosen)]
    if rows:
        columns = ("operation", "what it is", "request", "label", "status")
        print_table(columns, rows, whole=("operation", "request"), spare=("label", "request"))
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
