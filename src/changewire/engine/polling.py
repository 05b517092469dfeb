"""The work itself: one poll from claim to commit. What is due and who does it is decided elsewhere."""

from __future__ import annotations

import threading
from array import array
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from changewire.clock import Clock, wall
from changewire.connectors.clients import Clients
from changewire.engine.dispatcher import ShortWay
from changewire.engine.echoes import Echoes
from changewire.engine.feeding import run_for, samples_of
from changewire.engine.finding import Finder, Found, polled
from changewire.engine.telling import describe, tell_event, trigger_alert, unstorable, verdicts_of
from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, PollError, StateError
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state import pauses
from changewire.state.protocol import Store
from changewire.state.records import AlertRecord, Claimed, EventRecord, Paused, PollCommit, TriggerRecord, TriggerState
from changewire.triggers.comparing import additions
from changewire.triggers.noticed import Noticed, item_key
from changewire.triggers.polling import Reading
from changewire.triggers.schedule import percentile, retry_delay

LAGS = 128  # how many of a trigger's latest lags its percentile is taken from
SAMPLES = 20  # items that a preview shows where nothing can be compared yet


class Outcome(StrEnum):
    """How a poll ended."""

    UNCHANGED = "unchanged"
    STORED = "stored"
    BEGUN = "begun"  # stored, and all of its runs have workers already
    FAILED = "failed"  # nothing was changed but the trigger's condition
    DELAYED = "delayed"  # the request budget says later; nothing was asked
    FENCED = "fenced"  # the trigger was changed meanwhile; nothing was stored


