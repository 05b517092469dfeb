"""What is kept, as plain records: a trigger with its memory, items, events, runs, attempts.

Every moment is an aware ``datetime``. JSON fields are plain data (see `changewire.values.Json`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from changewire.values import Json


class TriggerState(StrEnum):
    """How a trigger is doing, in the words of ``status``."""

    BASELINE_PENDING = "baseline_pending"  # nothing read so far
    OK = "ok"  # the last poll was good
    FAILING = "failing"  # the last poll was not; it is tried again by itself
    SUSPENDED = "suspended"  # trying again cannot help before a person acts; looked at rarely
    PAUSED = "paused"  # by a person; not polled before `resume`
    STALLED = "stalled"  # late by several intervals
    UNAVAILABLE = "unavailable"  # its workflow cannot be used as written; never claimed


class RunState(StrEnum):
    """Where a run stands, in the words of ``runs``."""

    PENDING = "pending"  # stored with its event, not begun
    RUNNING = "running"  # somebody works on it, or did when the process ended
    WAITING = "waiting"  # goes on by itself at `due_at`
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PAUSED = "paused"  # waits for a person
    FILTERED = "filtered"  # `when` of the workflow said no
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True where nothing goes on, whoever acts. A paused run is not finished."""
        return self in {self.SUCCEEDED, self.FAILED, self.FILTERED, self.CANCELLED}


class Lane(StrEnum):
    """How runs of one workflow get along, in the words of its ``mode``."""

    PARALLEL = "parallel"  # at the same time, up to `lane_max`
    SINGLE = "single"  # one that would begin while another is not finished is filtered
    RESTART = "restart"  # one that begins cancels those before it
    QUEUED = "queued"  # one after the other


