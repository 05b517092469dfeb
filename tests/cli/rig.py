"""The program as people and scripts call it, in this process or as one of its own."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from changewire.cli import root
from changewire.clock import SystemClock
from changewire.daemon import Daemon
from changewire.log import silent

PROGRAM = [sys.executable, "-m", "changewire"]
COMMANDS = (
    "init", "demo", "run", "connect", "check", "plan", "validate", "test", "catalog", "status", "events", "runs",
    "explain", "pause", "resume", "cancel", "replay", "reset", "prune", "backup", "schema", "call",
    "sandbox", "completion",
)  # fmt: skip


def changewire(*words: str | Path, **variables: str) -> Result:
    """One command in this process."""
    return CliRunner().invoke(root, [str(word) for word in words], env=variables)


def program(*words: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """One command as a process of its own."""
    return subprocess.run([*PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=30, check=False, **more)


def on_terminal(columns: int, *words: str | Path) -> str:
    """What one command shows on a terminal of so many columns, without colours."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal, suppress(OSError):  # ends with EIO
        while chunk := terminal.read(65536):
            shown += chunk
    process.wait(30)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode().replace("\r\n", "\n"))


def background(*words: str | Path, **more: Any) -> subprocess.Popen[str]:
    """A command that goes on, with pipes for both its outputs."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([*PROGRAM, *map(str, words)], text=True, env=environment, **pipes, **more)  # type: ignore[call-overload, no-any-return]


def lines(text: str) -> list[dict[str, Any]]:
    """The objects of JSON lines; anything else on a line fails the test."""
    return [json.loads(line) for line in text.splitlines()]


def watch(home: Path, change: Callable[[], object] | None = None, *, until: Callable[[Daemon], bool]) -> None:
    """Let a real daemon work on a home until ``until``; ``change`` happens once every trigger was polled.

    A trigger that is paused counts as polled.
    """
    daemon = Daemon(home, SystemClock(), silent)
    daemon.start(watch_files=False)
    with closing(daemon):
        _turn(
            daemon,
            lambda: all(record.polls or record.paused for record in daemon.store.triggers() if record.fingerprint),
        )
        if change is not None:
            change()
        _turn(daemon, lambda: until(daemon))


def _turn(daemon: Daemon, done: Callable[[], bool]) -> None:
    clock = SystemClock()
    end = clock.monotonic() + 15
    while not done():
        assert clock.monotonic() < end, list(daemon.store.triggers())
        clock.wait(min(0.05, daemon.turn(clock.now())))


def finished(daemon: Daemon, count: int) -> bool:
    """True where so many runs have come to an end, or wait for a person."""
    states = [history.run.state for history in daemon.store.runs()]
    return sum(state.finished or state == "paused" for state in states) >= count


def workflow(name: str, kind: str, parameters: str = "{}", *, steps: str = "", extra: Iterable[str] = ()) -> str:
    """A workflow that polls every second; ``steps`` as a flow list, default: one that logs."""
    logging = '[{use: core.log, with: {message: "{{ event.key }}"}}]'
    more = "".join(f"{line}\n" for line in extra)
    return f"name: {name}\ntrigger: {{type: {kind}, every: 1s, with: {parameters}}}\n{more}steps: {steps or logging}\n"
