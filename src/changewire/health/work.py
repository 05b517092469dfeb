"""Work without progress, as something that needs a person: each sentence says which work and since when."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from changewire.actions.supervisor import LostCall, lost_words
from changewire.clock import Clock, to_text, wall
from changewire.durations import format_duration
from changewire.engine.chores import LateChore
from changewire.engine.workload import Load, Pool, Work, Workload
from changewire.errors import described
from changewire.health.attention import Attention
from changewire.log import Log
from changewire.state.records import Claim

OVERDUE_AFTER_S = 60.0  # beyond its limit, at which all work ends that keeps to it
STUCK_AFTER_S = 600.0  # without any progress
FAILING_AFTER_S = 60.0
READ_WITHIN_S = 120.0  # all files of a home
SILENT_AFTER_S = 30.0  # commands take a daemon for ended whose heartbeat is older than 20 seconds
HEARTBEAT = "beat"
_TABLES = {"poll": "triggers", "run": "runs"}
MOST_SHOWN = 3  # of what keeps workers busy
_RESTART = "look into the daemon's log; if it stays, start the daemon again"


def stalled_work(load: Load, waiting: Mapping[str, int], lost: Iterable[LostCall]) -> Iterator[Attention]:
    """Return work without progress: pools without a free worker, work beyond its limit, calls that cannot be ended.

    ``waiting``: how many polls and runs wait for a worker, by kind of pool.
    """
    for pool in load.pools:
        if pool.stuck_s > STUCK_AFTER_S:
            yield Attention("daemon", _name(pool), "busy", _busy_words(pool), _RESTART)
        elif waiting.get(pool.kind, 0) > 0 and len(pool.busy) < pool.workers and pool.idle_s > STUCK_AFTER_S:
            words = f"{_count(waiting[pool.kind], pool.kind)} waiting, and no worker has taken any for "
            yield Attention("daemon", _name(pool), "idle", words + _duration(pool.idle_s), _RESTART)
    for work in load.work:
        if work.limit_s is not None and load.elapsed - work.began > work.limit_s + OVERDUE_AFTER_S:
            yield Attention("daemon", work.name, "overdue", _overdue_words(work, work.limit_s), _look_at(work))
    for call in lost:
        yield Attention("daemon", call.use, "lost", lost_words(call), "start the daemon again")


def _name(pool: Pool) -> str:
    return f"{pool.kind} workers"


def _busy_words(pool: Pool) -> str:
    """Such as "8 of 8 run workers have been busy without progress for more than 10m: run run_1 step pay since …"."""
    shown = [_described(work) for work in sorted(pool.busy, key=lambda work: work.began)[:MOST_SHOWN]]
    more = f", and {len(pool.busy) - MOST_SHOWN} more" if len(pool.busy) > MOST_SHOWN else ""
    count = f"{len(pool.busy)} of {pool.workers} {_name(pool)}"
    return f"{count} have been busy without progress for {_duration(pool.stuck_s)}: {', '.join(shown)}{more}"


def _overdue_words(work: Work, limit_s: float) -> str:
    return f"{_described(work)} of workflow {work.workflow!r} exceeds its limit of {_duration(limit_s)} and did not end"


def _described(work: Work) -> str:
    if work.kind == "poll":
        return f"poll of {work.name} since {to_text(work.since)}"
    step = f" step {work.step}" if work.step else ""
    return f"run {work.name}{step} since {to_text(work.since)}"


def _look_at(work: Work) -> str:
    return f"`changewire explain {shlex.quote(work.name)}`; if it stays, start the daemon again"


def _count(number: int, kind: str) -> str:
    return f"{number} {kind}{'s are' if number != 1 else ' is'}"


def _duration(seconds: float) -> str:
    """Whole minutes of a longer time, so that the sentence does not change all the time."""
    return format_duration(timedelta(seconds=max(1, round(seconds) if seconds < 60 else seconds // 60 * 60)))


class Progress:
    """Whether a daemon makes progress: its loop, its periodic jobs, its workers and what they work on. Thread-safe.

    ``held`` gives the claims that wait for a worker or have one, and when each was claimed, in elapsed seconds;
    ``lost`` the calls that hang, ``late`` the periodic jobs without success.
    """

    def __init__(
        self,
        workload: Workload,
        held: Callable[[], Mapping[Claim, float]],
        lost: Callable[[], Iterable[LostCall]],
        late: Callable[[], Iterable[LateChore]],
        clock: Clock,
        log: Log,
    ) -> None:
        self._workload, self._held, self._lost, self._late = workload, held, lost, late
        self._clock, self._log = clock, log
        self._logged: set[tuple[str, str]] = set()  # names and states of what was logged, and still stands
        self._reading: tuple[float, str] | None = None  # since when changed files are read
        self._failing: tuple[float, str] | None = None  # since when each turn of the loop fails, and why

    def turned(self, error: Exception | None = None) -> None:
        """Note that a turn of the loop came to a good end, or failed of ``error``."""
        if error is None:
            self._failing = None
        else:
            since = self._clock.monotonic() if self._failing is None else self._failing[0]
            self._failing = since, described(error)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Note that changed files are read, as long as this lasts."""
        self._reading = self._clock.monotonic(), to_text(wall(self._clock))
        try:
            yield
        finally:
            self._reading = None

    def attention(self) -> list[Attention]:
        """Return all that makes no progress."""
        load = self._workload.look()
        old = load.elapsed - STUCK_AFTER_S
        claims = Counter[str](claim.table for claim, since in self._held().items() if since < old)
        waiting = {str(pool.kind): claims[_TABLES[pool.kind]] - len(pool.busy) for pool in load.pools}
        return [*self._loop(), *self._files(), *late_chores(self._late()), *stalled_work(load, waiting, self._lost())]

    def report(self) -> None:
        """Log all that makes no progress, each entry once."""
        found = {(each.name, each.state): each for each in self.attention()}
        for key in found.keys() - self._logged:
            self._log("work_stalled", f"{found[key].message}; next: {found[key].next}", name=key[0], state=key[1])
        self._logged = set(found)

    def _loop(self) -> Iterator[Attention]:
        failing = self._failing
        if failing is not None and (passed := self._clock.monotonic() - failing[0]) > FAILING_AFTER_S:
            words = f"each turn of its loop has failed for {_duration(passed)}, so nothing is polled: {failing[1]}"
            yield Attention("daemon", "loop", "failing", words, _RESTART)

    def _files(self) -> Iterator[Attention]:
        reading = self._reading
        if reading is not None and self._clock.monotonic() - reading[0] > READ_WITHIN_S:
            words = f"changed files have been read since {reading[1]}, so nothing that changed is taken over"
            yield Attention("files", "config", "stalled", words, "look for files on a slow disk; `changewire validate`")


def late_chores(late: Iterable[LateChore]) -> Iterator[Attention]:
    """Return the periodic jobs of a daemon that have had no success for too long."""
    for chore in late:
        why = f": {chore.error}" if chore.error else ""
        if chore.name == HEARTBEAT and chore.late_s > SILENT_AFTER_S:
            words = f"its heartbeat could not be stored for {_duration(chore.late_s)}{why}"
            yield Attention("daemon", "heartbeat", "failed", words, _RESTART)
        elif chore.late_s > STUCK_AFTER_S:
            words = f"its periodic job {chore.name!r} is overdue by {_duration(chore.late_s)}{why}"
            yield Attention("daemon", chore.name, "failed", words, _RESTART)
