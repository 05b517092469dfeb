"""The triggers of a home, as the store should know them."""

from __future__ import annotations

from datetime import datetime

from changewire.home.definition import Home
from changewire.state.records import TriggerRecord, TriggerState
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
