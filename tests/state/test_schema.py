"""Migrations: applied in order, once, whole; and never over the work of a newer version."""

from __future__ import annotations

import json
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


AT = "2026-11-21T{}:00.000000Z"
RUN = (
    "INSERT INTO runs (id, workflow, version, event_id, created_at, state, reason, started_at, due_at, held_by)"
    " VALUES (?, 'w', 'v1', ?, ?, ?, ?, ?, ?, ?)"
)
ATTEMPT = (
    "INSERT INTO attempts (run_id, address, attempt, use, state, output, started_at, finished_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


def put_run(connection: sqlite3.Connection, name: str, state: str, reason: str | None, **more: str | None) -> None:
    """A run as an earlier version stored it, begun at 10:00."""
    given = {"started_at": AT.format("10:00"), "due_at": None, "held_by": None, **more}
    head = (name, f"e {name}", AT.format("10:00"), state, reason)
    connection.execute(RUN, (*head, given["started_at"], given["due_at"], given["held_by"]))


def put_attempt(
    connection: sqlite3.Connection,
    run: str,
    address: str,
    number: int,
    use: str,
    state: str,
    at: str,
    output: str = "null",
) -> None:
    """An attempt as an earlier version stored it."""
    connection.execute(ATTEMPT, (run, address, number, use, state, output, AT.format(at), AT.format(at)))


@pytest.fixture
def before_run_facts(connection: sqlite3.Connection, tmp_path: Path) -> sqlite3.Connection:
    """A database of before the facts of runs were stored."""
    migrate(connection, tmp_path, {name: text for name, text in known().items() if name < "0011"})
    return connection


def test_the_facts_of_runs_that_wait_are_read_from_what_was_stored_before(
    before_run_facts: sqlite3.Connection, tmp_path: Path
) -> None:
    one = before_run_facts
    put_run(one, "paused", "paused", "steps/1 (shop.order): unknown: no answer")
    put_attempt(one, "paused", "steps/1", 1, "shop.order", "unknown", "10:05")
    put_attempt(one, "paused", "steps/10", 1, "shop.order", "unknown", "10:05")
    put_run(one, "resumed", "pending", None, started_at=AT.format("11:00"), due_at=AT.format("11:00"))
    put_attempt(one, "resumed", "steps/1", 1, "shop.order", "failed", "10:05")
    put_attempt(one, "resumed", "steps/1", 2, "shop.order", "running", "11:01")
    reason = "steps/0 (shop.order): transient: HTTP 500"
    put_run(one, "handled", "waiting", reason, due_at=AT.format("12:00"))
    put_attempt(one, "handled", "steps/0", 1, "shop.order", "failed", "10:05")
    put_attempt(one, "handled", "on_failure/0", 1, "wait", "running", "10:06")
    migrate(one, tmp_path)
    runs = "SELECT id, resumes, resumed_at, waits_for, ending_step FROM runs ORDER BY seq"
    assert one.execute(runs).fetchall() == [
        ("paused", 0, None, "steps/1", None),
        ("resumed", 1, AT.format("11:00"), None, None),
        ("handled", 0, None, "steps/0", "steps/0"),
    ]
    series = "SELECT attempt, series FROM attempts WHERE run_id = 'resumed' ORDER BY attempt"
    assert one.execute(series).fetchall() == [(1, 0), (2, 1)]


def test_the_time_that_a_run_had_left_is_kept(before_run_facts: sqlite3.Connection, tmp_path: Path) -> None:
    one = before_run_facts
    put_run(one, "held", "paused", "paused", held_by="workflow/w")
    put_attempt(one, "held", "timeout", 1, "timeout", "succeeded", "10:30", '{"left_s":1800.0}')
    put_run(one, "lifted", "pending", None, due_at=AT.format("15:00"))
    put_attempt(one, "lifted", "timeout", 1, "timeout", "succeeded", "10:30", '{"left_s":1800.0}')
    put_run(one, "granted", "waiting", None, due_at=AT.format("15:00"))
    put_attempt(one, "granted", "timeout", 1, "timeout", "succeeded", "10:30", '{"left_s":1800.0}')
    put_attempt(
        one, "granted", "timeout", 2, "timeout", "succeeded", "14:00", json.dumps({"until": AT.format("14:30")})
    )
    put_run(one, "resumed", "pending", None, started_at=AT.format("16:00"), due_at=AT.format("16:00"))
    put_attempt(
        one, "resumed", "timeout", 1, "timeout", "succeeded", "14:00", json.dumps({"until": AT.format("14:30")})
    )
    put_run(one, "free", "waiting", None, due_at=AT.format("15:00"))
    migrate(one, tmp_path)
    found = one.execute("SELECT id, started_at, round(time_left_s) FROM runs ORDER BY seq").fetchall()
    assert found == [
        ("held", AT.format("10:00"), 1800),
        ("lifted", AT.format("15:00"), 1800),
        ("granted", AT.format("10:00"), 4.5 * 3600),
        ("resumed", AT.format("16:00"), None),
        ("free", AT.format("10:00"), None),
    ]
    assert one.execute("SELECT count(*) FROM attempts").fetchone() == (0,)


def test_a_streak_that_was_told_is_not_told_again(before_run_facts: sqlite3.Connection, tmp_path: Path) -> None:
    one = before_run_facts
    one.execute("INSERT INTO streaks VALUES ('told', 4), ('untold', 2), ('again', 1)")
    alert = "INSERT INTO alerts (id, at, what, name, message, facts) VALUES (?, 'x', ?, ?, 'm', '{}')"
    told = [("1", "workflow_failing", "told"), ("2", "workflow_failing", "again"), ("3", "workflow_recovered", "again")]
    one.executemany(alert, told)
    migrate(one, tmp_path)
    found = one.execute("SELECT workflow, failures, alerted FROM streaks ORDER BY workflow").fetchall()
    assert found == [("again", 1, 0), ("told", 4, 1), ("untold", 2, 0)]


def test_marks_of_an_older_history_are_made_from_its_dates_and_believe_no_clock_that_was_wrong(
    connection: sqlite3.Connection, tmp_path: Path
) -> None:
    before = {name: script for name, script in known().items() if name < "0014"}
    migrate(connection, tmp_path, before)
    days = ["2026-01-01", "2026-01-02", "2026-03-01", "2026-01-03"]  # the third was stored by a clock ahead
    for seq, date in enumerate(days, 1):
        row = (
            f"({seq}, 'e{seq}', 't', 'w/t', 'w', 'x', 'created', 'x', 'k', '{date}T10:00:00.000000Z', '{{}}', '[]', 0)"
        )
        connection.execute(
            'INSERT INTO events (seq, id, trigger_id, "trigger", workflow, type, kind, event_type, key, detected_at, '
            f"payload, changes, backfill) VALUES {row}"
        )
    migrate(connection, tmp_path)
    day = 86_400
    assert connection.execute("SELECT witnessed_s, substr(at, 1, 10), event_seq, run_seq FROM marks").fetchall() == [
        (0, "2026-01-01", 0, 0),
        (1 * day, "2026-01-02", 1, 0),
        (2 * day, "2026-01-03", 2, 0),
        (59 * day, "2026-03-01", 2, 0),
    ]
