"""Events and runs as ``--json`` prints them: plain data, moments in RFC 3339 UTC, ``"v": 1``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from changewire.clock import to_text
from changewire.state.protocol import Store
from changewire.state.records import AttemptRecord, AttemptState, EventRecord, RunHistory, RunRecord, RunState
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


def step_view(attempts: Sequence[AttemptRecord], run: RunRecord) -> dict[str, Json]:
    """One step of ``run`` from its attempts, at least one, in their order: it stands where the last one stands."""
    last = attempts[-1]
    return {
        "address": last.address,
        "use": last.use,
        "state": str(last.state),
        "attempts": len(attempts),
        "output": last.output,
        "class": last.error_class,
        "error": last.error,
        "effect": "unknown" if is_cut_off(last, run) else effect(last),
        "input": (last.evidence or {}).get("input"),
        "response": (last.evidence or {}).get("response"),
        "done_by": (last.evidence or {}).get("by"),
        "next": next_step(last) if is_open(last, run) else None,
    }


def is_open(last: AttemptRecord, run: RunRecord) -> bool:
    """Return whether something can still be done about the ``last`` attempt of a step: the run is not finished, and no
    person resumed it since, or it is paused again and only a person knows whether that step was done.
    """
    is_doubtful = run.state is RunState.PAUSED and bool((last.evidence or {}).get("look"))
    return not run.state.finished and (last.series == run.resumes or is_doubtful)


def is_cut_off(last: AttemptRecord, run: RunRecord) -> bool:
    """Return whether the process ended in the ``last`` attempt of an action, and a person must resume its run first."""
    return run.state is RunState.PAUSED and last.state is AttemptState.RUNNING and "." in last.use


def effect(attempt: AttemptRecord) -> str | None:
    """How far the effect of an attempt went: intended, sent, acknowledged, refused, unknown or told.

    None for what has no effect to have: a step that only decides, or was skipped.
    """
    if "." not in attempt.use or attempt.state is AttemptState.SKIPPED:
        return None
    known = (attempt.evidence or {}).get("effect")
    if known is not None:
        return str(known)
    return _EFFECTS.get(attempt.state, "unknown")


_EFFECTS = {AttemptState.SUCCEEDED: "acknowledged", AttemptState.RUNNING: "intended"}
_NEXT = {
    "credential": "mend the credentials of the connection as `changewire status` tells; what waits goes on by itself",
    "scope": "add the scope that is named to the app and activate it again, then `changewire resume {run}`",
    "plan": "the account's plan does not include this: change the plan, then `changewire resume {run}`",
    "gone": "what the step asks for is not there: make it be there and `changewire resume {run}`, "
    "or correct the workflow and `changewire replay` the event",
    "bad_input": "correct the step in the workflow, then `changewire replay` the event: a run that is resumed keeps "
    "the text that it began with. Was it something beside the workflow, mend that and `changewire resume {run}`",
    "not_yet": "it was not there yet: `changewire resume {run}` later, or give the step a longer `retry`",
    "transient": "the other side had a problem: `changewire resume {run}` tries again",
    "rate": "too many requests: `changewire resume {run}` later, or ask less often",
    "broken": "the answer was not what the API promises: look at the response, then `changewire resume {run}`",
    "unknown": "it may have been done: look there first. If it was, `changewire resume {run} --done{step}` goes on "
    "after it; if it was not, `changewire resume {run}` does it again; `changewire cancel {run}` leaves it as it is",
    "timeout": "the run took too long: `changewire resume {run}` gives it its time once more",
}


def next_step(attempt: AttemptRecord) -> str | None:
    """What a person does about an attempt that went wrong; None where nothing is to be done."""
    if attempt.state not in {AttemptState.FAILED, AttemptState.UNKNOWN}:
        return None
    if attempt.address.startswith("on_failure") and attempt.retry_at is None:
        return None  # it is not done again: the run goes on from the step that it is about
    if attempt.retry_at is not None and attempt.error_class != "credential":
        return f"nothing: it is tried again by itself at {to_text(attempt.retry_at)}"
    kind = "unknown" if (attempt.evidence or {}).get("look") else attempt.error_class
    words = _NEXT.get(kind or "")
    step = f" --step '{attempt.address}'" if "[" in attempt.address else ""  # others of the loop may be like it
    return None if words is None else words.format(run=attempt.run_id, step=step)


def way_on(history: RunHistory) -> str:
    """What lets a run that waits for a person go on."""
    run = history.run
    latest = {attempt.address: attempt for attempt in history.attempts}
    if any((one.evidence or {}).get("look") and one.retry_at is None for one in latest.values()):
        return "nobody knows whether a step was done: look there first, and see what it says under next"
    return f"mend what is wrong, then `changewire resume {run.id}` goes on from there"


def run_view(history: RunHistory) -> dict[str, Json]:
    """One line of ``runs --json``. ``finished_at`` is None while the run is not finished."""
    run = history.run
    steps = groupby(history.attempts, key=lambda attempt: attempt.address)
    return {
        "v": VERSION,
        "id": run.id,
        "workflow": run.workflow,
        "event": run.event_id,
        "events": history.event_ids or [run.event_id],
        "replay": run.replay,
        "state": str(run.state),
        "reason": run.reason,
        "waits_for": run.held_by,
        "waits_for_step": run.waits_for,
        "created_at": to_text(run.created_at),
        "finished_at": None if run.finished_at is None else to_text(run.finished_at),
        "resumes": run.resumes,
        "resumed_at": None if run.resumed_at is None else to_text(run.resumed_at),
        "resumed_by": run.resumed_by,
        "steps": [step_view(list(attempts), run) for _, attempts in steps],
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
