"""One run on its way. Every step is stored before the next begins, so a run may end anywhere and still go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from changewire.actions.calling import perform
from changewire.actions.progress import Progress, is_over
from changewire.actions.retry import Decision, Failure, Verdict, decide, failure_of
from changewire.actions.scope import build_scope, explain_when, outputs, step_key
from changewire.errors import ChangewireError, FencedError, StateError, UsageError
from changewire.secret import mask, mask_data
from changewire.state.records import AttemptRecord, AttemptState, EventRecord, RunRecord, RunState
from changewire.templates import condition

if TYPE_CHECKING:
    from changewire.actions.definition import Idempotency
    from changewire.actions.pipeline import Runner
    from changewire.config.workflows import Step, Workflow

_MARGIN = timedelta(minutes=1)  # a lease lasts so much longer than the attempt may


class Walk:
    """One run on its way."""

    def __init__(
        self,
        runner: Runner,
        run: RunRecord,
        event: EventRecord,
        attempts: list[AttemptRecord],
        workflow: Workflow,
        claim: int,
    ) -> None:
        self._runner, self._store, self._clock = runner, runner.store, runner.clock
        self._run, self._event, self._claim = run, event, claim
        self._progress = Progress(attempts)
        self._workflow = workflow
        self._usual = runner.usual_connection(workflow, event)

    def go(self, stopping: Callable[[], bool]) -> RunState:
        """Carry the run on; the state it was left in. Raises FencedError where the claim no longer stood."""
        left = self._filter()
        for number, step in enumerate(self._workflow.steps):
            if left is not None:
                return left
            if stopping():
                return self._leave(RunState.PENDING, due=True)
            left = self._main_step(step, f"steps/{number}", last=number == len(self._workflow.steps) - 1)
        return left or self._leave(RunState.SUCCEEDED)

    def _leave(self, state: RunState, reason: str | None = None, *, due: bool = False) -> RunState:
        """End the claim outside any step."""
        self._runner.leave(self._run.id, self._claim, state, reason, due=due)
        return state

    def _filter(self) -> RunState | None:
        when = self._workflow.when
        if when is None or self._progress.begun:
            return None
        scope = self._scope()
        try:
            if condition(when, scope):
                return None
        except ChangewireError as error:
            return self._leave(RunState.PAUSED, f"when: bad_input: {error}")
        return self._leave(RunState.FILTERED, explain_when(when, scope))

    def _main_step(self, step: Step, address: str, *, last: bool) -> RunState | None:
        """Work on one step. None: it is over and the run goes on; else the state the run was left in."""
        latest = self._progress.latest(address)
        if latest is not None:
            if is_over(latest, step.continue_on_error):
                return None
            if latest.state is AttemptState.RUNNING:
                decision = self._lost(latest, step, address)
                if decision.verdict is not Verdict.RETRY:
                    return self._settle(latest, decision, last=last)
                self._commit(latest, RunState.RUNNING)
            elif latest.retry_at is None and self._handlers_left(latest):
                return self._handle(latest)
        attempt, decision = self._attempt(step, address, self._scope(address))
        return self._settle(attempt, decision, last=last)

    def _settle(self, attempt: AttemptRecord, decision: Decision, *, last: bool) -> RunState | None:
        """Store what came of a step of the workflow."""
        if decision.verdict is Verdict.RETRY:
            return self._commit(attempt, RunState.WAITING, self._reason(attempt, decision), decision)
        if decision.verdict is not Verdict.PAUSE:
            return self._commit(attempt, RunState.SUCCEEDED if last else RunState.RUNNING)
        reason = self._reason(attempt, decision)
        if not self._workflow.on_failure:
            return self._commit(attempt, RunState.PAUSED, reason)
        self._commit(attempt, RunState.RUNNING, reason)
        return self._handle(attempt)

    def _lost(self, attempt: AttemptRecord, step: Step, address: str) -> Decision:
        """An attempt whose end was never stored: the process ended in it. Its action says whether to do it again."""
        try:
            idempotency = self._runner.action(step.use).spec.idempotency
        except UsageError:
            idempotency = "none"
        message = "the process ended before an answer was stored; it may have been done"
        failure = Failure(message, "unknown")
        retry = step.retry if idempotency != "none" else None
        tries = self._progress.tries(address)
        now = self._clock.now()
        decision = decide(failure, retry, tries, idempotency, now, continue_on_error=step.continue_on_error)
        attempt.state, attempt.error, attempt.error_class = AttemptState.UNKNOWN, message, failure.kind
        attempt.finished_at = now
        attempt.retry_at = now if decision.verdict is Verdict.RETRY else None
        return decision

    def _handlers_left(self, failed: AttemptRecord) -> bool:
        """Whether on_failure has not come to its end for this failure. If it has, a person resumed the run."""
        count = len(self._workflow.on_failure)
        return any(not self._handled(f"on_failure/{n}", failed) for n in range(count))

    def _handled(self, address: str, failed: AttemptRecord) -> bool:
        latest = self._progress.latest(address)
        if latest is None or latest.started_at is None or failed.finished_at is None:
            return False
        return latest.started_at >= failed.finished_at and is_over(latest, True)

    def _handle(self, failed: AttemptRecord) -> RunState:
        """Run the steps of on_failure; after the last the run is paused. They cannot hold each other up."""
        reason = f"{failed.address} ({failed.use}): {failed.error_class}: {failed.error}"
        for number, step in enumerate(self._workflow.on_failure):
            address = f"on_failure/{number}"
            if self._handled(address, failed):
                continue
            latest = self._progress.latest(address)
            if latest is not None and latest.state is AttemptState.RUNNING:
                attempt, decision = latest, self._lost(latest, step, address)
                if decision.verdict is Verdict.RETRY:
                    self._commit(attempt, RunState.RUNNING, reason)
                    attempt, decision = self._attempt(step, address, self._scope(address, failed))
            else:
                attempt, decision = self._attempt(step, address, self._scope(address, failed))
            if decision.verdict is Verdict.RETRY:
                self._commit(attempt, RunState.WAITING, reason, decision)
                return RunState.WAITING
            last = number == len(self._workflow.on_failure) - 1
            self._commit(attempt, RunState.PAUSED if last else RunState.RUNNING, reason)
        return RunState.PAUSED

    def _attempt(self, step: Step, address: str, scope: Mapping[str, Any]) -> tuple[AttemptRecord, Decision]:
        """One try of a step: the attempt with its end in it, not stored yet, and what is to happen."""
        number, tries = self._progress.next(address)
        begun = self._clock.now()
        attempt = AttemptRecord(self._run.id, address, number, step.use, AttemptState.RUNNING, started_at=begun)
        failure: Failure | None = None
        idempotency: Idempotency = "none"
        try:
            if step.when is not None and not condition(step.when, scope):
                attempt.state, attempt.finished_at = AttemptState.SKIPPED, begun
                return attempt, Decision(Verdict.SUCCEED)
            key = step_key(self._run.id, address)
            action, values, context = self._runner.prepare(step, key, scope, self._usual)
            idempotency = action.spec.idempotency
            self._start(attempt, begun + self._runner.timeout(step) + _MARGIN)
            attempt.output = mask_data(perform(action, values, context))
        except StateError:
            raise
        except Exception as error:
            failure = failure_of(error)
            attempt.error, attempt.error_class = mask(failure.message), failure.kind
        attempt.finished_at = self._clock.now()
        attempt.state = AttemptState.SUCCEEDED if failure is None else AttemptState.FAILED
        decision = decide(
            failure,
            step.retry,
            tries,
            idempotency,
            attempt.finished_at,
            continue_on_error=step.continue_on_error,
        )
        attempt.retry_at = decision.at
        return attempt, decision

    def _start(self, attempt: AttemptRecord, lease_until: datetime) -> None:
        if not self._store.start_attempt(self._claim, attempt, lease_until=lease_until):
            raise FencedError

    def _commit(
        self,
        attempt: AttemptRecord,
        state: RunState,
        reason: str | None = None,
        decision: Decision | None = None,
    ) -> RunState | None:
        """Store an attempt's end and where the run stands. None where the run goes on."""
        kept = self._store.commit_step(
            self._claim,
            attempt,
            state=state,
            reason=mask(reason) if reason else None,
            due_at=decision.at if decision is not None else None,
            finished_at=self._clock.now() if state.finished else None,
        )
        if not kept:
            raise FencedError
        self._progress.add(attempt)
        return None if state is RunState.RUNNING else state

    def _reason(self, attempt: AttemptRecord, decision: Decision) -> str:
        return f"{attempt.address} ({attempt.use}): {decision.reason}"

    def _scope(self, address: str | None = None, failed: AttemptRecord | None = None) -> dict[str, Any]:
        failure: dict[str, Any] | None = None
        if failed is not None:
            failure = {"message": failed.error, "class": failed.error_class, "step": failed.address}
            failure |= {"use": failed.use, "attempt": failed.attempt}
        return build_scope(
            self._run,
            self._event,
            connection=self._usual,
            steps=outputs(self._workflow.steps, self._progress.latest),
            address=address,
            failure=failure,
        )
