"""The work itself: one poll from claim to commit. What is due and who does it is decided elsewhere."""

from __future__ import annotations

import shlex
import threading
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from changewire.clock import Clock, from_text, to_text
from changewire.connectors.client import Clients
from changewire.dispatcher import ShortWay
from changewire.echoes import UNDER_WAY, Echoes, Sifted
from changewire.errors import (
    ApiError,
    ChangewireError,
    CredentialError,
    DelayedError,
    FailureClass,
    PollError,
    StateError,
)
from changewire.feeding import run_for, samples_of
from changewire.home import Home, Trigger
from changewire.log import Log
from changewire.paths import MISSING, get, parse_path
from changewire.secret import mask
from changewire.state import pauses
from changewire.state.protocol import Store
from changewire.state.records import (
    AlertRecord,
    Claimed,
    EventRecord,
    Paused,
    PollCommit,
    TriggerRecord,
    TriggerState,
)
from changewire.triggers.comparing import additions
from changewire.triggers.definition import Evidence
from changewire.triggers.noticing import Memory, Notice, Noticed, item_key, notice
from changewire.triggers.payloads import make_events
from changewire.triggers.polling import NEVER, Allowance, Reading, fetch, fetch_detail, read
from changewire.triggers.proving import proven
from changewire.triggers.schedule import percentile, retry_delay
from changewire.values import Json, make_id

T = TypeVar("T")
DETAILS = 50  # follow-up requests in one poll; the other new items wait for the next
LAGS = 128  # how many of a trigger's latest lags its percentile is taken from
SAMPLES = 20  # items that a preview shows where nothing can be compared yet
UNSETTLED = frozenset({"settling", "absent", "held", "not_ready", "unproven", "elsewhere", UNDER_WAY})
"""Verdicts after which an equal answer still has to be looked at."""
FRESH_SHARE, FRESH_MOST = 0.1, 5.0
"""One answer serves several triggers for a tenth of the interval, for five seconds at most."""


class Outcome(StrEnum):
    """How a poll ended."""

    UNCHANGED = "unchanged"
    STORED = "stored"
    BEGUN = "begun"  # stored, and all of its runs have workers already
    FAILED = "failed"  # nothing was changed but the trigger's condition
    DELAYED = "delayed"  # the request budget says later; nothing was asked
    FENCED = "fenced"  # the trigger was changed meanwhile; nothing was stored


@dataclass(frozen=True)
class Found:
    """What a good poll brought."""

    reading: Reading
    notice: Notice
    events: list[EventRecord]
    cursor: dict[str, Json]
    baseline_at: datetime
    sifted: Sifted | None = None  # None: nothing was compared


