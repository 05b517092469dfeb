"""What a daemon does beside its loop, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from changewire.clock import SystemClock
from changewire.errors import described
from changewire.log import Log

Chore = Callable[[], object]


class Chores:
    """Runs each chore on a thread of its own, by elapsed time. One that fails is logged and comes again."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, at_once: Mapping[Chore, int], later: Mapping[Chore, int]) -> None:
        """Begin. Each has its seconds in between, and those of ``later`` wait as long before the first time."""
        for chore, every in [*at_once.items(), *later.items()]:
            first = 0 if chore in at_once else every
            name = f"changewire-{getattr(chore, '__name__', 'chore').strip('_')}"
            thread = threading.Thread(target=self._repeat, args=(chore, first, every), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Begin no more of them."""
        self._stopping.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for those under way; False if one did not end in time."""
        clock = SystemClock()
        until = clock.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until - clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def guarded(self, chore: Chore) -> Chore:
        """The chore, which raises nothing."""

        def done() -> None:
            try:
                chore()
            except Exception as error:
                self._log("chore_failed", described(error))

        return done

    def _repeat(self, chore: Chore, first: int, every: int) -> None:
        done, pause = self.guarded(chore), first
        while not self._stopping.wait(pause):
            done()
            pause = every
