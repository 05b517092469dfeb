"""Brings a database to the present schema: a ``.sql`` file for each step, applied with its record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from changewire.errors import StateError
from changewire.state.database import told_empty

if TYPE_CHECKING:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

SET = "changewire"  # the name under which our migrations are recorded


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one; ``executescript`` would commit before the first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def known() -> dict[str, str]:
    """The scripts of this version by name, in order."""
    folder = files(__package__).joinpath("migrations")
    scripts = {entry.name: entry.read_text(encoding="utf-8") for entry in folder.iterdir() if entry.is_file()}
    return {name.removesuffix(".sql"): scripts[name] for name in sorted(scripts) if name.endswith(".sql")}


def refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StateError for a database that never was ours, or that holds nothing at all. Nothing is written."""
    if _applied(connection):
        return
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    if not tables:
        raise StateError(told_empty(path))
    shown = ", ".join(tables[:5]) + ", …" * (len(tables) > 5)
    raise StateError(
        f"The database {path} belongs to another program (its tables are {shown}). Nothing was written. Move it "
        "away, then put a backup in its place, or begin anew with a silent first poll."
    )


def migrate(connection: sqlite3.Connection, path: Path, scripts: Mapping[str, str] | None = None) -> None:
    """Apply what is missing, all or nothing. StateError where a newer version has been here.

    ``scripts`` None: those of this version.
    """
    scripts = known() if scripts is None else scripts
    if _is_older(connection, path, scripts):
        _apply(connection, scripts)


def is_older(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether an earlier version wrote this database. StateError where it was a newer one. Nothing is written."""
    return _is_older(connection, path, known())


def _is_older(connection: sqlite3.Connection, path: Path, scripts: Mapping[str, str]) -> bool:
    applied = _applied(connection)
    newer = sorted(applied - set(scripts))
    if newer:
        raise StateError(
            f"The database {path} was written by a newer Changewire (it has {newer[-1]}): "
            "install that version or a later one, or put an older backup in its place."
        )
    return applied < set(scripts)


def _applied(connection: sqlite3.Connection) -> set[str]:
    """What was applied, as sqlite-utils notes it; not by the library, whose import costs more than opening does."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return set()
    found = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ?", (SET,))
    return {name for (name,) in found}


def _add(migrations: Migrations, name: str, script: str) -> None:
    @migrations(name=name)
    def apply(db: Database) -> None:
        for statement in statements(script):
            db.execute(statement)


def _apply(connection: sqlite3.Connection, scripts: Mapping[str, str]) -> None:
    from sqlite_utils import Database
    from sqlite_utils.migrations import Migrations

    migrations = Migrations(SET)
    for name, script in scripts.items():
        _add(migrations, name, script)
    connection.execute("BEGIN IMMEDIATE")  # two processes may both have found something missing
    try:
        migrations.apply(Database(connection, execute_plugins=False))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