class AttemptState(StrEnum):
    """What became of one try of a step."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"  # its `when` said no
    UNKNOWN = "unknown"  # sent, but the process ended before the answer was stored


@dataclass(slots=True)
class TriggerRecord:
    """One trigger: what the config says of it, and what is remembered."""

    id: str
    workflow: str
    name: str
    type: str
    connection: str | None
    fingerprint: str  # of what is watched; a renamed workflow is recognised by it
    interval_s: float  # seconds
    state: TriggerState = TriggerState.BASELINE_PENDING
    next_due: datetime | None = None  # None: not polled by itself
    last_ok: datetime | None = None
    last_poll: datetime | None = None
    last_event: datetime | None = None
    failures: int = 0  # in a row
    error: str | None = None
    error_class: str | None = None
    baseline_at: datetime | None = None  # None: the first poll has not come to a good end
    rules: str | None = None  # fingerprint of the comparison rules that the stored hashes were made with
    body_hash: str | None = None  # of the last good answer as a whole; None: compare item by item
    cursor: Json = field(default_factory=dict)
    polls: int = 0
    events: int = 0
    lag_ms: float | None = None
    lag_p99_ms: float | None = None
    active: bool = True  # False: no longer in the config, its memory is kept
    generation: int = 1  # goes up whenever the config of the trigger changes
    schedule: str = ""  # the schedule as written; lets `sync_triggers` see that it changed
    paused: bool = False  # a pause concerns it: it is not polled
    verdicts: Json = None  # of the last poll that was not like the one before: {"at", "counts", "held"}
    late_since: datetime | None = None  # when the poll to come was due first, before it was put off; None: `next_due`
    epoch: int = 0  # of its memory: no other memory has or had it; the store gives it, and a new one at each reset
    pending_at: datetime | None = None  # see `only_pending`
    list_due: datetime | None = None  # with `only_pending`: when the list is due
    delayed: str | None = None  # why the request budget delays the next poll; None: it does not
    file: str = ""  # of its workflow, from the home on; "": unknown
    version: str = ""  # of its workflow's text
    account: str = ""  # fingerprint of the connection without its name and secrets; "": unknown, or no connection
    damaged: tuple[str, ...] = ()  # names of what is stored and cannot be read

    @property
    def unreadable(self) -> str:
        """What of its memory is damaged, without which no poll can be compared; empty: nothing."""
        return ", ".join(name for name in ("baseline_at", "cursor", "last_ok") if name in self.damaged)

    @property
    def only_pending(self) -> bool:
        """Whether the next poll works on pending changes only and does not read the list.

        Whatever else makes the trigger due at another moment, such as a reload, makes it a poll of the list.
        """
        return self.pending_at is not None and self.pending_at == self.next_due

    @property
    def due_since(self) -> datetime | None:
        """The first due moment of the poll that has not happened yet; None: not polled by itself."""
        return self.late_since or self.next_due

    def late(self, now: datetime, intervals: int) -> bool:
        """Whether the poll to come is later by more than so many intervals; never if paused or unavailable."""
        if self.paused or self.due_since is None or self.state is TriggerState.UNAVAILABLE:
            return False
        return now - self.due_since > intervals * timedelta(seconds=self.interval_s)

    @property
    def shown(self) -> str:
        """How the trigger is named to people: ``workflow/trigger``."""
        return f"{self.workflow}/{self.name}"


@dataclass(slots=True)
class ItemRecord:
    """One item of the last good poll."""

    key: str
    hash: str
    body: bytes | None = None  # canonical JSON; None where only the hash is needed
    revision: int = 0
    candidate: str | None = None  # hash of a change that has not settled; None: nothing unsettled
    candidate_count: int = 0  # polls in a row that saw the candidate
    absences: int = 0  # polls in a row that did not see the item


@dataclass(slots=True)
class EventRecord:
    """One noticed change."""

    id: str
    trigger_id: str
    trigger: str  # as shown, "workflow/trigger"
    workflow: str
    type: str  # trigger type
    kind: str
    event_type: str
    key: str
    detected_at: datetime
    payload: Json
    changes: list[dict[str, Json]] = field(default_factory=list)  # of {"path", "old", "new"}
    backfill: bool = False
    chain: list[str] = field(default_factory=list)  # names of the workflows that led to it, each raising the next event
    cause: str | None = None  # id of the run that raised it; None: it was noticed outside
    raised: str | None = None  # `Raised.id` of an internal event; not read back
    damaged: tuple[str, ...] = ()  # names of what is stored and cannot be read

    @property
    def hops(self) -> int:
        """How many events of workflows led to this one, itself included; 0 for a change outside."""
        return len(self.chain)


@dataclass(slots=True)
class PendingRecord:
    """A noticed change that is no event yet, because a request about it is still to be made."""

    trigger_id: str
    key: str
    change: str  # JSON text, see `changewire.triggers.pending`
    noticed_at: datetime  # on the wall clock
    due_at: datetime  # when the request is made at the earliest
    tries: int = 0  # requests that were refused
    reason: str | None = None  # of the last refusal
    number: int | None = None  # in the store; None: it is not stored yet
    broken: bool = False  # the event cannot be made, whatever is answered about the item


@dataclass(slots=True)
class AsideRecord:
    """An item that a poll could not process, for the store."""

    trigger_id: str
    key: str  # the same in the next poll, also if the item has no key of its own
    name: str  # for people: its key, or its place in the list
    reason: str
    excerpt: str  # the beginning of the item as JSON


@dataclass(frozen=True, slots=True)
class SetAsideItems:
    """An item that cannot be processed, as it is stored; or the number of further ones."""

    trigger_id: str
    trigger: str  # as shown, "workflow/trigger"
    name: str
    reason: str
    since: datetime  # on the wall clock
    polls: int  # that could not process it, in a row
    count: int  # items that this stands for
    excerpt: str | None  # None: there is none
    event: bool  # its change was noticed and is stored; only the event cannot be made


@dataclass(slots=True)
class WaitingChanges:
    """The pending changes of one trigger, in figures."""

    trigger: str  # as shown, "workflow/trigger"
    count: int
    broken: int  # those of them whose event cannot be made, see `SetAsideItems`
    since: datetime  # when the oldest was noticed
    tries: int  # of the one that was refused most often, of those that are not broken
    reason: str | None  # its last refusal; None: none was refused
    due_at: datetime  # when the next one is tried
    interval_s: float  # of the trigger
    delayed: str | None  # why the request budget delays them; None: it does not
    idle_since: datetime | None  # a request was not sent since then, and there was no event; None: all were sent
    held: bool  # the trigger is paused or unavailable, which is said elsewhere

    def idle(self, now: datetime, intervals: int) -> bool:
        """Whether a request has waited for so many intervals and meanwhile no other one led to an event."""
        return self.idle_since is not None and now - self.idle_since > intervals * timedelta(seconds=self.interval_s)


@dataclass(frozen=True, slots=True)
class Raised:
    """Something that happened inside, on its way to the triggers whose type is fed by it."""

    type: str  # the trigger type, such as "core.emitted"
    id: str  # the same whenever the same thing is raised again, so that it is stored once
    item: Mapping[str, Json]  # what the type's expressions call ``item``; it has a ``key``
    chain: tuple[str, ...] = ()  # names of the workflows that led to it, the one that raised it last
    cause: str | None = None  # id of the run that raised it; None: no run did


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An internal event that waits for a trigger which was not there when it was raised."""

    number: int
    trigger_id: str
    raised: Raised


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """What a step wrote through a connection that a trigger of its workflow polls."""

    trigger_id: str
    run_id: str
    address: str
    method: str
    path: str  # below the connection
    body: Json  # None: no JSON
    key: str | None  # of the item that the answer says was made; None: it says nothing
    sent_at: datetime
    acknowledged_at: datetime | None = None  # None: it is under way, or its answer was lost
    number: int | None = None  # in the store; None: it is not there


