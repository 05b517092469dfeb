"""What is stored of a run, and what was decided since and is stored with the next write.

A decision costs no write of its own: until something is sent, nobody can tell whether it was made before or after
a crash. So decisions wait here and are stored in the transaction that stores the next beginning or the run's state.
So does the end of a step that did something, if that comes at once: a write of its own would not be on disk sooner.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from changewire.actions.flow.evidence import unanswered
from changewire.actions.flow.progress import Progress
from changewire.clock import Clock, wall
from changewire.errors import FencedError
from changewire.secret import mask
from changewire.state.protocol import Store
from changewire.state.records import AttemptRecord, AttemptState, RunState

MOST_HELD = 256  # rows that wait for a write at most
LONGEST_HELD_S = 0.02  # that the end of something done outside waits for the next write, looked at with each row
_PAUSES = {"wait", "wait_until"}


class _Facts(TypedDict):
    """What is stored of a run that is left, as `Store.finish_run` takes it."""

    reason: str | None
    due_at: datetime | None
    finished_at: datetime | None
    held_by: str | None
    waits_for: str | None
    ending_step: str | None
    time_left_s: float | None


class Ledger:
    """The rows of one run under one claim. All but `fork` is for one thread; forks share what is known."""

    def __init__(self, store: Store, clock: Clock, run_id: str, claim: int, progress: Progress) -> None:
        self.run_id, self.clock = run_id, clock
        self.progress = progress
        self._store, self._claim = store, claim
        self._held: dict[int, AttemptRecord] = {}  # by identity: a row that is held again takes the last place
        self._started: AttemptRecord | None = None  # the latest that was stored before something was done outside
        self._done_at: float | None = None  # since when the end of such a one is held
        self._ending: str | None = None  # address of the step that ends the run, for the next write

    def fork(self) -> Ledger:
        """The same run for another thread, which holds rows of its own."""
        return Ledger(self._store, self.clock, self.run_id, self._claim, self.progress)

    def row(self, address: str, use: str) -> AttemptRecord:
        """A new attempt there, under way; it is not noted yet."""
        number, _ = self.progress.next(address)
        row = AttemptRecord(self.run_id, address, number, use, AttemptState.RUNNING, started_at=self.moment())
        row.series = self.progress.series
        return row

    def moment(self) -> datetime:
        """Now, for a row of this run."""
        return self.progress.moment(self.clock.now())

    def hold(self, row: AttemptRecord) -> None:
        """Note a row, and store it with the next write."""
        self.progress.add(row)
        self._held.pop(id(row), None)
        self._held[id(row)] = row
        if row is self._started and self._done_at is None:
            self._done_at = self.clock.monotonic()
        if len(self._held) > MOST_HELD or self._is_late():
            self.flush()

    def end(self, row: AttemptRecord) -> None:
        """Note the row of a step that ends the run: no write has the one without the other."""
        self._ending = row.address
        self.hold(row)

    def ends_at(self, address: str) -> None:
        """Note which step ends the run, of those in a parallel loop that would."""
        self._ending = address

    def _is_late(self) -> bool:
        return self._done_at is not None and self.clock.monotonic() - self._done_at > LONGEST_HELD_S

    def _take(self) -> list[AttemptRecord]:
        """All that is held, for the write that stores it."""
        held, self._held, self._done_at = list(self._held.values()), {}, None
        return held

    def close(self, row: AttemptRecord) -> None:
        """Note that a step which was under way has come to its end."""
        if row.state is AttemptState.RUNNING:
            row.state, row.finished_at = AttemptState.SUCCEEDED, self.moment()
            self.hold(row)

    def start(self, row: AttemptRecord) -> None:
        """Store that an attempt begins, and all that is held. Raises FencedError."""
        held, self._started = self._take(), row
        if not self._store.start_attempt(self._claim, row, before=held, ending_step=self._ending):
            raise FencedError

    def flush(self) -> None:
        """Store all that is held. Raises FencedError."""
        held = self._take()
        if held and not self._store.commit_step(self._claim, held[-1], before=held[:-1], ending_step=self._ending):
            raise FencedError

    def leave(
        self,
        state: RunState,
        reason: str | None = None,
        due_at: datetime | None = None,
        *,
        held_by: str | None = None,
        waits_for: str | None = None,
        time_left_s: float | None = None,
    ) -> RunState:
        """Store all that is held and where the run stands, which ends the claim. Raises FencedError.

        Returns the state that the run is left in: pending where the pause ``held_by`` has ended meanwhile.
        """
        if state.finished:
            self._cut_off()
        held = self._take()
        facts: _Facts = {
            "reason": mask(reason) if reason else None,
            "due_at": due_at,
            "finished_at": wall(self.clock) if state.finished else None,
            "held_by": held_by,
            "waits_for": waits_for,
            "ending_step": self._ending,
            "time_left_s": time_left_s,
        }
        if held:
            left = self._store.commit_step(self._claim, held[-1], state=state, before=held[:-1], **facts)
        else:
            left = self._store.finish_run(self.run_id, self._claim, state, **facts)
        if left is None:
            raise FencedError
        return left

    def _cut_off(self) -> None:
        """A run that ends early leaves no step under way. An action whose answer was never stored stays unknown."""
        for row in self.progress.under_way():
            if "." in row.use:
                unanswered(row, self.moment())
                self.hold(row)
                continue
            self.close(row)
            row.state = AttemptState.SKIPPED if row.use in _PAUSES else row.state
