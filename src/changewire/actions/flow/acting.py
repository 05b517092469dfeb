"""A step that does something: attempts with their beginning and end stored, until it is done or a person must look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from changewire.actions.calling import perform
from changewire.actions.flow.effects import must_look
from changewire.actions.flow.endings import Failed, Held, Waits
from changewire.actions.flow.evidence import came_of, given, unanswered
from changewire.actions.flow.progress import is_over
from changewire.actions.flow.retry import Decision, Failure, Verdict, decide, failure_of
from changewire.actions.flow.scope import step_key
from changewire.errors import CredentialError, StateError, UsageError
from changewire.secret import mask, masked_json
from changewire.state.records import AttemptRecord, AttemptState, PauseCause, PauseKind
from changewire.templates import condition
from changewire.values import Json, loads

if TYPE_CHECKING:
    from changewire.actions.definition import Idempotency
    from changewire.actions.flow.course import Course
    from changewire.actions.flow.frame import Frame
    from changewire.config.steps import ActionStep


def kept(output: Json) -> Json:
    """``output`` as it comes back from the database, so that expressions see the same before and after a restart."""
    return loads(masked_json(output))


def act(walk: Course, step: ActionStep, address: str, frame: Frame) -> Json:
    """Bring an action to its end; its output, None where it was skipped or may fail. Raises Ended."""
    latest = frame.latest(address)
    if latest is not None:
        if is_over(latest, step.continue_on_error or frame.handling):
            return latest.output
        if (
            latest.state is not AttemptState.RUNNING
            and latest.retry_at is None
            and frame.ledger.progress.stands(latest)
        ):
            raise Failed(latest)
    if latest is not None and latest.state is AttemptState.RUNNING:
        walk.check_halt(frame)
        decision = _lost(walk, latest, step, frame)  # before its time is looked at: only this names the doubt
        if decision.verdict is not Verdict.RETRY:
            return _settle(latest, decision, frame)
        frame.ledger.hold(latest)
    walk.go_on(frame)
    if latest is not None and latest.retry_at is not None and latest.retry_at > walk.clock.now():
        raise Waits(latest.retry_at, latest.failure, address)
    attempt, decision, accepted = _attempt(walk, step, address, frame)
    walk.runner.tried(attempt)
    output = _settle(attempt, decision, frame)
    if accepted is not None:
        frame.ledger.flush()  # what was done is on disk before anything else can fail
        walk.runner.mended(accepted)
    return output


def _settle(attempt: AttemptRecord, decision: Decision, frame: Frame) -> Json:
    """Note what came of an attempt; it is stored with the next write, which comes soon."""
    if decision.verdict is Verdict.PAUSE and not frame.handling:
        frame.ledger.end(attempt)
        raise Failed(attempt)
    frame.ledger.hold(attempt)
    if decision.verdict is Verdict.RETRY:
        reason = f"{attempt.address} ({attempt.use}): {decision.reason}"
        raise Waits(decision.at or frame.ledger.clock.now(), reason, attempt.address)
    return attempt.output


def _lost(walk: Course, attempt: AttemptRecord, step: ActionStep, frame: Frame) -> Decision:
    """An attempt whose end was never stored: the process ended in it. Its action says whether to do it again."""
    try:
        idempotency = step.idempotency or walk.runner.action(step.use).spec.idempotency
    except UsageError:
        idempotency = "none"
    failure = unanswered(attempt, frame.ledger.moment(), ask=_asks(step, idempotency, frame))
    retry = step.retry if idempotency != "none" else None
    attempt.series = frame.ledger.progress.series  # it is decided now, also where a person resumed the run before
    tries = frame.ledger.progress.tries(attempt.address)
    now = walk.clock.now()
    decision = decide(failure, retry, tries, idempotency, now, continue_on_error=step.continue_on_error)
    attempt.retry_at = now if decision.verdict is Verdict.RETRY else None
    return decision


def _attempt(walk: Course, step: ActionStep, address: str, frame: Frame) -> tuple[AttemptRecord, Decision, str | None]:
    """One try of a step: the attempt with its end in it, not noted yet; what is to happen; and the connection that
    answered as a trial, or None.
    """
    _, tries = frame.ledger.progress.next(address)
    attempt = frame.ledger.row(address, step.use)
    failure: Failure | None = None
    accepted: str | None = None
    idempotency: Idempotency = "none"
    try:
        scope = frame.scope(address)
        if step.when is not None and not condition(step.when, scope):
            attempt.state, attempt.finished_at = AttemptState.SKIPPED, attempt.started_at
            return attempt, Decision(Verdict.SUCCEED), None
        idempotency = step.idempotency or walk.runner.action(step.use).spec.idempotency
        output, accepted = _perform(walk, step, attempt, frame, scope)
        attempt.output, attempt.evidence = kept(output), None
    except (StateError, Held):
        raise
    except Exception as error:
        if isinstance(error, CredentialError) and not (step.continue_on_error or frame.handling):
            raise _refused(walk, attempt, frame, error) from error
        failure = failure_of(error)
        attempt.error, attempt.error_class = mask(failure.message), failure.kind
        attempt.state = AttemptState.FAILED
        attempt.evidence = came_of(attempt, failure, error, ask=_asks(step, idempotency, frame))
    attempt.finished_at, now = frame.ledger.moment(), walk.clock.now()
    attempt.state = AttemptState.SUCCEEDED if failure is None else AttemptState.FAILED
    decision = decide(failure, step.retry, tries, idempotency, now, continue_on_error=step.continue_on_error)
    attempt.retry_at = decision.at
    return attempt, decision, accepted


def _asks(step: ActionStep, idempotency: Idempotency, frame: Frame) -> bool:
    """Whether the run waits for a person where nobody knows if the step was done."""
    return idempotency == "none" and not (step.continue_on_error or frame.handling)


def _refused(walk: Course, attempt: AttemptRecord, frame: Frame, error: CredentialError) -> Held:
    """The step's connection is refused: that is not the step's fault, so the attempt does not count."""
    attempt.state, attempt.error, attempt.error_class = AttemptState.FAILED, mask(str(error)), str(error.failure)
    attempt.finished_at = attempt.retry_at = walk.clock.now()
    attempt.evidence = came_of(attempt, failure_of(error), error)
    frame.ledger.hold(attempt)
    frame.ledger.flush()  # else a kill after the pause was stored would make the outcome of this attempt unknown
    return Held(attempt, walk.runner.refused(error, attempt.run_id))


def _on_trial(walk: Course, step: ActionStep, attempt: AttemptRecord, frame: Frame, connection: str) -> bool:
    """Whether the connection is paused and this run is let through to see if it is mended.

    Raises Held where it is paused for the run, too, or UsageError where the run goes on without the step.
    """
    pause = walk.runner.pause_of(PauseKind.CONNECTION, connection)
    if pause is None or pause.trial == attempt.run_id:
        return pause is not None
    if frame.handling or (step.continue_on_error and pause.cause is not PauseCause.PERSON):
        raise UsageError(f"connection {connection!r} is paused: {pause.reason}")
    raise Held(attempt, pause)


def _perform(
    walk: Course, step: ActionStep, attempt: AttemptRecord, frame: Frame, scope: Mapping[str, Any]
) -> tuple[Json, str | None]:
    """Do the action: its output, and the connection that answered as a trial, or None."""
    allowed = walk.time_left(walk.runner.timeout(step), frame)
    key = step_key(attempt.run_id, attempt.address, frame.failed)
    earlier = [one for one in frame.ledger.progress.all(attempt.address) if one.attempt != attempt.attempt]
    action, values, context = walk.runner.prepare(
        step,
        key,
        scope,
        frame.connection,
        allowed,
        origin=frame.origin(attempt.address),
        look_first=must_look(earlier),
    )
    connection = None if context.client is None else context.client.name
    trial = connection is not None and _on_trial(walk, step, attempt, frame, connection)
    attempt.evidence = given(values)
    idempotency = step.idempotency or action.spec.idempotency
    if idempotency != "pure":  # else nobody can tell whether it was done before or after a crash
        frame.ledger.start(attempt)
    elif context.client is not None:
        frame.ledger.flush()  # an answer may take long, and what was done before is to be on disk by then
    with walk.runner.under_way(attempt, frame.origin(attempt.address).workflow, allowed):
        output = perform(action, values, context)
    return output, connection if trial else None
