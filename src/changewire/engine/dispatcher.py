"""Who does the work. The daemon hands out claimed polls and runs; what they are is in the store, not in the message.

`Dispatcher` is the seam: here is the one for this process, and another may hand the same work to other machines.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from changewire.clock import Clock
from changewire.engine.leases import LEASE, LeaseKeeper
from changewire.state.records import Claimed, Handover, RunRecord


@dataclass(frozen=True)
class Handlers:
    """What to do with the work that is handed out. Both may be called from many threads at once."""

    poll: Callable[[Claimed], None]
    run: Callable[[RunRecord], None]
    failed: Callable[[BaseException], None]  # a handler raised: told here, the worker goes on


class Dispatcher(Protocol):
    """Hands claimed work to workers. A lost or doubled message costs time, never a run: the claim decides."""

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""

    def submit_poll(self, claimed: Claimed) -> None:
        """Have a claimed trigger polled."""

    def submit_run(self, run: RunRecord) -> None:
        """Have a claimed run carried on."""

    def free(self) -> tuple[int, int]:
        """How many polls and runs can be taken now without waiting for a worker."""

    def reserve_runs(self, most: int) -> int:
        """Keep up to so many of the places for runs that are free; how many. Each is to be given back."""

    def give_back(self, places: int) -> None:
        """Places for runs that were reserved are free again."""

    def stop(self, timeout_s: float) -> bool:
        """Take nothing more and wait for what is under way; False where some of it did not end in time."""


class ShortWay:
    """The way of a run from the poll that starts it straight to a free worker: no second claim, nobody to be woken."""

    def __init__(self, dispatcher: Dispatcher, leases: LeaseKeeper) -> None:
        self.open = False  # while older runs wait, new ones have to wait as well
        self._dispatcher, self._leases = dispatcher, leases

    def begin(self, runs: int, now: datetime) -> Handover | None:
        """Room for some of so many ``runs``, kept until `end`; None: there is none."""
        most = self._dispatcher.reserve_runs(runs) if self.open and runs else 0
        return Handover(now, now + LEASE, most) if most else None

    def end(self, handover: Handover | None, kept: bool) -> int:
        """Hand out the runs that were taken, where what took them was ``kept``; how many."""
        if handover is None:
            return 0
        self._dispatcher.give_back(handover.most)
        taken = handover.taken if kept else []
        for run in taken:
            self._leases.hold(run.claimed_as)
            self._dispatcher.submit_run(run)
        return len(taken)


class LocalDispatcher:
    """Two pools of threads in this process: one for polls, one for runs, so that neither starves the other."""

    def __init__(self, polls: int, runs: int, clock: Clock) -> None:
        self._clock = clock
        self._polls = _Pool("poll", polls)
        self._runs = _Pool("run", runs)

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""
        self._polls.start(handlers.poll, handlers.failed)
        self._runs.start(handlers.run, handlers.failed)

    def submit_poll(self, claimed: Claimed) -> None:
        """Have a claimed trigger polled."""
        self._polls.put(claimed)

    def submit_run(self, run: RunRecord) -> None:
        """Have a claimed run carried on."""
        self._runs.put(run)

    def free(self) -> tuple[int, int]:
        """How many polls and runs can be taken now; each worker may have one more waiting for it."""
        return self._polls.free(), self._runs.free()

    def reserve_runs(self, most: int) -> int:
        """See `Dispatcher.reserve_runs`. Only idle workers count: what had to wait for one can as well be claimed."""
        return self._runs.reserve(most)

    def give_back(self, places: int) -> None:
        """See `Dispatcher.give_back`."""
        self._runs.give_back(places)

    def stop(self, timeout_s: float) -> bool:
        """Take nothing more and wait, for all workers together ``timeout_s`` at most. Work that is waiting in line is
        dropped, its claim ends with the process.
        """
        until = self._clock.monotonic() + timeout_s
        for pool in (self._polls, self._runs):
            pool.close()
        for thread in (*self._polls.threads, *self._runs.threads):
            thread.join(max(0.0, until - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in (*self._polls.threads, *self._runs.threads))


class _Pool:
    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self._size = size
        self._waiting: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._taken = 0
        self._closed = False
        self.threads: list[threading.Thread] = []

    def start(self, handle: Callable[..., None], failed: Callable[[BaseException], None]) -> None:
        for number in range(self._size):
            name = f"changewire-{self._name}-{number}"
            thread = threading.Thread(target=self._work, args=(handle, failed), name=name, daemon=True)
            self.threads.append(thread)
            thread.start()

    def put(self, work: object) -> None:
        with self._lock:
            self._taken += 1
        self._waiting.put(work)

    def free(self) -> int:
        with self._lock:
            return 0 if self._closed else max(0, 2 * self._size - self._taken)

    def reserve(self, most: int) -> int:
        with self._lock:
            places = 0 if self._closed else max(0, min(most, self._size - self._taken))
            self._taken += places
            return places

    def give_back(self, places: int) -> None:
        with self._lock:
            self._taken -= places

    def close(self) -> None:
        self._closed = True
        for _ in self.threads:
            self._waiting.put(None)

    def _work(self, handle: Callable[..., None], failed: Callable[[BaseException], None]) -> None:
        while (work := self._waiting.get()) is not None:
            try:
                if not self._closed:
                    handle(work)
            except BaseException as error:  # code of an action may even call sys.exit: the worker stays
                with suppress(Exception):  # whatever telling it meets: the next work needs this worker
                    failed(error)
            finally:
                with self._lock:
                    self._taken -= 1
