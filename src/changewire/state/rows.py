"""Between records and rows. What people can read later (events, outputs, errors) is masked on its way in."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from changewire.clock import from_text, to_text
from changewire.secret import SHORTEST_PART, mask, mask_message, masked_json
from changewire.state.records import (
    AttemptRecord,
    AttemptState,
    EventRecord,
    Lane,
    PauseCause,
    PauseKind,
    PauseRecord,
    PollCommit,
    RunRecord,
    RunState,
    TriggerRecord,
    TriggerState,
)
from changewire.values import Json, dumps_text, loads, valid_text

TRIGGER_COLUMNS = (
    "id, workflow, name, type, connection, fingerprint, interval_s, state, next_due, last_ok, last_poll, "
    "last_event, failures, error, error_class, baseline_at, rules, body_hash, cursor, polls, events, lag_ms, "
    "lag_p99_ms, active, generation, schedule, paused, verdicts, late_since, epoch, pending_at, list_due, delayed, "
    "file, version, account"
)
_TRIGGER_MOMENTS = (
    *("next_due", "last_ok", "last_poll", "last_event", "baseline_at", "late_since"),
    *("pending_at", "list_due"),
)
EVENT_COLUMNS = (
    'id, trigger_id, "trigger", workflow, type, kind, event_type, key, detected_at, payload, changes, backfill, '
    "chain, cause"
)
RUN_COLUMNS = (
    "id, workflow, version, event_id, created_at, state, reason, started_at, finished_at, due_at, claim, replay, "
    "lane, lane_max, order_value, held_by, batch_max, claims, resumes, resumed_at, resumed_by, ending_step, waits_for, "
    "time_left_s"
)
ATTEMPT_COLUMNS = (
    "run_id, address, attempt, use, state, output, error, error_class, started_at, finished_at, retry_at, evidence, "
    "series"
)

Row = Iterable[Any]
Conversions = Mapping[str, tuple[Callable[[Any], Any], Any]]
"""How the values of a record are read, and what takes the place of one that is damaged: a value, or what makes it."""
R = TypeVar("R", TriggerRecord, EventRecord, RunRecord, AttemptRecord)
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of a moment that is damaged."""


def moment(text: str | None) -> datetime | None:
    """A stored moment."""
    return None if text is None else from_text(text)


def text(value: datetime | None) -> str | None:
    """A moment as it is stored."""
    return None if value is None else to_text(value)


def shown(words: str | None) -> str | None:
    """Words as they may be stored and shown."""
    return None if words is None else valid_text(mask_message(words))


def moment_or_none(text: str | None) -> datetime | None:
    """A stored moment; None if there is none, or what is stored is damaged."""
    try:
        return moment(text)
    except (ValueError, TypeError):
        return None


def some_moment(text: str | None) -> datetime:
    """A stored moment; long ago if what is stored is damaged."""
    return moment_or_none(text) or LONG_AGO


def json_or(text: str | bytes | None, default: Json) -> Json:
    """Stored JSON; ``default`` if what is stored is damaged."""
    try:
        return loads(text or b"")
    except (ValueError, TypeError):
        return default


def _damaged(record: R, conversions: Conversions) -> R:
    """The record with a default for each value that cannot be read, and their names in ``damaged``."""
    wrong = []
    for name, (convert, default) in conversions.items():
        value = getattr(record, name)
        try:
            setattr(record, name, None if value is None else convert(value))
        except (ValueError, TypeError):
            setattr(record, name, default() if callable(default) else default)
            wrong.append(name)
    record.damaged = tuple(wrong)
    return record


def _times(*names: str) -> dict[str, tuple[Callable[[Any], Any], Any]]:
    return dict.fromkeys(names, (from_text, None))


