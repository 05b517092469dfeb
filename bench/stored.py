"""What a home with very many runs costs: the commands that look at them, the daemon's beginning, and pruning."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import linear_regression
from threading import Event, Thread

from bench.workers import CLOCK, Figures, one, rss_mib, running
from changewire.daemon import DATABASE
from changewire.home.loading import load_home
from changewire.state import rows
from changewire.state.queries import sql
from changewire.state.records import AttemptRecord, AttemptState, EventRecord, RunRecord, RunState
from changewire.state.store import SqliteStore
from changewire.triggers.schedule import percentile
from changewire.values import make_id

DAYS = 100  # of history; each day an equal share
AT_ONCE = 5_000  # runs that one transaction of the filling stores
WORKFLOWS = 200
STATES = {  # of a thousand runs
    RunState.SUCCEEDED: 870,
    RunState.FILTERED: 60,
    RunState.FAILED: 30,
    RunState.CANCELLED: 15,
    RunState.PAUSED: 15,
    RunState.WAITING: 10,
}
COMMANDS = {
    "runs": ["runs"],
    "failed": ["runs", "--failed"],
    "show": ["runs", "RUN"],
    "status": ["status"],
    "empty": ["runs", "--state", "running"],
    "json": ["runs", "--json"],
}


def stored(home: str, empty: str) -> Figures:
    """How long the commands take that look at a home with very many runs, and how long pruning holds others up.

    The home at ``empty`` is the same without runs.
    """
    path, figures = Path(home), Figures(_command(Path(empty), "status_of_none", ["status"]))
    for name, words in COMMANDS.items():
        figures |= _command(path, name, [_some_run(path) if word == "RUN" else word for word in words])
    began, cpu = time.monotonic(), time.process_time()
    with running(path):
        figures["start_s"], figures["start_cpu_s"] = time.monotonic() - began, time.process_time() - cpu
    return figures | _pruning(path)


def fill(home: str, runs: int, due: bool = False) -> Figures:
    """Store so many runs with their events and steps, as if a hundred days had passed; or that are all to be done."""
    path, began = Path(home), time.monotonic()
    versions, chance, now = _open(path), random.Random(1), CLOCK.now()
    database = sqlite3.connect(path / DATABASE, isolation_level=None)
    for start in range(0, runs, AT_ONCE):
        made = [
            _made(number, now - timedelta(days=DAYS) * (1 - number / runs), versions, chance, due)
            for number in range(start, min(runs, start + AT_ONCE))
        ]
        database.execute("BEGIN")
        database.executemany(sql("put_event"), (rows.event_row(event) for event, _, _ in made))
        database.executemany(sql("put_run"), (rows.run_row(run) for _, run, _ in made))
        database.executemany(sql("put_attempt"), (rows.attempt_row(one) for _, _, steps in made for one in steps))
        database.execute("COMMIT")
    database.close()
    return {"seconds": time.monotonic() - began, "mib": (path / DATABASE).stat().st_size / 2**20}


def _open(home: Path) -> list[str]:
    """Make the database; the versions of the home's workflows."""
    texts = {file.version: file.text for file in load_home(home).workflows.values()}
    with SqliteStore(home / DATABASE, clock=CLOCK) as store:
        store.save_versions(texts)
    return list(texts)


def _some_run(home: Path) -> str:
    with closing(sqlite3.connect(home / DATABASE)) as database:
        return str(database.execute("SELECT id FROM runs ORDER BY id LIMIT 1 OFFSET 777").fetchone()[0])


def _made(
    number: int, at: datetime, versions: list[str], chance: random.Random, due: bool
) -> tuple[EventRecord, RunRecord, list[AttemptRecord]]:
    workflow, state = f"w{number % WORKFLOWS:05d}", chance.choices(list(STATES), list(STATES.values()))[0]
    order = {"id": number, "customer": f"Customer {number}", "state": "open", "note": "x" * 200, "lines": [1, 2, 3]}
    names = ("http.new_item", "created", "new_item", f"order-{number}")
    event = EventRecord(make_id("evt", number), f"t{number % WORKFLOWS}", f"{workflow}/t", workflow, *names, at, order)
    version = chance.choice(versions)
    if due:
        return event, RunRecord(make_id("run", number), workflow, version, event.id, at), []
    end = at + timedelta(seconds=2)
    reason = None if state is RunState.SUCCEEDED else "steps/1 (http.request): transient: no answer in 30 seconds"
    run = RunRecord(make_id("run", number), workflow, version, event.id, at, state, reason, at)
    run.finished_at = end if state.finished else None
    run.due_at = CLOCK.now() + timedelta(days=1) if state is RunState.WAITING else None
    return event, run, [] if state is RunState.FILTERED else list(_steps(run, at, end))


