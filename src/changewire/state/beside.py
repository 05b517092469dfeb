"""The moments of a database as commands see them, which work on the wall clock beside the daemon.

What is due, leased or timed is stored on the daemon's timeline, which no change of the wall clock moves
(`changewire.engine.steady_clock`). The daemon stores how far the wall clock is from it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from changewire.state import rows
from changewire.state.records import AttemptRecord, PauseRecord, RunHistory, RunRecord, TriggerRecord

Record = TriggerRecord | RunRecord | AttemptRecord | PauseRecord
R = TypeVar("R", TriggerRecord, RunRecord, AttemptRecord, PauseRecord)

_FIELDS: dict[type, tuple[str, ...]] = {
    TriggerRecord: ("next_due", "late_since", "pending_at", "list_due"),
    RunRecord: ("due_at", "started_at", "resumed_at"),
    AttemptRecord: ("started_at", "finished_at", "retry_at"),
    PauseRecord: ("try_at",),
}


@dataclass(frozen=True)
class Beside:
    """Converts between the wall clock and the timeline. The daemon's own store works on the timeline: no offset."""

    offset: timedelta = timedelta(0)  # what the wall clock shows, less the moment on the timeline
    beat: datetime | None = None  # last sign of life of a daemon that was not stopped, on the timeline; None: none

    def now(self, moment: datetime) -> datetime:
        """``moment`` on the timeline."""
        return moment - self.offset

    def due(self, moment: datetime) -> datetime:
        """``moment`` on the timeline, for what is due at once.

        If the wall clock was set just now, the offset is not known yet: what is due is not later than a daemon that
        lives can see.
        """
        return self.now(moment) if self.beat is None else min(self.now(moment), self.beat)

    def shown(self, records: Iterable[R]) -> list[R]:
        """The records with all their moments on the wall clock."""
        found = list(records)
        if self.offset:
            for record in found:
                _move(record, self.offset)
        return found

    def shown_runs(self, histories: Iterable[RunHistory]) -> list[RunHistory]:
        """The same for runs with their attempts."""
        found = list(histories)
        self.shown(history.run for history in found)
        for history in found:
            self.shown(history.attempts)
        return found


def _move(record: Record, offset: timedelta) -> None:
    for name in _FIELDS[type(record)]:
        value = getattr(record, name)
        if value is not None:
            setattr(record, name, value + offset)


def beside(connection: sqlite3.Connection) -> Beside:
    """How far the wall clock is from the timeline, as the daemon stored it last."""
    found = rows.read_all(connection, "SELECT at, info FROM daemon")
    if not found:
        return Beside()
    info = rows.json_or(found[0][1], {})
    at, steady = rows.moment_or_none(found[0][0]), rows.moment_or_none(info.get("steady"))
    if at is None or steady is None:
        return Beside()
    return Beside(at - steady, None if info.get("stopped") else steady)
