"""Daily limits are counted over restarts and kills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from changewire.clock import SystemClock
from changewire.connectors.transport.messages import Request
from changewire.daemon import Daemon
from changewire.sandbox import Sandbox
from tests.engine.rig import USER, connection, workflow, write_home

HEAVY = Request("GET", "/report/daily", label="HEAVY")


def silent(event: str, message: str, /, **facts: Any) -> None:
    """Nobody listens."""


def daemon(home: Path) -> Daemon:
    made = Daemon(home, SystemClock(), silent)
    made.start(watch_files=False)
    return made


def spent(one: Daemon) -> int:
    (found,) = [use.today for use in one._clients.uses()["work"] if use.label == "HEAVY"]
    return found


def test_daily_counts_outlive_the_process_that_made_them(tmp_path: Path, sandbox: Sandbox) -> None:
    home = write_home(
        tmp_path, connection(sandbox.url), one=workflow("One", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
    )
    first = daemon(home)
    for _ in range(3):
        first._clients.get("work").send(HEAVY)
    first._lock.release()  # killed now

    second = daemon(home)
    second._clients.get("work").send(HEAVY)
    assert spent(second) == 4
    assert second.close()
    first.close()
