"""What goes wrong at a user's: one clear sentence with what to do, exit code 1, no traceback, nothing lost."""

from __future__ import annotations

import ctypes
import json
import resource
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.daemon import DATABASE
from changewire.sandbox import Sandbox
from tests.engine.rig import USER, connection, workflow, write_home

NEW = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}").replace("60s", "1s")
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
LIMIT = 30.0  # seconds that anything may take


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


def command(home: Path, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run ``changewire`` to its end."""
    arguments = [sys.executable, "-m", "changewire", "--home", str(home), *words]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT, check=False, **more)


class Running:
    """A daemon at work, asked through the command line."""

    def __init__(self, home: Path, **more: Any) -> None:
        self.home = home
        arguments = [sys.executable, "-m", "changewire", "--home", str(home), "run"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.out, self.err = self.process.communicate(timeout=LIMIT)
        assert "Traceback" not in self.err

    def status(self) -> list[dict[str, Any]]:
        """The triggers as `status` tells them."""
        told = command(self.home, "status", "--json").stdout
        return list(json.loads(told)["triggers"]) if told else []

    def until(self, wanted: Any) -> dict[str, Any]:
        """The only trigger, once it is as wanted."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            triggers = self.status()
            if triggers and wanted(triggers[0]):
                return triggers[0]
        raise AssertionError(f"not in time: {self.status()}")

    def error(self) -> str:
        """The sentence that the only trigger shows."""
        return str(self.until(lambda trigger: trigger["error"])["error"])


def test_wrong_credentials(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url, secret="wrong-secret"), new=NEW)
    with Running(tmp_path) as daemon:
        error = daemon.error()
    assert error.startswith("signing in to Zoom as 'work' failed (HTTP 400: Invalid client_id or client_secret)")
    assert "check account_id, client_id and client_secret in connections.yaml" in error
    assert "wrong-secret" not in error + daemon.out + daemon.err


def test_a_missing_scope(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.control("set_scopes", scopes=["user:read:admin"])
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    with Running(tmp_path) as daemon:
        error = daemon.error()
    assert "meeting:read:list_meetings" in error
    assert "add one of these scopes to the app" in error


def test_a_plan_that_does_not_include_it(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.control("switch", webinar_plan=False)
    write_home(tmp_path, connection(sandbox.url), new=NEW.replace("new_meeting_created", "new_webinar_created"))
    with Running(tmp_path) as daemon:
        error = daemon.error()
    assert "Webinar plan is missing" in error


def test_an_unknown_meeting(sandbox: Sandbox, tmp_path: Path) -> None:
    text = workflow("Details", "zoom.meeting_details_changed", "{meeting_id: 81234567890}")
    write_home(tmp_path, connection(sandbox.url), details=text)
    with Running(tmp_path) as daemon:
        error = daemon.error()
    assert "Meeting does not exist: 81234567890" in error


def test_a_host_that_cannot_be_reached(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        write_home(tmp_path, connection(url), new=NEW)
        with Running(tmp_path) as daemon:
            error = daemon.error()
    assert error.endswith("cannot be reached: check the address, the network and the firewall")


def test_what_failed_is_made_up_for_once_it_is_mended(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    with Running(tmp_path) as daemon:
        daemon.until(lambda trigger: trigger["last_ok"])
        sandbox.control("faults", match="GET /v2/users", kind="status", status=500, times=None)
        sandbox.control("create_meeting", user_id=USER, topic="Meanwhile")
        daemon.until(lambda trigger: trigger["state"] == "failing")
        sandbox.control("clear_faults")
        daemon.until(lambda trigger: trigger["last_event"])
    events = [json.loads(line) for line in command(tmp_path, "events", "--json").stdout.splitlines()]
    assert [event["payload"]["meeting"]["topic"] for event in events] == ["Meanwhile"]


def test_a_full_disk(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    limit = (4096, 4096)  # bytes that a file of the process may have, which fails like a disk that is full

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    done = command(tmp_path, "run", preexec_fn=bounded)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line]
    assert "changewire.db" in sentence


def test_a_damaged_database(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    (tmp_path / "state").mkdir()
    (tmp_path / DATABASE).write_bytes(b"this is not a database" * 400)
    done = command(tmp_path, "run")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "changewire.db" in sentence
    assert (tmp_path / DATABASE).read_bytes().startswith(b"this is not a database")


def test_a_database_that_is_moved_away_under_the_daemon(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    path = tmp_path / DATABASE
    with Running(tmp_path) as daemon:
        last = daemon.until(lambda trigger: trigger["last_ok"])["last_ok"]
        path.rename(path.with_name("aside.db"))
        for word in ("status", "events", "runs"):
            done = command(tmp_path, word)
            assert (done.returncode, done.stdout) == (1, "")
            assert (
                f"{DATABASE} is gone, while a daemon (process {daemon.process.pid}) works in this home" in done.stderr
            )
        path.with_name("aside.db").rename(path)
        daemon.until(lambda trigger: trigger["last_ok"] > last)


def test_a_database_of_a_newer_version(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    (tmp_path / "state").mkdir()
    with Running(tmp_path) as daemon:
        daemon.until(lambda trigger: trigger["last_ok"])
    database = sqlite3.connect(tmp_path / DATABASE)
    table = "_sqlite_migrations"
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
    last = database.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
    newer = [value if column != "name" else "9999_from_the_future" for column, value in zip(columns, last, strict=True)]
    marks = ", ".join("?" * len(columns))
    newer = [None if column == "id" else value for column, value in zip(columns, newer, strict=True)]
    database.execute(f"INSERT INTO {table} VALUES ({marks})", newer)
    database.commit()
    database.close()
    done = command(tmp_path, "run")
    assert done.returncode == 1
    assert "newer" in done.stderr


def test_a_database_that_cannot_be_written(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    (tmp_path / DATABASE).mkdir(parents=True)
    done = command(tmp_path, "run")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "changewire.db" in sentence


def obey_permissions() -> None:
    """Take away what lets root write everywhere, so that the test holds for root as well; see capabilities(7)."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def test_a_folder_without_permission(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    (tmp_path / "state").mkdir(mode=0o500)
    done = command(tmp_path, "run", preexec_fn=obey_permissions)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "permission" in sentence.lower()


def test_a_port_that_is_in_use(sandbox: Sandbox, tmp_path: Path) -> None:
    port = sandbox.url.rpartition(":")[2]
    done = command(tmp_path, "sandbox", "--port", port)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert port in sentence


def test_two_daemons_in_one_home(sandbox: Sandbox, tmp_path: Path) -> None:
    write_home(tmp_path, connection(sandbox.url), new=NEW)
    with Running(tmp_path) as first:
        first.until(lambda trigger: trigger["last_ok"])
        second = command(tmp_path, "run")
        assert second.returncode == 1
        (sentence,) = second.stderr.splitlines()
        assert f"process {first.process.pid}" in sentence


def test_an_empty_home(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "state").mkdir()
    done = command(tmp_path, "run")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "there is no workflow" in sentence


def test_a_typo_in_one_of_two_thousand_workflows(tmp_path: Path) -> None:
    workflows = {f"w{number}": NEW.replace("New", f"New {number}") for number in range(2000)}
    workflows["w1234"] = workflows["w1234"].replace("trigger:", "triger:")
    write_home(tmp_path, connection("http://127.0.0.1:9"), **workflows)
    done = command(tmp_path, "validate")
    assert done.returncode == 1
    assert done.stdout == "config/workflows/w1234.yaml:2:1: unknown key 'triger' (did you mean 'trigger'?)\n"
    assert "1999 workflows can be used" in done.stderr
