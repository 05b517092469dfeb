"""The proof that no write can be interrupted in a way that loses or doubles anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.support.actor import Actor
from tests.support.crash import check_runs
from tests.support.homes import connection, eleven, make_cast, make_home
from tests.support.processes import ROOT, ask
from tests.support.recorder import Recorder


def prove(folder: Path, *, only: tuple[str, ...] = (), step: int = 1) -> dict[str, int]:
    """Kill a daemon at each ``step``-th write point of a first poll, then of polls that find changes and of the runs.

    Returns how many points there were in each of the two.
    """
    os.environ["POINT"] = "0"
    with Sandbox(enforce_limits=False) as sandbox, Recorder() as recorder:
        cast = make_cast(sandbox)
        for number in range(6):
            sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic=f"Filler {number}")
        flows = eleven(cast, every="5m", steps=_steps(recorder.url), only=only)
        fresh = make_home(folder / "fresh", connection(sandbox.url), flows)
        first = _each_point(fresh, folder / "first", step, lambda home, _: _memory(home))
        _all_equal(first)
        known = folder / "known"
        shutil.copytree(fresh, known)
        _finish(_start("work(Path(sys.argv[1]), datetime.now(UTC))", known))
        assert all(not rows for name, rows in _memory(known).items() if name in ("events", "runs"))

        actor = Actor(sandbox, cast, Counter, seed=5)
        actor.everything()

        def outcome(home: Path, number: int) -> dict[str, Any]:
            mine = [(path.partition("-")[0], key) for path, key, _ in recorder.calls if path.endswith(f"-{number}")]
            check_runs(home, mine, 2)
            return _memory(home)

        second = _each_point(known, folder / "second", step, outcome)
        _all_equal(second)
        events = Counter(row[0] for row in next(iter(second.values()))["events"])
        wanted = {name: actor.truth.count(name) or 1 for name in flows}
        assert events == wanted
        return {"first": len(first), "second": len(second)}


def _steps(recorder: str) -> list[dict[str, Any]]:
    retry = {"attempts": 5, "delay": "1s"}
    call = {"method": "POST", "url": f"{recorder}/0-${{POINT}}", "json": {"event": "{{ event.id }}"}}
    append = {"path": "ran.txt", "content": "{{ event.id }}\n"}
    uses = [("http.request", call), ("core.write_file", append)]
    return [{"use": use, "with": given, "retry": retry} for use, given in uses]


def _start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", f"import sys\nfrom tests.support.points import *\n{code}", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> str:
    told, complaints = process.communicate(timeout=1200)
    assert process.returncode == 0, complaints[-3000:]
    return told


def _each_point(
    template: Path, folder: Path, step: int, look: Callable[[Path, int], dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What ``look`` sees in each home after it was killed at one point and taken up again. Two at a time."""
    folder.mkdir()
    code = "main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))"
    shares = [_start(code, template, folder, share * step, 2 * step) for share in range(2)]
    points = [line for share in shares for line in _finish(share).splitlines()]
    found = {}
    for line in sorted(points, key=lambda each: int(each.split()[0])):
        home = folder / line.split()[0]
        found[line] = look(home, int(line.split()[0]))
        shutil.rmtree(home)
    assert found
    return found


def _memory(home: Path) -> dict[str, Any]:
    """All that is remembered and stored, but for moments."""
    return {
        "triggers": ask(home, "SELECT id, state, failures, baseline_at IS NULL, rules, cursor, events FROM triggers "
                              "ORDER BY id"),
        "items": ask(home, "SELECT trigger_id, key, revision, candidate, absences FROM items ORDER BY 1, 2"),
        "events": ask(home, "SELECT workflow, event_type, id FROM events ORDER BY id"),
        "runs": ask(home, "SELECT id, event_id, state FROM runs ORDER BY id"),
    }  # fmt: skip


def _all_equal(found: dict[str, dict[str, Any]]) -> None:
    last = list(found.values())[-1]
    for point, memory in found.items():
        assert memory == last, point
