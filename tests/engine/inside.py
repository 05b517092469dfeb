"""A home whose workflows are set off from inside, turned by hand. Run as a program, it is killed at its writes.

Arguments: a home to start from, a folder for the outcomes, how many points to go on each time. Prints one line for each
point: its number and name.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from changewire.engine.feeding import Feeder
from changewire.state.records import Raised
from changewire.testing import ManualClock
from changewire.values import dumps_text
from tests.support.turning import Turned

ROOT = Path(__file__).parents[2]
HOURS = 1


def write_home(path: Path, **workflows: dict[str, Any]) -> Path:
    """One file for each workflow; its name is that of the file."""
    folder = path / "config" / "workflows"
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in workflows.items():
        (folder / f"{name}.yaml").write_text(dumps_text(data))
    return path


def watching(name: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A workflow that watches for one event."""
    return {"trigger": {"type": "core.emitted", "with": {"name": name}}, "steps": list(steps), **more}


def emit(name: str, **more: Any) -> dict[str, Any]:
    """A step that raises an event."""
    return {"use": "core.emit", "with": {"name": name, **more}}


def write(content: str) -> dict[str, Any]:
    """A step that leaves a line in out.txt."""
    return {"use": "core.write_file", "with": {"path": "out.txt", "content": f"{content}\n"}}


def out(home: Path) -> list[str]:
    """The lines that `write` left."""
    file = home / "state" / "files" / "out.txt"
    return file.read_text().splitlines() if file.exists() else []


def kick(turned: Turned, name: str, *payloads: Any, key: str = "k") -> list[str]:
    """Raise events of this name by hand."""
    feeder = Feeder(lambda: turned.daemon.home, turned.store, turned.steady, lambda *_, **__: None)
    ids = [f"by hand {name} {dumps_text(payload)}" for payload in payloads]
    return [
        event
        for mark, payload in zip(ids, payloads, strict=True)
        for event in feeder.feed(Raised("core.emitted", mark, {"name": name, "key": key, "payload": payload}))
    ]


def work(home: Path, on_write: Callable[[str], None] | None = None) -> None:
    """Let a daemon do all there is to do, now and in the next hours. ``on_write`` is told of what it does then."""
    begun: list[bool] = []
    turned = Turned(home, ManualClock(), on_write=lambda point: on_write(point) if on_write and begun else None)
    turned.daemon._start_housekeeping = lambda: None  # type: ignore[method-assign]  # it writes at moments of its own
    turned.start()
    begun.append(True)
    try:
        turned.turn()
        for _ in range(HOURS):
            turned.clock.advance(3600)
            turned.turn()
        assert turned.dispatcher.failures == []
    finally:
        turned.close()


def killed(template: Path, folder: Path, step: int) -> dict[str, Path]:
    """The homes in which a daemon was killed at each ``step``-th write point, by the point's name and number."""
    command = [sys.executable, "-m", "tests.engine.inside", str(template), str(folder), str(step)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    return {line: folder / line.split()[0] for line in done.stdout.splitlines()}


def main(template: Path, folder: Path, step: int) -> None:
    """Fork a process for each point of what a daemon does once it has begun, until one comes to its end."""
    for last in count(0, step):
        home = folder / str(last)
        shutil.copytree(template, home)
        child = os.fork()
        if child == 0:
            work(home, _dies_at(last))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))


def _dies_at(last: int) -> Callable[[str], None]:
    numbers = count()

    def on_write(point: str) -> None:
        if next(numbers) == last:
            os.write(1, f"{last} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return on_write


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