@dataclass(slots=True)
class RunRecord:
    """One workflow working on one event."""

    id: str
    workflow: str
    version: str  # of the workflow's text, see `Store.load_version`
    event_id: str
    created_at: datetime
    state: RunState = RunState.PENDING
    reason: str | None = None
    started_at: datetime | None = None  # when it began, again if it was resumed or held; None: it has not yet
    finished_at: datetime | None = None
    due_at: datetime | None = None  # None: due since `created_at`, or finished or paused
    claim: int = 0  # whose work it is now; 0: nobody's
    replay: int = 0  # which time the event was played again; 0: the run that it started itself
    lane: Lane | None = None  # None: it need not mind other runs of its workflow
    lane_max: int | None = None  # with PARALLEL: how many at once; None: any number
    order_value: str | None = None  # runs of one value go one at a time, in order; None: it has no order
    held_by: str | None = None  # of a paused run: the pause that it goes on after; None: it waits for a person
    batch_max: int | None = None  # it works on up to so many events, `event_id` is the latest; None: on that one
    claims: int = 0  # how often it was claimed
    resumes: int = 0  # how often a person resumed it: the series of the attempts that are made now
    resumed_at: datetime | None = None  # when it left a pause last; None: never
    resumed_by: str | None = None  # the person who resumed it then, or the pause that ended
    ending_step: str | None = None  # address of the step that ends the run: `on_failure` is next, or the end
    waits_for: str | None = None  # of a waiting or paused run: address of the step; None: it waits before any step
    time_left_s: float | None = None  # of its timeout, from `started_at` on; None: all of it
    damaged: tuple[str, ...] = ()  # names of what is stored and cannot be read
    gathers_until: datetime | None = None  # of a batch that is about to be stored: it is due then, unless it is full

    @property
    def claimed_as(self) -> Claim:
        """The claim, by which its lease is renewed."""
        return Claim("runs", self.id, self.claim)


