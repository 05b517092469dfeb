"""What the workers of this process have under way, and when they last made progress."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from changewire.clock import Clock, wall

PoolKind = Literal["poll", "run"]
WorkKind = Literal["poll", "run", "step"]


@dataclass(frozen=True)
class Work:
    """A poll, a run, or a step of a run that is under way."""

    kind: WorkKind
    name: str  # of the trigger as it is shown, else the id of the run
    workflow: str
    step: str  # address and action of a step; "": it is none
    since: datetime  # on the wall clock
    began: float  # elapsed seconds
    limit_s: float | None  # how long it may take; None: runs have no limit of their own


@dataclass(frozen=True)
class Pool:
    """The workers for polls, or for runs."""

    kind: PoolKind
    workers: int
    busy: tuple[Work, ...]  # what each busy worker has; of a run the step that has been under way longest
    idle_s: float  # seconds since any of its workers took work, ended it, or began or ended a step
    stuck_s: float  # the same for the busy worker that made progress last; 0 if a worker is free


@dataclass(frozen=True)
class Load:
    """All that is under way at one moment."""

    elapsed: float
    pools: tuple[Pool, ...]
    work: tuple[Work, ...]  # polls and steps, which have limits


class Workload:
    """Notes the beginning and the end of all work. Thread-safe."""

    def __init__(self, clock: Clock, polls: int, runs: int) -> None:
        self._clock = clock
        self._workers: dict[PoolKind, int] = {"poll": polls, "run": runs}
        self._lock = threading.Lock()
        self._under_way: dict[int, Work] = {}
        self._moved: dict[str, float] = {}  # by name of a poll or run: when it last made progress, in elapsed seconds
        self._pool_moved = dict.fromkeys(self._workers, clock.monotonic())
        self._count = 0

    @contextmanager
    def worker(self, kind: PoolKind, name: str, workflow: str, limit_s: float | None) -> Iterator[None]:
        """Note that a worker has a poll or a run, as long as this lasts."""
        with self._noted(kind, kind, name, workflow, "", limit_s):
            yield

    @contextmanager
    def step(self, run_id: str, workflow: str, step: str, limit_s: float) -> Iterator[None]:
        """Note that a step of a run is under way, as long as this lasts."""
        with self._noted("step", "run", run_id, workflow, step, limit_s):
            yield

    @contextmanager
    def _noted(
        self, kind: WorkKind, pool: PoolKind, name: str, workflow: str, step: str, limit_s: float | None
    ) -> Iterator[None]:
        with self._lock:
            self._count += 1
            number, now = self._count, self._clock.monotonic()
            self._under_way[number] = Work(kind, name, workflow, step, wall(self._clock), now, limit_s)
            self._moved[name] = self._pool_moved[pool] = now
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[number]
                self._moved[name] = self._pool_moved[pool] = self._clock.monotonic()
                if kind != "step":
                    del self._moved[name]

    def look(self) -> Load:
        """Return what is under way now."""
        with self._lock:
            now, work, moved = self._clock.monotonic(), list(self._under_way.values()), dict(self._moved)
            pool_moved = dict(self._pool_moved)
        steps = {each.name: each for each in reversed(work) if each.kind == "step"}  # the oldest of each run stays
        pools = []
        for kind, workers in self._workers.items():
            busy = [each for each in work if each.kind == kind]
            idle = [now - moved.get(each.name, now) for each in busy]
            stuck_s = min(idle) if len(busy) >= workers else 0.0
            shown = tuple(steps.get(each.name, each) for each in busy)
            pools.append(Pool(kind, workers, shown, now - pool_moved[kind], stuck_s))
        return Load(now, tuple(pools), tuple(each for each in work if each.kind != "run"))
