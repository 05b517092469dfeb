"""Completion in shells: actions, their parameters, and the words that these take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from changewire.cli.base import Command, Options

if TYPE_CHECKING:
    from pathlib import Path

    from changewire.catalog import Catalog
    from changewire.parameters import Parameter

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_CHANGEWIRE_COMPLETE"
_BASH = "            COMPREPLY+=($value)\n"
_BASH_OPEN = '            COMPREPLY+=("$value"); [[ $value == *= ]] && compopt -o nospace\n'


@click.command(
    cls=Command,
    short_help="Print a script for completion in a shell.",
    examples=[
        ('eval "$(changewire completion bash)"', "in ~/.bashrc"),
        ('eval "$(changewire completion zsh)"', "in ~/.zshrc"),
        ("changewire completion fish > ~/.config/fish/completions/changewire.fish", "once"),
    ],
)
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the script that lets SHELL complete commands, options, actions, parameters and their values."""
    known = get_completion_class(shell)
    assert known is not None
    script = known(context.find_root().command, {}, "changewire", _VARIABLE).source()
    click.echo(script.replace(_BASH, _BASH_OPEN))
    return 0


def complete_action(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of actions and operations that begin so; where nothing is begun, the actions of files."""
    catalog = _catalog(context)
    return [] if catalog is None else _items(_names(catalog, begun), begun)


def complete_name(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The same, and trigger types."""
    catalog = _catalog(context)
    if catalog is None:
        return []
    triggers = [(name, kind.title) for name, kind in catalog.triggers.items()]
    return _items([*triggers, *_names(catalog, begun)], begun)


def _items(found: Iterable[tuple[str, str]], begun: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=what) for name, what in sorted(found) if name.startswith(begun)]


def _names(catalog: Catalog, begun: str) -> list[tuple[str, str]]:
    from changewire.connectors.operations import operations

    written = [(name, catalog.actions[name].spec.title) for name in catalog.actions]
    connector, dot, word = begun.partition(".")
    if not dot or not word:
        return written
    known = operations(connector)
    return written + [(f"{connector}.{name}", known[name].title) for name in known if name.startswith(word)]


def complete_values(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """``NAME=`` for each parameter that is not given yet, and behind the sign what its type allows.

    Bash cuts words at the sign, so that name and sign may stand among the words before.
    """
    catalog, action = _catalog(context), context.params.get("action")
    if catalog is None or not isinstance(action, str) or action not in catalog.actions:
        return []
    known = {name: one for name, one in catalog.actions[action].parameters.items() if name != "connection"}
    before: Sequence[str] = context.params.get("values") or ()
    if before and before[-1] in known:  # the cursor stands right behind the sign, which click leaves out
        return _completed(known[before[-1]], "", begun)
    if len(before) > 1 and before[-1] == "=":
        return _completed(known.get(before[-2]), "", begun)
    name, sign, text = begun.partition("=")
    if sign:
        return _completed(known.get(name), f"{name}=", text)
    given = {word.partition("=")[0] for word in before}
    names = [name for name in known if name.startswith(begun) and name not in given]
    return [CompletionItem(f"{name}=", help=known[name].description) for name in names]


def _completed(parameter: Parameter | None, head: str, begun: str) -> list[CompletionItem]:
    from changewire.cli.spoken import WORDS

    if parameter is None:
        return []
    words = [str(word) for word in parameter.enum or ()]
    if parameter.type == "boolean":
        words = ["true", "false"]
    elif parameter.type in ("date", "date-time"):
        words = [*WORDS, "-7d"]
    return [CompletionItem(head + word) for word in words if word.startswith(begun)]


def _catalog(context: click.Context) -> Catalog | None:
    """What there is in the home that is meant; None where nothing can be read."""
    from changewire.catalog import load_catalog
    from changewire.errors import ChangewireError

    options = context.ensure_object(Options)
    try:
        home: Path | None = options.find_home()
    except ChangewireError:
        home = None
    try:
        return load_catalog(home)
    except (ChangewireError, OSError):
        return None
