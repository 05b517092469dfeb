"""Events out of noticed changes: their id, event type and payload."""

from __future__ import annotations

from datetime import datetime

from changewire.state.records import EventRecord
from changewire.triggers.comparing import Scope
from changewire.triggers.definition import TriggerType
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticing import Noticed
from changewire.values import Json, make_id


def make_event(
    noticed: Noticed,
    kind: TriggerType,
    scope: Scope,
    *,
    trigger_id: str,
    trigger: str,
    workflow: str,
    now: datetime,
    detail: Json = None,
) -> EventRecord:
    """The event of a noticed change. Its id follows from trigger, kind and item alone. Raises TemplateError.

    ``detail`` is the answer to the type's follow-up request; None where there is none.
    """
    names = {
        **scope,
        "item": noticed.item,
        "old": noticed.old,
        "changes": list(noticed.changes),
        "detail": detail if detail is not None else noticed.item,
    }
    names["event_type"] = str(EXPRESSIONS.render(kind.event_type, names))
    return EventRecord(
        id=make_id("evt", trigger_id, kind.kind, noticed.key, *noticed.discriminator),
        trigger_id=trigger_id,
        trigger=trigger,
        workflow=workflow,
        type=kind.type,
        kind=kind.kind,
        event_type=names["event_type"],
        key=noticed.key,
        detected_at=now,
        payload=EXPRESSIONS.render(kind.payload, names),
        changes=[change.as_dict() for change in noticed.changes],
        backfill=noticed.backfill,
    )