class Engine:
    """Polls triggers of one home. Thread-safe; a reload puts a new `home` in its place."""

    def __init__(
        self, home: Home, store: Store, clients: Clients, clock: Clock, log: Log, short_way: ShortWay | None = None
    ) -> None:
        self.home = home
        self._store = store
        self._clients = clients
        self._clock = clock
        self._log = log
        self._short_way = short_way
        self._lags: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))  # a tenth of what a list takes
        self._lock = threading.Lock()
        self.echoes = Echoes(lambda: self.home, store, clock, log)

    def poll(self, claimed: Claimed) -> Outcome:
        """Poll one claimed trigger and store the outcome. Raises StateError only; then the claim simply ends."""
        trigger = self.home.triggers.get(claimed.trigger_id)
        now = self._clock.now()
        if trigger is None:
            self._store.release(claimed.trigger_id, claimed.claim, None)
            return Outcome.FENCED
        record = claimed.record
        try:
            found = self._find(trigger, record, now)
        except DelayedError as error:
            until = max(error.until, now + timedelta(milliseconds=100))
            self._store.release(trigger.id, claimed.claim, until)
            self._log("poll_delayed", f"{trigger.shown}: {error}", trigger=trigger.shown)
            return Outcome.DELAYED
        except StateError:
            raise
        except CredentialError as error:
            return self._refused(claimed, now, error)
        except Exception as error:
            return self._failed(trigger, record, claimed, now, error)
        return self._commit(trigger, record, claimed, now, found)

    def preview(self, trigger: Trigger) -> list[EventRecord]:
        """What would fire if ``trigger`` was polled now; nothing is stored.

        Without a baseline nothing would: then the latest items are shown as events marked as backfill. A trigger that
        is not polled shows the sample of its type.
        """
        now = self._clock.now()
        if trigger.schedule is None:
            return samples_of(trigger, now)
        record, _ = self._store.load_poll_state(trigger.id, ())
        found = self._find(replace_baseline(trigger, record), record, now, fresh=True)
        if record.baseline_at is not None or trigger.watch.kind.only_new:
            return found.events
        return self._samples(trigger, found.reading, now)

    def _samples(self, trigger: Trigger, reading: Reading, now: datetime) -> list[EventRecord]:
        noticed: dict[str, Noticed] = {}
        for item, scope in reading.items:
            key = item_key(item, trigger.watch.kind, scope)
            changes = tuple(additions(item, trigger.watch.rules, scope))
            kinds = trigger.watch.kind.kind
            word = "created" if "created" in kinds else kinds[0]
            noticed.setdefault(key, Noticed(key, word, item, item, changes, (), None, scope, backfill=True))
        return [event for each in list(noticed.values())[:SAMPLES] for event in self._events(trigger, each, now)]

    def _find(self, trigger: Trigger, record: TriggerRecord, now: datetime, *, fresh: bool = False) -> Found:
        current = record.rules == trigger.watch.rules.fingerprint and not (record.cursor or {}).get("pending")
        reading = self._read(trigger, record, now, record.body_hash if current else None, fresh=fresh)
        baseline_at = record.baseline_at or min(now, reading.answered_at or now)
        if reading.unchanged:
            return Found(reading, Notice(), [], dict(record.cursor or {}), baseline_at)
        _, items = self._store.load_poll_state(trigger.id)
        backfill = self._backfill(trigger, record, reading)
        memory = Memory(items, record.baseline_at, record.rules, frozenset(backfill) if backfill else None)
        result = notice(reading.items, trigger.watch, memory, now)
        result = proven(result, trigger.watch, self._asker(trigger, now))
        sifted = self.echoes.sift(trigger, record, result, now)
        result = sifted.notice
        chosen, left = _bounded(result.noticed, trigger)
        events = self._told(trigger, chosen, result, now)
        waiting = [noticed.key for noticed in left if noticed.backfill]
        cursor: dict[str, Json] = {"backfill": waiting} if waiting else {}
        if left or UNSETTLED & result.verdicts.keys():
            cursor["pending"] = True
        return Found(reading, replace(result, noticed=chosen), events, cursor, baseline_at, sifted)

    def _told(self, trigger: Trigger, chosen: list[Noticed], result: Notice, now: datetime) -> list[EventRecord]:
        """The events of what was noticed; a change that no event type is about is counted as such."""
        found = [self._events(trigger, noticed, now) for noticed in chosen]
        untold = found.count([])
        result.verdicts["fired"] -= untold
        result.verdicts["untold"] += untold
        return [event for events in found for event in events]

    def _read(
        self, trigger: Trigger, record: TriggerRecord, now: datetime, known_hash: str | None, *, fresh: bool
    ) -> Reading:
        client = self._clients.get(_polled(trigger.connection))
        poll = self.home.settings.poll
        interval = _polled(trigger.schedule).interval(now).total_seconds()

        def once(*, fresh: bool) -> Reading:
            allowance = Allowance(
                deadline=self._clock.monotonic() + poll.time.total_seconds(),
                monotonic=self._clock.monotonic,
                pages=poll.pages,
                items=poll.items,
                bytes=poll.bytes,
                fresh_s=NEVER if fresh else min(interval * FRESH_SHARE, FRESH_MOST),
            )
            backfilling = record.baseline_at is None or bool((record.cursor or {}).get("backfill"))
            since = trigger.config.first_poll.since if backfilling else None
            return read(
                trigger.reader, client, allowance, now, last_ok=record.last_ok, since=since, known_hash=known_hash
            )

        reading = once(fresh=fresh)
        if record.baseline_at is None and (reading.requests > 1 or not reading.items):
            # An item can slip past between two requests while lists shift, and a source can hiccup with an empty
            # list. What the baseline misses looks new in the next poll, so such a one is read twice.
            reading.items += once(fresh=True).items
        return reading

    def _backfill(self, trigger: Trigger, record: TriggerRecord, reading: Reading) -> list[str]:
        """Keys of items that are to fire although they are not new: chosen at the first poll, then what is left."""
        first = trigger.config.first_poll
        if record.baseline_at is not None:
            return list((record.cursor or {}).get("backfill", ()))
        if first.mode != "backfill" or not trigger.watch.kind.only_new:
            return []
        path = trigger.watch.kind.happened_at or trigger.watch.kind.created_at
        dated = {item_key(item, trigger.watch.kind, scope): _moment(item, path) for item, scope in reading.items}
        wanted = [key for key, at in dated.items() if first.since is None or at is None or at >= first.since]
        wanted.sort(key=lambda key: str(dated[key] or ""))
        chosen = wanted[-first.max :]
        self._log(
            "backfill_begins",
            f"{trigger.shown}: backfill of {len(chosen)} items"
            + (f", the newest of {len(wanted)} (max: {first.max})" if len(wanted) > len(chosen) else ""),
            trigger=trigger.shown,
            count=len(chosen),
            found=len(wanted),
        )
        return chosen

    def _asker(self, trigger: Trigger, now: datetime) -> Callable[[Evidence, Json], Json]:
        def ask(evidence: Evidence, item: Json) -> Json:
            client, scope = self._clients.get(_polled(trigger.connection)), trigger.reader.scope(now)
            return fetch(evidence, trigger.reader, client, self._one(), scope, item)

        return ask

    def _one(self) -> Allowance:
        """What one follow-up request may use up."""
        poll = self.home.settings.poll
        return Allowance(self._clock.monotonic() + poll.time.total_seconds(), self._clock.monotonic, 1, 1, poll.bytes)

    def _events(self, trigger: Trigger, noticed: Noticed, now: datetime) -> list[EventRecord]:
        scope, detail = noticed.scope or trigger.reader.scope(now), noticed.detail
        if trigger.watch.kind.detail is not None and noticed.kind != "deleted":
            client = self._clients.get(_polled(trigger.connection))
            detail = fetch_detail(trigger.reader, client, self._one(), scope, noticed.item)
        return make_events(
            noticed,
            trigger.watch.kind,
            scope,
            trigger_id=trigger.id,
            trigger=trigger.shown,
            workflow=trigger.workflow.name,
            now=now,
            detail=detail,
        )

    def _commit(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, found: Found
    ) -> Outcome:
        done = self._clock.now()
        lag, lag_p99 = self._lag(trigger.id, now, claimed.due_at)
        upserts = [*found.notice.quiet, *(n.record for n in found.notice.noticed if n.record is not None)]
        unfinished = bool(found.cursor.get("backfill"))
        commit = PollCommit(
            trigger_id=trigger.id,
            claim=claimed.claim,
            generation=claimed.generation,
            now=now,
            next_due=done + timedelta(seconds=1) if unfinished else _polled(trigger.schedule).next_after(done),
            ok=True,
            state=TriggerState.OK,
            baseline_at=found.baseline_at if record.baseline_at is None else None,
            rules=trigger.watch.rules.fingerprint,
            body_hash=found.reading.body_hash,
            cursor=found.cursor,
            upserts=upserts,
            events=found.events,
            runs=[run_for(event, trigger, done) for event in found.events],
            echoes=found.sifted.outcomes if found.sifted is not None else {},
            lag_ms=lag,
            lag_p99_ms=lag_p99,
            verdicts=None if found.reading.unchanged else _verdicts(found.notice, now),
            alert=self._recovered(trigger, record, now),
            mends=trigger.connection if _on_trial(record) else None,
        )
        commit.handover = self._short_way.begin(len(commit.runs), done) if self._short_way else None
        kept = False
        try:
            kept = self._store.commit_poll(commit)
            if kept:
                self._tell(trigger, record, found)
        finally:
            under_way = self._short_way.end(commit.handover, kept) if self._short_way else 0
        if not kept:
            self._log(
                "poll_fenced",
                f"{trigger.shown} was changed while it was polled; it is polled again",
                trigger=trigger.shown,
            )
            return Outcome.FENCED
        if found.reading.unchanged:
            return Outcome.UNCHANGED
        return Outcome.BEGUN if commit.runs and under_way == len(commit.runs) else Outcome.STORED

    def _refused(self, claimed: Claimed, now: datetime, error: CredentialError) -> Outcome:
        """The connection as a whole is refused: it is paused, which suspends this trigger with all others of it."""
        record = pauses.refusal(error, now)
        paused = self._store.pause(record, now, by=(claimed.trigger_id, claimed.claim))
        if paused is Paused.NEW:
            self._log("connection_paused", pauses.told(record), connection=record.name, next=record.advice)
        return Outcome.FENCED if paused is Paused.FENCED else Outcome.FAILED

    def _tell(self, trigger: Trigger, record: TriggerRecord, found: Found) -> None:
        if _on_trial(record):
            self._tell_mended(_polled(trigger.connection))
        if record.failures >= self.home.settings.alert_after:
            self._log(
                "trigger_recovered",
                f"{trigger.shown} is well again after {record.failures} failed polls",
                trigger=trigger.shown,
            )
        if record.baseline_at is None:
            self._log(
                "baseline_taken",
                f"{trigger.shown}: watching, {len(found.notice.quiet)} items known",
                trigger=trigger.shown,
            )
        if found.sifted is not None:
            self.echoes.tell(trigger, found.sifted)
        for event in found.events:
            changed = "".join(f"\n            {_line(change)}" for change in event.changes[:6])
            more = f"\n            and {len(event.changes) - 6} more" if len(event.changes) > 6 else ""
            marked = " (backfill)" if event.backfill else ""
            self._log(
                "event_stored",
                f"{trigger.shown}: {event.event_type} {event.key}{marked}{changed}{more}",
                trigger=trigger.shown,
                type=event.type,
                event=event.id,
                event_type=event.event_type,
                key=event.key,
            )

    def _failed(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, error: Exception
    ) -> Outcome:
        failure, message = describe(error)
        failures = record.failures + 1
        done = self._clock.now()
        next_due = done + retry_delay(failures, _polled(trigger.schedule).interval(done), failure)
        if isinstance(error, ApiError) and error.retry_at is not None:
            next_due = max(next_due, error.retry_at)
        lag, lag_p99 = self._lag(trigger.id, now, claimed.due_at)
        waiting = failure.permanent
        answered = _on_trial(record) and failure.answered
        kept = self._store.commit_poll(
            PollCommit(
                trigger_id=trigger.id,
                claim=claimed.claim,
                generation=claimed.generation,
                now=now,
                next_due=next_due,
                ok=False,
                state=TriggerState.SUSPENDED if waiting else TriggerState.FAILING,
                error=message,
                error_class=str(failure),
                failures=failures,
                lag_ms=lag,
                lag_p99_ms=lag_p99,
                alert=self._failing(trigger, failures, message, now),
                mends=trigger.connection if answered else None,
            )
        )
        if answered and kept:
            self._tell_mended(_polled(trigger.connection))
        elif _on_trial(record):
            self._store.put_off_pause(_polled(trigger.connection), None, done)
        if failures in (1, self.home.settings.alert_after):
            word = "poll_failed" if failures == 1 else "trigger_failing"
            often = "" if failures == 1 else f" ({failures} times in a row)"
            self._log(word, f"{trigger.shown}: {message}{often}", trigger=trigger.shown, failure=str(failure))
        return Outcome.FAILED if kept else Outcome.FENCED

    def _failing(self, trigger: Trigger, failures: int, message: str, now: datetime) -> AlertRecord | None:
        if failures != self.home.settings.alert_after:
            return None
        words = f"{trigger.shown}: {failures} polls in a row failed; the last: {message}"
        return _alert("trigger_failing", trigger, now, words, failures)

    def _recovered(self, trigger: Trigger, record: TriggerRecord, now: datetime) -> AlertRecord | None:
        if record.failures < self.home.settings.alert_after:
            return None
        words = f"{trigger.shown} is well again after {record.failures} failed polls"
        return _alert("trigger_recovered", trigger, now, words, record.failures)

    def _tell_mended(self, connection: str) -> None:
        words = f"connection {connection!r} is accepted again: what waited for it goes on"
        self._log("connection_mended", words, connection=connection)

    def _lag(self, trigger_id: str, now: datetime, due_at: datetime) -> tuple[float, float]:
        lag = max(0.0, (now - due_at).total_seconds() * 1000)
        with self._lock:
            lags = self._lags[trigger_id]
            lags.append(lag)
            del lags[:-LAGS]
            return lag, round(percentile(lags, 0.99), 3)


