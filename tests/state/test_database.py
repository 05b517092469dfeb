"""The SQLite file itself: private, and every way in which it fails told in one sentence."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state import database
from changewire.state.store import SqliteStore
from tests.state.samples import DAY, MINUTE, NOW, claim, event, item, poll, run, trigger, with_events


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, clock=SystemClock())


def error_of_opening(path: Path) -> str:
    with pytest.raises(StateError) as caught:
        store_at(path).open()
    return str(caught.value)


def test_files_are_private_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        with store_at(path) as store:
            store.heartbeat({}, NOW)
            store.daemon_info()
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"changewire.db": 0o600, "changewire.db-wal": 0o600, "changewire.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    with store_at(path):
        pass
    path.chmod(0o644)
    with store_at(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_committed_is_flushed_to_disk(path: Path) -> None:
    with store_at(path):
        connection = database.connect(path)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        connection.close()


def test_a_file_that_is_no_database_is_told(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"something else " * 1000)
    assert error_of_opening(path) == (
        f"The database {path} is damaged or no database: move it away with its -wal and -shm, "
        "and put a backup in its place (file is not a database)."
    )


EMPTY = (
    "The database {} is empty, so what was seen is not known any more. Nothing was written. Remove it with its "
    "-wal and -shm, then put a backup in its place, or begin anew with a silent first poll."
)


def test_an_empty_file_is_no_new_home(path: Path) -> None:
    with store_at(path):
        pass
    path.write_bytes(b"")
    log = path.with_name("changewire.db-wal")
    log.write_bytes(b"what was not moved yet")
    assert error_of_opening(path) == EMPTY.format(path)
    assert {file.name: file.stat().st_size for file in path.parent.iterdir()} == {path.name: 0, log.name: 22}


def test_a_database_with_nothing_in_it_is_empty_as_well(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    assert error_of_opening(path) == EMPTY.format(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.executescript("CREATE TABLE events (id); CREATE TABLE people (id);")
    before = path.read_bytes()
    assert error_of_opening(path) == (
        f"The database {path} belongs to another program (its tables are events, people). Nothing was written. Move it "
        "away, then put a backup in its place, or begin anew with a silent first poll."
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [50, 99, 100, 1000, 4095, 4096, 10_000])
def test_a_database_that_was_cut_off_is_told_and_left_alone(size: int, path: Path) -> None:
    with store_at(path):
        pass
    whole = path.read_bytes()
    assert len(whole) > 10_000
    path.write_bytes(whole[:size])
    assert re.search(
        "is damaged( or no database)?: move it away with its -wal and -shm, and put", error_of_opening(path)
    )
    assert path.read_bytes() == whole[:size]


def test_a_start_that_is_killed_while_it_makes_the_database_leaves_no_file_of_its_name(path: Path) -> None:
    killed = """
import os, sys
from pathlib import Path
from changewire.clock import SystemClock
from changewire.state import file
from changewire.state.store import SqliteStore
whole = file.migrate
def migrate(connection, path):
    if sys.argv[2] == "after":
        whole(connection, path)
    os._exit(9)
file.migrate = migrate
SqliteStore(Path(sys.argv[1]), clock=SystemClock()).open()
"""
    for moment in ("before", "after"):
        done = subprocess.run([sys.executable, "-c", killed, path, moment], check=False, timeout=60)
        assert done.returncode == 9
        assert path.parent.exists()
        assert not path.exists()
    with store_at(path) as store:
        assert store.triggers() == []
        assert {file.name for file in path.parent.iterdir()} == {path.name, f"{path.name}-wal", f"{path.name}-shm"}


def test_many_that_make_the_database_at_once_come_to_the_same(path: Path) -> None:
    barrier = threading.Barrier(8)
    found: list[str] = []

    def work(n: int) -> None:
        store = store_at(path)
        barrier.wait()
        store.open(take_over=False)
        store.heartbeat({"n": n}, NOW)
        store.close()
        found.append("made")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["made"] * 8
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_is_left_of_a_removed_database_does_not_come_back(path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])
        left = path.with_name("changewire.db-wal").read_bytes()
    path.unlink()
    path.with_name("changewire.db-wal").write_bytes(left)
    with store_at(path) as store:
        assert store.events() == []


def test_a_damaged_page_is_told_when_it_is_read(path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event(f"e{n}", payload="x" * 3000) for n in range(50)], [])
    half = path.stat().st_size // 2
    with path.open("r+b") as file:
        file.seek(half)
        file.write(b"\xff" * half)
    with store_at(path) as store, pytest.raises(StateError) as caught:
        store.events()
    words = "is damaged: move it away with its -wal and -shm, and put a backup in its place ("  # and SQLite's words
    assert str(caught.value).startswith(f"The database {path} {words}")


@pytest.mark.parametrize("change", ["moved", "removed", "replaced"])
def test_nothing_is_written_to_a_database_that_is_no_longer_at_its_path(change: str, path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])
        path.rename(path.with_name("aside.db"))
        if change == "removed":
            os.link(path.with_name("aside.db"), path.with_name("kept.db"))
            path.with_name("aside.db").unlink()
        if change == "replaced":
            path.write_bytes(path.with_name("aside.db").read_bytes())
        for use in (lambda: store.heartbeat({}, NOW), store.events):
            with pytest.raises(StateError, match=r"was moved, removed or replaced while it was open, and nothing is"):
                use()
        if change == "moved":
            path.with_name("aside.db").rename(path)
            store.heartbeat({"back": True}, NOW)
            assert [each.id for each in store.events()] == ["e1"]


def test_the_log_of_another_database_is_not_written_over_a_backup(path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])
        log = path.with_name(f"{path.name}-wal")
        left = log.read_bytes()
    with closing(sqlite3.connect(path)) as backup:
        backup.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    log.write_bytes(left)
    for opening in (SqliteStore.open, SqliteStore.open_to_read):
        with pytest.raises(StateError) as caught:
            opening(SqliteStore(path, clock=SystemClock()))
        assert str(caught.value) == (
            f"The database {path} is a copy, and changewire.db-wal belongs to the database that was in its place "
            "before. Nothing was written. Remove changewire.db-wal and changewire.db-shm, and keep the copy."
        )
    assert (path.read_bytes(), log.read_bytes()) == (before, left)
    log.unlink()
    with store_at(path) as store:
        assert [each.id for each in store.events()] == ["e1"]


@pytest.mark.parametrize("statement", ["detected_at = 'soon'", "payload = x'c3'", "changes = '{'", "chain = ''"])
def test_a_stored_value_that_cannot_be_read_concerns_its_own_record(statement: str, path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event(), event("e2")], [run()])
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA ignore_check_constraints = ON")
        other.execute(f"UPDATE events SET {statement} WHERE id = 'e1'")
        other.commit()
    with store_at(path) as store:
        found = {each.id: each.damaged for each in store.events()}
    assert found == {"e1": (statement.partition(" ")[0],), "e2": ()}


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    assert "cannot be opened: check its folder and who may write there" in error_of_opening(path)


def test_a_file_in_the_place_of_its_folder_is_told(path: Path) -> None:
    path.parent.write_text("")
    assert "cannot be opened: check its folder and who may write there" in error_of_opening(path)


def test_a_read_only_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "changewire.db"
    with store_at(path):
        pass
    path.chmod(0o444)
    tmp_path.chmod(0o755)
    script = """
