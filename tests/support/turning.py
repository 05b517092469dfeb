"""A daemon without threads of its own for work: every poll and run is done in the turn that claims it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from changewire.daemon import DATABASE, Daemon
from changewire.engine.dispatcher import Handlers
from changewire.engine.steady_clock import SteadyClock
from changewire.log import Log, silent
from changewire.state.records import Claimed, RunRecord, RunState
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock


class InlineDispatcher:
    """Does what it is handed at once. What goes wrong is kept in ``failures``."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self._handlers: Handlers | None = None

    def start(self, handlers: Handlers) -> None:
        """Begin to work."""
        self._handlers = handlers

    def submit_poll(self, claimed: Claimed) -> None:
        """Poll."""
        assert self._handlers is not None
        self._do(self._handlers.poll, claimed)

    def submit_run(self, run: RunRecord) -> None:
        """Carry on a run."""
        assert self._handlers is not None
        self._do(self._handlers.run, run)

    def free(self) -> tuple[int, int]:
        """There is always room."""
        return 1000, 1000

    def reserve_runs(self, most: int) -> int:
        """All of them."""
        return most

    def give_back(self, places: int) -> None:
        """There is always room."""

    def stop(self, timeout_s: float) -> bool:
        """Nothing is ever under way."""
        return True

    def _do(self, handle: Callable[..., None], work: object) -> None:
        try:
            handle(work)
        except Exception as error:
            self.failures.append(error)
            assert self._handlers is not None
            self._handlers.failed(error)


class Turned:
    """A daemon on ``home`` under a clock that the test turns."""

    def __init__(
        self, home: Path, clock: ManualClock, *, on_write: Callable[[str], None] | None = None, log: Log = silent
    ) -> None:
        self.clock = clock
        self.dispatcher = InlineDispatcher()
        self.steady = SteadyClock(clock)
        self.store = SqliteStore(home / DATABASE, clock=self.steady, on_write=on_write)
        self.daemon = Daemon(home, self.steady, log, store=self.store, dispatcher=self.dispatcher)

    def start(self) -> Turned:
        """Begin, without looking at files by itself."""
        self.daemon.start(watch_files=False)
        return self

    def turn(self) -> None:
        """Do all that is due at this moment, and what follows from it at once."""
        self.daemon.mend()  # this and the next otherwise have threads of their own
        self.daemon._leases.renew()
        for _ in range(100):
            now = self.steady.now()
            if not self.store.due(now, 1) and not self._runs_due():
                return
            self.daemon.turn(now)

    def on(self, seconds: float = 70) -> None:
        """Let time pass, and do all that is due then and what follows from it, as alerts do."""
        self.clock.advance(seconds)
        self.turn()
        self.daemon.turn(self.steady.now())
        self.turn()

    def close(self) -> None:
        """End in good order."""
        self.daemon.close()

    def _runs_due(self) -> bool:
        now = self.steady.now()
        unfinished = self.store.runs(states=(RunState.PENDING, RunState.RUNNING, RunState.WAITING))
        return any((each.run.due_at or now) <= now for each in unfinished)