@dataclass(frozen=True, slots=True)
class RunEnd:
    """Where a claim leaves its run, in fields of `RunRecord`; None keeps ``ending_step`` and ``time_left_s``."""

    state: RunState
    reason: str | None = None
    due_at: datetime | None = None  # belongs to PENDING and WAITING
    finished_at: datetime | None = None  # belongs to the states that are finished
    held_by: str | None = None
    waits_for: str | None = None
    ending_step: str | None = None
    time_left_s: float | None = None


@dataclass(slots=True)
class AttemptRecord:
    """One try of one step of a run."""

    run_id: str
    address: str  # such as "steps/2", "steps/4[17]/do/0" or "on_failure/0"; "timeout" for the run's own
    attempt: int  # from 1
    use: str  # the action, or the kind of a step that decides: "if", "wait", …
    state: AttemptState
    output: Json = None
    error: str | None = None
    error_class: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    retry_at: datetime | None = None  # None: not tried again by itself
    evidence: Json = None  # {"input", "response", "effect"} unless it succeeded; with "by", a person said that it did
    series: int = 0  # how often a person had resumed the run when this was decided
    damaged: tuple[str, ...] = ()  # names of what is stored and cannot be read

    @property
    def failure(self) -> str:
        """How its failure is told to people, and why its run is paused."""
        return f"{self.address} ({self.use}): {self.error_class}: {self.error}"


class PauseKind(StrEnum):
    """What a pause concerns."""

    CONNECTION = "connection"  # its triggers are not polled, and steps that need it are not tried
    WORKFLOW = "workflow"  # its triggers are not polled, and no run of it begins or goes on
    TRIGGER = "trigger"  # it is not polled


class PauseCause(StrEnum):
    """Why something is paused."""

    CREDENTIAL = "credential"  # sign-in is refused; it is tried again by itself
    PERSON = "person"  # by hand; only a person ends it


@dataclass(slots=True)
class PauseRecord:
    """Something that is paused, and how it comes to its end."""

    kind: PauseKind
    name: str  # of the connection or workflow, or "workflow/trigger"
    cause: PauseCause
    since: datetime
    reason: str
    advice: str | None = None  # the next step of the person who mends it
    by_request: bool = False  # there is no sign-in to try: a trigger or run is let through as a trial
    tries: int = 0  # that failed, after the first refusal
    try_at: datetime | None = None  # when it is tried whether it is mended; None: not by itself
    trial: str | None = None  # id of the trigger or run that is let through now

    @property
    def held_by(self) -> str:
        """How runs that wait for its end name it."""
        return f"{self.kind}/{self.name}"


class Paused(StrEnum):
    """What came of a wish to pause something."""

    NEW = "new"  # it is paused from now on
    KNOWN = "known"  # it was already
    FENCED = "fenced"  # who asked for it works with what is over


@dataclass(slots=True)
class Lifted:
    """What went on when a pause ended."""

    triggers: int
    runs: list[str]  # ids