import os, sys
from pathlib import Path
from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state.store import SqliteStore
if os.geteuid() == 0:  # root may write everything
    os.setuid(65534)
try:
    SqliteStore(Path("changewire.db"), clock=SystemClock()).open()
except StateError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == (
        "The database changewire.db cannot be written: let this user write the file and its folder "
        "([Errno 13] Permission denied: 'changewire.db').\n"
    )


def test_a_full_disk_fails_what_does_not_fit_and_nothing_else(path: Path) -> None:
    with store_at(path) as store:
        store.sync_triggers([trigger(), trigger("t2", next_due=NOW + MINUTE)], NOW)
        big = poll(claim(store), upserts=[item(f"{n}", "x" * 1000) for n in range(1000)], events=[event()])
        small = poll(claim(store, NOW + MINUTE))
        assert store._writer is not None
        connection = store._writer._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 10}")
        with pytest.raises(StateError) as caught:
            store.commit_poll(big)
        words = "cannot grow, the disk or quota is full: make room, nothing stored is lost"
        assert str(caught.value) == f"The database {path} {words} (database or disk is full)."
        assert store.load_poll_state("t1") == (trigger(), {})
        assert store.events() == []
        assert store.commit_poll(small)
        connection.execute("PRAGMA max_page_count = 100000")
        assert store.commit_poll(big)


def test_a_database_that_another_program_holds_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with store_at(path) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match=r"has been locked by another program for 30 seconds: end it"):
            store.heartbeat({}, NOW)
        other.close()
        store.heartbeat({}, NOW)


def test_a_database_that_another_program_has_for_itself_is_told_when_it_is_opened(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store_at(path):
        pass
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert error_of_opening(path) == (
            f"The database {path} has been locked by another program for 30 seconds: end it (database is locked)."
        )
    with store_at(path) as store:
        assert store.triggers() == []


def test_a_closed_store_says_so(path: Path) -> None:
    store = store_at(path)
    for use in (store.counts, store.stats, lambda: store.heartbeat({}, NOW)):
        with pytest.raises(StateError, match="is not open"):
            use()
    store.open()
    store.close()
    store.close()
    with pytest.raises(StateError, match="is not open"):
        store.counts()


def test_an_end_frees_nothing_but_the_next_beginning_does(path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])
        claimed, (run_claimed,) = claim(store, NOW + MINUTE), store.claim_runs(NOW, 1, DAY)
    beside = store_at(path)
    beside.open(take_over=False)
    assert (beside.claim_due(NOW + MINUTE, 1, DAY), beside.claim_runs(NOW, 1, DAY)) == ([], [])
    beside.close()
    with store_at(path) as store:
        assert claim(store, NOW + MINUTE).claim > claimed.claim
        again = store.claim_runs(NOW, 1, DAY)[0]
        assert (again.id, again.claim > run_claimed.claim) == ("r1", True)
        assert not store.commit_poll(poll(claimed))


def test_units_of_many_threads_are_committed_in_groups(path: Path) -> None:
    with store_at(path) as store:
        store.sync_triggers([trigger(f"t{n}") for n in range(64)], NOW)
        claimed = store.claim_due(NOW, 64, DAY)
        barrier = threading.Barrier(64)
        stored: list[bool] = []

        def work(n: int) -> None:
            barrier.wait()
            stored.append(store.commit_poll(poll(claimed[n])))

        threads = [threading.Thread(target=work, args=(n,)) for n in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stats = store.stats()
        assert stored == [True] * 64
        assert stats["largest"] > 1
        assert stats["bytes"] == store.size > 0
        assert stats["units"] > stats["groups"]


def test_many_triggers_and_items_are_no_burden(path: Path) -> None:
    with store_at(path) as store:
        store.sync_triggers([trigger(f"t{n}") for n in range(2000)], NOW)
        claimed = store.claim_due(NOW, 2000, DAY)
        items = [item(f"{n:011d}", "x" * 300) for n in range(5000)]
        assert store.commit_poll(poll(claimed[0], upserts=items))
        assert len(store.load_poll_state(claimed[0].trigger_id)[1]) == 5000
