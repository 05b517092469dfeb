"""What one poll finds: a complete reading, compared, proven, without our own echoes, as events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from changewire.clock import Clock
from changewire.connectors.clients import Clients
from changewire.engine.echoes import UNDER_WAY, Echoes, Sifted
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import EventRecord, TriggerRecord
from changewire.triggers.dating import moment_of
from changewire.triggers.definition import Evidence
from changewire.triggers.ignoring import ignored_paths
from changewire.triggers.noticed import Memory, Notice, Noticed, Watch, item_key, keys_to_load
from changewire.triggers.noticing import notice
from changewire.triggers.numbering import numbered
from changewire.triggers.payloads import make_events
from changewire.triggers.polling import NEVER, Allowance, Reading, fetch, fetch_detail, read
from changewire.triggers.proving import proven
from changewire.triggers.rules import rules_before, written
from changewire.values import Json

T = TypeVar("T")
DETAILS = 50  # follow-up requests in one poll; the other new items wait for the next
UNSETTLED = frozenset({"settling", "absent", "held", "not_ready", "unproven", "elsewhere", UNDER_WAY})
"""Verdicts after which an equal answer still has to be looked at."""
FRESH_SHARE, FRESH_MOST = 0.1, 5.0
"""One answer serves several triggers for a tenth of the interval, for five seconds at most."""


@dataclass(frozen=True)
class Found:
    """What a good poll brought."""

    reading: Reading
    notice: Notice
    events: list[EventRecord]
    cursor: dict[str, Json]
    baseline_at: datetime
    sifted: Sifted | None = None  # None: nothing was compared
    ignored: list[str] = field(default_factory=list)  # paths that differ and are noise, some of them


class Finder:
    """Finds out what is new for triggers. Nothing is stored. Thread-safe; ``home`` gives the present one."""

    def __init__(
        self, home: Callable[[], Home], store: Store, clients: Clients, clock: Clock, log: Log, echoes: Echoes
    ) -> None:
        self._home, self._store, self._clients = home, store, clients
        self._clock, self._log, self._echoes = clock, log, echoes

    def find(self, trigger: Trigger, record: TriggerRecord, now: datetime, *, fresh: bool = False) -> Found:
        """Read, compare and prove. ``fresh``: no answer that somebody else got will do. Raises PollError, ApiError."""
        before, listing = dict(record.cursor or {}), trigger.reader.listing
        turned = before.get("listing", listing) != listing  # the workflow says otherwise how the list goes on
        current = record.rules == trigger.watch.rules.fingerprint and not before.get("pending") and not turned
        reading = self._read(trigger, record, now, record.body_hash if current else None, fresh=fresh)
        began = min(now, reading.asked_at or now)  # an answer that another poll asked for is older than this poll
        baseline_at = record.baseline_at or min(began, reading.answered_at or now)
        if reading.unchanged:
            return Found(reading, Notice(), [], before, baseline_at)
        keys = keys_to_load(reading.answers, trigger.watch, record.rules)
        _, items = self._store.load_poll_state(trigger.id, keys, alike=trigger.watch.kind.counts_alike)
        if trigger.watch.kind.counts_alike:
            reading.answers = [numbered(reading.answers, trigger.watch, items)]
        in_sight = first_keys(reading, trigger.watch) if turned else None
        backfill = self._backfill(trigger, record, reading)
        memory = Memory(
            items,
            record.baseline_at,
            record.rules,
            frozenset(backfill) if backfill else None,
            in_sight,
            rules_before(trigger.watch.kind, before.get("compare"), trigger.config.ignore),
        )
        result = notice(reading.items, trigger.watch, memory, now)
        result = proven(result, trigger.watch, self._asker(trigger, now))
        sifted = self._echoes.sift(trigger, record, result, began)
        result = sifted.notice
        told = {noticed.key for noticed in result.noticed} | {key for key, _ in result.held}
        ignored = ignored_paths(reading.items, trigger.watch, items, told)
        chosen, left = _bounded(result.noticed, trigger)
        events = self._told(trigger, record.epoch, chosen, result, now)
        cursor = _cursor(trigger, left, result)
        return Found(reading, replace(result, noticed=chosen), events, cursor, baseline_at, sifted, ignored)

    def _told(
        self, trigger: Trigger, epoch: int, chosen: list[Noticed], result: Notice, now: datetime
    ) -> list[EventRecord]:
        """The events of what was noticed; a change that no event type is about is counted as such."""
        found = [self.events_of(trigger, epoch, noticed, now) for noticed in chosen]
        untold = found.count([])
        result.verdicts["fired"] -= untold
        result.verdicts["untold"] += untold
        return [event for events in found for event in events]

    def _read(
        self, trigger: Trigger, record: TriggerRecord, now: datetime, known_hash: str | None, *, fresh: bool
    ) -> Reading:
        client = self._clients.get(polled(trigger.connection))
        poll = self._home().settings.poll
        interval = polled(trigger.schedule).interval(now).total_seconds()

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
            reading.answers += once(fresh=True).answers
        return reading

    def _backfill(self, trigger: Trigger, record: TriggerRecord, reading: Reading) -> list[str]:
        """Keys of items that are to fire although they are not new: chosen at the first poll, then what is left."""
        first = trigger.config.first_poll
        if record.baseline_at is not None:
            return list((record.cursor or {}).get("backfill", ()))
        if first.mode != "backfill" or not trigger.watch.kind.only_new:
            return []
        path = trigger.watch.kind.happened_at or trigger.watch.kind.created_at
        dated = {item_key(item, trigger.watch.kind, scope): moment_of(item, path) for item, scope in reading.items}
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
            client, scope = self._clients.get(polled(trigger.connection)), trigger.reader.scope(now)
            return fetch(evidence, trigger.reader, client, self._one(), scope, item)

        return ask

    def _one(self) -> Allowance:
        """What one follow-up request may use up."""
        poll = self._home().settings.poll
        return Allowance(self._clock.monotonic() + poll.time.total_seconds(), self._clock.monotonic, 1, 1, poll.bytes)

    def events_of(self, trigger: Trigger, epoch: int, noticed: Noticed, now: datetime) -> list[EventRecord]:
        """What one change is as events, asked for in detail where the type says so."""
        scope, detail = noticed.scope or trigger.reader.scope(now), noticed.detail
        if trigger.watch.kind.detail is not None and noticed.kind != "deleted":
            client = self._clients.get(polled(trigger.connection))
            detail = fetch_detail(trigger.reader, client, self._one(), scope, noticed.item)
        return make_events(
            noticed,
            trigger.watch.kind,
            scope,
            trigger_id=trigger.id,
            epoch=epoch,
            trigger=trigger.shown,
            workflow=trigger.workflow.name,
            now=now,
            detail=detail,
        )


def _cursor(trigger: Trigger, left: list[Noticed], result: Notice) -> dict[str, Json]:
    """What the next poll has to know besides the items."""
    waiting = [noticed.key for noticed in left if noticed.backfill]
    cursor: dict[str, Json] = {"listing": trigger.reader.listing, "backfill": waiting}
    if "updated" in trigger.watch.kind.kind:
        cursor["compare"] = written(trigger.watch.kind.compare)
    cursor["pending"] = bool(left or UNSETTLED & result.verdicts.keys())
    return {name: value for name, value in cursor.items() if value or name == "compare"}


def first_keys(reading: Reading, watch: Watch) -> frozenset[str]:
    """The keys on the first page."""
    return frozenset(item_key(item, watch.kind, scope) for found in reading.answers[:1] for item, scope in found)


def polled(value: T | None) -> T:
    """What a trigger that is polled always has."""
    assert value is not None
    return value


def _bounded(noticed: list[Noticed], trigger: Trigger) -> tuple[list[Noticed], list[Noticed]]:
    """Those to store now and those that wait, where each costs a request of its own."""
    if trigger.watch.kind.detail is None:
        return noticed, []
    return noticed[:DETAILS], noticed[DETAILS:]
