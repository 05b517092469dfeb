"""The work itself: one poll from claim to commit. What is due and who does it is decided elsewhere."""

from __future__ import annotations

import threading
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from changewire.clock import Clock, wall
from changewire.connectors.clients import Clients
from changewire.engine.api_clocks import ApiClocks
from changewire.engine.dispatcher import ShortWay
from changewire.engine.echoes import Echoes
from changewire.engine.feeding import run_for, samples_of
from changewire.engine.finding import Finder, Found, polled
from changewire.engine.places import Places
from changewire.engine.progress import Progress, Standing, standing_after
from changewire.engine.telling import describe, set_aside_words, tell_event, trigger_alert, verdicts_of
from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, PollError, StateError, StoppedError
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.secret import mask
from changewire.state import pauses
from changewire.state.protocol import Store
from changewire.state.records import (
    AlertRecord,
    AsideRecord,
    Claimed,
    EventRecord,
    Paused,
    PollCommit,
    TriggerRecord,
    TriggerState,
)
from changewire.triggers.comparing import additions
from changewire.triggers.noticed import MOST_HELD, Noticed, item_key
from changewire.triggers.polling import Interrupted, Reading, uninterrupted
from changewire.triggers.schedule import percentile, retry_delay

SOON = timedelta(milliseconds=100)
PENDING_AFTER = timedelta(seconds=1)  # from a poll to the next one for changes that it had to leave
LAGS = 128  # how many of a trigger's latest lags its percentile is taken from
UNKNOWN_S = 5.0  # at least so long before a trigger that the home does not know is looked at again
SAMPLES = 20  # items that a preview shows where nothing can be compared yet