_TRIGGER: Conversions = {
    **_times(*_TRIGGER_MOMENTS),
    "state": (TriggerState, TriggerState.FAILING),
    "cursor": (loads, dict),
    "verdicts": (loads, None),
}
_EVENT: Conversions = {
    "detected_at": (from_text, LONG_AGO),
    "payload": (loads, None),
    "changes": (loads, list),
    "backfill": (bool, False),
    "chain": (loads, list),
}
_RUN: Conversions = {
    **_times("started_at", "finished_at", "due_at", "resumed_at"),
    "created_at": (from_text, LONG_AGO),
    "state": (RunState, RunState.PAUSED),
    "lane": (Lane, None),
}
_ATTEMPT: Conversions = {
    **_times("started_at", "finished_at", "retry_at"),
    "state": (AttemptState, AttemptState.UNKNOWN),
    "output": (loads, None),
    "evidence": (loads, None),
}


def trigger_state(word: str) -> TriggerState:
    """A stored state of a trigger; failing if what is stored is damaged, until the next poll."""
    return TriggerState(word) if word in list(TriggerState) else TriggerState.FAILING


def trigger_of(row: Row) -> TriggerRecord:
    """A trigger from `TRIGGER_COLUMNS`."""
    row = tuple(row)
    try:
        return _trigger(row)
    except (ValueError, TypeError):
        record = _damaged(TriggerRecord(*row), _TRIGGER)
        record.active, record.paused = bool(record.active), bool(record.paused)
        return record


def _trigger(row: Row) -> TriggerRecord:
    record = TriggerRecord(*row)
    record.state = TriggerState(record.state)
    for name in _TRIGGER_MOMENTS:
        value = getattr(record, name)
        if value is not None:
            setattr(record, name, from_text(value))
    record.cursor = loads(record.cursor)
    record.verdicts = None if record.verdicts is None else loads(record.verdicts)
    record.active, record.paused = bool(record.active), bool(record.paused)
    return record


def trigger_row(record: TriggerRecord, now: datetime) -> dict[str, Any]:
    """All columns of a trigger's row by name."""
    row = {name: getattr(record, name) for name in TRIGGER_COLUMNS.split(", ")}
    for name in _TRIGGER_MOMENTS:
        row[name] = text(row[name])
    row["state"] = str(record.state)
    row["error"] = shown(record.error)
    row["cursor"] = dumps_text(record.cursor)
    row["verdicts"] = None if record.verdicts is None else dumps_text(record.verdicts)
    return {**row, "changed_at": to_text(now)}


def event_of(row: Row) -> EventRecord:
    """An event from `EVENT_COLUMNS`."""
    row = tuple(row)
    try:
        return _event(row)
    except (ValueError, TypeError):
        return _damaged(EventRecord(*row), _EVENT)


def _event(row: Row) -> EventRecord:
    record = EventRecord(*row)
    record.detected_at = from_text(str(record.detected_at))
    record.payload = loads(record.payload)
    record.changes = loads(str(record.changes))
    record.backfill = bool(record.backfill)
    record.chain = loads(str(record.chain))
    return record


def event_row(record: EventRecord) -> tuple[Any, ...]:
    """An event for ``put_event``."""
    head = (record.id, record.trigger_id, record.trigger, record.workflow, record.type, record.kind)
    what = (record.event_type, mask(record.key, SHORTEST_PART), to_text(record.detected_at))
    noticed = (masked_json(part, SHORTEST_PART) for part in (record.payload, record.changes))
    return (*head, *what, *noticed, int(record.backfill), dumps_text(record.chain), record.cause, record.raised)


def run_of(row: Row) -> RunRecord:
    """A run from `RUN_COLUMNS`."""
    row = tuple(row)
    try:
        return _run(row)
    except (ValueError, TypeError):
        return _damaged(RunRecord(*row), _RUN)


def _run(row: Row) -> RunRecord:
    record = RunRecord(*row)
    record.created_at = from_text(str(record.created_at))
    record.state = RunState(record.state)
    record.lane = None if record.lane is None else Lane(record.lane)
    for name in ("started_at", "finished_at", "due_at", "resumed_at"):
        setattr(record, name, moment(getattr(record, name)))
    return record


