"""Completion in shells: actions, their parameters, and the words that these take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, get_completion_class

from changewire.cli.base import Command, Options
from changewire.values import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from changewire.catalog import Catalog
    from changewire.home.definition import Home
    from changewire.parameters import Parameter

SHELLS = ("bash", "zsh", "fish")
_VARIABLE = "_CHANGEWIRE_COMPLETE"
_BASH = "            COMPREPLY+=($value)\n"
_BASH_OPEN = """\
            [[ $value == *[.=] ]] && compopt -o nospace
            [[ $value == *\\ * && ${COMP_WORDS[COMP_CWORD]} != [\\'\\"]* ]] && printf -v value %q "$value"
            COMPREPLY+=("$value")
"""


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
    triggers = [(name, catalog.triggers[name].title) for name in catalog.triggers if name.startswith(begun)]
    return _items([*triggers, *_names(catalog, begun)], begun)


def _items(found: Iterable[tuple[str, str]], begun: str) -> list[CompletionItem]:
    """Items for the shell, which reads one a line: a name that is not one line cannot be completed."""
    fitting = sorted((name, what) for name, what in found if name.startswith(begun) and one_line(name) == name)
    return [CompletionItem(name, help=one_line(what)) for name, what in fitting]


def _names(catalog: Catalog, begun: str) -> list[tuple[str, str]]:
    from changewire.connectors.operations import operations

    written = [(name, catalog.actions[name].spec.title) for name in catalog.actions if name.startswith(begun)]
    connector, dot, word = begun.partition(".")
    if not dot or not word:
        return written
    known = operations(connector)
    return written + [(f"{connector}.{name}", known[name].title) for name in known if name.startswith(word)]


def complete_values(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """``NAME=`` for each parameter that is not given yet, and behind the sign what its type allows.

    Bash cuts words at the sign, so that name and sign may stand among the words before.
    """
    from changewire.cli.given import parameter_of

    catalog, action = _catalog(context), context.params.get("action")
    if catalog is None or not isinstance(action, str) or action not in catalog.actions:
        return []
    known = {name: one for name, one in catalog.actions[action].parameters.items() if name != "connection"}
    before: Sequence[str] = context.params.get("values") or ()
    if before and parameter_of(before[-1], known):  # the cursor stands right behind the sign, which click leaves out
        return _completed(parameter_of(before[-1], known), "", begun)
    if len(before) > 1 and before[-1] == "=":
        return _completed(parameter_of(before[-2], known), "", begun)
    name, sign, text = begun.partition("=")
    if sign:
        return _completed(parameter_of(name, known), f"{name}=", text)
    return _named(known, begun, {word.partition("=")[0] for word in before})


def _named(known: Mapping[str, Parameter], begun: str, given: Set[str]) -> list[CompletionItem]:
    """Names to be given a value, those of fields behind the dot of their object."""
    from changewire.cli.given import parameter_of

    head, dot, _ = begun.rpartition(".")
    outer = parameter_of(head, known) if dot else None
    fields = known if outer is None else outer.fields or {}
    names = {head + dot + name: one for name, one in fields.items()}
    return [
        CompletionItem(f"{name}{'.' if one.fields else '='}", help=one_line(one.description))
        for name, one in names.items()
        if name.startswith(begun) and name not in given
    ]


def complete_workflow(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of the home's workflows."""
    home = _home(context)
    return [] if home is None else _items(((name, "") for name in home.workflows), begun)


def complete_watch(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of the home's workflows and their triggers; triggers only once a workflow is written."""
    home = _home(context)
    names = [] if home is None else list(home.workflows)
    if home is not None and "/" in begun:
        names += [trigger.shown for trigger in home.triggers.values()]
    return _items(((name, "") for name in names), begun)


def complete_connection(context: click.Context, parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """Names of the home's connections, with what they are for."""
    home = _home(context)
    return [] if home is None else _items(((name, one.connector) for name, one in home.connections.items()), begun)


def _home(context: click.Context) -> Home | None:
    """The home that is meant, None where it cannot be read."""
    from changewire.errors import ChangewireError
    from changewire.home.loading import load_home

    try:
        return load_home(context.ensure_object(Options).find_home())
    except (ChangewireError, OSError):
        return None


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
