"""What is measured, each in a process of its own: ``python -m bench.workers NAME '{"argument": …}'`` prints figures."""

from __future__ import annotations

import itertools
import json
import os
import resource
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from urllib.request import urlopen

from changewire.clock import SystemClock
from changewire.config.settings import Settings
from changewire.daemon import DATABASE, Daemon
from changewire.engine.dispatcher import Handlers, LocalDispatcher
from changewire.home.loading import load_home
from changewire.log import ConsoleLog, Log
from changewire.state.records import Claimed, PollCommit
from changewire.state.store import SqliteStore
from changewire.triggers.schedule import percentile
from changewire.values import Json

CLOCK = SystemClock()
Figures = dict[str, float]


def plain(base_url: str, names: int, threads: int, seconds: float) -> Figures:
    """Nothing but `requests.Session().get`, over and over, with a session for each thread."""
    import requests

    numbers, counts, begin = itertools.count(), [0] * threads, threading.Barrier(threads + 1)
    over = threading.Event()

    def ask(place: int) -> None:
        with requests.Session() as session:
            session.get(f"{base_url}/plain", timeout=30).raise_for_status()
            begin.wait()
            while not over.is_set():
                session.get(f"{base_url}/plain-{next(numbers) % names}", timeout=30).raise_for_status()
                counts[place] += 1

    workers = [threading.Thread(target=ask, args=(place,)) for place in range(threads)]
    for worker in workers:
        worker.start()
    begin.wait()
    began, cpu = time.monotonic(), time.process_time()
    time.sleep(seconds)
    done, elapsed, used = sum(counts), time.monotonic() - began, time.process_time() - cpu
    over.set()
    for worker in workers:
        worker.join()
    return {"per_s": done / elapsed, "cpu_ms": used / done * 1000}


def saturated(home: str, seconds: float, warm_up: float) -> Figures:
    """A daemon that always has more to do than it can: committed polls per second. Where it serves, it is asked."""
    with running(Path(home)) as (daemon, database), _asking(daemon) as answered:
        _make_due(database)
        while warm_up > 0 or one(database, "SELECT count(*) FROM triggers WHERE baseline_at IS NULL"):
            time.sleep(0.5)
            warm_up -= 0.5
        polls, events = one(database, "SELECT sum(polls) FROM triggers"), one(database, "SELECT count(*) FROM events")
        began, cpu = time.monotonic(), time.process_time()
        time.sleep(seconds)
        done = one(database, "SELECT sum(polls) FROM triggers") - polls
        elapsed, used = time.monotonic() - began, time.process_time() - cpu
        late = (CLOCK.now() - _moment(database, "SELECT min(next_due) FROM triggers")).total_seconds()
        return {
            "per_s": done / elapsed,
            "cpu_ms": used / done * 1000,
            "events": one(database, "SELECT count(*) FROM events") - events,
            "failing": one(database, "SELECT count(*) FROM triggers WHERE failures > 0"),
            "behind_s": late,  # above zero: it was saturated indeed
            "scrape_ms": percentile(answered, 0.5) * 1000 if answered else 0.0,
        }


@contextmanager
def _asking(daemon: Daemon) -> Iterator[list[float]]:
    """Ask a daemon that serves for its figures once a second; how many seconds each answer took."""
    took: list[float] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(1.0):
            url = (daemon.store.daemon_info() or {}).get("listens")
            if url:
                began = time.monotonic()
                with urlopen(f"{url}/metrics", timeout=10) as answer:
                    answer.read()
                took.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield took
    finally:
        over.set()
        asking.join()


def crowd(home: str, seconds: float, steady: float) -> Figures:
    """Many triggers at ease: how late polls begin, and at what price; the last ``steady`` seconds apart, too."""
    began = time.monotonic()
    load_began = time.process_time()
    lags: list[tuple[float, float]] = []
    dispatcher = Noting(lags)
    with running(Path(home), dispatcher) as (daemon, database):
        started, start_cpu = time.monotonic() - began, time.process_time() - load_began
        whole = time.process_time()
        time.sleep(seconds - steady)
        at, cpu = time.monotonic(), time.process_time()
        time.sleep(steady)
        now = time.process_time()
        late = [lag for _, lag in lags]
        recent = [lag for moment, lag in lags if moment >= at]
        return {
            "triggers": len(daemon.home.triggers),
            "start_s": started,
            "start_cpu_s": start_cpu,
            "per_s": len(late) / seconds,
            "cores": (now - whole) / seconds,
            "lag_p50_ms": percentile(late, 0.5),
            "lag_p99_ms": percentile(late, 0.99),
            "lag_max_ms": max(late),
            "steady_per_s": len(recent) / steady,
            "steady_cores": (now - cpu) / steady,
            "steady_lag_p50_ms": percentile(recent, 0.5),
            "steady_lag_p99_ms": percentile(recent, 0.99),
            "steady_lag_max_ms": max(recent),
            "rss_mib": rss_mib(),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "failing": one(database, "SELECT count(*) FROM triggers WHERE failures > 0"),
        }


