"""What a daemon does beside its loop, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from changewire.clock import SystemClock
from changewire.errors import described
from changewire.log import Log

Chore = Callable[[], object]


@dataclass
class LateChore:
    """A chore that has had no success since it was due."""

    name: str
    late_s: float
    error: str | None  # why it failed last; None: it did not, so it hangs


@dataclass
class _State:
    name: str
    due: float  # elapsed seconds
    error: str | None = None


class Chores:
    """Runs each chore on a thread of its own, by elapsed time. One that fails is logged and comes again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._states: list[_State] = []
        self._clock = SystemClock()

    def start(self, at_once: Mapping[Chore, int], later: Mapping[Chore, int]) -> None:
        """Begin. Each has its seconds in between, and those of ``later`` wait as long before the first time."""
        for chore, every in [*at_once.items(), *later.items()]:
            first = 0 if chore in at_once else every
            state = _State(getattr(chore, "__name__", "chore").strip("_"), self._clock.monotonic() + first)
            self._states.append(state)
            name = f"changewire-{state.name}"
            thread = threading.Thread(target=self._repeat, args=(chore, state, first, every), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Begin no more of them."""
        self._stopping.set()

    def late(self) -> list[LateChore]:
        """Return the chores that have had no success since they were due."""
        now = self._clock.monotonic()
        return [LateChore(each.name, now - each.due, each.error) for each in self._states if each.due < now]

    def join(self, timeout_s: float) -> bool:
        """Wait for those under way; False if one did not end in time."""
        until = self._clock.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def guarded(self, chore: Chore) -> Chore:
        """The chore, which raises nothing."""
        return lambda: self._error_of(chore)

    def _error_of(self, chore: Chore) -> str | None:
        """Do a chore, and log what it failed of. Returns that; None: it succeeded."""
        try:
            chore()
        except Exception as error:
            self._log("chore_failed", described(error))
            return described(error)
        return None

    def _repeat(self, chore: Chore, state: _State, first: int, every: int) -> None:
        pause = first
        while not self._stopping.wait(pause):
            state.error = self._error_of(chore)
            if state.error is None:
                state.due = self._clock.monotonic() + every
            pause = every
