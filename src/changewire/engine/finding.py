"""What one poll finds: a complete reading, compared, proven, without our own echoes, as events."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple, TypeVar

from changewire.clock import Clock
from changewire.connectors.clients import Clients
from changewire.engine.details import Changes, Details
from changewire.engine.echoes import UNDER_WAY, Echoes, Sifted
from changewire.engine.places import Places
from changewire.engine.progress import Progress
from changewire.errors import PollError, UsageError
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import EventRecord, ItemRecord, PendingRecord, TriggerRecord
from changewire.templates import TemplateError
from changewire.triggers import pending
from changewire.triggers.dating import moment_of
from changewire.triggers.definition import Evidence
from changewire.triggers.follow_ups import MOST, FollowUps
from changewire.triggers.ignoring import ignored_paths
from changewire.triggers.noticed import Memory, Notice, Noticed, Watch, item_key, keys_to_load
from changewire.triggers.noticing import notice
from changewire.triggers.numbering import numbered
from changewire.triggers.polling import NEVER, Allowance, Interrupted, Reading, fetch, read, uninterrupted
from changewire.triggers.proving import GIVE_UP, proven
from changewire.triggers.rules import rules_before, written
from changewire.triggers.set_aside import SetAside, certain_others, may_be_remembered, separate
from changewire.values import Json

T = TypeVar("T")
_EVER = datetime.max.replace(tzinfo=UTC)
UNSETTLED = frozenset(
    {"settling", "absent", "held", "not_ready", "unproven", "elsewhere", "set_aside", "unidentified", UNDER_WAY}
)
"""Verdicts after which an equal answer still has to be looked at."""
FRESH_SHARE, FRESH_MOST = 0.1, 5.0
"""One answer serves several triggers for a tenth of the interval, for five seconds at most."""


@dataclass(frozen=True)
class Found:
    """What a good poll brought."""

    reading: Reading | None  # None: only pending changes were worked on
    notice: Notice
    changes: Changes
    cursor: dict[str, Json]
    baseline_at: datetime | None
    sifted: Sifted | None = None  # None: nothing was compared
    ignored: list[str] = field(default_factory=list)  # paths that differ and are noise, some of them
    progress: Progress = field(default_factory=Progress)
    set_aside: list[SetAside] = field(default_factory=list)  # items that could not be processed

    @property
    def compared(self) -> bool:
        """Whether the list was read and was not as before."""
        return self.reading is not None and not self.reading.unchanged


class Compared(NamedTuple):
    """A reading that was compared with what is remembered."""

    notice: Notice
    items: Mapping[str, ItemRecord]  # that are remembered
    set_aside: list[SetAside]
    backfill: dict[str, int]


class Finder:
    """Finds out what is new for triggers. Nothing is stored. Thread-safe; ``home`` gives the present one."""

    def __init__(
        self, home: Callable[[], Home], store: Store, clients: Clients, clock: Clock, log: Log, echoes: Echoes
    ) -> None:
        self._home, self._store, self._clients = home, store, clients
        self._clock, self._log, self._echoes = clock, log, echoes
        self.details = Details(clients, clock, home)

    def find(
        self,
        trigger: Trigger,
        record: TriggerRecord,
        now: datetime,
        *,
        preview: bool = False,
        interrupted: Interrupted = uninterrupted,
    ) -> Found:
        """Read, compare and prove. Raises PollError, ApiError, and StoppedError if it is ``interrupted`` in the list.

        ``preview``: no answer that another poll received is used, details are requested for all changes, and what is
        refused is raised.
        """
        _refuse_damaged(record)
        before, listing = dict(record.cursor or {}), trigger.reader.listing
        turned = before.get("listing", listing) != listing  # the workflow says otherwise how the list goes on
        current = record.rules == trigger.watch.rules.fingerprint and not before.get("pending") and not turned
        allowance = self.allowance(trigger, record, now, fresh=preview, interrupted=interrupted)
        reading = self._read(trigger, record, allowance, now, record.body_hash if current else None)
        began = min(now, reading.asked_at or now)  # an answer that another poll asked for is older than this poll
        baseline_at = record.baseline_at or min(began, reading.answered_at or now)
        if reading.unchanged:
            progress = self._progress(trigger, before, Changes())
            return Found(reading, Notice(), Changes(), _with_refusing(before, progress), baseline_at, progress=progress)
        compared = self._compare(trigger, record, reading, now, turned=turned)
        aside = compared.set_aside
        evidence, details = FollowUps(allowance), FollowUps(allowance, None if preview else MOST)
        result = proven(compared.notice, trigger.watch, self._asker(trigger, allowance, now), evidence)
        result = (sifted := self._echoes.sift(trigger, record, result, began)).notice
        aside += [SetAside(*failed) for failed in result.failed]
        differing = {noticed.key for noticed in result.noticed} | {key for key, _ in result.held}
        ignored = ignored_paths(reading.items, trigger.watch, compared.items, differing)
        waiting = partial(self._store.pending_keys, trigger.id)
        renewed = self._renewed(trigger, reading, result)
        changes = self.details.of_noticed(trigger, record.epoch, result.noticed, waiting, details, now, renewed)
        aside += _take_out(changes, result)
        _count(changes, result, aside)
        progress = self._progress(trigger, before, changes, evidence, details)
        if preview or not changes.pending:
            _raise_what_stopped(progress, preview=preview)
        left = self._left(trigger, compared.backfill, result, aside)
        cursor = _cursor(trigger, left, result, progress) | _cursor_of_aside(before, aside, result)
        return Found(reading, result, changes, cursor, baseline_at, sifted, ignored, progress, aside)

    def _compare(
        self, trigger: Trigger, record: TriggerRecord, reading: Reading, now: datetime, *, turned: bool
    ) -> Compared:
        """Compare a reading with what is remembered. Raises PollError or UsageError if no item can be processed."""
        watch = trigger.watch
        reading.answers, aside = separate(reading.answers, watch)
        keys = keys_to_load(reading.answers, watch, record.rules)
        _, items = self._store.load_poll_state(trigger.id, keys, alike=watch.kind.counts_alike)
        present = _number_alike(watch, reading, items, aside)
        brought = bool(aside or reading.items)
        backfill = self._backfill(trigger, record, reading)
        memory = _memory(trigger, record, reading, items, backfill, turned=turned)
        unidentified = may_be_remembered(aside, (record.cursor or {}).get("unkeyed") or {})
        result = notice(reading.items, watch, memory, now, present, unidentified=unidentified)
        aside += [SetAside(*failed) for failed in result.failed]
        result.failed = []
        if brought and not result.judged:
            _refuse_all(aside, Places(trigger, self._home()))
        return Compared(result, items, aside, backfill)

    def _renewed(self, trigger: Trigger, reading: Reading, result: Notice) -> dict[str, list[PendingRecord]]:
        """Replace noticed changes of items whose earlier event could not be made by one change from before to now.

        Returns the pending changes that are replaced, by key.
        """
        broken: dict[str, list[PendingRecord]] = {}
        for record in self._store.broken_changes(trigger.id):
            broken.setdefault(record.key, []).append(record)
        noticed = {each.key: each for each in result.noticed} if broken else {}
        replaced = {}
        for item, scope in reading.items if broken else ():
            key = item_key(item, trigger.watch.kind, scope)
            latest = noticed.get(key)
            if key not in broken or key in replaced or (latest is None and not trigger.watch.kind.only_new):
                continue
            try:
                change = pending.renewed(broken[key], trigger.watch, (item, scope), latest)
            except Exception:  # the pending change itself is damaged, which its own attempt says
                continue
            if change is not None:
                replaced[key] = broken[key]
                _replace(result, latest, change)
        return replaced

    def work_on_pending(
        self, trigger: Trigger, record: TriggerRecord, now: datetime, *, interrupted: Interrupted = uninterrupted
    ) -> Found:
        """Make events of changes that are pending and due. Raises CredentialError if nothing else came of it."""
        _refuse_damaged(record)
        requests = FollowUps(self.allowance(trigger, record, now, interrupted=interrupted))
        due = self._store.due_pending(trigger.id, self._clock.now(), MOST)
        changes = self.details.of_pending(trigger, record.epoch, due, requests, now)
        before = dict(record.cursor or {})
        progress = self._progress(trigger, before, changes, requests, listed=False)
        if not changes.settled and progress.credential is not None and not progress.refusals:
            raise progress.credential
        return Found(None, Notice(), changes, _with_refusing(before, progress), None, progress=progress)

    def _progress(
        self, trigger: Trigger, before: dict[str, Json], changes: Changes, *requests: FollowUps, listed: bool = True
    ) -> Progress:
        refused_before = bool(before.get("refusing"))
        waiting = refused_before and bool(changes.pending or self._store.pending_keys(trigger.id))
        first = listed or any(record.tries == 1 for record in changes.pending)
        progress = Progress.of(*requests, refused_before=refused_before, waiting=waiting, first=first)
        if not progress.refusals:
            return progress
        return replace(progress, reason=Places(trigger, self._home()).reason(progress.refusals[-1]))

    def preview_pending(self, trigger: Trigger, record: TriggerRecord, now: datetime) -> list[EventRecord]:
        """The events of pending changes whose requests are answered now, whenever they are due."""
        requests = FollowUps(self.allowance(trigger, record, now, fresh=True), most=None)
        stored = self._store.due_pending(trigger.id, _EVER, MOST)
        return self.details.of_pending(trigger, record.epoch, stored, requests, now).events

    def allowance(
        self,
        trigger: Trigger,
        record: TriggerRecord,
        now: datetime,
        *,
        fresh: bool = False,
        interrupted: Interrupted = uninterrupted,
    ) -> Allowance:
        """What one poll may use. A first poll, which may read the list twice, has twice the time."""
        poll = self._home().settings.poll
        interval = polled(trigger.schedule).interval(now).total_seconds()
        readings = 2 if record.baseline_at is None else 1
        return Allowance(
            deadline=self._clock.monotonic() + readings * poll.time.total_seconds(),
            clock=self._clock,
            pages=poll.pages,
            items=poll.items,
            bytes=readings * poll.bytes,
            fresh_s=NEVER if fresh else min(interval * FRESH_SHARE, FRESH_MOST),
            interrupted=interrupted,
        )

    def _read(
        self, trigger: Trigger, record: TriggerRecord, allowance: Allowance, now: datetime, known_hash: str | None
    ) -> Reading:
        client = self._clients.get(polled(trigger.connection))
        backfilling = record.baseline_at is None or bool((record.cursor or {}).get("backfill"))
        since = trigger.config.first_poll.since if backfilling else None

        def once(known_hash: str | None) -> Reading:
            return read(
                trigger.reader, client, allowance, now, last_ok=record.last_ok, since=since, known_hash=known_hash
            )

        pages, reading = allowance.pages, once(known_hash)
        if record.baseline_at is None and (reading.requests > 1 or not reading.items):
            # An item can slip past between two requests while lists shift, and a source can hiccup with an empty
            # list. What the baseline misses looks new in the next poll, so such a one is read twice.
            fresh_s, allowance.fresh_s, allowance.pages = allowance.fresh_s, NEVER, pages
            reading.answers += once(None).answers
            allowance.fresh_s = fresh_s
        return reading

    def _backfill(self, trigger: Trigger, record: TriggerRecord, reading: Reading) -> dict[str, int]:
        """Keys of items that are to fire although they are not new, chosen at the first poll: those that have not fired
        so far, and how many polls they have waited.
        """
        first = trigger.config.first_poll
        if record.baseline_at is not None:
            left = (record.cursor or {}).get("backfill", {})
            return dict(left) if isinstance(left, dict) else dict.fromkeys(left, 0)  # a list: an older version wrote it
        if first.mode != "backfill" or not trigger.watch.kind.only_new:
            return {}
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
        return dict.fromkeys(chosen, 0)

    def _left(
        self, trigger: Trigger, backfill: dict[str, int], result: Notice, aside: Sequence[SetAside]
    ) -> dict[str, int]:
        """What the backfill still waits for: items that this poll did not bring, that are not ready or set aside."""
        fired = {noticed.key for noticed in result.noticed if noticed.backfill}
        there = {each.key for each in aside}
        left = {key: polls + (key not in there) for key, polls in backfill.items() if key not in fired}
        for key in [key for key, polls in left.items() if polls >= GIVE_UP]:
            del left[key]
            words = f"{trigger.shown}: item {key} of the backfill did not come for {GIVE_UP} polls and is left out"
            self._log("backfill_left_out", words, trigger=trigger.shown, key=key)
        return left

    def _asker(self, trigger: Trigger, allowance: Allowance, now: datetime) -> Callable[[Evidence, Json], Json]:
        def ask(evidence: Evidence, item: Json) -> Json:
            client, scope = self._clients.get(polled(trigger.connection)), trigger.reader.scope(now)
            return fetch(evidence, trigger.reader, client, allowance, scope, item)

        return ask


def _refuse_damaged(record: TriggerRecord) -> None:
    """Raise UsageError if what a trigger remembers cannot be read, so that nothing can be compared with it."""
    if record.unreadable:
        raise UsageError(
            f"what is stored of it is damaged ({record.unreadable}): restore a backup, or forget what it has seen with "
            f"`changewire reset {shlex.quote(record.workflow)}`"
        )


def _memory(
    trigger: Trigger,
    record: TriggerRecord,
    reading: Reading,
    items: Mapping[str, ItemRecord],
    backfill: Collection[str],
    *,
    turned: bool,
) -> Memory:
    """What the reading is compared with; ``turned``: more of the list may be seen than before."""
    before = dict(record.cursor or {})
    return Memory(
        items,
        record.baseline_at,
        record.rules,
        frozenset(backfill) if backfill else None,
        first_keys(reading, trigger.watch) if turned else None,
        rules_before(trigger.watch.kind, before.get("compare"), trigger.config.ignore),
    )


def _replace(result: Notice, latest: Noticed | None, change: Noticed) -> None:
    """Put a change in the place of the ``latest`` one; one without a difference is none."""
    if latest is not None:
        result.noticed.remove(latest)
        result.verdicts["fired"] -= 1
    if change.changes or change.kind == "created":
        result.noticed.append(change)
        result.verdicts["fired"] += 1
    elif change.record is not None:
        result.quiet.append(change.record)


def _number_alike(
    watch: Watch, reading: Reading, items: Mapping[str, ItemRecord], aside: list[SetAside]
) -> Collection[str]:
    """Number the rows of a type that counts those that are alike; what cannot be numbered joins those set ``aside``.

    Returns the keys of the items that are there although they are not in the ``reading`` any more.
    """
    present = {each.key for each in aside if each.key is not None}
    if not watch.kind.counts_alike:
        return present
    numbers = numbered(reading.answers, watch, items)
    reading.answers = [numbers.found]
    aside += [SetAside(*failed) for failed in numbers.failed]
    return present | numbers.present


def _take_out(changes: Changes, result: Notice) -> list[SetAside]:
    """Set aside the changes that cannot be stored: their items stay as they are remembered."""
    result.noticed = [each for each in result.noticed if all(each is not noticed for noticed, _ in changes.failed)]
    result.verdicts["fired"] -= len(changes.failed)
    return [SetAside(noticed.key, noticed.item, error) for noticed, error in changes.failed]


def _refuse_all(aside: Sequence[SetAside], places: Places) -> None:
    """Raise for an answer of which no item can be processed: that is the fault of the answer or of the type."""
    words = places.reason(aside[0].error)
    if isinstance(aside[0].error, TemplateError):
        raise UsageError(words) from aside[0].error
    raise PollError(words) from aside[0].error


def _count(changes: Changes, result: Notice, aside: Sequence[SetAside]) -> None:
    """Correct the verdicts: a change that waits has not fired, nor has one that no event type is about."""
    result.verdicts["untold"] += changes.untold
    result.verdicts["fired"] -= changes.untold + len(changes.pending)
    for record in changes.pending:
        if record.broken:
            result.hold("set_aside", record.key)
        else:
            result.hold("pending", record.key)
    for each in aside:
        result.hold("set_aside", each.name)


def _raise_what_stopped(progress: Progress, *, preview: bool) -> None:
    """Where nothing waits for the next poll, the poll itself was stopped; a preview shows all or says why not."""
    if progress.credential is not None:
        raise progress.credential
    if preview and progress.refusals:
        raise progress.refusals[0]
    if preview and progress.delayed is not None:
        raise progress.delayed


def _cursor(trigger: Trigger, left: dict[str, int], result: Notice, progress: Progress) -> dict[str, Json]:
    """What the next poll has to know besides the items."""
    cursor: dict[str, Json] = {"listing": trigger.reader.listing, "backfill": left}
    if "updated" in trigger.watch.kind.kind:
        cursor["compare"] = written(trigger.watch.kind.compare)
    cursor["pending"] = bool(left or UNSETTLED & result.verdicts.keys())
    cursor = {name: value for name, value in cursor.items() if value or name == "compare"}
    return _with_refusing(cursor, progress)


def _cursor_of_aside(before: Mapping[str, Json], aside: Sequence[SetAside], result: Notice) -> dict[str, Json]:
    """What the next poll has to know of the items that cannot be processed."""
    unkeyed = certain_others(aside, before.get("unkeyed") or {}, missing=result.missing)
    return {name: value for name, value in (("set_aside", len(aside)), ("unkeyed", unkeyed)) if value}


def _with_refusing(cursor: dict[str, Json], progress: Progress) -> dict[str, Json]:
    """``cursor`` with the fact whether the latest requests about single items were all refused."""
    left = {name: value for name, value in cursor.items() if name != "refusing"}
    return {**left, "refusing": True} if progress.still_refusing else left


def first_keys(reading: Reading, watch: Watch) -> frozenset[str]:
    """The keys on the first page."""
    return frozenset(item_key(item, watch.kind, scope) for found in reading.answers[:1] for item, scope in found)


def polled(value: T | None) -> T:
    """What a trigger that is polled always has."""
    assert value is not None
    return value