def _polled(value: T | None) -> T:
    """What a trigger that is polled always has."""
    assert value is not None
    return value


def _on_trial(record: TriggerRecord) -> bool:
    """Whether a trigger is polled although its credentials were refused the last time: to see if they are mended."""
    return record.state is TriggerState.SUSPENDED and record.error_class == FailureClass.CREDENTIAL


def _alert(what: str, trigger: Trigger, now: datetime, words: str, failures: int) -> AlertRecord:
    facts: dict[str, Json] = {"next": f"`changewire explain {shlex.quote(trigger.shown)}`", "failures": failures}
    return AlertRecord(make_id("alert", what, trigger.id, to_text(now)), now, what, trigger.shown, words, facts)


def _verdicts(notice: Notice, now: datetime) -> Json:
    """How a poll judged its items, as it is kept."""
    held = [{"key": key, "verdict": verdict} for key, verdict in notice.held]
    return {
        "at": to_text(now),
        "counts": {word: count for word, count in notice.verdicts.items() if count},
        "held": held,
    }


def describe(error: Exception) -> tuple[FailureClass, str]:
    """The class of a failed poll and its words; never empty, never with a secret."""
    if isinstance(error, ApiError):
        return error.failure, mask(str(error))
    if isinstance(error, PollError):
        return FailureClass.BROKEN, mask(str(error))
    if isinstance(error, ChangewireError):
        return FailureClass.BAD_INPUT, mask(str(error))
    return FailureClass.TRANSIENT, mask(
        f"a fault in Changewire itself, please report it: {type(error).__name__}: {error}"
    )


