"""Daily limits count on over restarts and kills."""

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
    (count,) = [count for pool, _, count in one._clients.spent()["work"] if pool == "heavy"]
    return int(count)


def test_daily_counts_outlive_the_process_that_made_them(tmp_path: Path, sandbox: Sandbox) -> None:
    home = write_home(
        tmp_path, connection(sandbox.url), one=workflow("One", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
    )
    first = daemon(home)
    for _ in range(3):
        first._clients.get("work").send(HEAVY)
    first._beat()
    first._clients.get("work").send(HEAVY)
    first._lock.release()  # killed now: what came since the last heartbeat is lost

    second = daemon(home)
    assert spent(second) == 3
    second._clients.get("work").send(HEAVY)
    assert second.close()

    third = daemon(home)
    assert spent(third) == 4
    assert third.close()
    first.close()