class Outcome(StrEnum):
    """How a poll ended."""

    UNCHANGED = "unchanged"
    STORED = "stored"
    BEGUN = "begun"  # stored, and all of its runs have workers already
    FAILED = "failed"  # nothing was changed but the trigger's condition, or no request about an item was answered
    DELAYED = "delayed"  # the request budget says later; nothing was asked
    FENCED = "fenced"  # the trigger was changed meanwhile, or the process stops; nothing was stored


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
        self._api_clocks = ApiClocks(log)
        self._finder = Finder(lambda: self.home, store, clients, clock, log, self.echoes)

    def poll(self, claimed: Claimed, interrupted: Interrupted = uninterrupted) -> Outcome:
        """Poll one claimed trigger and store the outcome. If it raises, the caller gives the poll up.

        Once ``interrupted`` says so, it sends no more requests, and stores what is complete.
        """
        trigger = self.home.triggers.get(claimed.trigger_id)
        now, offset = self._clock.now(), self._clock.offset()
        if trigger is None:
            return self._put_off(claimed)
        record = claimed.record
        try:
            if _only_pending(record):
                found = self._finder.work_on_pending(trigger, record, now + offset, interrupted=interrupted)
            else:
                found = self._finder.find(trigger, record, now + offset, interrupted=interrupted)
        except StoppedError:
            return self._stopped(trigger, claimed)
        except DelayedError as error:
            until = max(error.until, now + SOON)
            self._store.release(trigger.id, claimed.claim, until, delayed=str(error), pending_from=until)
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
            return self._put_off(claimed)
        return self._failed(trigger, claimed.record, claimed, self._clock.now(), error)

    def _put_off(self, claimed: Claimed) -> Outcome:
        """The store has a trigger that the home does not know yet, or not any more: a sync will settle that."""
        later = self._clock.now() + timedelta(seconds=max(UNKNOWN_S, claimed.record.interval_s))
        self._store.release(claimed.trigger_id, claimed.claim, later)
        return Outcome.FENCED

    def preview(self, trigger: Trigger) -> list[EventRecord]:
        """What would fire if ``trigger`` was polled now; nothing is stored.

        Without a baseline nothing would: then the latest items are shown as events marked as backfill. A trigger that
        is not polled shows the sample of its type.
        """
        now = wall(self._clock)
        if trigger.schedule is None:
            return samples_of(trigger, now)
        record, _ = self._store.load_poll_state(trigger.id, ())
        found = self._finder.find(_all_firing(trigger, record), record, now, preview=True)
        if record.baseline_at is not None or trigger.watch.kind.only_new:
            return [*self._finder.preview_pending(trigger, record, now), *found.changes.events]
        return self._samples(trigger, record, polled(found.reading), now)

    def _samples(self, trigger: Trigger, record: TriggerRecord, reading: Reading, now: datetime) -> list[EventRecord]:
        allowance = self._finder.allowance(trigger, record, now, fresh=True)
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
            for event in self._finder.details.events_of(trigger, record.epoch, each, allowance, now)
        ]

    def _commit(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, found: Found
    ) -> Outcome:
        commit = self._commit_of(trigger, claimed, now, found)
        commit.handover = self._short_way.begin(len(commit.runs), self._clock.now()) if self._short_way else None
        kept = False
        try:
            kept = self._keep(commit)
            if kept:
                self._tell(trigger, record, found, commit)
        finally:
            under_way = self._short_way.end(commit.handover, kept) if self._short_way else 0
        if not kept:
            return self._fenced(trigger)
        if found.progress.refusing:
            return Outcome.FAILED
        if not found.compared and not commit.events:
            return Outcome.UNCHANGED
        return Outcome.BEGUN if commit.runs and under_way == len(commit.runs) else Outcome.STORED

    def _stopped(self, trigger: Trigger, claimed: Claimed) -> Outcome:
        """End the claim of a poll that was interrupted in its list: it is due at once, unless it lost its claim."""
        released = self._store.release(trigger.id, claimed.claim, claimed.due_at)
        return Outcome.FENCED if released else self._fenced(trigger)

    def _fenced(self, trigger: Trigger) -> Outcome:
        words = f"{trigger.shown} was changed while it was polled; it is polled again"
        self._log("poll_fenced", words, trigger=trigger.shown)
        return Outcome.FENCED

    def _keep(self, commit: PollCommit) -> bool:
        """Store a poll. Raises StateError, and PollError if it holds something that no database could store."""
        try:
            return self._store.commit_poll(commit)
        except StateError:
            raise
        except Exception as error:
            words = f"what the poll found cannot be stored ({type(error).__name__}: {error}), so nothing was"
            raise PollError(words) from error

    def _commit_of(self, trigger: Trigger, claimed: Claimed, now: datetime, found: Found) -> PollCommit:
        """What is stored of a good poll. One that worked on pending changes only leaves what it knows of the list."""
        record, reading, changes = claimed.record, found.reading, found.changes
        done, offset = self._clock.now(), self._clock.offset()
        progress = found.progress
        standing = standing_after(record, progress, listed=reading is not None)
        lag, lag_p99 = (None, None) if reading is None else self._lag(trigger.id, now, claimed.due_at)
        return PollCommit(
            trigger_id=trigger.id,
            claim=claimed.claim,
            generation=claimed.generation,
            now=now,
            next_due=polled(record.list_due) if reading is None else polled(trigger.schedule).due_after(done, offset),
            ok=True,
            state=standing.state,
            error=standing.error,
            error_class=standing.error_class,
            failures=standing.failures,
            baseline_at=found.baseline_at if record.baseline_at is None else None,
            rules=record.rules if reading is None else trigger.watch.rules.fingerprint,
            body_hash=record.body_hash if reading is None else reading.body_hash,
            cursor=found.cursor,
            upserts=[*found.notice.quiet, *(n.record for n in found.notice.noticed if n.record is not None)],
            events=changes.events,
            runs=[run_for(event, trigger, done, offset) for event in changes.events],
            echoes=found.sifted.outcomes if found.sifted is not None else {},
            lag_ms=lag,
            lag_p99_ms=lag_p99,
            verdicts=verdicts_of(found.notice, found.ignored, now + offset) if found.compared else None,
            late_since=record.late_since if reading is None else None,
            alert=self._alert(trigger, record, standing, now + offset),
            mends=trigger.connection if _on_trial(record) else None,
            offset=offset,
            listed=reading is not None,
            pending=changes.pending,
            settled=changes.settled,
            set_aside=self._set_aside(trigger, record, found),
            pending_from=self._pending_from(trigger, progress, standing, done),
            in_turn=progress.in_turn(listed=reading is not None),
            delayed=str(progress.delayed) if progress.delayed else record.delayed if reading is None else None,
        )

    def _set_aside(self, trigger: Trigger, record: TriggerRecord, found: Found) -> list[AsideRecord] | None:
        """The items that could not be processed; None if there are none and the poll before had none."""
        before = (record.cursor or {}).get("set_aside")
        if not found.compared or not (found.set_aside or before):
            return None
        places = Places(trigger, self.home)
        return [
            AsideRecord(trigger.id, each.identity, each.name, places.reason(each.error), each.excerpt)
            for each in found.set_aside
        ]

    def _pending_from(self, trigger: Trigger, progress: Progress, standing: Standing, done: datetime) -> datetime:
        """The earliest next poll for changes that are pending."""
        if progress.delayed is not None:
            return max(progress.delayed.until, done + SOON)
        if progress.refusing:
            # those that were refused have delays of their own; the others may be answered soon
            interval = polled(trigger.schedule).interval(done + self._clock.offset())
            return done + max(PENDING_AFTER, retry_delay(standing.failures, interval, FailureClass.TRANSIENT))
        return done + PENDING_AFTER

    def _alert(self, trigger: Trigger, record: TriggerRecord, standing: Standing, now: datetime) -> AlertRecord | None:
        if standing.failures > record.failures:
            return self._failing(trigger, standing.failures, standing.error or "", now)
        return None if standing.failures else self._recovered(trigger, record, now)

    def _refused(self, claimed: Claimed, now: datetime, error: CredentialError) -> Outcome:
        """The connection as a whole is refused: it is paused, which suspends this trigger with all others of it."""
        record = pauses.refusal(error, now + self._clock.offset())
        paused = self._store.pause(record, now, by=(claimed.trigger_id, claimed.claim))
        if paused is Paused.NEW:
            self._log("connection_paused", pauses.told(record), connection=record.name, next=record.advice)
        return Outcome.FENCED if paused is Paused.FENCED else Outcome.FAILED

    def _tell(self, trigger: Trigger, record: TriggerRecord, found: Found, commit: PollCommit) -> None:
        if _on_trial(record):
            self._tell_mended(polled(trigger.connection))
        if commit.failures:
            self._tell_failed(trigger, record, commit)
        elif record.failures >= self.home.settings.alert_after:
            self._log("trigger_recovered", _well_again(record), trigger=trigger.shown)
        if record.baseline_at is None:
            words = f"{trigger.shown}: watching, {len(found.notice.quiet)} items known"
            self._log("baseline_taken", words, trigger=trigger.shown)
        if found.reading is not None and found.reading.answered_at and found.reading.asked_at:
            self._api_clocks.compare(polled(trigger.connection), found.reading.answered_at, found.reading.asked_at)
        if found.sifted is not None:
            self.echoes.tell(trigger, found.sifted)
        refused = [each for each in commit.pending if each.tries == 1]
        for each in refused[:MOST_HELD]:
            words = f"{trigger.shown}: {each.key} changed, and its event waits: {mask(each.reason or '')}"
            self._log("event_pending", words, trigger=trigger.shown, key=each.key)
        self._tell_set_aside(trigger, record, commit.set_aside)
        for event in commit.events:
            tell_event(self._log, event)

    def _tell_set_aside(self, trigger: Trigger, record: TriggerRecord, records: Sequence[AsideRecord] | None) -> None:
        """Log how many items cannot be processed, if that has changed."""
        count = len(records or ())
        if records is None or count == (record.cursor or {}).get("set_aside", 0):
            return
        if not records:
            self._log("items_processed", f"{trigger.shown}: all items can be processed again", trigger=trigger.shown)
            return
        words = f"{trigger.shown}: {set_aside_words(count, records[0].name, mask(records[0].reason))}"
        self._log("items_set_aside", words, trigger=trigger.shown, count=count)

    def _tell_failed(self, trigger: Trigger, record: TriggerRecord, commit: PollCommit) -> None:
        failures = commit.failures
        if failures > record.failures and failures in (1, self.home.settings.alert_after):
            word = "poll_failed" if failures == 1 else "trigger_failing"
            often = "" if failures == 1 else f" ({failures} times in a row)"
            words = f"{trigger.shown}: {mask(commit.error or '')}{often}"
            self._log(word, words, trigger=trigger.shown, failure=commit.error_class)

    def _failed(
        self, trigger: Trigger, record: TriggerRecord, claimed: Claimed, now: datetime, error: Exception
    ) -> Outcome:
        failure, message = describe(error)
        failures = record.failures + 1
        done, offset = self._clock.now(), self._clock.offset()
        next_due = done + retry_delay(failures, polled(trigger.schedule).interval(done + offset), failure)
        if isinstance(error, ApiError) and error.retry_at is not None:
            next_due = max(next_due, error.retry_at)
        lag, lag_p99 = self._lag(trigger.id, now, claimed.due_at)
        answered = _on_trial(record) and failure.answered
        commit = PollCommit(
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
            late_since=None if failure.permanent else claimed.due_at,  # no progress: it is as late as it was
            lag_ms=lag,
            lag_p99_ms=lag_p99,
            alert=self._failing(trigger, failures, message, now + offset),
            mends=trigger.connection if answered else None,
            offset=offset,
            pending_from=None if _only_pending(record) else done + PENDING_AFTER,
        )
        kept = self._store.commit_poll(commit)
        if answered and kept:
            self._tell_mended(polled(trigger.connection))
        elif _on_trial(record):
            self._store.put_off_pause(polled(trigger.connection), None, done)
        if kept:
            self._tell_failed(trigger, record, commit)
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


def _only_pending(record: TriggerRecord) -> bool:
    """Whether the list is not read in this poll. A trial is a poll of the list: that certainly sends a request."""
    return record.only_pending and record.list_due is not None and not _on_trial(record)


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
