"""What a daemon does beside its loop, again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from changewire.errors import ChangewireError, fault_of_ours
from changewire.log import Log

Chore = Callable[[], None]


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

    def guarded(self, chore: Chore) -> Chore:
        """The chore, which raises nothing."""

        def done() -> None:
            try:
                chore()
            except ChangewireError as error:
                self._log("chore_failed", str(error))
            except Exception as error:
                self._log("chore_failed", fault_of_ours(error))

        return done

    def _repeat(self, chore: Chore, first: int, every: int) -> None:
        done, pause = self.guarded(chore), first
        while not self._stopping.wait(pause):
            done()
            pause = every
