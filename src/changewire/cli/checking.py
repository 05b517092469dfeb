"""Commands that look before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changewire.cli.base import FAILED, Command, Options, say
from changewire.cli.output import print_json, print_text
from changewire.errors import ConfigError, Problem, UsageError, nearest

if TYPE_CHECKING:
    from changewire.home.definition import Home


@click.command(
    cls=Command,
    short_help="Check all files, without talking to any API.",
    examples=[
        ("changewire validate", "everything in this home"),
        ("changewire validate config/workflows/a.yaml", "tell only what is wrong in that file"),
        ("changewire validate --json", "problems as JSON lines, for an editor"),
    ],
)
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.pass_obj
def validate(options: Options, files: Sequence[str]) -> int:
    """Check settings, connections, workflows and own types, without talking to any API.

    Each problem is a line on stdout: file:line:column, what is wrong, and the nearest valid word. Exit code 1 where
    there is any.
    """
    from changewire.home.loading import load_home

    folder = options.find_home()
    wanted = {_shown(folder, name) for name in files}
    try:
        home = load_home(folder)
        problems: Sequence[Problem] = home.problems
    except ConfigError as error:
        home, problems = None, error.problems
    problems = sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))
    problems = [problem for problem in problems if not wanted or problem.file in wanted]
    for problem in problems:
        if options.json:
            print_json({"v": 1, **problem.as_dict()})
        else:
            print_text(str(problem))
    for warning in home.warnings if home is not None else ():
        if not wanted or warning.file in wanted:
            say(f"warning: {warning}")
    say(_verdict(home, problems))
    return FAILED if problems else 0


def _verdict(home: Home | None, problems: Sequence[Problem]) -> str:
    if home is None:
        return "nothing else was checked: settings and variables come first"
    usable = _count(len(home.workflows), "workflow")
    if problems:
        files = len({problem.file for problem in problems})
        return f"{_count(len(problems), 'problem')} in {_count(files, 'file')}; {usable} can be used"
    return f"{usable}, {_count(len(home.triggers), 'trigger')}: all good"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _shown(home: Path, name: str) -> str:
    """How problems name a file that was given as a path from here or from the home. Raises UsageError."""
    for path in (Path.cwd() / name, home / name):
        if path.is_file() and path.resolve().is_relative_to(home):
            return path.resolve().relative_to(home).as_posix()
    if Path(name).is_file():
        raise UsageError(f"{name} is not in the home {home}: name its home with --home DIR")
    known = [path.relative_to(home).as_posix() for path in (home / "config").rglob("*.yaml")]
    near = nearest(name, known)
    raise UsageError(f"there is no file {name}" + (f"; did you mean {near!r}?" if near else ""))
