"""Events out of noticed changes: their ids, event types and payloads."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from changewire.errors import PollError
from changewire.state.records import EventRecord
from changewire.triggers.change_size import bounded
from changewire.triggers.comparing import Scope
from changewire.triggers.definition import TriggerType
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.noticed import Noticed
from changewire.triggers.shorthand import OTHERWISE
from changewire.values import Json, dumps, make_id


def make_events(
    noticed: Noticed,
    kind: TriggerType,
    scope: Scope,
    *,
    trigger_id: str,
    epoch: int,
    trigger: str,
    workflow: str,
    now: datetime,
    detail: Json = None,
) -> list[EventRecord]:
    """The events of a noticed change, one for each event type whose condition holds; mostly one. Raises TemplateError.

    Ids follow from the trigger, the ``epoch`` of its memory, kind and item, and from the event type if the type has
    several. ``detail`` is the answer to the type's follow-up request; None if it has none.
    """
    changes = bounded(noticed.changes)
    names = {
        **scope,
        "item": noticed.item,
        "old": noticed.old,
        "changes": list(changes),
        "kind": noticed.kind,
        "detail": detail if detail is not None else noticed.item,
    }
    several = isinstance(kind.event_type, dict)
    return [
        EventRecord(
            id=make_id(
                "evt",
                trigger_id,
                epoch,
                noticed.kind,
                noticed.key,
                *noticed.discriminator,
                *([word] if several else []),
            ),
            trigger_id=trigger_id,
            trigger=trigger,
            workflow=workflow,
            type=kind.type,
            kind=noticed.kind,
            event_type=word,
            key=noticed.key,
            detected_at=now,
            payload=EXPRESSIONS.render(kind.payload, {**names, "event_type": word}),
            changes=[change.as_dict() for change in changes],
            backfill=noticed.backfill,
        )
        for word in _words(kind, {**names, "changes": list(noticed.changes)})
    ]


def refuse_larger(events: Iterable[EventRecord], most: int) -> None:
    """Raise PollError for the first event whose payload and changes have more than ``most`` bytes of JSON, or none."""
    for event in events:
        try:
            size = len(dumps([event.payload, event.changes]))
        except TypeError as error:
            raise PollError(
                f"{event.event_type} of item {event.key} cannot be stored ({error}): change the `payload` of the "
                "trigger type"
            ) from None
        if size > most:
            raise PollError(
                f"{event.event_type} of item {event.key} is an event of {size:,} bytes, and `poll: event` in "
                f"config/changewire.yaml allows {most:,}: raise the limit, take less of the item into the "
                "`payload` of the trigger type, or watch a smaller part"
            )


def _words(kind: TriggerType, names: dict[str, Any]) -> list[str]:
    """The event types of one change, in the order of the file."""
    if isinstance(kind.event_type, str):
        return [str(EXPRESSIONS.render(kind.event_type, names))]
    held = [word for word, condition in kind.event_type.items() if _holds(condition, names)]
    return held or [word for word, condition in kind.event_type.items() if condition == OTHERWISE]


def _holds(condition: str, names: dict[str, Any]) -> bool:
    return EXPRESSIONS.condition(condition, names) if "{{" in condition else condition == names["kind"]
