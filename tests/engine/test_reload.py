"""Taking over changed files while the daemon works."""

from __future__ import annotations

import os
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from changewire import daemon as module
from changewire.clock import SystemClock
from changewire.daemon import Daemon
from changewire.engine import watching
from changewire.errors import StateError
from changewire.home.definition import Home
from changewire.home.loading import load_home
from changewire.sandbox import Sandbox
from tests.engine.rig import USER, connection, workflow, write_home

ONE = workflow("One", "zoom.new_meeting_created", f"{{user_id: {USER}}}")


@pytest.fixture
def logged() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def daemon(sandbox: Sandbox, tmp_path: Path, logged: list[tuple[str, str]]) -> Daemon:
    def log(event: str, message: str, /, **_: Any) -> None:
        logged.append((event, message))

    return Daemon(write_home(tmp_path, connection(sandbox.url), one=ONE), SystemClock(), log)


def test_files_read_earlier_never_replace_files_read_later(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow_at_first(path: Path, *, previous: Home) -> Home:
        home = load_home(path, previous=previous)
        if not entered.is_set():
            entered.set()
            go_on.wait(5)
        return home

    monkeypatch.setattr(module, "load_home", slow_at_first)
    with closing(daemon):
        daemon.start(watch_files=False)
        first = threading.Thread(target=daemon.reload)
        first.start()
        entered.wait(5)
        (daemon.path / "config" / "workflows" / "two.yaml").write_text(ONE.replace("One", "Two"))
        second = threading.Thread(target=daemon.reload)
        second.start()
        second.join(0.3)  # done by now, if nothing held it back
        go_on.set()
        first.join()
        second.join()
        assert sorted(daemon.home.workflows) == ["One", "Two"]


def test_a_database_that_fails_at_a_reload_is_told_and_the_daemon_goes_on(
    daemon: Daemon, logged: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StateError("The database cannot grow.")

    with closing(daemon):
        daemon.start(watch_files=False)
        with monkeypatch.context() as patch:
            patch.setattr(daemon.store, "sync_triggers", full)
            daemon.reload()
        assert logged[-1] == (
            "reload_failed",
            "the changed files are not taken over yet, which is tried again: The database cannot grow.",
        )
        daemon.reload()
        assert logged[-1] == ("reloaded", "took over the changed files: 1 trigger")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device"), "this machine watches as many files as it may: raise fs.inotify"),
        (
            RuntimeError("OS file watch limit reached."),
            "this machine watches as many files as it may: raise fs.inotify",
        ),
        (PermissionError(13, "Permission denied"), "permission denied"),
    ],
)
def test_why_files_cannot_be_watched_is_told(error: Exception, words: str) -> None:
    assert watching.why_unwatched(error).startswith(words)


def test_the_watcher_outlives_what_nobody_foresaw(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, logged: list[tuple[str, str]]
) -> None:
    real, failed = Daemon.reload, threading.Event()

    def reload(self: Daemon) -> None:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("out of the blue")
        real(self)

    monkeypatch.setattr(Daemon, "reload", reload)
    monkeypatch.setattr(watching, "AGAIN_S", 0.01)
    two = daemon.path / "config" / "workflows" / "two.yaml"
    clock = SystemClock()
    with closing(daemon):
        daemon.start()
        end = clock.monotonic() + 20
        while "Two" not in daemon.home.workflows and clock.monotonic() < end:
            two.write_text(ONE.replace("One", "Two") + f"# {clock.now()}\n")
            clock.wait(0.5)
        assert "Two" in daemon.home.workflows
    assert (
        "watch_failed",
        "changed files may go unnoticed: a fault in Changewire itself, please report it: RuntimeError: out of the blue;"
        " looking again",
    ) in logged


@pytest.mark.parametrize(
    "file", ["config/workflows/two.yaml", "triggers/own.yaml", "actions/own.yaml", "actions/own.py"]
)
def test_a_named_pipe_among_the_files_does_not_hold_a_reload_back(daemon: Daemon, file: str) -> None:
    with closing(daemon):
        daemon.start(watch_files=False)
        path = daemon.path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        reload = threading.Thread(target=daemon.reload, daemon=True)
        reload.start()
        reload.join(30)
        assert not reload.is_alive()
        assert list(daemon.home.workflows) == ["One"]
