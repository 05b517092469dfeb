"""Making a home."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from changewire.cli.base import Command, Options, say
from changewire.cli.output import print_json, print_text
from changewire.errors import ChangewireError

TEMPLATES = Path(__file__).parent / "home"
HIDDEN = {"gitignore": ".gitignore", "env.example": ".env.example"}
"""Files whose names begin with a dot in a home. Here they do not, so that no tool takes them for its own."""
FOLDERS = {"triggers": 0o755, "actions": 0o755, "config/workflows": 0o755, "state": 0o700}


@click.command(
    cls=Command,
    short_help="Make a home with something to begin with.",
    examples=[
        ("changewire init watch", "make a home in the folder watch/"),
        ("changewire init .", "make this folder a home"),
        ("changewire init watch --json", "the files that were made, for programs"),
    ],
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.pass_obj
def init(options: Options, folder: Path) -> int:
    """Make a home in DIR: settings, a connection to Zoom, and two workflows to begin with.

    Nothing is ever overwritten; a .gitignore that is there already is left alone. With --json the one line has home
    and files.
    """
    files = [(source, target) for source, target in planned() if not (folder / target).exists() or _matters(target)]
    there = [folder / target for _, target in files if (folder / target).exists()]
    if there:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise ChangewireError(f"{there[0]}{more} is there already, and nothing is overwritten: choose another folder")
    try:
        _write(folder, files)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ChangewireError(f"the home cannot be made in {folder}: {error.filename}: {reason}") from None
    made = [target.as_posix() for _, target in files]
    if options.json:
        print_json({"v": 1, "home": str(folder.resolve()), "files": made})
    else:
        print_text(*(str(folder / name) for name in made))
    _say_what_next(folder)
    return 0


def planned() -> Iterator[tuple[Path, Path]]:
    """Each template, and where it goes in a home."""
    for source in sorted(path for path in TEMPLATES.rglob("*") if path.is_file()):
        place = source.relative_to(TEMPLATES)
        yield source, place.with_name(HIDDEN.get(place.name, place.name))


def _matters(target: Path) -> bool:
    return target.name != ".gitignore"


def _write(folder: Path, files: list[tuple[Path, Path]]) -> None:
    for name, mode in FOLDERS.items():
        (folder / name).mkdir(mode=mode, parents=True, exist_ok=True)
    for source, target in files:
        with (folder / target).open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
        if target.name == ".env.example":  # so that a plain copy, which secrets are written into, is private as well
            (folder / target).chmod(0o600)


def _say_what_next(folder: Path) -> None:
    place = "" if folder.resolve() == Path.cwd() else f"{folder}/"
    home = f" --home {shlex.quote(str(folder))}" if place else ""
    copied, filled = (shlex.quote(f"{place}config/{name}") for name in (".env.example", ".env"))
    commands = (
        (f"install -m 600 {copied} {filled}", "then fill it in"),
        (f"changewire validate{home}", "are the files well written?"),
        (f"changewire check{home}", "are credentials, scopes and plan enough?"),
        (f"changewire run{home}", "watch"),
    )
    width = max(len(command) for command, _ in commands)
    say("", "Next:", *(f"  {command:{width}}  # {what}" for command, what in commands))
