"""A copy of the database, taken while the daemon works."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click

from changewire.cli.base import Command, Options, database_of, refuse_removed, say
from changewire.cli.output import print_json, print_text
from changewire.errors import StateError, UsageError

NOT_IN_IT = {
    "tokens": "sign-ins with `changewire connect`: after a loss, sign in again",
    "downloads.db": "which files were downloaded: copy it together with state/downloads, while nothing runs",
    "files": "what workflows wrote",
}
"""What is beside the database, and what to do about it."""


@click.command(
    cls=Command,
    short_help="Copy the database to a file, while the daemon works.",
    examples=[
        ("changewire backup before.db", "a copy of all that is remembered"),
        ('changewire backup "/backups/$(date +%F).db"', "from cron"),
    ],
)
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_obj
def backup(options: Options, file: Path) -> int:
    """Copy the database to FILE, whole and of one moment, also while `changewire run` works.

    FILE must not be there. Only you can read it: what events hold is in it. To go back to it, stop the daemon and put
    it in the place of state/changewire.db. What else is in state/ is not in it, and is named. With --json one line:
    file, bytes, without.
    """
    home = options.find_home()
    source = database_of(home)
    if not source.exists():
        refuse_removed(home)
        raise UsageError("there is no database in this home so far: nothing was watched")
    _make(file)
    try:
        copy(source, file)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    size = file.stat().st_size
    without = [name for name in NOT_IN_IT if (source.parent / name).exists()]
    if options.json:
        print_json({"v": 1, "file": str(file), "bytes": size, "without": without})
        return 0
    print_text(f"{file}: {size} bytes")
    for name in without:
        say(f"not in it: state/{name}, {NOT_IN_IT[name]}")
    return 0


def _make(file: Path) -> None:
    """An empty file that nobody else can read. Raises UsageError where there is one, or no folder for it."""
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise UsageError(f"{file} is there already, and a backup overwrites nothing: take another name") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be made: {(error.strerror or str(error)).lower()}") from None


def copy(source: Path, target: Path) -> None:
    """Copy a database that may be in use. Raises StateError if it is not one of ours, or the copy is not whole."""
    from changewire.state.database import DAMAGED, explain, refuse_replaced
    from changewire.state.schema import refuse_foreign

    try:
        refuse_replaced(source)
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            refuse_foreign(old, source)
            old.backup(new)
            new.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
            ((found,),) = new.execute("PRAGMA quick_check(1)").fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        full = getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY)
        raise explain(target if full else source, error) from error
    if found != "ok":
        raise StateError(f"The database {source} {DAMAGED} ({found.splitlines()[-1]}).")
