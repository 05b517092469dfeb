"""Events and runs as ``--json`` prints them: plain data, moments in RFC 3339 UTC, ``"v": 1``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from changewire.clock import to_text
from changewire.state.protocol import Store
from changewire.state.records import AttemptRecord, EventRecord, RunHistory
from changewire.values import Json

VERSION = 1


def event_view(event: EventRecord) -> dict[str, Json]:
    """One line of ``events --json``."""
    return {
        "v": VERSION,
        "id": event.id,
        "trigger": event.trigger,
        "type": event.type,
        "event_type": event.event_type,
        "key": event.key,
        "detected_at": to_text(event.detected_at),
        "payload": event.payload,
        "changes": event.changes,
        "backfill": event.backfill,
        "hops": event.hops,
        "cause": event.cause,
    }


def step_view(attempts: Sequence[AttemptRecord]) -> dict[str, Json]:
    """One step from its attempts, at least one, in their order: it stands where the last one stands."""
    last = attempts[-1]
    return {
        "address": last.address,
        "use": last.use,
        "state": str(last.state),
        "attempts": len(attempts),
        "output": last.output,
    }


def run_view(history: RunHistory) -> dict[str, Json]:
    """One line of ``runs --json``. ``finished_at`` is None while the run is not finished."""
    run = history.run
    steps = groupby(history.attempts, key=lambda attempt: attempt.address)
    return {
        "v": VERSION,
        "id": run.id,
        "workflow": run.workflow,
        "event": run.event_id,
        "replay": run.replay,
        "state": str(run.state),
        "reason": run.reason,
        "waits_for": run.held_by,
        "created_at": to_text(run.created_at),
        "finished_at": None if run.finished_at is None else to_text(run.finished_at),
        "steps": [step_view(list(attempts)) for _, attempts in steps],
    }


def event_views(
    store: Store, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
) -> list[dict[str, Json]]:
    """The lines of ``events --json``, oldest first; ``limit`` None: all, else the newest."""
    return [event_view(event) for event in store.events(since=since, workflow=workflow, limit=limit)]


def run_views(
    store: Store, *, since: datetime | None = None, workflow: str | None = None, limit: int | None = None
) -> list[dict[str, Json]]:
    """The lines of ``runs --json``, oldest first; ``limit`` None: all, else the newest."""
    return [run_view(history) for history in store.runs(since=since, workflow=workflow, limit=limit)]
