"""A database that is only read, also where nothing can be written: a read-only disk, or another user's home."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state.schema import known, migrate
from changewire.state.store import SqliteStore
from tests.state.samples import NOW, event, run, with_events

READ = """
import os, sys
from pathlib import Path
from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state.store import SqliteStore
if os.geteuid() == 0:  # root may write everything
    os.setuid(65534)
store = SqliteStore(Path("changewire.db"), clock=SystemClock())
try:
    store.open_to_read()
    print([event.id for event in store.events()])
    store.close()
except StateError as error:
    print(error)
"""


def store_at(path: Path) -> SqliteStore:
    return SqliteStore(path, clock=SystemClock())


def fill(path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user may look into, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
        Path(name).chmod(0o700)


def read_by_another(folder: Path, mode: int = 0o444) -> str:
    """What a user sees who may write neither the files nor their folder."""
    before = sorted(path.name for path in folder.iterdir())
    for path in folder.iterdir():
        path.chmod(mode)
    folder.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", READ], cwd=folder, capture_output=True, text=True, check=True, timeout=60
    )
    assert sorted(path.name for path in folder.iterdir()) == before
    return done.stdout


def test_reading_writes_nothing(path: Path) -> None:
    fill(path)
    before = path.read_bytes(), path.stat().st_mtime_ns
    path.chmod(0o644)
    store = store_at(path)
    store.open_to_read()
    with store:  # which must not open it for writing
        assert [one.id for one in store.events()] == ["e1"]
        with pytest.raises(StateError, match="is not open"):
            store.heartbeat({}, NOW)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_a_daemon_writes_at_this_moment_is_seen(path: Path) -> None:
    with store_at(path) as daemon:
        reader = store_at(path)
        reader.open_to_read()
        with closing(reader):
            assert reader.events() == []
            with_events(daemon, [event()], [run()])
            assert [one.id for one in reader.events()] == ["e1"]


def test_a_file_in_a_folder_that_cannot_be_written_is_read(folder: Path) -> None:
    fill(folder / "changewire.db")
    assert read_by_another(folder) == "['e1']\n"


def test_a_file_that_a_daemon_works_with_is_read_where_nothing_can_be_written(folder: Path) -> None:
    with store_at(folder / "changewire.db") as store:
        with_events(store, [event()], [run()])
        assert read_by_another(folder) == "['e1']\n"
        folder.chmod(0o700)


def test_changes_that_can_only_be_read_after_writing_are_told(folder: Path, path: Path) -> None:
    with store_at(path) as store:
        with_events(store, [event()], [run()])
        for name in ("changewire.db", "changewire.db-wal"):  # as after a kill, copied without the index
            shutil.copy(path.with_name(name), folder / name)
    assert read_by_another(folder) == (
        "The database changewire.db cannot be read where nothing can be written, for its latest changes are still in "
        "changewire.db-wal: copy both to a folder that can be written, or let this user write their folder.\n"
    )


def test_a_file_of_another_user_is_told(folder: Path) -> None:
    fill(folder / "changewire.db")
    assert read_by_another(folder, mode=0o000) == (
        "The database changewire.db cannot be read by this user: do it as the user who runs the daemon.\n"
    )


def test_a_database_of_an_earlier_version_is_brought_up_to_date_first(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path, {name: text for name, text in known().items() if name < "0005"})
    store = store_at(path)
    store.open_to_read()
    with closing(store):
        assert store.pauses() == []


def test_an_earlier_version_that_cannot_be_written_is_told(folder: Path) -> None:
    path = folder / "changewire.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        migrate(old, path, {name: text for name, text in known().items() if name < "0005"})
    assert read_by_another(folder) == (
        "The database changewire.db cannot be written: let this user write the file and its folder "
        "([Errno 13] Permission denied: 'changewire.db').\n"
    )


def test_empty_and_foreign_files_are_told_as_when_writing(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    with pytest.raises(StateError, match="is empty, so what was seen is not known any more"):
        store_at(path).open_to_read()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE events (id)")
    with pytest.raises(StateError, match="belongs to another program"):
        store_at(path).open_to_read()
    path.unlink()
    with pytest.raises(StateError, match="cannot be opened"):
        store_at(path).open_to_read()
    assert list(path.parent.iterdir()) == []
