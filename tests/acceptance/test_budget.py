"""One request budget for the daemon and the commands beside it: real processes, and a server that counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.connectors.budget import Budget
from changewire.connectors.definition import load_connector
from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.state.budgets import FILE, SqliteBudgetStore
from tests.cli.rig import background, program
from tests.connectors.server import Reply, Server
from tests.support.homes import connection, make_home, workflow
from tests.support.processes import DaemonProcess, wait_for

NEW = "zoom.new_meeting_created"


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as made:
        yield made


def polling(number: int) -> dict[str, str]:
    """Workflows that poll every second, each with a request of its own."""
    return {f"new{n}": workflow(f"new{n}", NEW, {"user_id": OWNER_EMAIL, "page_size": n + 1}) for n in range(number)}


def watching(home: Path, server: Server) -> Path:
    """A home that watches a document of ``server`` every second, without any limit of its own."""
    connections = {"web": {"connector": "http", "base_url": server.url, "allow_private": True}}
    flow = workflow("web", "http.document_changed", {"path": "/document"}, every="1s")
    server.on("/document", Reply(body={"a": 1}))
    return make_home(home, json.dumps(connections), {"web": flow})


def stats(sandbox: Sandbox, label: str) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.control("stats")["by_label"][label]
    return found


def answered(command: subprocess.Popen[str]) -> str:
    """Wait for a command that must succeed. Returns what it said on stderr."""
    _, err = command.communicate(timeout=100)
    assert command.returncode == 0, err
    return err


def test_a_daemon_and_commands_together_never_exceed_the_limit(tmp_path: Path) -> None:
    with Sandbox(plan="pro") as sandbox:
        connections = connection(sandbox.url, plan="pro", share=0.25)
        home = make_home(tmp_path / "home", connections, polling(12))
        for _ in range(2):
            with DaemonProcess(home) as daemon:
                assert wait_for(daemon.at_work)
                commands = [background("call", "zoom.users", "--json", "--home", home) for _ in range(3)]
                commands += [background("test", "new0", "--json", "--home", home)]
                for command in commands:
                    answered(command)
                daemon.kill()
        found = stats(sandbox, "Medium")
        assert (found["refused_second"], found["peak"] <= 5) == (0, True), found
        assert sandbox.control("stats")["by_status"].keys() == {"200"}


def test_commands_share_the_limit_of_a_day_without_a_daemon_and_with_one(tmp_path: Path) -> None:
    with Sandbox(plan="pro") as sandbox:
        connections = connection(sandbox.url, plan="free", share=0.003)
        report = workflow("report", "zoom.daily_usage_report_changed", {})
        home = make_home(tmp_path / "home", connections, {"report": report})
        (home / "state").mkdir(mode=0o700)
        call = ("call", "zoom.reportDaily", "--json", "--home", home)
        for command in [background(*call) for _ in range(3)]:
            answered(command)
        refused = program(*call)
        assert refused.returncode == 1
        assert "today's 3 HEAVY requests of connection 'zoom' are used up" in refused.stderr
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: "today's 3 HEAVY requests of connection 'zoom'" in daemon.log.read_text())
        assert stats(sandbox, "Heavy")["total"] == 3
        assert stats(sandbox, "Heavy")["peak"] == 1


def test_a_refusal_that_a_command_meets_holds_back_the_daemon(tmp_path: Path, server: Server) -> None:
    home = watching(tmp_path / "home", server)
    server.on("/refuse", Reply(429, b"", {"Retry-After": "3600"}))
    call = ("call", "http.request", "connection=web", "--home", home)
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: len(server.seen) >= 3)
        assert program(*call, "url=/refuse").returncode == 1
        assert wait_for(lambda: '"poll_delayed"' in daemon.log.read_text())
        before = len(server.seen)
        delayed = program(*call, "url=/document")
        assert delayed.returncode == 1
        assert "the budget for requests of connection 'web' is used up until" in delayed.stderr
        assert len(server.seen) == before


def test_a_refusal_that_the_daemon_meets_holds_back_commands_and_its_next_start(tmp_path: Path, server: Server) -> None:
    home = watching(tmp_path / "home", server)
    server.on("/document", Reply(429, b"", {"Retry-After": "3600"}))
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: '"poll_delayed"' in daemon.log.read_text())
        daemon.kill()
    assert len(server.seen) == 1
    delayed = program("call", "http.request", "connection=web", "url=/other", "--home", home)
    assert (delayed.returncode, "is used up until" in delayed.stderr) == (1, True)
    more = workflow("more", "http.document_changed", {"path": "/other"})
    (home / "config" / "workflows" / "more.yaml").write_text(more)
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: daemon.log.read_text().count('"poll_delayed"') == 2)
    assert len(server.seen) == 1


def test_a_command_that_waits_for_the_budget_says_so_and_is_done_when_it_comes(tmp_path: Path, server: Server) -> None:
    home, clock = watching(tmp_path / "home", server), SystemClock()
    (home / "state").mkdir(mode=0o700)
    with closing(SqliteBudgetStore(home / FILE, clock)) as store:
        budget = Budget(load_connector("http"), "web", None, 1.0, clock, store)
        budget.forbid(None, clock.now() + timedelta(seconds=10))
    err = answered(background("call", "http.request", "connection=web", "url=/document", "--home", home))
    assert "s for the request budget of connection 'web'" in err
    assert len(server.seen) == 1
