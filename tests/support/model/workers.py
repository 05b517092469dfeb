"""The threads of a daemon without threads: work, chores and parallel iterations begin when a history says so.

Work that begins while other work awaits an answer runs inside of it, to its end. So two of them overlap, and yet a
history is repeated to the letter.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ALL_COMPLETED, Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from changewire.clock import Clock
from changewire.connectors.shared_answers import SharedAnswers
from changewire.connectors.transport.messages import Answer, Request
from changewire.engine.chores import Chore, Chores
from changewire.engine.dispatcher import Handlers
from changewire.engine.leases import RENEW_EVERY_S, LeaseKeeper
from changewire.errors import StateError
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import Claimed, RunRecord

Work = Claimed | RunRecord
POLLS, RUNS = 4, 3  # places


class Queue:
    """A dispatcher whose work waits until `perform` is called, which calls ``around`` with work and how to do it."""

    def __init__(self, around: Callable[[Work, Callable[[], None]], None]) -> None:
        self.waiting: list[Work] = []
        self._around = around
        self._busy = {"polls": 0, "runs": 0}
        self._reserved = 0
        self._handlers: Handlers | None = None

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""
        self._handlers = handlers

    def submit_poll(self, claimed: Claimed) -> None:
        """Have a claimed trigger polled."""
        self.waiting.append(claimed)

    def submit_run(self, run: RunRecord) -> None:
        """Have a claimed run carried on."""
        self.waiting.append(run)

    def free(self) -> tuple[int, int]:
        """How many polls and runs can be taken now."""
        polls = sum(isinstance(one, Claimed) for one in self.waiting) + self._busy["polls"]
        runs = sum(isinstance(one, RunRecord) for one in self.waiting) + self._busy["runs"] + self._reserved
        return max(0, POLLS - polls), max(0, RUNS - runs)

    def reserve_runs(self, most: int) -> int:
        """See `Dispatcher.reserve_runs`."""
        places = min(most, self.free()[1])
        self._reserved += places
        return places

    def give_back(self, places: int) -> None:
        """See `Dispatcher.give_back`."""
        self._reserved -= places

    def stop(self, timeout_s: float) -> bool:
        """Drop what waits; its claim ends with the process."""
        self.waiting.clear()
        return True

    def perform(self, index: int) -> None:
        """Do the piece of work at a place of the queue, to its end."""
        work = self.waiting.pop(index % len(self.waiting))
        kind = "polls" if isinstance(work, Claimed) else "runs"
        self._busy[kind] += 1
        try:
            self._around(work, lambda: self._handle(work))
        finally:
            self._busy[kind] -= 1

    def _handle(self, work: Work) -> None:
        handlers = self._handlers
        assert handlers is not None
        try:
            handlers.poll(work) if isinstance(work, Claimed) else handlers.run(work)
        except Exception as error:
            handlers.failed(error)
            raise


class TurnedChores(Chores):
    """Chores by elapsed time, each when `do_due` finds that its time has come."""

    def __init__(self, log: Log, elapsed: Callable[[], float]) -> None:
        super().__init__(log)
        self._elapsed = elapsed
        self._due: dict[Chore, tuple[float, int]] = {}

    def start(self, at_once: Mapping[Chore, int], later: Mapping[Chore, int]) -> None:
        """Begin."""
        now = self._elapsed()
        self._due = {chore: (now, every) for chore, every in at_once.items()}
        self._due |= {chore: (now + every, every) for chore, every in later.items()}

    def stop(self) -> None:
        """Begin no more of them."""
        self._due = {}

    def do_due(self) -> None:
        """Do each whose time has come, once."""
        now = self._elapsed()
        for chore, (due, every) in list(self._due.items()):
            if due <= now:
                self._due[chore] = (now + every, every)
                self.guarded(chore)()


class TurnedLeases(LeaseKeeper):
    """Leases that are renewed when `renew_due` is called and it is time."""

    def __init__(self, store: Store, clock: Clock, log: Log) -> None:
        super().__init__(store, clock, log)
        self._renewed = clock.monotonic()

    def start(self) -> None:
        """Begin no thread."""

    def renew_due(self) -> None:
        """Renew all leases if a third of their time has elapsed."""
        if self._clock.monotonic() - self._renewed < RENEW_EVERY_S:
            return
        self._renewed = self._clock.monotonic()
        with suppress(StateError):  # the next time will do
            self.renew()


class Iterations:
    """The threads of parallel loops: one begins when its loop waits for it, or when `begin_one` is called."""

    Event = threading.Event

    def __init__(self) -> None:
        self.waiting: list[_Iteration] = []

    def Thread(self, *, target: Callable[..., None], args: tuple[Any, ...], **_: Any) -> _Iteration:  # noqa: N802
        """Stand in for the class `threading.Thread`; the first of ``args`` is the future of the iteration."""
        return _Iteration(self.waiting, target, args)

    def begin_one(self) -> None:
        """Do the iteration that waits longest, if there is one."""
        if self.waiting:
            self.waiting.pop(0).do()

    def wait(self, active: Collection[Future[Any]], **given: Any) -> tuple[set[Future[Any]], set[Future[Any]]]:
        """Stand in for `concurrent.futures.wait`: those of ``active`` that are done, at least one, and the rest."""
        every = given.get("return_when", ALL_COMPLETED) == ALL_COMPLETED
        while not (all if every else any)(future.done() for future in active):
            mine = next(one for one in self.waiting if one.future in active)
            self.waiting.remove(mine)
            mine.do()
        done = {future for future in active if future.done()}
        return done, set(active) - done


@dataclass
class _Iteration:
    waiting: list[_Iteration]
    target: Callable[..., None]
    args: tuple[Any, ...]

    def start(self) -> None:
        self.waiting.append(self)

    @property
    def future(self) -> Future[Any]:
        future = self.args[0]
        assert isinstance(future, Future)
        return future

    def do(self) -> None:
        self.target(*self.args)


class UnsharedAnswers(SharedAnswers):
    """Does not wait for another caller's answer: here that caller stands still meanwhile."""

    def get(self, request: Request, fresh_s: float, ask: Callable[[], Answer], patience_s: float | None) -> Answer:
        """See `SharedAnswers.get`."""
        if request in self._asking:
            return ask()
        return super().get(request, fresh_s, ask, patience_s)
