"""Stopping, pausing and editing under way: a clean end, no backlog, nothing forgotten."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from changewire.daemon import DATABASE
from changewire.errors import HomeLockedError
from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.state.lock import LOCK, HomeLock
from changewire.testing import ManualClock
from tests.support.homes import connection, make_home, workflow
from tests.support.processes import DaemonProcess, ask, baselines, wait_for
from tests.support.recorder import Recorder
from tests.support.turning import Turned

NEW = ("zoom.new_meeting_created", {"user_id": OWNER_EMAIL})
NOTE = [{"use": "core.write_file", "with": {"path": "seen.txt", "content": "{{ event.key }} {{ run.workflow }}\n"}}]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


def test_sigterm_under_load_ends_cleanly_within_ten_seconds(sandbox: Sandbox, tmp_path: Path) -> None:
    flows = {f"new{n}": workflow(f"new{n}", NEW[0], {**NEW[1], "page_size": n + 1}, steps=NOTE * 5) for n in range(12)}
    home = make_home(tmp_path / "home", connection(sandbox.url), flows)
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: baselines(home) == len(flows))
        made = [sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"] for _ in range(10)]
        sandbox.control("faults", match="GET /v2", kind="delay", delay_s=0.3)
        assert wait_for(lambda: bool(ask(home, "SELECT 1 FROM runs")))
        began = time.monotonic()
        assert daemon.terminate(within_s=12) == 0
        assert time.monotonic() - began < 10
    assert ask(home, "SELECT count(*) FROM attempts WHERE state = 'running'") == [(0,)]
    sandbox.control("clear_faults")
    with DaemonProcess(home):
        done = [("succeeded", len(made) * len(flows))]
        assert wait_for(lambda: ask(home, "SELECT state, count(*) FROM runs GROUP BY state") == done)
    lines = (home / "state" / "files" / "seen.txt").read_text().splitlines()
    assert sorted(lines) == sorted(f"{number} {name}" for number in made for name in flows for _ in range(5))


def test_changed_and_broken_files_are_taken_over_while_it_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    flows = {"one": workflow("one", *NEW, steps=NOTE), "two": workflow("two", *NEW, steps=NOTE)}
    home = make_home(tmp_path / "home", connection(sandbox.url), flows)
    folder, seen = home / "config" / "workflows", home / "state" / "files" / "seen.txt"

    def fires(*names: str) -> None:
        number = sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"]
        wanted = {f"{number} {name}" for name in names}
        assert wait_for(lambda: seen.exists() and wanted <= set(seen.read_text().splitlines()), 15), wanted

    def watched() -> bool:
        (folder / "one.yaml").write_text(flows["one"])  # as it is; once somebody watches, this is a reload
        return '"action":"reloaded"' in daemon.log.read_text()

    def active(*names: str) -> bool:
        wanted = [(name,) for name in names]
        return wait_for(lambda: ask(home, "SELECT workflow FROM triggers WHERE active = 1 ORDER BY 1") == wanted, 15)

    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: baselines(home) == 2)
        assert wait_for(watched, 15)
        fires("one", "two")
        (folder / "one.yaml").write_text(flows["one"].replace("1s", "2s"))
        (folder / "two.yaml").write_text("name: two\ntrigger: [")
        assert wait_for(lambda: "two.yaml:" in daemon.log.read_text(), 15)
        assert ask(home, "SELECT interval_s FROM triggers WHERE workflow = 'one'") == [(2.0,)]
        fires("one", "two")  # the last good version of the broken one goes on
        (folder / "two.yaml").write_text(workflow("second", *NEW, steps=NOTE))
        assert active("one", "second")
        fires("one", "second")
        assert daemon.terminate() == 0
    assert "two.yaml:" in daemon.log.read_text()
    assert len(ask(home, "SELECT id FROM events")) == 6


def test_an_hour_of_downtime_is_one_poll(sandbox: Sandbox, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", connection(sandbox.url), {"new": workflow("new", *NEW, every="10s")})
    clock = ManualClock(sandbox.clock.now())
    turned = Turned(home, clock).start()
    turned.turn()
    turned.close()
    number = str(sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"])
    clock.advance(3600)
    turned = Turned(home, clock).start()
    for _ in range(10):
        turned.turn()
    turned.close()
    assert ask(home, "SELECT polls FROM triggers") == [(2,)]
    assert ask(home, "SELECT key FROM events") == [(number,)]


def test_a_renamed_workflow_keeps_its_memory_over_a_restart(sandbox: Sandbox, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", connection(sandbox.url), {"new": workflow("before", *NEW, every="10s")})
    clock = ManualClock(sandbox.clock.now())
    turned = Turned(home, clock).start()
    turned.turn()
    turned.close()
    number = str(sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"])
    (home / "config" / "workflows" / "new.yaml").rename(home / "config" / "workflows" / "other.yaml")
    (home / "config" / "workflows" / "other.yaml").write_text(workflow("after", *NEW, every="10s"))
    clock.advance(60)
    turned = Turned(home, clock).start()
    turned.turn()
    turned.close()
    assert ask(home, "SELECT workflow, key FROM events") == [("after", number)]
    assert ask(home, "SELECT workflow, active, polls FROM triggers") == [("after", 1, 2)]


def post(recorder: Recorder, path: str) -> dict[str, Any]:
    """A step that must not be done twice."""
    given = {"method": "POST", "url": f"{recorder.url}/{path}", "json": {"path": path}}
    return {"use": "http.request", "with": given, "timeout": "60s", "idempotency": "none"}


def changed(sandbox: Sandbox, home: Path) -> None:
    """Let an event come, once the daemon watches."""
    assert wait_for(lambda: baselines(home) == 1)
    sandbox.control("create_meeting", user_id=OWNER_EMAIL)


def lock_is_free(home: Path) -> bool:
    try:
        with HomeLock(home / LOCK):
            return True
    except HomeLockedError:
        return False


def test_a_step_that_is_under_way_at_sigterm_has_eight_seconds_to_end(sandbox: Sandbox, tmp_path: Path) -> None:
    with Recorder() as recorder:
        recorder.before_answer = lambda path: time.sleep(4)  # a slow server; each of eight workers used to get a second
        flows = {"new": workflow("new", *NEW, steps=[post(recorder, "one"), post(recorder, "two")])}
        home = make_home(tmp_path / "home", connection(sandbox.url), flows)
        with DaemonProcess(home) as daemon:
            changed(sandbox, home)
            assert wait_for(lambda: bool(recorder.calls))
            assert daemon.terminate(within_s=12) == 0
        assert ask(home, "SELECT address, state FROM attempts") == [("steps/0", "succeeded")]
        recorder.before_answer = lambda path: None
        with DaemonProcess(home):
            assert wait_for(lambda: ask(home, "SELECT state FROM runs") == [("succeeded",)])
        assert [path for path, *_ in recorder.calls] == ["/one", "/two"]


def test_a_parallel_loop_that_hangs_holds_neither_the_end_nor_gives_the_lock_away_before_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with Recorder(hold_from=1) as recorder:
        loop = {"for_each": "{{ [1, 2, 3] }}", "max_parallel": 3, "do": [post(recorder, "{{ item }}")]}
        flows = {"new": workflow("new", *NEW, steps=[loop])}
        home = make_home(tmp_path / "home", connection(sandbox.url), flows)
        with DaemonProcess(home) as daemon:
            changed(sandbox, home)
            assert wait_for(lambda: len(recorder.calls) == 3)
            began = time.monotonic()
            daemon.send_sigterm()
            assert wait_for(lambda: lock_is_free(home), within_s=12, every_s=0.01)
            assert daemon.end(within_s=0.5) == 0, "the lock is free once the process has ended, and not before"
            assert time.monotonic() - began < 11
        recorder.go.set()
        with DaemonProcess(home):
            assert wait_for(lambda: ask(home, "SELECT state FROM runs") == [("paused",)])
        assert len(recorder.calls) == 3, "nobody knows whether they were done, so none is done again"


CODE = """
connector: core
actions:
  hang:
    title: Hang
    description: Leaves a thread that never ends.
    code: hang
    idempotency: none
