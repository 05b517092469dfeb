"""What follows from a wall clock that was set: only what waits for a moment on it. Durations are elapsed time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from changewire.engine.steady_clock import SteadyClock
from changewire.home.definition import Home
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import TriggerRecord, TriggerState
from changewire.triggers.schedule import Schedule

WORTH_A_LINE = timedelta(minutes=1)  # smaller changes since the last line are not logged


class ClockChanges:
    """Follows the wall clock for what is due at a moment on it. Thread-safe; ``home`` returns the present one."""

    def __init__(self, home: Callable[[], Home], store: Store, clock: SteadyClock, log: Log) -> None:
        self._home, self._store, self._clock, self._log = home, store, clock, log
        self._lock = threading.Lock()
        self._noticed = self._logged = clock.offset()

    def begin(self, before: timedelta) -> None:
        """Start with the offset that an earlier process left: ``before``."""
        self._noticed = self._logged = before
        self.look()
        self.align(exact=True)
        self._hasten()

    def look(self) -> bool:
        """Whether the wall clock was set since the last look; what waits for it is due by the new time then."""
        with self._lock:
            offset = self._clock.offset()
            changed, self._noticed = offset != self._noticed, offset
            step = offset - self._logged
            if abs(step) > WORTH_A_LINE:
                self._logged = offset
        if changed:
            self.align(exact=True)
        if abs(step) > WORTH_A_LINE:
            self._tell(step)
        return changed

    def align(self, *, exact: bool = False) -> bool:
        """Make nothing due later than the wall clock says; whether anything was.

        Work that was under way when the clock was set may have stored a moment by the old time. ``exact``: nor earlier.
        """
        now, offset = self._clock.now(), self._clock.offset()
        woken = self._store.wake_runs(now, now + offset)
        moments = dict(self._moments(now, offset, exact))
        return bool(woken + (self._store.move_due(moments) if moments else 0))

    def _hasten(self) -> None:
        """Make due what a command made due at once while no daemon ran, by a wall clock that was ahead."""
        now, offset = self._clock.now(), self._clock.offset()
        self._store.hasten_runs(now)
        moments: dict[str, tuple[datetime, datetime]] = {}
        triggers = self._home().triggers
        for record in self._store.triggers():
            schedule = triggers[record.id].schedule if record.id in triggers else None
            if schedule is not None and record.next_due is not None and not _put_off(record):
                latest = schedule.due_after(now, offset)
                if record.next_due > latest:
                    moments[record.id] = record.next_due, latest
        if moments:
            self._store.move_due(moments)

    def _moments(
        self, now: datetime, offset: timedelta, exact: bool
    ) -> Iterator[tuple[str, tuple[datetime, datetime]]]:
        """The triggers with a cron expression that are due at another moment than stored."""
        triggers = self._home().triggers
        schedules = {name: one.schedule for name, one in triggers.items() if one.schedule and one.schedule.cron}
        for record in self._store.triggers() if schedules else ():
            schedule = schedules.get(record.id)
            if schedule is not None and record.next_due is not None:
                due = _due(record, record.next_due, schedule, now, offset, exact)
                if due != record.next_due:
                    yield record.id, (record.next_due, due)

    def _tell(self, step: timedelta) -> None:
        seconds = round(step.total_seconds())
        word, way = ("clock_set_forward", "forward") if seconds > 0 else ("clock_set_back", "back")
        message = (
            f"the wall clock was set {way} by {abs(seconds)} seconds: intervals, waits, retries and leases are elapsed "
            "time and stay as they are; `cron` and `wait_until` follow the wall clock"
        )
        self._log(word, message, seconds=abs(seconds))


def _due(
    record: TriggerRecord, stored: datetime, schedule: Schedule, now: datetime, offset: timedelta, exact: bool
) -> datetime:
    """When a trigger is due whose stored moment may be by an old time.

    A retry, what the budget or the API puts off, and what is pending are due after a time, and stay.
    """
    if stored <= now or _put_off(record) or record.state is not TriggerState.OK:
        return stored
    wanted = schedule.due_after(now, offset)
    sooner = record.only_pending or bool((record.cursor or {}).get("backfill"))
    return wanted if exact and not sooner else min(stored, wanted)


def _put_off(record: TriggerRecord) -> bool:
    """Whether the next poll is due after a time that the budget, the API or a failed poll gives."""
    return record.late_since is not None or record.delayed is not None
