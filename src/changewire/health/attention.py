"""What needs a person, in the words of `status`. Decided here once for `status`, its exit code, and ``/health``."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from changewire.clock import to_text
from changewire.engine.alerts import STALLED_AFTER
from changewire.engine.telling import set_aside_words
from changewire.home.definition import Broken
from changewire.state.records import PauseCause, PauseRecord, SetAsideItems, TriggerRecord, TriggerState, WaitingChanges
from changewire.values import Json

UNSENT_AFTER = timedelta(minutes=5)  # a daemon sends an alert within a second
STUCK_AFTER = 5  # refusals of one request
PEOPLE = (TriggerState.SUSPENDED, TriggerState.STALLED)  # states of triggers that do not mend themselves


@dataclass(frozen=True, slots=True)
class Attention:
    """One thing that needs a person."""

    kind: str  # daemon, files, connection, workflow, trigger or alerts
    name: str  # of a trigger "workflow/trigger"
    state: str
    message: str
    next: str  # what to do

    def view(self) -> dict[str, Json]:
        """As programs read it."""
        return asdict(self)


def judged(record: TriggerRecord, now: datetime) -> TriggerRecord:
    """The trigger as it stands at ``now``: late by several intervals is stalled, for the reason that is stored.

    One that is suspended is looked at rarely, and that is said already.
    """
    if record.state in (TriggerState.SUSPENDED, TriggerState.UNAVAILABLE) or not record.late(now, STALLED_AFTER):
        return record
    return replace(record, state=TriggerState.STALLED, error=record.error or record.delayed)


def attention(
    triggers: Iterable[TriggerRecord],
    broken: Iterable[Broken],
    kept: Mapping[str, str],
    pauses: Iterable[PauseRecord],
    runs: Mapping[str, int],
    sleepers: Mapping[str, int],
) -> list[Attention]:
    """What needs a person, what concerns most first.

    ``triggers`` are `judged`; what a refused connection suspends is told with the connection. ``kept`` are files of
    which the last good version goes on. ``runs`` says how many wait for a person, by workflow, and ``sleepers`` how
    many wait for nothing, which a daemon wakes. What was paused by hand needs nobody.
    """
    refused = {pause.name: pause for pause in pauses if pause.cause is PauseCause.CREDENTIAL}
    return [
        *(_refused(pause) for pause in refused.values()),
        *(_unavailable(each, each.file in kept) for each in broken),
        *_triggers(record for record in triggers if not record.paused and record.connection not in refused),
        *(_waiting(workflow, count) for workflow, count in sorted(runs.items())),
        *(_sleeping(workflow, count) for workflow, count in sorted(sleepers.items())),
    ]


def resume_command(kind: str, name: str) -> str:
    """What to type so that something paused goes on."""
    return f"changewire resume {'--connection ' if kind == 'connection' else ''}{shlex.quote(name)}"


def next_step(pause: PauseRecord) -> str:
    """What a person does about a pause."""
    command = f"`{resume_command(pause.kind, pause.name)}`"
    return command if pause.advice is None else f"{pause.advice}, then {command}"


def refused_files(words: str) -> Attention:
    """The files of the home cannot be used as they are, none of them."""
    return Attention("files", "config", str(TriggerState.UNAVAILABLE), words, "`changewire validate`")


def gone(pid: int, heard_at: str) -> Attention:
    """The process of the daemon ended, and nobody had asked it to."""
    words = f"process {pid} ended without having been asked to; it was heard of last at {heard_at}"
    return Attention("daemon", "process", "gone", words, "look into its log, then `changewire run`")


def silent(pid: int, heard_at: str) -> Attention:
    """The process of the daemon lives, and what it does cannot be seen."""
    words = f"process {pid} is running, and its heartbeat could not be stored since {heard_at}"
    advice = "look into its log, at the disk and at what else uses state/changewire.db; then start it again"
    return Attention("daemon", "heartbeat", "failed", words, advice)


def _refused(pause: PauseRecord) -> Attention:
    return Attention(str(pause.kind), pause.name, "paused", pause.reason, next_step(pause))


def _unavailable(broken: Broken, kept: bool) -> Attention:
    words = str(broken.problems[0]) if broken.problems else f"{broken.file} cannot be read"
    if kept:
        words += "; the last good version is still polled"
    return Attention("workflow", broken.name, str(TriggerState.UNAVAILABLE), words, "`changewire validate`")


def _triggers(records: Iterable[TriggerRecord]) -> Iterator[Attention]:
    for record in records:
        if record.state in PEOPLE:
            late = f"late by more than {STALLED_AFTER} intervals" if record.state is TriggerState.STALLED else None
            words = ": ".join(part for part in (late, record.error) if part)
            command = f"`changewire explain {shlex.quote(record.shown)}`"
            yield Attention("trigger", record.shown, str(record.state), words, command)


def _waiting(workflow: str, count: int) -> Attention:
    words = f"{count} run{'s' * (count != 1)} paused, waiting for a person"
    return Attention("workflow", workflow, "paused", words, "`changewire runs --state paused`")


def _sleeping(workflow: str, count: int) -> Attention:
    words = f"{count} run{'s' * (count != 1)} held by nothing that exists; a daemon wakes them within a minute"
    return Attention("workflow", workflow, "asleep", words, "`changewire run`")


def unsent_alerts(since: datetime | None, now: datetime) -> list[Attention]:
    """Return one entry if the oldest alert that nobody was told of was stored so long ago that nothing sends it."""
    if since is None or now - since < UNSENT_AFTER:
        return []
    words = f"alerts since {to_text(since)} were not sent to the workflows that watch for them"
    return [Attention("alerts", "core.alert", "unsent", words, "look into the daemon's log, or `changewire run`")]


def stuck_changes(waiting: Iterable[WaitingChanges], now: datetime) -> Iterator[Attention]:
    """One entry for each trigger with pending changes of which a request was refused again and again, or none sent."""
    for each in waiting:
        if not each.held and (each.tries >= STUCK_AFTER or each.idle(now, STALLED_AFTER)):
            command = f"`changewire explain {shlex.quote(each.trigger)}`"
            yield Attention("trigger", each.trigger, "pending", pending_words(each), command)


def items_set_aside(found: Iterable[SetAsideItems]) -> Iterator[Attention]:
    """One entry for each trigger with items that cannot be processed."""
    by_trigger: dict[str, list[SetAsideItems]] = {}
    for each in found:
        by_trigger.setdefault(each.trigger, []).append(each)
    for trigger, items in by_trigger.items():
        words = set_aside_words(sum(each.count for each in items), items[0].name, items[0].reason)
        yield Attention("trigger", trigger, "set_aside", words, f"`changewire explain {shlex.quote(trigger)}`")


def set_aside_view(item: SetAsideItems) -> dict[str, Json]:
    """One item that cannot be processed, as programs read it."""
    view: dict[str, Json] = {"trigger": item.trigger, "item": item.name, "count": item.count, "reason": item.reason}
    return {**view, "since": to_text(item.since), "polls": item.polls, "event": item.event, "excerpt": item.excerpt}


def pending_words(waiting: WaitingChanges) -> str:
    """How many changes of a trigger are no event yet, and why."""
    count = waiting.count - waiting.broken
    changes = "1 change waits" if count == 1 else f"{count} changes wait"
    words = f"{changes} for answers to requests about single items"
    if waiting.tries == 0:
        return f"{words}: {waiting.delayed}" if waiting.delayed else words
    return f"{words}; refused up to {waiting.tries} time{'s' * (waiting.tries != 1)}: {waiting.reason}"