"""
HANG = """
import pathlib, threading


def hang(context, values):
    threading.Thread(target=threading.Event().wait, daemon=False).start()
    (context.home / "hangs").touch()
    return {}
"""


def test_a_thread_that_the_code_of_an_action_left_does_not_hold_the_end(sandbox: Sandbox, tmp_path: Path) -> None:
    home = make_home(
        tmp_path / "home", connection(sandbox.url), {"new": workflow("new", *NEW, steps=[{"use": "core.hang"}])}
    )
    (home / "actions").mkdir()
    (home / "actions" / "core.yaml").write_text(CODE)
    (home / "actions" / "core.py").write_text(HANG)
    with DaemonProcess(home) as daemon:
        changed(sandbox, home)
        assert wait_for(lambda: ask(home, "SELECT state FROM runs") == [("succeeded",)])
        assert daemon.terminate(within_s=12) == 0
    assert '"daemon_stopped"' in daemon.log.read_text()


def test_a_database_that_another_program_locks_does_not_hold_the_end(sandbox: Sandbox, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", connection(sandbox.url), {"new": workflow("new", *NEW)})
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: baselines(home) == 1)
        with closing(sqlite3.connect(home / DATABASE, isolation_level=None, timeout=10)) as connected:
            connected.execute("BEGIN IMMEDIATE")
            assert daemon.terminate(within_s=12) == 0
    with DaemonProcess(home):
        assert wait_for(lambda: ask(home, "SELECT failures FROM triggers") == [(0,)])
