"""What a person says about a step of a paused run that nobody else can know: that it was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from changewire.clock import to_text
from changewire.errors import ChangewireError
from changewire.state import rows, runs
from changewire.state.queries import sql
from changewire.state.records import AttemptRecord, AttemptState, RunRecord, RunState
from changewire.state.writer import Transaction
from changewire.values import Json

_ENDED = {AttemptState.FAILED, AttemptState.UNKNOWN}


def say_done(
    run_id: str, now: datetime, by: str, output: Json, address: str | None
) -> Callable[[Transaction], AttemptRecord]:
    """See `Store.say_done`."""

    def unit(transaction: Transaction) -> AttemptRecord:
        run, _, attempts = runs.load_run(transaction.connection, run_id, True)
        latest = {one.address: one for one in attempts}
        step = _meant(run, latest, address)
        evidence = {"input": (step.evidence or {}).get("input"), "response": None, "effect": "told", "by": by}
        done = AttemptRecord(run_id, step.address, step.attempt + 1, step.use, AttemptState.SUCCEEDED, output)
        done.started_at, done.finished_at, done.evidence, done.series = now, now, evidence, run.resumes
        transaction.execute("say_done.attempt", sql("put_attempt"), rows.attempt_row(done))
        del latest[step.address]
        if (other := _open(latest.values())) is not None:
            given = {"run_id": run_id, "reason": rows.shown(other.failure), "waits_for": other.address}
            transaction.execute("say_done.stay", sql("stay_paused"), given)
        else:
            given = {"now": to_text(now), "by": by, "run_id": run_id, "workflow": None}
            transaction.execute("say_done.run", sql("resume_runs"), given)
        return done

    return unit


def _meant(run: RunRecord, latest: Mapping[str, AttemptRecord], address: str | None) -> AttemptRecord:
    """The step that was done. Raises ChangewireError where that cannot be said of it."""
    if run.state is not RunState.PAUSED:
        raise ChangewireError(f"{run.id} is {run.state}, and only a step of a paused run can be said to be done")
    if run.held_by is not None:
        raise ChangewireError(f"{run.id} goes on by itself after the pause of {run.held_by}: no step of it failed")
    if address is not None:
        return _named(run, latest, address)
    found = latest.get(run.waits_for or "")
    if found is None or not _has_ended(found) or not _is_action(found):
        raise ChangewireError(f"{run.id} is not paused because of an action that could be done: {run.reason}")
    return found


def _named(run: RunRecord, latest: Mapping[str, AttemptRecord], address: str) -> AttemptRecord:
    """The action there, if it failed or a person said before that it was done."""
    fitting = [one.address for one in latest.values() if _is_action(one) and (_has_ended(one) or _was_told(one))]
    if address not in fitting:
        known = ", ".join(fitting) or "none"
        raise ChangewireError(f"{run.id} has no action at {address!r} that failed; those that did: {known}")
    return latest[address]


def _is_action(attempt: AttemptRecord) -> bool:
    return "." in attempt.use and attempt.address.startswith("steps/")


def _has_ended(attempt: AttemptRecord) -> bool:
    return attempt.state in _ENDED and attempt.retry_at is None


def _was_told(attempt: AttemptRecord) -> bool:
    return (attempt.evidence or {}).get("effect") == "told"


def _open(attempts: Iterable[AttemptRecord]) -> AttemptRecord | None:
    """The first of which only a person can say whether it was done; iterations at the same time leave several."""
    return next((one for one in attempts if _has_ended(one) and (one.evidence or {}).get("look")), None)