def latency(home: str, seconds: float) -> Figures:
    """From the commit of an event to the call of its run's first action."""
    path = Path(home)
    store = Timing(path / DATABASE, clock=CLOCK)
    with running(path, store=store, log=store.told) as (_, database):
        _make_due(database)
        while one(database, "SELECT count(*) FROM triggers WHERE baseline_at IS NULL"):
            time.sleep(0.2)
        polls = one(database, "SELECT sum(polls) FROM triggers")
        store.waits.clear()
        time.sleep(seconds)
        waits = list(store.waits)
        done = one(database, "SELECT sum(polls) FROM triggers") - polls
        return {
            "events": len(waits),
            "polls_per_s": done / seconds,
            "p50_ms": percentile(waits, 0.5),
            "p99_ms": percentile(waits, 0.99),
            "max_ms": max(waits),
            "failing": one(database, "SELECT count(*) FROM triggers WHERE failures > 0"),
        }


def load(home: str) -> Figures:
    """How long it takes to read and check a home."""
    began = time.monotonic()
    found = load_home(Path(home))
    elapsed = time.monotonic() - began
    return {"seconds": elapsed, "workflows": len(found.workflows), "problems": len(found.problems)}


class Noting(LocalDispatcher):
    """The dispatcher of the daemon, which also notes how late each poll begins: (when, milliseconds)."""

    def __init__(self, lags: list[tuple[float, float]]) -> None:
        super().__init__(Settings().workers.polls, Settings().workers.runs, CLOCK)
        self._lags = lags

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""

        def poll(claimed: Claimed) -> None:
            late = (CLOCK.now() - claimed.due_at).total_seconds() * 1000
            self._lags.append((time.monotonic(), max(0.0, late)))
            handlers.poll(claimed)

        super().start(Handlers(poll, handlers.run, handlers.failed))


class Timing(SqliteStore):
    """The store of the daemon, which also notes how long each stored event waits for its first step: milliseconds."""

    def __init__(self, path: Path, *, clock: SystemClock) -> None:
        super().__init__(path, clock=clock)
        self.waits: list[float] = []
        self._stored: dict[str, float] = {}

    def commit_poll(self, commit: PollCommit) -> bool:
        """See `Store.commit_poll`."""
        kept = super().commit_poll(commit)
        now = time.monotonic()
        for run in commit.runs:
            self._stored.setdefault(run.id, now)
        return kept

    def told(self, event: str, message: str, /, **facts: Json) -> None:
        """The daemon's log, in which the first step of each run tells the run's id."""
        stored = self._stored.pop(message.rpartition(" ")[2], None) if event == "core.log" else None
        if stored is not None:
            self.waits.append((time.monotonic() - stored) * 1000)


@contextmanager
def running(
    home: Path,
    dispatcher: LocalDispatcher | None = None,
    store: SqliteStore | None = None,
    log: Log | None = None,
) -> Iterator[tuple[Daemon, sqlite3.Connection]]:
    """A daemon at work, as `changewire run` has it, and a connection to look at its database."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        log = log or ConsoleLog(CLOCK, stream=nowhere)
        daemon = Daemon(home, CLOCK, log, dispatcher=dispatcher, store=store)
        for problem in daemon.home.problems:
            raise SystemExit(str(problem))
        daemon.start()
        loop = threading.Thread(target=daemon.loop)
        loop.start()
        database = sqlite3.connect(home / DATABASE, isolation_level=None, timeout=30)
        try:
            yield daemon, database
        finally:
            database.close()
            daemon.stop()
            loop.join()
            daemon.close()


def _make_due(database: sqlite3.Connection) -> None:
    """All triggers at once: a daemon spreads first polls over time, which is not what is measured."""
    now = CLOCK.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    database.execute("UPDATE triggers SET next_due = ? WHERE claim = 0", (now,))


def one(database: sqlite3.Connection, query: str) -> float:
    """The only figure that a query gives."""
    return float(database.execute(query).fetchone()[0])


def _moment(database: sqlite3.Connection, query: str) -> datetime:
    return datetime.fromisoformat(str(database.execute(query).fetchone()[0]))


def rss_mib() -> float:
    """Memory of this process that is in use."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


WORKERS = {
    "bench.workers": ("plain", "saturated", "crowd", "latency", "load"),
    "bench.stored": ("fill", "stored", "memory"),
    "bench.steps": ("steps",),
    "bench.loops": ("loop",),
    "bench.starting": ("starting",),
}

if __name__ == "__main__":
    module = next(module for module, names in WORKERS.items() if sys.argv[1] in names)
    work: Callable[..., Figures] = getattr(import_module(module), sys.argv[1])
    print(json.dumps(work(**json.loads(sys.argv[2]))))
