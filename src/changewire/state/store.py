"""The promise that everything builds on (`Store`), and the store in an SQLite file (`SqliteStore`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeVar

from changewire.clock import to_text, wall
from changewire.errors import StateError
from changewire.state import (
    alerts,
    batches,
    by_hand,
    echoes,
    figures,
    history,
    internal_events,
    lanes,
    leases,
    marks,
    pauses,
    pending,
    polls,
    pruning,
    rows,
    runs,
    set_aside,
    sync,
)
from changewire.state.adoption import HomeFiles
from changewire.state.beside import Beside, beside
from changewire.state.file import DatabaseFile
from changewire.state.protocol import Store
from changewire.state.queries import sql
from changewire.state.records import (
    AlertRecord,
    AttemptRecord,
    Claim,
    Claimed,
    EventRecord,
    Figures,
    ItemRecord,
    KeptEvent,
    Lifted,
    PauseCause,
    Paused,
    PauseKind,
    PauseRecord,
    PendingRecord,
    PollCommit,
    Raised,
    RunEnd,
    RunHistory,
    RunRecord,
    RunState,
    SetAsideItems,
    TriggerRecord,
    WaitingChanges,
    WriteRecord,
)
from changewire.state.sync import Synced
from changewire.state.writer import Transaction
from changewire.values import Json, dumps_text

__all__ = ["SqliteStore", "Store"]

T = TypeVar("T")
READ_AT_ONCE = 200  # events or runs that are in memory together while many are gone through, at most
READ_FIRST, READ_S = 10, 0.05  # how many the first snapshot reads, and seconds that each further one takes at most


class SqliteStore(DatabaseFile):
    """`Store` in the file ``path``. What each method means is said there.

    ``on_write`` is called around every write with the name of the point; tests break off the process in it.
    """

    alert_after = 3
    _beside = Beside()

    def open(self, *, take_over: bool = True) -> None:
        if self._readers is None:
            super().open()
            if take_over:
                self._take_over()
            else:
                self._beside = self._read(beside)

    def open_to_read(self) -> None:
        super().open_to_read()
        self._beside = self._read(beside)

    def _take_over(self) -> None:
        try:
            self._write(_free_all)
        except BaseException:
            self.close()
            raise

    # triggers

    def sync_triggers(self, records: Sequence[TriggerRecord], now: datetime, files: HomeFiles | None = None) -> Synced:
        return self._write(sync.sync(records, now, files or HomeFiles()))

    def triggers(self, *, active: bool | None = True, workflow: str | None = None) -> list[TriggerRecord]:
        return self._beside.shown(self._read(lambda connection: history.triggers(connection, active, workflow)))

    def forget(self, trigger_id: str, now: datetime) -> int:
        return self._write(sync.forget(trigger_id, self._beside.due(now)))

    def repair_due(self, now: datetime) -> list[str]:
        return self._write(sync.repair_due(now))

    # polls

    def due(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        given = {"now": to_text(now), "limit": limit}
        found = self._read(lambda connection: rows.read_all(connection, sql("due_triggers"), given))
        return [(trigger_id, rows.some_moment(due)) for trigger_id, due in found]

    def next_due_after(self, now: datetime) -> datetime | None:
        return self._next("next_trigger_due", now)

    def claim_due(self, now: datetime, limit: int, lease: timedelta) -> list[Claimed]:
        if not self.due(now, 1):  # most looks find nothing, and a look should not cost a write to disk
            return []
        return polls.claimed(self._write(polls.claim_due(now, limit, lease)))

    def load_poll_state(
        self, trigger_id: str, keys: Collection[str] | None = None, *, alike: bool = False
    ) -> tuple[TriggerRecord, dict[str, ItemRecord]]:
        return self._read(lambda connection: polls.load_poll_state(connection, trigger_id, keys, alike=alike))

    def commit_poll(self, commit: PollCommit) -> bool:
        return self._write(polls.commit_poll(commit))

    def put_writes(self, writes: Sequence[WriteRecord]) -> None:
        self._write(echoes.put(writes))

    def drop_writes(self, writes: Sequence[WriteRecord]) -> None:
        self._write(echoes.drop(writes))

    def writes(self, trigger_id: str) -> list[WriteRecord]:
        return self._read(lambda connection: echoes.expected(connection, trigger_id))

    def feed(
        self,
        events: Sequence[EventRecord],
        runs: Sequence[RunRecord],
        raised: Raised | None = None,
        known: Collection[str] = (),
    ) -> list[str]:
        if raised is not None and self._read(lambda connection: internal_events.missed(connection, raised.type, known)):
            return self._write(internal_events.feed(events, runs, raised, known, wall(self._clock)))
        return self._write(polls.feed(events, runs)) if events else []

    def kept_events(self, trigger_ids: Collection[str], limit: int) -> list[KeptEvent]:
        return self._read(lambda connection: internal_events.kept(connection, trigger_ids, limit))

    def feed_kept(self, number: int, events: Sequence[EventRecord], runs: Sequence[RunRecord]) -> list[str]:
        return self._write(internal_events.feed_kept(number, events, runs))

    def poll_now(self, ids: Collection[str], now: datetime) -> int:
        return self._write(polls.poll_now(ids, self._beside.due(now)))

    def release(
        self,
        trigger_id: str,
        claim: int,
        next_due: datetime,
        *,
        delayed: str | None = None,
        pending_from: datetime | None = None,
    ) -> bool:
        return self._write(polls.release(trigger_id, claim, next_due, delayed, pending_from))

    def due_pending(self, trigger_id: str, now: datetime, limit: int) -> list[PendingRecord]:
        return self._read(lambda connection: pending.due(connection, trigger_id, now, limit))

    def broken_changes(self, trigger_id: str) -> list[PendingRecord]:
        return self._read(lambda connection: pending.broken(connection, trigger_id))

    def pending_keys(self, trigger_id: str) -> frozenset[str]:
        return self._read(lambda connection: pending.keys(connection, trigger_id))

    def waiting_changes(self, *, inactive: bool = False) -> dict[str, WaitingChanges]:
        return self._read(lambda connection: pending.waiting(connection, inactive, self._beside.offset))

    def set_aside(self, *, inactive: bool = False) -> list[SetAsideItems]:
        return self._read(lambda connection: set_aside.stored(connection, inactive))

    def move_due(self, moments: Mapping[str, tuple[datetime, datetime]]) -> int:
        return self._write(polls.move_due(moments))

    def wake_runs(self, now: datetime, wall: datetime) -> int:
        return self._write(runs.wake(now, wall))

    def renew_claims(self, held: Collection[Claim], now: datetime, lease: timedelta) -> set[Claim]:
        return self._write(leases.renew(held, now + lease)) if held else set()

    def stale_claims(self, now: datetime, held: Collection[Claim] = ()) -> tuple[list[Claimed], list[RunRecord]]:
        return self._read(lambda connection: leases.stale(connection, now, held))

    def abandon_run(self, run_id: str, claim: int, now: datetime, reason: str) -> RunState | None:
        return self._write(leases.abandon(run_id, claim, now, reason, self.alert_after, self._wall(now)))

    # runs

    def claim_runs(self, now: datetime, limit: int, lease: timedelta) -> list[RunRecord]:
        given = {"now": to_text(now)}
        if not self._read(lambda connection: rows.read_all(connection, sql("any_due_run"), given)) and not self._read(
            lambda connection: lanes.plan(connection, now)
        ):
            return []
        return self._write(runs.claim_runs(now, limit, lease, self._wall(now)))

    def next_run_after(self, now: datetime) -> datetime | None:
        return self._next("next_run_due", now)

    def load_run(self, run_id: str, *, attempts: bool = True) -> tuple[RunRecord, EventRecord, list[AttemptRecord]]:
        return self._read(lambda connection: runs.load_run(connection, run_id, attempts))

    def run_events(self, run_id: str) -> list[EventRecord]:
        return self._read(lambda connection: batches.events_of(connection, run_id))

    def start_attempt(
        self,
        claim: int,
        attempt: AttemptRecord,
        *,
        before: Sequence[AttemptRecord] = (),
        ending_step: str | None = None,
    ) -> bool:
        return self._write(runs.start_attempt(claim, attempt, before, ending_step))

    def commit_step(
        self,
        claim: int,
        attempt: AttemptRecord,
        *,
        state: RunState = RunState.RUNNING,
        reason: str | None = None,
        due_at: datetime | None = None,
        finished_at: datetime | None = None,
        before: Sequence[AttemptRecord] = (),
        held_by: str | None = None,
        waits_for: str | None = None,
        ending_step: str | None = None,
        time_left_s: float | None = None,
    ) -> RunState | None:
        if state is RunState.RUNNING:
            kept = self._write(runs.start_attempt(claim, attempt, before, ending_step))
            return state if kept else None
        end = RunEnd(state, reason, due_at, finished_at, held_by, waits_for, ending_step, time_left_s)
        return self._write(runs.commit_step(attempt, self._leave(attempt.run_id, claim, end), before))

    def finish_run(
        self,
        run_id: str,
        claim: int,
        state: RunState,
        *,
        reason: str | None = None,
        due_at: datetime | None = None,
        finished_at: datetime | None = None,
        held_by: str | None = None,
        waits_for: str | None = None,
        ending_step: str | None = None,
        time_left_s: float | None = None,
    ) -> RunState | None:
        end = RunEnd(state, reason, due_at, finished_at, held_by, waits_for, ending_step, time_left_s)
        return self._write(self._leave(run_id, claim, end))

    def resume(self, now: datetime, *, by: str, run_id: str | None = None, workflow: str | None = None) -> list[str]:
        return self._write(runs.resume(self._beside.due(now), by, run_id, workflow))

    def hasten_runs(self, now: datetime) -> int:
        return self._write(runs.hasten(now))

    def wake_sleepers(self, now: datetime) -> list[str]:
        return self._write(runs.wake_sleepers(now)) if self.sleepers() else []

    def sleepers(self) -> dict[str, int]:
        return self._read(runs.sleepers)

    def say_done(
        self, run_id: str, now: datetime, *, by: str, output: Json = None, address: str | None = None
    ) -> AttemptRecord:
        return self._write(by_hand.say_done(run_id, self._beside.due(now), by, output, address))

    def cancel(self, run_id: str, now: datetime, reason: str) -> bool:
        return self._write(runs.cancel(run_id, self._beside.now(now), reason, self._wall(now)))

    def replay(self, wanted: Sequence[RunRecord]) -> list[RunRecord]:
        return self._write(runs.replay(wanted, self._beside.due))

    def _leave(self, run_id: str, claim: int, end: RunEnd) -> Callable[[Transaction], RunState | None]:
        now = self._clock.now()
        return runs.leave_run(run_id, claim, end, now=now, wall=self._wall(now), alert_after=self.alert_after)

    # alerts

    def alert_turn(self, alert: AlertRecord, begins: str, ends: str) -> bool:
        return self._write(alerts.put_turn(alert, begins, ends))

    def untold_alerts(self) -> list[AlertRecord]:
        return self._read(alerts.untold)

    def untold_since(self) -> datetime | None:
        return self._read(alerts.untold_since)

    def alerts_told(self, ids: Sequence[str]) -> None:
        self._write(alerts.told(ids))

    # pauses

    def pauses(self) -> list[PauseRecord]:
        return self._beside.shown(self._read(pauses.pauses))

    def pause(self, record: PauseRecord, now: datetime, *, by: tuple[str, int] | None = None) -> Paused:
        return self._write(pauses.pause(record, self._beside.now(now), by))

    def lift(self, kind: PauseKind, name: str, now: datetime, *, cause: PauseCause | None = None) -> Lifted | None:
        return self._write(pauses.lift(kind, name, self._beside.due(now), cause, self._wall(now)))

    def put_off_pause(self, name: str, reason: str | None, now: datetime) -> None:
        self._write(pauses.put_off(name, reason, self._beside.now(now)))

    def try_pauses(self, now: datetime, names: Collection[str] | None = None) -> None:
        self._write(pauses.try_now(names, self._beside.due(now)))

    def begin_trial(self, name: str, now: datetime) -> str | None:
        return self._write(pauses.begin_trial(name, now))

    # workflow texts

    def save_version(self, version: str, text: str) -> None:
        self.save_versions({version: text})

    def save_versions(self, texts: Mapping[str, str]) -> None:
        given = list(texts.items())
        self._write(lambda transaction: transaction.execute_many("save_versions", sql("put_version"), given))

    def load_version(self, version: str) -> str:
        query = "SELECT text FROM versions WHERE version = ?"
        found = self._read(lambda connection: rows.read_all(connection, query, (version,)))
        if not found:
            raise StateError(f"The text of workflow version {version} is not in the database.")
        return str(found[0][0])

    # reading for people

    def events(
        self, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
    ) -> list[EventRecord]:
        return list(self.each_event(since=since, workflow=workflow, limit=limit))

    def each_event(
        self, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
    ) -> Iterator[EventRecord]:
        numbers = self._read(lambda connection: history.event_numbers(connection, since, workflow, limit))
        return self._each(numbers, history.events_of)

    def _each(self, numbers: list[int], read: Callable[[sqlite3.Connection, list[int]], list[T]]) -> Iterator[T]:
        """All of these in snapshots that are short whatever the size of one: a long one keeps the log from ending."""
        start, size = 0, min(READ_FIRST, READ_AT_ONCE)
        while part := numbers[start : start + size]:
            began = self._clock.monotonic()
            found = self._read(lambda connection, part=part: read(connection, part))  # type: ignore[misc]
            start += size
            share = READ_S / max(self._clock.monotonic() - began, READ_S / READ_AT_ONCE)
            size = max(1, min(READ_AT_ONCE, int(size * share)))
            yield from found

    def runs_of_event(self, event_id: str) -> list[RunHistory]:
        return self._beside.shown_runs(self._read(lambda connection: history.runs_of_event(connection, event_id)))

    def beginning_with(self, table: Literal["events", "runs"], beginning: str) -> list[str]:
        return self._read(lambda connection: history.beginning_with(connection, table, beginning))

    def event(self, event_id: str) -> EventRecord | None:
        return self._read(lambda connection: history.event(connection, event_id))

    def runs(
        self,
        *,
        since: datetime | None = None,
        workflow: str | None = None,
        states: Collection[RunState] | None = None,
        limit: int | None = None,
    ) -> list[RunHistory]:
        return list(self.each_run(since=since, workflow=workflow, states=states, limit=limit))

    def each_run(
        self,
        *,
        since: datetime | None = None,
        workflow: str | None = None,
        states: Collection[RunState] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunHistory]:
        numbers = self._read(lambda connection: history.run_numbers(connection, since, workflow, states, limit))
        return self._each(numbers, lambda connection, part: self._beside.shown_runs(history.runs_of(connection, part)))

    def run(self, run_id: str) -> RunHistory | None:
        found = self._read(lambda connection: history.run(connection, run_id))
        return None if found is None else self._beside.shown_runs([found])[0]

    def counts(self) -> dict[str, dict[str, int]]:
        return self._read(history.counts)

    # reading for monitoring

    def suspects(self, now: datetime) -> list[TriggerRecord]:
        at = self._beside.now(now)
        return self._beside.shown(self._read(lambda connection: figures.suspects(connection, at)))

    def waiting_for_a_person(self) -> dict[str, int]:
        return self._read(figures.waiting_for_a_person)

    def figures(self, now: datetime) -> Figures:
        return self._read(lambda connection: figures.figures(connection, now))

    # daemon and housekeeping

    def heartbeat(self, info: Json, now: datetime) -> None:
        given = {"at": to_text(now), "info": dumps_text(info)}
        self._write(lambda transaction: transaction.execute("heartbeat", sql("put_daemon"), given))

    def daemon_info(self) -> dict[str, Json] | None:
        found = self._read(lambda connection: rows.read_all(connection, "SELECT at, info FROM daemon"))
        if not found or rows.moment_or_none(found[0][0]) is None:
            return None
        info = rows.json_or(found[0][1], None)
        return {**info, "at": found[0][0]} if isinstance(info, dict) else None

    def mark(self, witnessed_s: int, wall: datetime) -> None:
        self._write(marks.put(witnessed_s, wall))

    def witnessed(self) -> int:
        return self._read(marks.last)

    def prune(
        self, now: datetime, events: timedelta, runs: timedelta, *, witnessed_s: int | None = None
    ) -> dict[str, int]:
        def limit(kept: timedelta) -> marks.Limit | None:
            return self._read(lambda connection: marks.limit(connection, now, kept, witnessed_s))

        if (old := limit(alerts.KEPT)) is not None:
            self._write(alerts.prune(old.before))
        old_runs, old_events = limit(runs), limit(events)
        if old_events is not None:
            self._write(echoes.prune(old_events.before))
            self._write(internal_events.prune(old_events.before))
        return {
            "runs": 0 if old_runs is None else self._prune_runs(old_runs),
            "events": 0 if old_events is None else self._prune_events(old_events),
        }

    def _prune_runs(self, limit: marks.Limit) -> int:
        total = 0
        while found := self._read(pruning.find_runs(limit)):
            for part in pruning.parts(found):
                for _, run_id, _ in part if len(part) == 1 else ():
                    while self._write(pruning.thin_out(run_id)) == pruning.AT_ONCE:
                        pass
                total += self._write(pruning.delete_runs(part))
        return total

    def _prune_events(self, limit: marks.Limit) -> int:
        total, after = 0, ("", 0)
        while found := self._read(pruning.find_events(limit, after)):
            after = found[-1]
            for start in range(0, len(found), pruning.AT_ONCE):
                total += self._write(pruning.delete_events(found[start : start + pruning.AT_ONCE]))
        return total

    def _wall(self, now: datetime) -> datetime:
        """The wall clock at ``now``: a daemon's clock converts, and commands are on the wall clock."""
        return now + self._clock.offset()

    def _next(self, query: str, now: datetime) -> datetime | None:
        given = {"now": to_text(now)}
        return rows.moment_or_none(self._read(lambda connection: rows.read_all(connection, sql(query), given))[0][0])


def _free_all(transaction: Transaction) -> None:
    transaction.execute("open.triggers", sql("free_all_triggers"))
    transaction.execute("open.runs", sql("free_all_runs"))
