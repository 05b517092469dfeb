"""Commands and their options stand in the docs as they are; what a page tells to type can be typed."""

from __future__ import annotations

import json
import re
import shlex

import click
import pytest

from changewire.cli import root
from changewire.cli.base import Options
from changewire.sandbox import Sandbox
from changewire.state.records import RunState, TriggerState
from tests.docs.pages import DOCS, Block, all_blocks, tables

PAGE = (DOCS / "reference" / "commands.md").read_text()
TOLD = dict(tables(PAGE, "options"))
ABOVE = click.Context(root, **root.context_settings)  # commands remember the help option that they have below it
SHARED = {"--home", "--json", "--debug", "--help"}


def _told(name: str) -> set[str]:
    return {word.split()[0] for cell, _ in TOLD[name] for word in re.findall(r"`([^`]+)`", cell)}


def _there(command: click.Command) -> set[str]:
    found: set[str] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Argument):
            found |= set(re.findall(r"[A-Z=]+", parameter.make_metavar(click.Context(command, parent=ABOVE))))
        else:
            found |= {*parameter.opts, *parameter.secondary_opts} - SHARED
    return found


def test_every_command_has_a_section() -> None:
    assert set(TOLD) - {"changewire"} == set(root.commands)
    assert all(f"\n## {name}\n" in PAGE for name in root.commands)


@pytest.mark.parametrize("name", sorted(root.commands))
def test_every_option_is_documented_and_no_other(name: str) -> None:
    assert _told(name) == _there(root.commands[name])


def test_the_options_of_every_command_are_documented() -> None:
    assert _told("changewire") == {*SHARED, "--version", "-h"}


def test_defaults_and_choices_of_options_are_told() -> None:
    for name, command in root.commands.items():
        for option in [
            each for each in command.params if isinstance(each, click.Option) and each.opts[0] not in SHARED
        ]:
            told = next(f"{cell} {what}" for cell, what in TOLD[name] if option.opts[0] in cell)
            if isinstance(option.default, int) and not isinstance(option.default, bool):
                assert f"`{option.default}`" in told, f"{name} {option.opts[0]}"
            if isinstance(option.type, click.Choice) and "below" not in told:
                assert all(f"`{choice}`" in told for choice in option.type.choices), f"{name} {option.opts[0]}"


def test_states_are_told() -> None:
    runs = re.findall(r"\| `(\w+)` \|", PAGE.partition("<!-- states -->")[2].partition("```")[0])
    assert runs == [str(state) for state in RunState]
    status = PAGE.partition("## status")[2].partition("```")[0]
    assert re.findall(r"\| `(\w+)` \|", status) == [str(state) for state in TriggerState]


def test_calls_of_the_stand_ins_control_api_are_understood() -> None:
    examples = [line for command in root.commands.values() for line, _ in getattr(command, "examples", ())]
    text = "\n".join([*examples, *(block.text for block in all_blocks("sh", "console"))])
    calls = re.findall(r"curl -d '(\{.*?\})' \S+/sandbox/(\w+)", text)
    assert len(calls) >= 6
    with Sandbox() as sandbox:
        for arguments, name in calls:
            sandbox.control(name, **json.loads(arguments))


def _typed(block: Block) -> list[str]:
    """What follows ``changewire`` in each line, up to where its output goes elsewhere."""
    lines = [line.removeprefix("$ ") for line in block.text.splitlines()]
    found = [re.match(r"(?:sudo -u \S+ )?(?:\S*/)?changewire (.+)", line) for line in lines]
    return [re.split(r"\s(?:\||>|2>)", match[1])[0] for match in found if match]


@pytest.mark.parametrize("block", [b for b in all_blocks("sh", "console") if _typed(b)], ids=lambda b: b.place)
def test_what_is_typed_is_understood(block: Block) -> None:
    for line in _typed(block):
        name, *rest = shlex.split(line, comments=True)
        root.commands[name].make_context(name, rest, parent=ABOVE, obj=Options())
