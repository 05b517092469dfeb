"""What is kept in memory of runs that wait in a loop, so that waking up does not cost as much as all that was done."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from changewire.actions.flow.progress import Progress
from changewire.state.records import RunRecord

MOST_RUNS = 256
MOST_BYTES = 64 << 20  # of all together, about
MOST_OF_ONE = 8 << 20  # bytes, about; a run with more is read again at each wake-up


@dataclass(frozen=True)
class Known:
    """How far a run had come when it was left here."""

    claims: int  # how often it had been claimed by then
    progress: Progress
    weight: int  # bytes, about


class Asleep:
    """The runs that were left last. Thread-safe. All of it may be lost at any time: the store has everything."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Known] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(self, run: RunRecord, progress: Progress) -> None:
        """Keep what is known of a run that was left to wait, where reading it again would take long."""
        if not progress.loops or progress.weight > MOST_OF_ONE:
            return
        with self._lock:
            self._drop(run.id)
            self._runs[run.id] = Known(run.claims, progress, progress.weight)
            self._bytes += progress.weight
            while self._bytes > MOST_BYTES or len(self._runs) > MOST_RUNS:
                self._drop(next(iter(self._runs)))

    def take(self, run_id: str) -> Known | None:
        """What was kept, which is not kept any longer; None: nothing."""
        with self._lock:
            return self._drop(run_id)

    def _drop(self, run_id: str) -> Known | None:
        known = self._runs.pop(run_id, None)
        self._bytes -= known.weight if known is not None else 0
        return known
