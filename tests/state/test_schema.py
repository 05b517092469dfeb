"""Migrations: applied in order, once, whole; and never over the work of a newer version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state.database import connect
from changewire.state.schema import known, migrate, statements
from changewire.state.store import SqliteStore


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(tmp_path / "changewire.db")
    yield opened
    opened.close()


def names(connection: sqlite3.Connection, query: str) -> list[object]:
    return [row[0] for row in connection.execute(query)]


APPLIED = "SELECT name FROM _sqlite_migrations ORDER BY id"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"


def test_a_new_database_gets_every_migration_in_order(connection: sqlite3.Connection, tmp_path: Path) -> None:
    migrate(connection, tmp_path)
    assert names(connection, APPLIED) == list(known()) == sorted(known())
    assert {"triggers", "items", "events", "runs", "attempts", "versions"} <= set(names(connection, TABLES))


def test_migrating_again_does_nothing(connection: sqlite3.Connection, tmp_path: Path) -> None:
    migrate(connection, tmp_path)
    before = connection.total_changes
    migrate(connection, tmp_path)
    assert connection.total_changes == before


def test_a_later_migration_is_added_to_what_is_there(connection: sqlite3.Connection, tmp_path: Path) -> None:
    first, second = {"0001_a": "CREATE TABLE a (x);"}, {"0002_b": "-- why; so\nCREATE TABLE b (x);"}
    migrate(connection, tmp_path, first)
    connection.execute("INSERT INTO a VALUES (1)")
    migrate(connection, tmp_path, {**first, **second})
    assert names(connection, APPLIED) == ["0001_a", "0002_b"]
    assert names(connection, "SELECT x FROM a") == [1]


def test_a_migration_that_fails_leaves_nothing_behind(connection: sqlite3.Connection, tmp_path: Path) -> None:
    scripts = {"0001_a": "CREATE TABLE a (x);", "0002_b": "CREATE TABLE b (x);\nCREATE TABLE a (x);"}
    with pytest.raises(sqlite3.OperationalError, match="table a already exists"):
        migrate(connection, tmp_path, scripts)
    assert names(connection, TABLES) == []
    assert not connection.in_transaction


def test_a_database_of_a_newer_version_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    connection = connect(path)
    migrate(connection, path, {**known(), "0099_later": "CREATE TABLE later (x);"})
    connection.close()
    with pytest.raises(StateError) as caught:
        SqliteStore(path, clock=SystemClock()).open()
    assert str(caught.value) == (
        f"The database {path} was written by a newer Changewire (it has 0099_later): "
        "install that version or a later one, or put an older backup in its place."
    )


def test_a_script_is_cut_at_the_ends_of_its_statements() -> None:
    script = "-- a; b\nCREATE TABLE a (\n  x DEFAULT ';'\n);\nINSERT INTO a VALUES (1);\n"
    assert [s.splitlines()[-1] for s in statements(script)] == [");", "INSERT INTO a VALUES (1);"]


def test_runs_of_a_database_without_replays_stay_as_they_are(connection: sqlite3.Connection, tmp_path: Path) -> None:
    migrate(connection, tmp_path, {name: text for name, text in known().items() if name < "0002"})
    connection.execute(
        "INSERT INTO runs (seq, id, workflow, version, event_id, created_at, state, reason, due_at, claim)"
        " VALUES (7, 'r1', 'w', 'v1', 'e1', '2026-11-21T10:00:00.000000Z', 'paused', 'why', NULL, 0)"
    )
    migrate(connection, tmp_path)
    assert connection.execute("SELECT seq, id, event_id, state, reason, claim, replay FROM runs").fetchall() == [
        (7, "r1", "e1", "paused", "why", 0, 0)
    ]
    indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 'runs' AND sql IS NOT NULL"
    assert {"runs_created", "runs_of_workflow", "runs_finished", "runs_due", "runs_leased"} <= set(
        names(connection, indexes)
    )