def _steps(run: RunRecord, began: datetime, ended: datetime) -> Iterator[AttemptRecord]:
    failed = run.state in {RunState.FAILED, RunState.PAUSED}
    for number in range(3):
        step = AttemptRecord(run.id, f"steps/{number}", 1, "http.request", AttemptState.SUCCEEDED)
        step.output, step.started_at, step.finished_at = {"status": 200, "body": "x" * 100}, began, ended
        if failed and number == 2:
            for attempt in (1, 2, 3):
                yield AttemptRecord(
                    run.id, step.address, attempt, step.use, AttemptState.FAILED, None, "no answer", "transient", began
                )
            return
        yield step


def _command(home: Path, name: str, words: list[str]) -> Figures:
    """How long a command takes, the beginning of its process included."""
    began = time.monotonic()
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        command = [sys.executable, "-m", "changewire", "--home", str(home), *words]
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"changewire {' '.join(words)} ended with {process.returncode}")
    cpu = used.ru_utime + used.ru_stime
    return {f"{name}_s": time.monotonic() - began, f"{name}_cpu_s": cpu, f"{name}_mib": used.ru_maxrss / 1024}


def _pruning(home: Path) -> Figures:
    """A day's share, then a tenth of all; and how long somebody else waits for a write of his own meanwhile."""
    with SqliteStore(home / DATABASE, clock=CLOCK) as store:
        with _writing_beside(store) as waits:
            time.sleep(1.5)
        figures = {"write_p99_ms": percentile(waits, 0.99), "write_max_ms": max(waits)}
        for name, days in (("day", DAYS - 1), ("tenth", DAYS - 11)):
            began, cpu, kept = time.monotonic(), time.process_time(), timedelta(days=days)
            with _writing_beside(store) as waits:
                gone = store.prune(CLOCK.now(), kept, kept)
            figures[f"prune_{name}_runs"] = gone["runs"]
            figures[f"prune_{name}_s"] = time.monotonic() - began
            figures[f"prune_{name}_cpu_s"] = time.process_time() - cpu
            figures[f"prune_{name}_wait_p99_ms"] = percentile(waits, 0.99)
            figures[f"prune_{name}_wait_max_ms"] = max(waits)
    return figures


@contextmanager
def _writing_beside(store: SqliteStore) -> Iterator[list[float]]:
    """Have another thread write small things all the time; how long each took, in milliseconds."""
    waits: list[float] = []
    over = Event()

    def write() -> None:
        while not over.is_set():
            began = time.monotonic()
            store.heartbeat({}, CLOCK.now())
            waits.append((time.monotonic() - began) * 1000)

    other = Thread(target=write)
    other.start()
    try:
        yield waits
    finally:
        over.set()
        other.join()


def memory(home: str, seconds: float) -> Figures:
    """What a daemon has in memory after each tenth of the runs that it does, or of those it did in so many seconds."""
    path, figures = Path(home), Figures()
    with running(path) as (_, database):
        began, cpu, ends = time.monotonic(), time.process_time(), time.monotonic() + seconds
        runs, tenths = int(one(database, "SELECT count(*) FROM runs")), 0
        done = left = runs
        while left and time.monotonic() < ends:
            time.sleep(0.05)
            left = int(one(database, "SELECT count(*) FROM runs WHERE state IN ('pending', 'running')"))
            done = runs - left
            while tenths < done * 10 // runs:
                tenths += 1
                figures[f"rss_{tenths}_mib"] = rss_mib()
        figures |= {"done": done, "per_s": done / (time.monotonic() - began)}
        figures["cpu_ms"] = (time.process_time() - cpu) / max(done, 1) * 1000
        figures["failed"] = one(
            database, "SELECT count(*) FROM runs WHERE state NOT IN ('pending', 'running', 'succeeded')"
        )
    later = [figures[f"rss_{tenth}_mib"] for tenth in range(2, tenths + 1)]
    slope = linear_regression(range(len(later)), later).slope if len(later) > 1 else 0.0
    return figures | {"slope_mib": slope * 10_000 / (runs / 10)}  # of 10,000 runs