def run_row(record: RunRecord, gathering: int | None = None) -> tuple[Any, ...]:
    """A run for ``put_run``: a pending one without a due time is due at once. ``gathering``: its events so far, where
    others may join it; None: none may.
    """
    due = record.due_at
    if due is None and record.state is RunState.PENDING:
        due = record.created_at
    head = (record.id, record.workflow, record.version, record.event_id, to_text(record.created_at))
    times = (text(record.started_at), text(record.finished_at), text(due))
    lane = (None if record.lane is None else str(record.lane), record.lane_max, record.order_value)
    batch = (record.batch_max, gathering)
    return (*head, str(record.state), shown(record.reason), *times, record.replay, *lane, *batch)


def pause_of(row: Row) -> PauseRecord:
    """A pause from ``pauses``. Raises ValueError if its kind is damaged, so that nothing knows what it concerns."""
    record = PauseRecord(*row)
    record.kind = PauseKind(record.kind)
    record.cause = PauseCause(record.cause) if record.cause in list(PauseCause) else PauseCause.PERSON
    record.since, record.by_request = some_moment(str(record.since)), bool(record.by_request)
    record.try_at = moment_or_none(record.try_at)  # type: ignore[arg-type]
    return record


def pause_row(record: PauseRecord) -> tuple[Any, ...]:
    """A pause for ``put_pause``."""
    head = (str(record.kind), record.name, str(record.cause), to_text(record.since), shown(record.reason))
    return (*head, shown(record.advice), int(record.by_request), record.tries, text(record.try_at), record.trial)


def attempt_of(row: Row) -> AttemptRecord:
    """An attempt from `ATTEMPT_COLUMNS`."""
    row = tuple(row)
    try:
        return _attempt(row)
    except (ValueError, TypeError):
        return _damaged(AttemptRecord(*row), _ATTEMPT)


def _attempt(row: Row) -> AttemptRecord:
    record = AttemptRecord(*row)
    record.state = AttemptState(record.state)
    record.output = loads(record.output)
    record.evidence = None if record.evidence is None else loads(record.evidence)
    for name in ("started_at", "finished_at", "retry_at"):
        setattr(record, name, moment(getattr(record, name)))
    return record


def attempt_row(record: AttemptRecord) -> tuple[Any, ...]:
    """An attempt for ``put_attempt``."""
    head = (
        record.run_id,
        record.address,
        record.attempt,
        record.use,
        str(record.state),
        masked_json(record.output),
    )
    times = (text(record.started_at), text(record.finished_at), text(record.retry_at))
    evidence = None if record.evidence is None else masked_json(record.evidence)
    return (*head, shown(record.error), record.error_class, *times, evidence, record.series)


def commit_row(commit: PollCommit) -> dict[str, Any]:
    """What ``commit_trigger`` writes of a poll."""
    return {
        "trigger_id": commit.trigger_id,
        "claim": commit.claim,
        "generation": commit.generation,
        "now": to_text(commit.wall),
        "next_due": text(commit.next_due),
        "ok": int(commit.ok),
        "state": str(commit.state),
        "error": shown(commit.error),
        "error_class": commit.error_class,
        "failures": commit.failures,
        "baseline_at": text(commit.baseline_at),
        "rules": commit.rules,
        "body_hash": commit.body_hash,
        "cursor": None if commit.cursor is None else dumps_text(commit.cursor),
        "verdicts": None if commit.verdicts is None else masked_json(commit.verdicts),
        "lag_ms": commit.lag_ms,
        "lag_p99_ms": commit.lag_p99_ms,
        "late_since": text(commit.late_since),
        "listed": int(commit.listed),
        "delayed": shown(commit.delayed),
    }


def address_order(address: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts addresses as a reader expects: ``steps/2`` before ``steps/10``, and those before ``on_failure``."""
    last = int(address.startswith("on_failure"))
    parts = re.findall(r"\d+|[^\d/]+", address)
    return ((last, 0, ""), *((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts))


def read_all(connection: sqlite3.Connection, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return connection.execute(query, parameters).fetchall()


def in_address_order(attempts: Iterable[AttemptRecord]) -> list[AttemptRecord]:
    """Attempts by address, then by number."""
    return sorted(attempts, key=lambda attempt: (address_order(attempt.address), attempt.attempt))
