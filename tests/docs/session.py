"""Plays the console blocks of a page: what the reader types is really done, and what the page shows must come."""

from __future__ import annotations

import functools
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from tests.docs.pages import Block, blocks

WITHIN_S = 30.0  # machines may be busy
A_RUN = re.compile(r"\brun_[0-9a-f]{6,}")
LONG_RUNNING = re.compile(r"(changewire (run|sandbox)|python3 -m http\.server)( |$)")
PORTS = ("8750", "8700")  # of the pages; each session has its own
STEADY = (
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\d\d:\d\d:\d\d", "TIME"),
    (r"process \d+, \d+ polls", "process 1, 1 polls"),
    (r"\b\d+ ms\b", "1 ms"),
    (r"\s+", " "),
)


class Running:
    """A command that goes on until Ctrl-C."""

    def __init__(self, command: str, folder: Path, env: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                shlex.split(command), cwd=folder, env=env, stdout=stream, stderr=subprocess.STDOUT
            )

    def output(self) -> str:
        return self._log.read_text()

    def await_lines(self, expected: list[str], place: str = "") -> None:
        await_lines(self.output, expected, place)

    def interrupt(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(WITHIN_S)


class Session:
    """One reader at a terminal, or at several."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        self._logs = folder.parent / f"{folder.name}-logs"
        self._logs.mkdir()
        self._ports = {port: str(_free_port()) for port in PORTS}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZOOM_", "CHANGEWIRE_"))}
        self._env = {**kept, "PATH": path, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        self._running: list[Running] = []
        self._run = "run_…"  # the last one that was shown; pages cannot know its id

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for each in reversed(self._running):
            each.interrupt()

    def play(self, page: Path) -> None:
        """Do what the page tells, from its top to its end."""
        for block in blocks(page):
            if block.language in ("yaml", "python") and "/" in block.title:
                path = self.cwd / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._here(block.text) + "\n")
            elif block.language == "log":
                self._running[-1].await_lines(block.text.splitlines(), block.place)
            elif block.language == "console":
                self._console(block)

    def start(self, command: str, expected: list[str], place: str = "") -> Running:
        """Start a command that goes on, and wait until it has shown the lines ``expected``."""
        log = self._logs / f"{len(list(self._logs.iterdir()))}.log"
        running = Running(command, self.cwd, self._env, log)
        self._running.append(running)
        running.await_lines(expected, place)
        return running

    def do(self, command: str) -> str:
        """What a command shows that comes to an end by itself."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.cwd,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # as on a terminal
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stdout, done.stdout
        assert done.returncode in (0, 1, 3), f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def _here(self, text: str) -> str:
        for port, mine in self._ports.items():
            text = text.replace(f":{port}", f":{mine}").replace(f"server {port}", f"server {mine}")
        text = text.replace("every: 2s", "every: 1s")
        return text.replace("changewire sandbox", f"changewire sandbox --port {self._ports['8750']}")

    def _console(self, block: Block) -> None:
        for typed, expected in entries(self._here(block.text)):
            if typed == "^C":
                self._running[-1].interrupt()
                self._running.pop().await_lines(expected, block.place)
            elif typed.startswith("cd "):
                self.cwd = (self.cwd / typed.removeprefix("cd ")).resolve()
            elif LONG_RUNNING.match(typed):
                self.start(typed, expected, block.place)
                if "http.server" in typed:
                    _await_port(typed)
            else:
                await_lines(functools.partial(self._shown, typed.replace("run_…", self._run)), expected, block.place)

    def _shown(self, command: str) -> str:
        shown = self.do(command)
        self._run = [self._run, *A_RUN.findall(shown)][-1]
        return shown


def await_lines(output: Callable[[], str], expected: list[str], place: str) -> None:
    """What a page shows must come, line after line; other lines may come in between."""
    latest = time.monotonic() + WITHIN_S
    while True:
        text = output()
        missing = first_missing(expected, text)
        if missing is None:
            return
        assert time.monotonic() < latest, f"{place}: {missing!r} never came; there was\n{text}"
        time.sleep(0.3)


def entries(text: str) -> list[tuple[str, list[str]]]:
    """What is typed (or ``^C``), and what is shown after it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line == "^C" or line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        elif found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line.strip(), [])
        else:
            found[-1][1].append(line)
    return found


def first_missing(expected: list[str], text: str) -> str | None:
    lines = iter([_steady(line) for line in text.splitlines()])
    for line in expected:
        pattern = re.escape(_steady(line)).replace("…", ".*")
        if not any(re.fullmatch(pattern, shown) for shown in lines):
            return line
    return None


def _steady(line: str) -> str:
    for pattern, word in STEADY:
        line = re.sub(pattern, word, line)
    return line.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(command: str) -> None:
    port = int(command.split()[3])
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{command} does not listen")
