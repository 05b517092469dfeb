"""A daemon in a process of its own, that can be killed, and its database, read from outside."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]


class DaemonProcess:
    """A running daemon. Its log is in ``log`` of the home. ``program`` is the module that runs as `changewire`."""

    def __init__(self, home: Path, program: str = "changewire") -> None:
        self.home = home
        self.log = home / "daemon.log"
        self._begins = self.log.stat().st_size if self.log.exists() else 0  # of what this process says
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", program, "run", "--json", "--home", str(home)]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL: nothing is finished."""
        self._process.kill()
        assert self._process.wait(10) == -signal.SIGKILL, self.log.read_text()[-3000:]

    def terminate(self, within_s: float = 10.0) -> int:
        """SIGTERM; the exit code."""
        self.send_sigterm()
        return self.end(within_s)

    def send_sigterm(self) -> None:
        """SIGTERM, without waiting for what comes of it."""
        self._process.terminate()

    def end(self, within_s: float) -> int:
        """Wait for the end of the process; its exit code."""
        return self._process.wait(within_s)

    def at_work(self) -> bool:
        """Whether it said that it has started."""
        with self.log.open("rb") as log:
            log.seek(self._begins)
            return b'"daemon_started"' in log.read()

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def __enter__(self) -> DaemonProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.alive():
            self._process.kill()
            self._process.wait(10)


def ask(home: Path, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a home's database, read beside a daemon that may be killed at any moment."""
    path = home / "state" / "changewire.db"  # which this may not make: a daemon refuses an empty one
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=10)) as connection:
        connection.execute("PRAGMA query_only = 1")
        return connection.execute(query, parameters).fetchall()


def wait_for(what: Callable[[], bool], within_s: float = 30.0, every_s: float = 0.05) -> bool:
    """Whether ``what`` came true in time; what the database cannot say yet is not true yet."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if what():
                return True
        except sqlite3.Error:
            pass
        time.sleep(every_s)
    return False


def baselines(home: Path) -> int:
    """How many triggers have read something."""
    return int(ask(home, "SELECT count(*) FROM triggers WHERE active AND baseline_at IS NOT NULL")[0][0])