class Engine:
    """Polls triggers of one home. Thread-safe; a reload puts a new `home` in its place."""

    def __init__(
        self, home: Home, store: Store, clients: Clients, clock: Clock, log: Log, short_way: ShortWay | None = None
    ) -> None:
        self.home = home
        self._store = store
        self._clock = clock
        self._log = log
        self._short_way = short_way
        self._lags: defaultdict[str, array[float]] = defaultdict(lambda: array("f"))  # a tenth of what a list takes
        self._lock = threading.Lock()
        self.echoes = Echoes(lambda: self.home, store, clock, log)
        self._finder = Finder(lambda: self.home, store, clients, clock, log, self.echoes)

    def poll(self, claimed: Claimed) -> Outcome:
        """Poll one claimed trigger and store the outcome. If it raises, the caller gives the poll up."""
        trigger = self.home.triggers.get(claimed.trigger_id)
        now, offset = self._clock.now(), self._clock.offset()
        if trigger is None:
            self._store.release(claimed.trigger_id, claimed.claim, None)
            return Outcome.FENCED
        record = claimed.record
        try:
            found = self._finder.find(trigger, record, now + offset)
        except DelayedError as error:
            until = max(error.until, now + timedelta(milliseconds=100))
            self._store.release(trigger.id, claimed.claim, until)
            self._log("poll_delayed", f"{trigger.shown}: {error}", trigger=trigger.shown)
            return Outcome.DELAYED
        except StateError:
            if trigger.id not in self.home.triggers:  # renamed or taken out meanwhile
                return Outcome.FENCED
            raise
        except CredentialError as error:
            return self._refused(claimed, now, error)
        except Exception as error:
            return self._failed(trigger, record, claimed, now, error)
        try:
            return self._commit(trigger, record, claimed, now, found)
        except PollError as error:
            return self._failed(trigger, record, claimed, now, error)

    def give_up(self, claimed: Claimed, error: Exception) -> Outcome:
        """Store that a claimed poll failed although it could not say so itself, which ends its claim."""
        trigger = self.home.triggers.get(claimed.trigger_id)
        if trigger is None:
            self._store.release(claimed.trigger_id, claimed.claim, None)
            return Outcome.FENCED
        return self._failed(trigger, claimed.record, claimed, self._clock.now(), error)

    def preview(self, trigger: Trigger) -> list[EventRecord]:
        """What would fire if ``trigger`` was polled now; nothing is stored.

        Without a baseline nothing would: then the latest items are shown as events marked as backfill. A trigger that
        is not polled shows the sample of its type.
        """
        now = wall(self._clock)
        if trigger.schedule is None:
            return samples_of(trigger, now)
        record, _ = self._store.load_poll_state(trigger.id, ())
        found = self._finder.find(_all_firing(trigger, record), record, now, fresh=True)
        if record.baseline_at is not None or trigger.watch.kind.only_new:
            return found.events
        return self._samples(trigger, record.epoch, found.reading, now)

    def _samples(self, trigger: Trigger, epoch: int, reading: Reading, now: datetime) -> list[EventRecord]:
        noticed: dict[str, Noticed] = {}
        for item, scope in reading.items:
            key = item_key(item, trigger.watch.kind, scope)
            changes = tuple(additions(item, trigger.watch.rules, scope))
            kinds = trigger.watch.kind.kind
            word = "created" if "created" in kinds else kinds[0]
            noticed.setdefault(key, Noticed(key, word, item, item, changes, (), None, scope, backfill=True))
        return [
            event
            for each in list(noticed.values())[:SAMPLES]
            for event in self._finder.events_of(trigger, epoch, each, now)
        ]

    def _commit(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, found: Found
    ) -> Outcome:
        done, offset = self._clock.now(), self._clock.offset()
        lag, lag_p99 = self._lag(trigger.id, now, claimed.due_at)
        upserts = [*found.notice.quiet, *(n.record for n in found.notice.noticed if n.record is not None)]
        unfinished = bool(found.cursor.get("backfill"))
        commit = PollCommit(
            trigger_id=trigger.id,
            claim=claimed.claim,
            generation=claimed.generation,
            now=now,
            next_due=done + timedelta(seconds=1) if unfinished else polled(trigger.schedule).due_after(done, offset),
            ok=True,
            state=TriggerState.OK,
            baseline_at=found.baseline_at if record.baseline_at is None else None,
            rules=trigger.watch.rules.fingerprint,
            body_hash=found.reading.body_hash,
            cursor=found.cursor,
            upserts=upserts,
            events=found.events,
            runs=[run_for(event, trigger, done, offset) for event in found.events],
            echoes=found.sifted.outcomes if found.sifted is not None else {},
            lag_ms=lag,
            lag_p99_ms=lag_p99,
            verdicts=None if found.reading.unchanged else verdicts_of(found.notice, found.ignored, now + offset),
            alert=self._recovered(trigger, record, now + offset),
            mends=trigger.connection if _on_trial(record) else None,
            offset=offset,
        )
        commit.handover = self._short_way.begin(len(commit.runs), done) if self._short_way else None
        kept = False
        try:
            kept = self._keep(commit)
            if kept:
                self._tell(trigger, record, found)
        finally:
            under_way = self._short_way.end(commit.handover, kept) if self._short_way else 0
        if not kept:
            words = f"{trigger.shown} was changed while it was polled; it is polled again"
            self._log("poll_fenced", words, trigger=trigger.shown)
            return Outcome.FENCED
        if found.reading.unchanged:
            return Outcome.UNCHANGED
        return Outcome.BEGUN if commit.runs and under_way == len(commit.runs) else Outcome.STORED

    def _keep(self, commit: PollCommit) -> bool:
        """Store a poll. Raises StateError, and PollError if it holds something that no database could store."""
        try:
            return self._store.commit_poll(commit)
        except StateError:
            raise
        except Exception as error:
            raise PollError(unstorable(commit, error)) from error

    def _refused(self, claimed: Claimed, now: datetime, error: CredentialError) -> Outcome:
        """The connection as a whole is refused: it is paused, which suspends this trigger with all others of it."""
        record = pauses.refusal(error, now + self._clock.offset())
        paused = self._store.pause(record, now, by=(claimed.trigger_id, claimed.claim))
        if paused is Paused.NEW:
            self._log("connection_paused", pauses.told(record), connection=record.name, next=record.advice)
        return Outcome.FENCED if paused is Paused.FENCED else Outcome.FAILED

    def _tell(self, trigger: Trigger, record: TriggerRecord, found: Found) -> None:
        if _on_trial(record):
            self._tell_mended(polled(trigger.connection))
        if record.failures >= self.home.settings.alert_after:
            self._log("trigger_recovered", _well_again(record), trigger=trigger.shown)
        if record.baseline_at is None:
            words = f"{trigger.shown}: watching, {len(found.notice.quiet)} items known"
            self._log("baseline_taken", words, trigger=trigger.shown)
        if found.sifted is not None:
            self.echoes.tell(trigger, found.sifted)
        for event in found.events:
            tell_event(self._log, event)

    def _failed(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, error: Exception
    ) -> Outcome:
        failure, message = describe(error)
        failures = record.failures + 1
        done, offset = self._clock.now(), self._clock.offset()
        next_due = done + retry_delay(failures, polled(trigger.schedule).interval(done + offset), failure)
        late_since = None
        if isinstance(error, ApiError) and error.retry_at is not None and error.retry_at > next_due:
            next_due = error.retry_at
            late_since = None if failure.permanent else claimed.due_at  # it may be hours, and one failure is no alert
        lag, lag_p99 = self._lag(trigger.id, now, claimed.due_at)
        answered = _on_trial(record) and failure.answered
        kept = self._store.commit_poll(
            PollCommit(
                trigger_id=trigger.id,
                claim=claimed.claim,
                generation=claimed.generation,
                now=now,
                next_due=next_due,
                ok=False,
                state=TriggerState.SUSPENDED if failure.permanent else TriggerState.FAILING,
                error=message,
                error_class=str(failure),
                failures=failures,
                late_since=late_since,
                lag_ms=lag,
                lag_p99_ms=lag_p99,
                alert=self._failing(trigger, failures, message, now + offset),
                mends=trigger.connection if answered else None,
                offset=offset,
            )
        )
        if answered and kept:
            self._tell_mended(polled(trigger.connection))
        elif _on_trial(record):
            self._store.put_off_pause(polled(trigger.connection), None, done)
        if kept and failures in (1, self.home.settings.alert_after):
            word = "poll_failed" if failures == 1 else "trigger_failing"
            often = "" if failures == 1 else f" ({failures} times in a row)"
            self._log(word, f"{trigger.shown}: {message}{often}", trigger=trigger.shown, failure=str(failure))
        return Outcome.FAILED if kept else Outcome.FENCED

    def _failing(self, trigger: Trigger, failures: int, message: str, now: datetime) -> AlertRecord | None:
        if failures != self.home.settings.alert_after:
            return None
        words = f"{trigger.shown}: {failures} polls in a row failed; the last: {message}"
        return trigger_alert("trigger_failing", trigger, now, words, failures=failures)

    def _recovered(self, trigger: Trigger, record: TriggerRecord, now: datetime) -> AlertRecord | None:
        if record.failures < self.home.settings.alert_after:
            return None
        return trigger_alert("trigger_recovered", trigger, now, _well_again(record), failures=record.failures)

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


def _on_trial(record: TriggerRecord) -> bool:
    """Whether a trigger is polled although its credentials were refused the last time: to see if they are mended."""
    return record.state is TriggerState.SUSPENDED and record.error_class == FailureClass.CREDENTIAL


def _well_again(record: TriggerRecord) -> str:
    return f"{record.shown} is well again after {record.failures} failed polls"


def _all_firing(trigger: Trigger, record: TriggerRecord) -> Trigger:
    """For a preview before any baseline: the same trigger, with every item it finds firing."""
    if record.baseline_at is not None:
        return trigger
    everything = trigger.config.first_poll.model_copy(update={"mode": "backfill", "max": SAMPLES})
    return replace(trigger, config=trigger.config.model_copy(update={"first_poll": everything}))
