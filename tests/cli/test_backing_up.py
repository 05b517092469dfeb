"""``backup``: whole, of one moment, beside the daemon, and never over another file."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from changewire.cli.backing_up import copy
from changewire.cli.base import database_of
from changewire.clock import SystemClock
from changewire.sandbox import Sandbox
from changewire.state.store import SqliteStore
from tests.cli.conftest import MEETINGS
from tests.cli.rig import changewire, lines, watch
from tests.state.samples import NOW, event, run, trigger, with_events

Make = Callable[..., Path]


def test_the_copy_holds_all_and_is_only_for_its_owner(watched: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    (told,) = lines(changewire("backup", file, "--home", watched, "--json").stdout)
    assert told == {"v": 1, "file": str(file), "bytes": file.stat().st_size, "without": []}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    restored = tmp_path / "home"
    shutil.copytree(watched / "config", restored / "config")
    (restored / "state").mkdir()
    shutil.copy(file, database_of(restored))
    for words in (["events"], ["runs"]):
        before, after = (changewire(*words, "--home", home, "--json").stdout for home in (watched, restored))
        assert before == after != ""


def test_what_is_not_in_it_is_named(watched: Path, tmp_path: Path) -> None:
    for name in ("downloads.db", "tokens"):
        (watched / "state" / name).mkdir()
    result = changewire("backup", tmp_path / "one.db", "--home", watched)
    assert result.stderr.splitlines() == [
        "not in it: state/tokens, sign-ins with `changewire connect`: after a loss, sign in again",
        "not in it: state/downloads.db, which files were downloaded: copy it together with state/downloads, "
        "while nothing runs",
    ]
    (told,) = lines(changewire("backup", tmp_path / "two.db", "--home", watched, "--json").stdout)
    assert told["without"] == ["tokens", "downloads.db"]


def test_after_going_back_the_watch_goes_on_and_tells_again_what_came_since(
    make_home: Make, sandbox: Sandbox, tmp_path: Path
) -> None:
    def new() -> None:
        sandbox.control("create_meeting", user_id="dana.host@example.com")

    home, file = make_home(a=MEETINGS), tmp_path / "copy.db"
    watch(home, new, until=lambda daemon: len(daemon.store.events()) == 1)
    assert changewire("backup", file, "--home", home).exit_code == 0
    watch(home, new, until=lambda daemon: len(daemon.store.events()) == 2)
    before = [event["id"] for event in lines(changewire("events", "--home", home, "--json").stdout)]
    for companion in ("-wal", "-shm"):
        Path(f"{database_of(home)}{companion}").unlink(missing_ok=True)
    shutil.copy(file, database_of(home))
    watch(home, until=lambda daemon: len(daemon.store.events()) == 2)
    assert [event["id"] for event in lines(changewire("events", "--home", home, "--json").stdout)] == before


def test_a_file_that_is_there_is_not_overwritten(watched: Path, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("mine")
    result = changewire("backup", file, "--home", watched)
    assert result.exit_code == 2
    assert result.stderr == f"{file} is there already, and a backup overwrites nothing: take another name\n"
    assert file.read_text() == "mine"


def test_what_cannot_be_is_told(watched: Path, make_home: Make, tmp_path: Path) -> None:
    nowhere = tmp_path / "no" / "copy.db"
    result = changewire("backup", nowhere, "--home", watched)
    assert (result.exit_code, result.stderr) == (2, f"{nowhere} cannot be made: no such file or directory\n")
    result = changewire("backup", tmp_path / "x.db", "--home", make_home(a=MEETINGS))
    assert (result.exit_code, result.stderr) == (2, "there is no database in this home so far: nothing was watched\n")
    assert not (tmp_path / "x.db").exists()


def test_it_is_of_one_moment_while_others_write(tmp_path: Path) -> None:
    path, done = tmp_path / "state" / "changewire.db", threading.Event()
    with SqliteStore(path, clock=SystemClock()) as store:
        with_events(store, [event()], [run()])

        def write() -> None:
            number = 0
            while not done.is_set():
                number += 1
                store.feed([event(f"f{number}", trigger().id, NOW)], [run(f"q{number}", f"f{number}")])

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for number in range(5):
                target = tmp_path / f"{number}.db"
                copy(path, target)
                with closing(sqlite3.connect(target)) as copied:
                    counts = copied.execute("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM runs)")
                    ((events, runs),) = counts.fetchall()
                assert events == runs
        finally:
            done.set()
            writer.join()