def replace_baseline(trigger: Trigger, record: TriggerRecord) -> Trigger:
    """For a preview before any baseline: the same trigger, with every item it finds firing."""
    if record.baseline_at is not None:
        return trigger
    everything = trigger.config.first_poll.model_copy(update={"mode": "backfill", "max": SAMPLES})
    return replace(trigger, config=trigger.config.model_copy(update={"first_poll": everything}))


def _bounded(noticed: list[Noticed], trigger: Trigger) -> tuple[list[Noticed], list[Noticed]]:
    """Those to store now and those that wait, where each costs a request of its own."""
    if trigger.watch.kind.detail is None:
        return noticed, []
    return noticed[:DETAILS], noticed[DETAILS:]


def _moment(item: Json, path: str | None) -> datetime | None:
    value = get(item, parse_path(path)) if path else MISSING
    try:
        return from_text(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _line(change: dict[str, Json]) -> str:
    old, new = (_short(change[side]) for side in ("old", "new"))
    return f"{change['path']}: {old} → {new}"


def _short(value: Json) -> str:
    text = "–" if value is None else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 48 else f"{text[:45]}…"


def trigger_records(home: Home, now: datetime, due: Iterable[datetime] = ()) -> list[TriggerRecord]:
    """What the store should know of each trigger; a broken workflow stands as one that is unavailable."""
    records = [
        TriggerRecord(
            id=trigger.id,
            workflow=trigger.workflow.name,
            name=trigger.config.name,
            type=trigger.watch.kind.type,
            connection=trigger.connection,
            fingerprint=trigger.fingerprint,
            interval_s=0.0 if trigger.schedule is None else trigger.schedule.interval(now).total_seconds(),
            state=TriggerState.OK if trigger.schedule is None else TriggerState.BASELINE_PENDING,
            next_due=None,
            schedule="" if trigger.schedule is None else str(trigger.schedule),
        )
        for trigger in home.triggers.values()
    ]
    working = {trigger.workflow.name for trigger in home.triggers.values()}
    records += [
        TriggerRecord(
            id=make_id("trg", broken.file),
            workflow=broken.name,
            name="trigger",
            type=broken.type,
            connection=None,
            fingerprint="",
            interval_s=0.0,
            state=TriggerState.UNAVAILABLE,
            error=str(broken.problems[0]) if broken.problems else "it cannot be read",
        )
        for broken in home.broken
        if broken.name not in working and broken.file not in home.kept
    ]
    return records
