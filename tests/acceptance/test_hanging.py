"""Code of a home's own that never returns: its step ends, all others go on, and the daemon stops in time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from changewire.daemon import Daemon
from changewire.engine.steady_clock import SteadyClock
from changewire.log import silent
from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from tests.actions import hanging
from tests.support.homes import connection, make_home, workflow
from tests.support.processes import DaemonProcess, ask, baselines, wait_for

NEW = ("zoom.new_meeting_created", {"user_id": OWNER_EMAIL})
WAYS = ["sleeps", "spins", "reads", "matches", "waits", "starts"]
NOTE = [{"use": "core.write_file", "with": {"path": "seen.txt", "content": "{{ event.key }}\n"}}]
STATES = "SELECT workflow, state FROM runs ORDER BY workflow"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


@pytest.fixture
def home(sandbox: Sandbox, tmp_path: Path) -> Callable[..., Path]:
    def make(timeout: str, settings: str = "", every: str = "1s", run_in: str = "process", **more: str) -> Path:
        flows = {
            way: workflow(
                way, *NEW, steps=[{"use": f"core.{way}", "timeout": timeout, "retry": {"attempts": 1}}], every=every
            )
            for way in WAYS
        }
        made = make_home(tmp_path / "home", connection(sandbox.url), {**flows, **more}, settings)
        hanging.write_actions(made, run_in=run_in)
        return made

    return make


def changed(sandbox: Sandbox) -> None:
    sandbox.control("create_meeting", user_id=OWNER_EMAIL)


def children(pid: int) -> list[int]:
    """The processes that a process started and that are there, those that only wait to be reaped left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(pid) and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def test_code_that_hangs_in_six_ways_on_all_workers_ends_at_its_limit_and_other_workflows_go_on(
    sandbox: Sandbox, home: Callable[..., Path]
) -> None:
    made = home("3s", "workers: {runs: 6}\n", zz=workflow("zz", *NEW, steps=NOTE))
    with DaemonProcess(made) as daemon:
        assert wait_for(lambda: baselines(made) == 7, within_s=60)
        changed(sandbox)
        ended = [*((way, "paused") for way in sorted(WAYS)), ("zz", "succeeded")]
        assert wait_for(lambda: ask(made, STATES) == ended, within_s=120)
        reasons = [reason for (reason,) in ask(made, "SELECT reason FROM runs WHERE state = 'paused'")]
        assert all(
            "did not end within 3s, so its process was ended; it may have taken effect" in one for one in reasons
        )
        changed(sandbox)
        assert wait_for(lambda: len(ask(made, "SELECT 1 FROM runs WHERE workflow = 'zz' AND state = 'succeeded'")) == 2)
        assert daemon.terminate(within_s=12) == 0


def test_a_daemon_stops_in_time_and_takes_all_code_that_hangs_along(
    sandbox: Sandbox, home: Callable[..., Path]
) -> None:
    made = home("1h", "workers: {runs: 6}\n")
    with DaemonProcess(made) as daemon:
        assert wait_for(lambda: baselines(made) == 6, within_s=60)
        changed(sandbox)
        assert wait_for(lambda: len(children(daemon.pid)) == 6, within_s=60)
        started = children(daemon.pid)
        began = time.monotonic()
        assert daemon.terminate(within_s=12) == 0
        assert time.monotonic() - began < 11
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert ask(made, "SELECT count(*) FROM attempts WHERE state = 'running'") == [(6,)]


def test_a_daemon_that_is_killed_leaves_no_code_that_hangs_and_the_next_one_decides_about_it(
    sandbox: Sandbox, home: Callable[..., Path]
) -> None:
    made = home("30s", "workers: {runs: 6}\n")
    with DaemonProcess(made) as daemon:
        assert wait_for(lambda: baselines(made) == 6, within_s=60)
        changed(sandbox)
        assert wait_for(lambda: len(children(daemon.pid)) == 6, within_s=60)
        started = children(daemon.pid)
        daemon.kill()
    yielding = {"matches"}  # what keeps the interpreter to itself ends at its limit
    assert wait_for(lambda: sum(Path(f"/proc/{pid}").exists() for pid in started) <= len(yielding), within_s=10)
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), within_s=60)
    with DaemonProcess(made):
        assert wait_for(lambda: {state for _, state in ask(made, STATES)} == {"paused"}, within_s=60)
    (unknown,) = {reason.partition("unknown: ")[2] for (reason,) in ask(made, "SELECT reason FROM runs")}
    assert unknown == "the process ended before an answer was stored; it may have been done"


def health(daemon: Daemon) -> tuple[int, list[dict[str, Any]]]:
    try:
        with urlopen(f"{daemon._serving.url}/health", timeout=10) as answer:
            status, text = answer.status, answer.read()
    except HTTPError as error:
        with error:
            status, text = error.code, error.read()
    return status, json.loads(text)["attention"]


def test_health_says_which_work_keeps_all_workers_busy_without_progress(
    sandbox: Sandbox, home: Callable[..., Path]
) -> None:
    made = home("2h", 'workers: {runs: 6}\nserve: {listen: "127.0.0.1:0"}\n', every="1h")
    clock = ManualClock(sandbox.clock.now())
    daemon = Daemon(made, SteadyClock(clock), silent)
    daemon.start(watch_files=False)
    try:
        daemon.turn(daemon._clock.now())
        assert wait_for(lambda: baselines(made) == 6, within_s=30)
        changed(sandbox)
        clock.advance(3601)
        daemon.turn(daemon._clock.now())
        assert wait_for(lambda: len(daemon._workload.look().pools[1].busy) == 6, within_s=60)
        assert wait_for(lambda: len([1 for work in daemon._workload.look().work if work.step]) == 6, within_s=60)
        assert health(daemon) == (200, [])
        clock.advance(660)
        daemon.turn(daemon._clock.now())
        status, (found,) = health(daemon)
        assert (status, found["name"], found["state"]) == (503, "run workers", "busy")
        assert found["message"].startswith("6 of 6 run workers have been busy without progress for 11m: run run_")
        assert "step steps/0 (core." in found["message"]
        daemon._beat()
        assert (daemon.store.daemon_info() or {})["stalled"] == [found]
    finally:
        daemon.close()