@dataclass(slots=True)
class AlertRecord:
    """Something that somebody should know: once when it begins, once when it is over."""

    at: datetime
    what: str  # such as "connection_paused", see the trigger type core.alert
    name: str  # of the trigger ("workflow/trigger"), workflow or connection
    message: str
    facts: dict[str, Json] = field(default_factory=dict)  # more fields for the event
    chain: tuple[str, ...] = ()  # names of the workflows that led to it
    cause: str | None = None  # id of the run that it is about; None: none
    id: str = ""  # given when it is stored; no other alert ever has the same


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on a trigger or a run: the number is never given again."""

    table: Literal["triggers", "runs"]
    id: str
    number: int


@dataclass(slots=True)
class Claimed:
    """A trigger that is ours to poll until the lease ends."""

    trigger_id: str
    due_at: datetime
    claim: int
    generation: int
    record: TriggerRecord  # as it was claimed; whatever changes it afterwards fences the claim

    @property
    def claimed_as(self) -> Claim:
        """The claim, by which its lease is renewed."""
        return Claim("triggers", self.trigger_id, self.claim)


@dataclass(slots=True)
class Handover:
    """Room for runs that a poll starts: they are claimed with it, under its claim, instead of waiting to be claimed."""

    now: datetime
    lease_until: datetime
    most: int
    taken: list[RunRecord] = field(default_factory=list)  # filled in by `Store.commit_poll`


@dataclass(slots=True)
class PollCommit:
    """The whole outcome of one poll. With ``ok`` False only the trigger row's condition is written:
    items, events, runs and what is remembered must be left out, and memory stays as it was.
    """

    trigger_id: str
    claim: int
    generation: int
    now: datetime  # when the poll began
    next_due: datetime
    ok: bool
    state: TriggerState
    error: str | None = None
    error_class: str | None = None
    failures: int = 0
    baseline_at: datetime | None = None  # None: keep what is stored
    rules: str | None = None  # None: keep what is stored
    body_hash: str | None = None  # None: forget it, the next poll compares item by item
    cursor: Json = None  # None: keep what is stored
    upserts: Sequence[ItemRecord] = ()  # written as a whole
    touches: Sequence[ItemRecord] = ()  # only candidate, candidate_count and absences are written
    deletes: Sequence[str] = ()  # keys
    events: Sequence[EventRecord] = ()
    runs: Sequence[RunRecord] = ()  # stored only where their event is new
    handover: Handover | None = None  # for those of the runs that need not mind others; None: all wait to be claimed
    echoes: Mapping[int, str] = field(default_factory=dict)  # what became of writes, by `WriteRecord.number`
    lag_ms: float | None = None
    lag_p99_ms: float | None = None
    verdicts: Json = None  # how the items were judged; None: keep what is stored
    late_since: datetime | None = None  # the API put it off, and it is due since then; None: the next one counts
    alert: AlertRecord | None = None  # what to tell of this poll
    mends: str | None = None  # a connection whose pause this poll ends, with all that waits for it
    listed: bool = True  # False: the list was not read, so `last_ok` stays
    pending: Sequence[PendingRecord] = ()  # new ones, and with a ``number`` those whose request was refused or put off
    settled: Sequence[int] = ()  # numbers of pending changes that are done
    set_aside: Sequence[AsideRecord] | None = None  # all that this poll could not process; None: keep what is stored
    pending_from: datetime | None = None  # the earliest poll for pending changes; None: the next poll reads the list
    in_turn: bool = True  # pending changes that are due may delay the list
    delayed: str | None = None  # why the request budget delays the next poll
    offset: timedelta = timedelta(0)  # what the wall clock shows, less `now`

    @property
    def wall(self) -> datetime:
        """When the poll began, on the wall clock."""
        return self.now + self.offset


@dataclass(slots=True)
class RunHistory:
    """A run with all its attempts, by address and attempt."""

    run: RunRecord
    attempts: list[AttemptRecord]
    event_ids: list[str] = field(default_factory=list)  # of a batch, oldest first; empty: `run.event_id` alone


@dataclass(slots=True)
class WorkflowFigures:
    """How the triggers of one workflow are doing, in figures."""

    events: int  # that were ever stored
    last_ok: datetime | None  # the last good poll of that trigger for which it is the longest ago; None: there was none
    lag_p99_ms: float | None  # of the worst trigger
    due_since: datetime | None  # when the poll that is due next was due first; None: none is polled


@dataclass(slots=True)
class Figures:
    """Figures for monitoring. What is zero may be missing."""

    triggers: dict[tuple[str, ...], int] = field(default_factory=dict)  # active ones by (workflow, state)
    workflows: dict[str, WorkflowFigures] = field(default_factory=dict)  # those with active triggers
    runs: dict[tuple[str, ...], int] = field(default_factory=dict)  # those that are not finished by (workflow, state)
    runs_due: int = 0  # nobody has begun or gone on with them
    runs_due_since: datetime | None = None  # the longest of them; None: none is due
