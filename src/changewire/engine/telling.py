"""Polls in words: for the log, for alerts and for what is kept of them."""

from __future__ import annotations

import shlex
from datetime import datetime

from changewire.clock import to_text
from changewire.errors import ApiError, ChangewireError, FailureClass, PollError, StateError, fault_of_ours
from changewire.home.definition import Trigger
from changewire.log import Log
from changewire.secret import mask, masked_excerpt
from changewire.state.records import AlertRecord, EventRecord, TriggerRecord
from changewire.triggers.noticed import Notice
from changewire.values import Json, one_line

SHOWN = 6  # changes of one event that the log has


def describe(error: Exception) -> tuple[FailureClass, str]:
    """The class of a failed poll and its words; never empty, never with a secret."""
    if isinstance(error, ApiError):
        return error.failure, mask(str(error))
    if isinstance(error, PollError):
        return FailureClass.BROKEN, mask(str(error))
    if isinstance(error, StateError):
        return FailureClass.TRANSIENT, mask(str(error))
    if isinstance(error, ChangewireError):
        return FailureClass.BAD_INPUT, mask(str(error))
    return FailureClass.TRANSIENT, mask(fault_of_ours(error))


def trigger_alert(what: str, trigger: Trigger | TriggerRecord, now: datetime, words: str, **facts: Json) -> AlertRecord:
    """Something about a trigger that somebody should know."""
    facts = {"next": f"`changewire explain {shlex.quote(trigger.shown)}`", **facts}
    return AlertRecord(now, what, trigger.shown, words, facts)


def verdicts_of(notice: Notice, ignored: list[str], now: datetime) -> Json:
    """How a poll judged its items, as it is kept."""
    held = [{"key": key, "verdict": verdict} for key, verdict in notice.held]
    return {
        "at": to_text(now),
        "counts": {word: count for word, count in notice.verdicts.items() if count},
        "held": held,
        "ignored": ignored,
    }


def set_aside_words(count: int, name: str, reason: str) -> str:
    """How many items cannot be processed, and why the first cannot."""
    if count == 1:
        return f"1 item set aside: {name}: {reason}"
    return f"{count} items set aside, the first: {name}: {reason}"


def tell_event(log: Log, event: EventRecord) -> None:
    """Log an event that was stored, with what changed."""
    changed = "".join(f"\n            {_line(change)}" for change in event.changes[:SHOWN])
    more = f"\n            and {len(event.changes) - SHOWN} more" if len(event.changes) > SHOWN else ""
    marked = " (backfill)" if event.backfill else ""
    log(
        "event_stored",
        f"{event.trigger}: {event.event_type} {one_line(event.key)}{marked}{changed}{more}",
        trigger=event.trigger,
        type=event.type,
        event=event.id,
        event_type=event.event_type,
        key=event.key,
    )


def _line(change: dict[str, Json]) -> str:
    old, new = (_short(change[side]) for side in ("old", "new"))
    return one_line(f"{change['path']}: {old} → {new}")


def _short(value: Json) -> str:
    text = "–" if value is None else repr(value) if isinstance(value, str) else str(value)
    return masked_excerpt(text, 48, "…")
