"""The soak: the real program with two hundred triggers, on a busy and faulty API, killed again and again.

Meanwhile files are edited, broken and mended, and the wall clock is set. Nothing may be lost, doubled or stuck, and
memory and disk stay flat.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.state.checkpoint import LOG_BYTES, STEP_BYTES
from tests.support import crash, offset_daemon
from tests.support.actor import Actor
from tests.support.homes import connection, eleven, make_cast, make_home
from tests.support.processes import ROOT, DaemonProcess, ask, baselines, wait_for
from tests.support.recorder import Recorder
from tests.support.rooms import Rooms
from tests.support.soak_figures import Figures

TRIGGERS, COPIES = 200, 2
WITHOUT = "report"  # a report is of one month by the wall clock, and here that may be another one
KILL_EVERY_S = 20.0
LONGEST_ANSWER_S = 0.3  # of what steps call, so that kills meet some of them under way
CALM = 0.25  # share of the time at the end without kills, for one process to show that it does not grow
OFFSETS = [0.0, 90.0, -90.0, 3600.0, -3600.0, 93600.0, -93600.0]
FAULTS = ["status", "delay", "cut_body", "reset", "error_200", "empty_200", "bad_json", "html_200", "expire_tokens"]
QUIET_S = 240.0  # at most, until all is noticed and done after the last change
MAY_GROW = 1.15  # memory of the last process at its end, by what it was halfway
PROGRAM = offset_daemon.__name__


def run(folder: Path, minutes: float, seed: int = 1) -> Figures:
    """Let it run for so many minutes and hold what was stored against what happened. AssertionError: it does not."""
    figures = Figures(minutes, TRIGGERS)
    offset = folder / "offset"
    offset_daemon.set_offset(offset, 0.0)
    os.environ[offset_daemon.VARIABLE] = str(offset)
    with Sandbox() as sandbox, Recorder() as recorder:
        soak = _Soak(folder, sandbox, recorder, figures, seed)
        soak.work(minutes * 60)
        soak.check()
    return figures


class _Soak:
    def __init__(self, folder: Path, sandbox: Sandbox, recorder: Recorder, figures: Figures, seed: int) -> None:
        self.sandbox, self.recorder, self.figures = sandbox, recorder, figures
        self.chance = random.Random(seed)
        recorder.before_answer = lambda _: time.sleep(self.chance.uniform(0.0, LONGEST_ANSWER_S))
        self.offset = folder / "offset"
        cast = make_cast(sandbox)
        for number in range(crash.FILLERS):
            sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic=f"Filler {number}")
        steps = [*crash.steps(recorder.url), {"wait": "2s"}, _charge(recorder.url)]
        self.files = {
            f"{name} {copy}": text.replace(f'"name": "{name}"', f'"name": "{name} {copy}"')
            for copy in range(COPIES)
            for name, text in eleven(cast, every="3s", steps=steps, page=100 + copy).items()
            if name != WITHOUT
        }
        self.rooms = Rooms(sandbox, TRIGGERS - len(self.files), steps)
        self.home = make_home(folder / "home", connection(sandbox.url), {**self.files, **self.rooms.files()})
        self.actor = Actor(sandbox, cast, self._seen_by_all, seed, pause=(0.2, 1.2))
        self.daemon: DaemonProcess | None = None
        self.over = threading.Event()
        self.calm = threading.Event()
        self.failures: list[BaseException] = []

    # the work

    def work(self, seconds: float) -> None:
        """All of it, from the baseline to the moment at which everything is quiet."""
        with DaemonProcess(self.home, PROGRAM) as daemon:
            assert wait_for(lambda: baselines(self.home) == TRIGGERS, 120), daemon.log.read_text()[-3000:]
        self.actor.start()
        tasks = [self._edit_meetings, self._make_trouble, self._measure, self._decide]
        with self._threads(tasks):
            until = time.monotonic() + seconds * (1 - CALM)
            while time.monotonic() < until and not self.failures:
                self._live(min(self.chance.uniform(0.2, 2 * KILL_EVERY_S), until - time.monotonic()))
            self.figures.memory.clear()
            self.calm.set()
            with DaemonProcess(self.home, PROGRAM) as self.daemon:
                self.over.wait(seconds * CALM)
                self._end()
                assert self.daemon.terminate() == 0
        assert not self.failures, self.failures

    def _live(self, seconds: float) -> None:
        """One process and its end."""
        self.daemon = DaemonProcess(self.home, PROGRAM)
        time.sleep(max(0.0, seconds))
        if self.chance.random() < 0.85:
            self.daemon.kill()
            self.figures.kills += 1
        else:
            at_work = self.daemon.at_work()  # before that a signal ends it like any program
            assert self.daemon.terminate() == 0 or not at_work, self.daemon.log.read_text()[-3000:]
            self.figures.stops += 1

    def _end(self) -> None:
        """Nothing changes any more, and what was broken is well: wait until all is noticed and all runs are over."""
        self.over.set()
        self.actor.stop()
        self.sandbox.control("clear_faults")
        offset_daemon.set_offset(self.offset, 0.0)
        folder = self.home / "config" / "workflows"
        for room in self.rooms.topics:
            self.rooms.edit_file(folder, "mend", room)
        wait_for(self._quiet, QUIET_S, every_s=1.0)

    def _quiet(self) -> bool:
        self._help()
        unfinished = ask(self.home, "SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0]
        failing = ask(self.home, "SELECT count(*) FROM triggers WHERE active AND state <> 'ok'")[0][0]
        return not unfinished and not failing and sum(self._seen().values()) >= self._wanted()

    def _wanted(self) -> int:
        truth = self.actor.truth
        return COPIES * sum(map(truth.count, [*truth.ordered, *truth.keys])) + sum(map(len, self.rooms.topics.values()))

    def _seen(self) -> Counter[str]:
        """Events by workflow, whatever a room was called at the time."""
        found: Counter[str] = Counter()
        for name, count in ask(self.home, "SELECT workflow, count(*) FROM events GROUP BY workflow"):
            found[name.partition(".")[0]] += count
        return found

    def _seen_by_all(self) -> Counter[str]:
        """Events by what the actor calls a workflow, in that copy which has the fewest."""
        seen = self._seen()
        names = {name.rpartition(" ")[0] for name in self.files}
        return Counter({name: min(seen[f"{name} {copy}"] for copy in range(COPIES)) for name in names})

    # what happens beside it, each in a thread of its own

    @contextmanager
    def _threads(self, tasks: list[Callable[[random.Random], None]]) -> Iterator[None]:
        def guarded(task: Callable[[random.Random], None], chance: random.Random) -> None:
            try:
                task(chance)
            except BaseException as error:
                self.failures.append(error)

        threads = [
            threading.Thread(target=guarded, args=(task, random.Random(number))) for number, task in enumerate(tasks)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _edit_meetings(self, chance: random.Random) -> None:
        while not self.over.wait(chance.uniform(0.1, 0.9)):
            self.figures.changes += self.rooms.edit_meeting(self._seen(), chance) is not None

    def _make_trouble(self, chance: random.Random) -> None:
        """Faults of the API, edits of files, and a clock that is set; the next one waits until this one is over."""
        folder, broken = self.home / "config" / "workflows", ""
        while not self.over.wait(chance.uniform(0.5, 3.0)):
            kind, times = chance.choice(FAULTS), chance.randint(1, 4)
            self.sandbox.control("clear_faults")  # those that nothing met while nothing was asked would pile up
            self.sandbox.control("faults", match="GET /v2", kind=kind, times=times, after=chance.randint(0, 3))
            self.figures.faults += times
            if broken:
                self.rooms.edit_file(folder, "mend", broken)
                broken = ""
            elif chance.random() < 0.4:
                room, how = chance.choice(sorted(self.rooms.topics)), chance.choice(["rename", "retime", "break"])
                self.rooms.edit_file(folder, how, room)
                broken = room if how == "break" else ""
                self.figures.edits += 1
            if chance.random() < 0.1 and not self.calm.is_set():
                offset_daemon.set_offset(self.offset, chance.choice(OFFSETS))
                self.figures.clock_steps += 1

    def _measure(self, _: random.Random) -> None:
        log = self.home / "state" / "changewire.db-wal"
        while not self.over.wait(0.5):
            if log.exists():
                self.figures.log_mib = max(self.figures.log_mib, log.stat().st_size / 2**20)
            if self.daemon is not None and (size := _resident_mib(self.daemon.pid)) is not None:
                self.figures.memory.append(size)

    def _decide(self, _: random.Random) -> None:
        while not self.over.wait(3.0):
            self._help()

    def _help(self) -> None:
        """A person accepts a refused connection, and looks at each run that waits: a charge that was made is done."""
        for (name,) in ask(self.home, "SELECT name FROM pauses WHERE kind = 'connection'"):
            self._command("resume", "--connection", name)
        waiting = ask(self.home, "SELECT id, event_id FROM runs WHERE state = 'paused' AND held_by IS NULL")
        for run_id, event_id in waiting:
            made = any(path == "/charge" and body["event"] == event_id for path, _, body in self.recorder.calls)
            self._command("resume", run_id, *(["--done"] if made else []))
            self.figures.decisions += 1

    def _command(self, *words: str) -> None:
        command = [sys.executable, "-m", PROGRAM, *words, "--home", str(self.home)]
        subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60)

    # what came of it

    def check(self) -> None:
        """Fill in the figures. AssertionError where something was lost, doubled, stuck, or grew."""
        figures, home, truth = self.figures, self.home, self.actor.truth
        events = ask(home, crash.EVENTS)
        figures.changes += self.actor.changes
        figures.events, figures.runs = len(events), ask(home, "SELECT count(*) FROM runs")[0][0]
        figures.stuck = ask(home, "SELECT count(*) FROM runs WHERE finished_at IS NULL")[0][0]
        figures.stuck += ask(home, "SELECT count(*) FROM triggers WHERE active AND state <> 'ok'")[0][0]
        figures.lag_p99_ms = ask(home, "SELECT max(lag_p99_ms) FROM triggers WHERE active")[0][0] or 0.0
        figures.database_mib = (home / "state" / "changewire.db").stat().st_size / 2**20
        self._count(events)
        assert not any((figures.lost, figures.doubled, figures.charged_twice, figures.stuck)), figures.table()
        for copy in range(COPIES):
            mine = [(name.removesuffix(f" {copy}"), *rest) for name, *rest in events if name.endswith(f" {copy}")]
            crash.check_events(mine, truth)
        steps = [(path, key) for path, key, _ in self.recorder.calls if path != "/charge"]
        figures.repeated = crash.check_runs(home, steps)
        assert figures.charges == figures.runs, figures.table()
        assert figures.log_mib * 2**20 <= 2 * LOG_BYTES + STEP_BYTES, figures.table()
        assert figures.growth <= MAY_GROW, figures.table()

    def _count(self, events: list[tuple[Any, ...]]) -> None:
        figures, truth, seen = self.figures, self.actor.truth, self._seen()
        for name in [*truth.ordered, *truth.keys]:
            for copy in range(COPIES if name != WITHOUT else 0):
                more = seen[f"{name} {copy}"] - truth.count(name)
                figures.lost, figures.doubled = figures.lost + max(0, -more), figures.doubled + max(0, more)
        rooms = self.rooms.check([(name, changes) for name, _, _, changes in events])
        figures.lost, figures.doubled = figures.lost + rooms["lost"], figures.doubled + rooms["doubled"]
        charges = Counter(body["event"] for path, _, body in self.recorder.calls if path == "/charge")
        figures.charges = len(charges)
        figures.charged_twice = sum(count > 1 for count in charges.values())


def _charge(recorder: str) -> dict[str, Any]:
    """A step that nobody may do twice."""
    given = {"method": "POST", "url": f"{recorder}/charge", "json": {"event": "{{ event.id }}"}}
    return {"use": "http.request", "idempotency": "none", "with": given}


def _resident_mib(pid: int) -> float | None:
    """The memory of a process; None where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(found[0]) / 1024 if found else None


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="changewire-soak-"))  # stays if something is wrong
    print(run(folder, given.minutes, given.seed).table())  # noqa: T201
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
