"""The store is told which triggers the files want, at the start and whenever they changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from changewire.home.definition import Home
from changewire.log import Log
from changewire.state.protocol import Store
from changewire.state.records import TriggerRecord, TriggerState
from changewire.triggers.schedule import first_due
from changewire.values import make_id


def trigger_records(home: Home, now: datetime) -> list[TriggerRecord]:
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


def sync(home: Home, store: Store, now: datetime, log: Log) -> None:
    """Make the store's triggers those of the home, and those due at once that somebody may have mended."""
    store.save_versions({file.version: file.text for file in home.workflows.values()})
    records = trigger_records(home, now)
    known = {record.id for record in store.triggers(active=None)}
    fresh = [record for record in records if record.id not in known]
    for place, record in enumerate(records):
        record.next_due = first_due(now, place, len(fresh)) if record.interval_s else None
    for before, after in _adopt(home, store, records, fresh, now):
        log("trigger_adopted", f"{after.shown} goes on where {before.shown} was")
    store.sync_triggers(records, now)
    store.retry_failing(now)


def _adopt(
    home: Home, store: Store, records: list[TriggerRecord], fresh: list[TriggerRecord], now: datetime
) -> Iterator[tuple[TriggerRecord, TriggerRecord]]:
    """A renamed workflow keeps its memory: it takes over from one that watched the same and is gone."""
    wanted = {record.id for record in records}
    orphans = [record for record in store.triggers(active=None) if record.id not in wanted]
    if not fresh or not orphans:
        return
    store.sync_triggers([record for record in records if record not in fresh], now)
    for record in fresh:
        match = next((o for o in orphans if o.fingerprint and o.fingerprint == record.fingerprint), None)
        if match is not None and (match.connection == record.connection or match.connection not in home.connections):
            orphans.remove(match)
            if store.adopt(match.id, record, now):
                yield match, record
