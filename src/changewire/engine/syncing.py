"""The store is told which triggers the files want, at the start and whenever they changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from changewire.config.connections import Connection
from changewire.home.definition import Home, Trigger
from changewire.log import Log
from changewire.state.adoption import HomeFiles
from changewire.state.protocol import Store
from changewire.state.records import TriggerRecord, TriggerState
from changewire.state.sync import Synced
from changewire.triggers.schedule import first_due
from changewire.values import digest, dumps, make_id


def trigger_records(home: Home, now: datetime) -> list[TriggerRecord]:
    """What the store should know of each trigger; a broken workflow stands as one that is unavailable."""
    records = [_record(home, trigger, now) for trigger in home.triggers.values()]
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
            error=broken.reason,
            file=broken.file,
        )
        for broken in home.broken
        if broken.name not in working and broken.file not in home.kept
    ]
    return records


def _record(home: Home, trigger: Trigger, now: datetime) -> TriggerRecord:
    connection = home.connections.get(trigger.connection or "")
    return TriggerRecord(
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
        file=home.workflows[trigger.workflow.name].shown,
        version=trigger.version,
        account="" if connection is None else account_of(connection),
    )


def account_of(connection: Connection) -> str:
    """Return a fingerprint of the account behind a connection: it stays if the connection gets another name, another
    secret or another plan.
    """
    auth = {name: value for name, value in connection.auth if isinstance(value, str)}
    return digest(dumps([connection.connector, connection.base_url, connection.user, auth]), 16)


def files_of(home: Home) -> HomeFiles:
    """Return what a sync needs to know of the files besides the triggers."""
    return HomeFiles(
        broken={broken.file: broken.reason for broken in home.broken},
        connections=home.connections.keys() | home.unusable,
        texts={file.version: file.text for file in home.workflows.values()},
    )


def sync(home: Home, store: Store, now: datetime, log: Log) -> Synced:
    """Make the store's triggers those of the home, and those due at once whose last poll failed."""
    records, files = trigger_records(home, now), files_of(home)
    known = {record.id for record in store.triggers(active=None)}
    fresh = [record for record in records if record.id not in known]
    for place, record in enumerate(records):
        record.next_due = first_due(now, place, len(fresh)) if record.interval_s else None
    synced = store.sync_triggers(records, now, files)
    _log(synced, files, now, log)
    return synced


def _log(synced: Synced, files: HomeFiles, now: datetime, log: Log) -> None:
    for before, after in synced.plan.adopted:
        words = f"{after.shown} takes over what {before.shown} remembered"
        if before.shown == after.shown:
            words = f"{after.shown} keeps its memory with connection {after.connection!r}, the same account as before"
        log("trigger_adopted", words, trigger=after.shown)
    for record, others in synced.plan.unmatched:
        log("trigger_not_adopted", _why_not(record, others, files), trigger=record.shown)
    for record in synced.returned:
        last = record.last_ok or record.baseline_at
        away = "" if last is None else f", {_days(now - last)} after its last poll"
        words = (
            f"{record.shown} is in the files again{away}, and keeps its memory: what changed since then fires. "
            f"To begin with a silent first poll instead: `changewire reset {record.workflow!r}`"
        )
        log("trigger_returned", words, trigger=record.shown)


def _days(time: timedelta) -> str:
    if time < timedelta(days=1):
        return "less than a day"
    return f"{time.days} day{'s' * (time.days != 1)}"


def _why_not(record: TriggerRecord, others: list[TriggerRecord], files: HomeFiles) -> str:
    names = " and ".join(sorted({other.shown for other in others}))
    broken = sorted({other.file for other in others if other.file in files.broken})
    if broken:
        why = f"{' and '.join(broken)} cannot be used at the moment, so that memory stays there"
    elif any(other.active for other in others):
        why = "the files do not show what was renamed"
    else:
        why = "that memory was not in use any more"
    return (
        f"{record.shown} watches the same as {names} did and begins with a first poll of its own: {why}. To continue "
        f"with the old memory, give the workflow its old name"
    )
