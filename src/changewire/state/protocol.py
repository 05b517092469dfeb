"""What a store promises. Methods may be called from any thread; all raise StateError when the store fails.

A *claim* says who works on a trigger or a run. Each claim has a number that is never given again. Whatever is
written under a claim is written only while the claim stands ("fenced"); the answer says whether it was.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from changewire.state.adoption import HomeFiles
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
    RunHistory,
    RunRecord,
    RunState,
    SetAsideItems,
    TriggerRecord,
    WaitingChanges,
    WriteRecord,
)
from changewire.state.sync import Synced
from changewire.values import Json


class Store(Protocol):
    """All that is remembered, in one place."""

    alert_after: int  # so many runs of a workflow in a row that failed or were paused raise an alert

    def open(self, *, take_over: bool = True) -> None:
        """Begin. ``take_over`` frees the claims that an earlier process left, so it needs the home's lock;
        a command that works beside a running daemon passes False.
        """

    def close(self) -> None:
        """Finish what was handed in, then end. Closing twice is fine."""

    # triggers

    def sync_triggers(self, records: Sequence[TriggerRecord], now: datetime, files: HomeFiles | None = None) -> Synced:
        """Make the triggers those that the config wants. Known ids keep their memory; others become inactive.

        Where anything of the config changed, the generation goes up, a claim on it ends, and ``next_due`` of
        the record (unless None) replaces the stored one. A record that is ``unavailable`` makes its row so,
        with its error, and leaves the rest of it as it was.

        A new trigger takes over the memory of one that leaves with this sync and watched the same, see `adoption`; all
        that is stored by name follows. Triggers whose last poll failed become due. ``files`` None: no file is broken.
        """

    def triggers(self, *, active: bool | None = True, workflow: str | None = None) -> list[TriggerRecord]:
        """Triggers by workflow and name. ``active`` None: those out of the config as well."""

    def forget(self, trigger_id: str, now: datetime) -> int:
        """Forget all that a trigger has seen (its next poll is a first one) and its pending changes; an inactive one
        goes altogether.

        Events and runs stay. Returns how many items were forgotten.
        """

    def repair_due(self, now: datetime) -> list[str]:
        """Make active triggers due that have no due moment, which no write should leave. Returns their names."""

    # polls

    def due(self, now: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Ids and due times of triggers that could be claimed at ``now``, earliest first."""

    def next_due_after(self, now: datetime) -> datetime | None:
        """The next due time later than ``now`` of a trigger that could be claimed; None: there is none."""

    def claim_due(self, now: datetime, limit: int, lease: timedelta) -> list[Claimed]:
        """Claim up to ``limit`` due triggers, earliest first: active, unclaimed, not unavailable.

        Each comes with its record as it stands, so that a poll need not ask for it again.
        """

    def load_poll_state(
        self, trigger_id: str, keys: Collection[str] | None = None, *, alike: bool = False
    ) -> tuple[TriggerRecord, dict[str, ItemRecord]]:
        """Return a trigger and its items by key, at one moment. Unknown id: StateError.

        ``keys`` None: all items; else those with these keys, and all with a candidate that has not settled. ``alike``:
        also the further items with the same key, which have a number in theirs.
        """

    def commit_poll(self, commit: PollCommit) -> bool:
        """Store a poll as a whole and end its claim. An event already stored is left out with its runs.

        With a ``handover``, as many of its runs as there is room for are claimed as well, those with a lane excepted.

        False, and nothing stored, where the claim or the generation is no longer the trigger's.
        """

    def put_writes(self, writes: Sequence[WriteRecord]) -> None:
        """Keep what steps are about to write, and then what was acknowledged in its place, until polls settle it."""

    def drop_writes(self, writes: Sequence[WriteRecord]) -> None:
        """Forget what was to be written and certainly was not."""

    def writes(self, trigger_id: str) -> list[WriteRecord]:
        """What was written to what a trigger watches and is not settled yet, oldest first."""

    def feed(
        self,
        events: Sequence[EventRecord],
        runs: Sequence[RunRecord],
        raised: Raised | None = None,
        known: Collection[str] = (),
    ) -> list[str]:
        """Store events of triggers that are not polled, with the runs they start; the ids of those that are new. An
        event already stored is left out with its runs.

        ``raised`` is kept for stored triggers of its type other than ``known``, those of the files that can be used.
        """

    def kept_events(self, trigger_ids: Collection[str], limit: int) -> list[KeptEvent]:
        """Return the oldest internal events that were kept for these triggers."""

    def feed_kept(self, number: int, events: Sequence[EventRecord], runs: Sequence[RunRecord]) -> list[str]:
        """Store what a kept internal event is for its trigger, as `feed` does, and keep it no longer."""

    def poll_now(self, ids: Collection[str], now: datetime) -> int:
        """Make those of the triggers due that failures or the request budget put off; how many."""

    def release(
        self,
        trigger_id: str,
        claim: int,
        next_due: datetime,
        *,
        delayed: str | None = None,
        pending_from: datetime | None = None,
    ) -> bool:
        """End a claim without a poll; the trigger is due again at ``next_due``. False where fenced.

        The poll that did not happen stays due since its first due moment, which is what lateness and lag count from.
        ``delayed`` is why. Pending changes that are due are polled at ``pending_from``, before the list; None: they
        are not.
        """

    def due_pending(self, trigger_id: str, now: datetime, limit: int) -> list[PendingRecord]:
        """Pending changes that are due at ``now``, those due first first; of one key only the earliest change."""

    def broken_changes(self, trigger_id: str) -> list[PendingRecord]:
        """All pending changes of the items whose earliest one is broken; those of one item in their order."""

    def pending_keys(self, trigger_id: str) -> frozenset[str]:
        """The keys of all pending changes of a trigger."""

    def waiting_changes(self, *, inactive: bool = False) -> dict[str, WaitingChanges]:
        """The triggers with pending changes, by id; ``inactive``: also those out of the config."""

    def set_aside(self, *, inactive: bool = False) -> list[SetAsideItems]:
        """The items that cannot be processed, by trigger, those first that are set aside longest; ``inactive``: also
        those of triggers out of the config.
        """

    def move_due(self, moments: Mapping[str, tuple[datetime, datetime]]) -> int:
        """Make triggers due at another moment: by id the present moment and the new one. How many were moved.

        Those that are claimed, or were due at another moment by now, stay as they are.
        """

    def wake_runs(self, now: datetime, wall: datetime) -> int:
        """Make runs due at ``now`` whose `wait_until` ended by the wall clock, which shows ``wall``; how many."""

    # leases

    def renew_claims(self, held: Collection[Claim], now: datetime, lease: timedelta) -> set[Claim]:
        """Let the leases of these claims end ``lease`` after ``now``; the claims that still stand. The others are lost:
        the trigger or run was changed, cancelled or claimed again.
        """

    def stale_claims(self, now: datetime, held: Collection[Claim] = ()) -> tuple[list[Claimed], list[RunRecord]]:
        """Triggers and runs whose lease has ended, except for those that the caller still has in hand (``held``)."""

    def abandon_run(self, run_id: str, claim: int, now: datetime, reason: str) -> RunState | None:
        """End the claim on a run that a fault stopped: it is pending, and due at once or after a growing delay. The
        fifth time in a row it is paused instead, so that a person looks. The new state; None where fenced.
        """

    # runs

    def claim_runs(self, now: datetime, limit: int, lease: timedelta) -> list[RunRecord]:
        """Claim up to ``limit`` runs that are due, earliest first; they are ``running`` from now on.

        Those with a ``lane`` or an ``order_value`` only as far as other runs of their workflow allow; what is filtered
        or cancelled for that is stored in the same transaction. A run that is ``paused`` takes no place in a lane, but
        nothing of its ``order_value`` begins before it is finished.
        """

    def next_run_after(self, now: datetime) -> datetime | None:
        """The next due time later than ``now`` of a run that could be claimed; None: there is none."""

    def load_run(self, run_id: str, *, attempts: bool = True) -> tuple[RunRecord, EventRecord, list[AttemptRecord]]:
        """A run, its event, and its attempts by address, or none where they are not wanted. Unknown id: StateError."""

    def run_events(self, run_id: str) -> list[EventRecord]:
        """The events of a run that is a batch, oldest first; none for any other."""

    def start_attempt(
        self,
        claim: int,
        attempt: AttemptRecord,
        *,
        before: Sequence[AttemptRecord] = (),
        ending_step: str | None = None,
    ) -> bool:
        """Store that an attempt begins, before anything is sent. False where fenced.

        An attempt of this address and number is replaced. What was decided ``before`` it, of the same run, is stored
        in the same transaction. ``ending_step``: the step of which the last attempt is among these, so that the run
        ends; None keeps what is stored.
        """

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
        """Store an attempt's end and where its run stands after it, in one transaction.

        Returns the state that the run is left in, None where fenced. That is ``pending``, due at once, where the pause
        ``held_by`` has ended meanwhile.

        Any ``state`` but ``running`` ends the claim. ``due_at`` belongs to ``pending`` and ``waiting``,
        ``finished_at`` to the states that are finished: ValueError where they are missing or too many. ``before``:
        as for `start_attempt`. ``held_by``: the pause that holds a run which is paused; it continues when that ends.
        ``waits_for``: the step that a waiting or paused run waits for. ``time_left_s``: what is left of its timeout;
        None keeps what is stored, as does ``ending_step``.
        """

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
        """End the claim on a run without a step; arguments and result as for `commit_step`."""

    # what people do with runs; safe beside a daemon that works with the same file

    def resume(self, now: datetime, *, by: str, run_id: str | None = None, workflow: str | None = None) -> list[str]:
        """Make paused runs due at ``now``: the one of this id, those of a workflow, or all. The ids of those that
        were paused. ``by`` names the person who resumes them. A resumed run continues from the step that failed, with
        a new series of attempts and all of its timeout. Runs that wait for a pause to end are left out: there is
        nothing that they could do before.
        """

    def hasten_runs(self, now: datetime) -> int:
        """Make pending runs due that are due after ``now``, but for batches that gather. Returns how many there were.

        A run that is pending waits for nothing, so only a wall clock that was wrong gives it such a moment, or a fault.
        """

    def wake_sleepers(self, now: datetime) -> list[str]:
        """Make the runs due that nothing else would wake: held by a pause that does not exist, or without a due time.

        Slots of runs that are not under way are freed. The ids of the runs.
        """

    def sleepers(self) -> dict[str, int]:
        """Count the runs that `wake_sleepers` would change, by workflow."""

    def say_done(
        self, run_id: str, now: datetime, *, by: str, output: Json = None, address: str | None = None
    ) -> AttemptRecord:
        """Take a person's word, that of ``by``, that the action on which a run is paused was done and gave ``output``.

        The run is due at ``now`` and goes on after that step. Where it has more steps of which only a person can say
        whether they were done, it stays paused for the next of them. ``address`` names one of several steps; None: the
        one that the run waits for. The attempt that was stored. Raises ChangewireError where there is no such
        paused run or action.
        """

    def cancel(self, run_id: str, now: datetime, reason: str) -> bool:
        """End a run that is not finished and the claim on it; an attempt under way is *unknown* from now on.

        False, and nothing done, where it is finished or there is no such run.
        """

    def replay(self, wanted: Sequence[RunRecord]) -> list[RunRecord]:
        """Store further runs of events, all or none. Each gets the next number of its event as ``replay`` and an id
        that follows from it; those of events that are not there are left out. Where they are batches, as many events
        as one may have are one run. The runs as they were stored.
        """

    # alerts

    def alert_turn(self, alert: AlertRecord, begins: str, ends: str) -> bool:
        """Store an alert about something that ``begins`` and ``ends``, the two kinds of alerts about it.

        False, and nothing stored, where the latest of the two says the same, or nothing began so far.
        """

    def untold_alerts(self) -> list[AlertRecord]:
        """Some of the alerts that nobody was told of, the oldest first; none: all were told."""

    def untold_since(self) -> datetime | None:
        """Return when the oldest alert was stored that nobody was told of; None: all were told."""

    def alerts_told(self, ids: Sequence[str]) -> None:
        """Note that these were told. Telling them once more stores nothing twice."""

    # pauses

    def pauses(self) -> list[PauseRecord]:
        """Everything that is paused, since the longest first."""

    def pause(self, record: PauseRecord, now: datetime, *, by: tuple[str, int] | None = None) -> Paused:
        """Pause something: its triggers are not claimed from now on, and polls under way are fenced.

        ``by`` are trigger and claim of the poll that was refused; one that is fenced already pauses nothing. With a
        ``trial`` in the record it is the run that was refused. A refusal of what was let through as a trial puts the
        next one off. A pause by a person takes the place of one for refused credentials, never the other way round.
        """

    def lift(self, kind: PauseKind, name: str, now: datetime, *, cause: PauseCause | None = None) -> Lifted | None:
        """End a pause: its triggers are due at once, and the runs that it held go on from the step that needed it.

        None, and nothing done, where there is no such pause, or it has another ``cause`` (None: any).
        """

    def put_off_pause(self, name: str, reason: str | None, now: datetime) -> None:
        """A try whether a connection is mended failed: the next one comes later, up to an hour.

        ``reason`` None: what was told before stays.
        """

    def try_pauses(self, now: datetime, names: Collection[str] | None = None) -> None:
        """Have it tried at once whether connections are mended; ``names`` None: all that are paused for a refusal."""

    def begin_trial(self, name: str, now: datetime) -> str | None:
        """Let one trigger, or else one run, through although its connection is paused; its id. None: none waits."""

    # workflow texts

    def save_version(self, version: str, text: str) -> None:
        """Keep the text of a workflow under its version; saving it again changes nothing."""

    def save_versions(self, texts: Mapping[str, str]) -> None:
        """As `save_version` for many at once: text by version."""

    def load_version(self, version: str) -> str:
        """The text of a version. Unknown: StateError."""

    # reading for people; `limit` picks the newest, which come oldest first

    def events(
        self, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
    ) -> list[EventRecord]:
        """Events detected at or after ``since``."""

    def each_event(
        self, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
    ) -> Iterator[EventRecord]:
        """As `events`, with few of them in memory at a time. One that is deleted meanwhile is left out."""

    def event(self, event_id: str) -> EventRecord | None:
        """One event; None: there is none of this id."""

    def runs(
        self,
        *,
        since: datetime | None = None,
        workflow: str | None = None,
        states: Collection[RunState] | None = None,
        limit: int | None = None,
    ) -> list[RunHistory]:
        """Runs created at or after ``since``, with their attempts. ``states`` None: all."""

    def each_run(
        self,
        *,
        since: datetime | None = None,
        workflow: str | None = None,
        states: Collection[RunState] | None = None,
        limit: int | None = None,
    ) -> Iterator[RunHistory]:
        """As `runs`, with few of them in memory at a time. One that is deleted meanwhile is left out."""

    def run(self, run_id: str) -> RunHistory | None:
        """One run with its attempts; None: there is none of this id."""

    def runs_of_event(self, event_id: str) -> list[RunHistory]:
        """All runs that an event started or is part of, in the order in which they were stored."""

    def beginning_with(self, table: Literal["events", "runs"], beginning: str) -> list[str]:
        """The ids of events or runs that begin so."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Active ``triggers`` by state, ``runs`` by state, those ``held`` by pause, ``{"stored": n}`` of ``events``."""

    def stats(self) -> dict[str, float]:
        """Figures about the store itself, by name."""

    # reading for monitoring: little is found, and nothing waits for it

    def suspects(self, now: datetime) -> list[TriggerRecord]:
        """Active triggers that are suspended, or were due before ``now`` and may so be late; by name. They only have
        what tells how they stand: state, due times, error, and whether they are paused.
        """

    def waiting_for_a_person(self) -> dict[str, int]:
        """How many runs are paused until a person acts, by workflow; those that go on after a pause do not count."""

    def figures(self, now: datetime) -> Figures:
        """How many triggers and runs there are in which state, and how late they are."""

    # daemon and housekeeping

    def heartbeat(self, info: Json, now: datetime) -> None:
        """Say that a daemon lives, with what it tells about itself (a JSON object)."""

    def daemon_info(self) -> dict[str, Json] | None:
        """What the last heartbeat told, with its moment as ``"at"``; None: there never was a daemon."""

    def mark(self, witnessed_s: int, wall: datetime) -> None:
        """Note, once a day, which history is older than now: ``witnessed_s`` seconds that daemons watched so far."""

    def witnessed(self) -> int:
        """``witnessed_s`` of the last `mark`; 0 if there is none."""

    def prune(
        self, now: datetime, events: timedelta, runs: timedelta, *, witnessed_s: int | None = None
    ) -> dict[str, int]:
        """Delete finished runs, and events without runs, older than this: how many of each. Never items.

        ``now`` is the wall clock. With ``witnessed_s`` only what is as old by the time that was witnessed is deleted.
        """
