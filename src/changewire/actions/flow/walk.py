"""One run on its way. Every step is stored before the next begins, so a run may end anywhere and still go on.

Going on is the ordinary way: the walk begins at the top each time, passes over what is finished with the outputs
that are stored, and does what comes first after that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from changewire.actions.flow import control, loops
from changewire.actions.flow.acting import act
from changewire.actions.flow.endings import Failed, Held, Interrupted, Stopped, Waits
from changewire.actions.flow.frame import Frame
from changewire.actions.flow.ledger import Ledger
from changewire.actions.flow.progress import Progress, is_over
from changewire.actions.flow.scope import build_scope, explain_when
from changewire.clock import from_text, to_text
from changewire.config.steps import ActionStep, Call, Choose, ForEach, If, Repeat, SetNames, Stop, Wait, WaitUntil
from changewire.durations import format_duration
from changewire.errors import ChangewireError, StateError
from changewire.state.records import (
    AttemptRecord,
    AttemptState,
    EventRecord,
    PauseKind,
    PauseRecord,
    RunRecord,
    RunState,
)
from changewire.state.views import next_step
from changewire.templates import condition
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.flow.course import Supplies
    from changewire.config.steps import Step
    from changewire.config.workflows import Workflow

TIMEOUT = "timeout"  # address and class of what becomes of a run that takes too long

_WAYS: Mapping[type, Callable[..., Json]] = {
    ActionStep: act,
    If: control.branch,
    Choose: control.choose,
    ForEach: loops.for_each,
    Repeat: loops.repeat,
    Wait: control.wait,
    WaitUntil: control.wait,
    SetNames: control.set_names,
    Stop: control.stop,
    Call: control.call,
}

INSIDE = "core."  # how types begin whose events are raised inside; they come also while a trigger is paused


class Walk:
    """One run on its way."""

    def __init__(
        self,
        runner: Supplies,
        run: RunRecord,
        event: EventRecord,
        progress: Progress,
        workflow: Workflow,
        claim: int,
        events: Sequence[EventRecord] = (),
    ) -> None:
        self.runner, self.clock = runner, runner.clock
        self._workflow = workflow
        self._stopping: Callable[[], bool] = lambda: False
        self._ledger = Ledger(runner.store, runner.clock, run.id, claim, progress)
        usual = runner.usual_connection(workflow, event)
        self._top = Frame(run, event, usual, self._ledger, event.payload, called=(run.workflow,), events=tuple(events))
        self._late = threading.Lock()
        self.advice: str | None = None  # the next step of the person whom the run waits for; None: it does not
        self._deadline = self._find_deadline()

    # the whole

    def go(self, stopping: Callable[[], bool]) -> RunState:
        """Carry the run on; the state it was left in. Raises FencedError where the claim no longer stood."""
        self._stopping = stopping
        pause = self.runner.pause_of(PauseKind.WORKFLOW, self._top.run.workflow) or self._trigger_pause()
        if pause is not None:
            return self._hold(pause, f"the {pause.kind} is paused: {pause.reason}")
        try:
            return self._go()
        except StateError:
            raise
        except Exception:  # a fault in the engine itself: what was done stays done
            self._ledger.flush()
            raise

    def _trigger_pause(self) -> PauseRecord | None:
        """The pause of the trigger whose event came after it, as it does from what is raised inside: it is kept."""
        event = self._top.event
        if self._ledger.progress.begun or not event.type.startswith(INSIDE):
            return None
        pause = self.runner.pause_of(PauseKind.TRIGGER, event.trigger)
        return pause if pause is not None and event.detected_at >= pause.since else None

    def _go(self) -> RunState:
        left = self._filter()
        if left is not None:
            return left
        try:
            self.block(self._workflow.steps, "steps", self._top)
        except Waits as end:
            until = end.until if self._deadline is None else min(end.until, self._deadline)
            return self._ledger.leave(RunState.WAITING, end.reason, until)
        except Interrupted:
            return self._ledger.leave(RunState.PENDING, None, self.clock.now())
        except Held as end:
            return self._hold(end.pause, end.reason)
        except Failed as end:
            return self._handle(end.attempt, end.reason, RunState.PAUSED)
        except Stopped as end:
            return self._stop(end)
        return self._ledger.leave(RunState.SUCCEEDED)

    def _hold(self, pause: PauseRecord, reason: str) -> RunState:
        """Leave the run until a pause ends. The time until then is none of the run's own."""
        if self._deadline is not None:
            row = self._ledger.row(TIMEOUT, TIMEOUT)
            row.output = {"left_s": max(0.0, (self._deadline - self.clock.now()).total_seconds())}
            self._ledger.close(row)
        return self._ledger.leave(RunState.PAUSED, reason, held_by=pause.held_by)

    def _filter(self) -> RunState | None:
        when = self._workflow.when
        if when is None or self._ledger.progress.begun or self._top.events:  # a batch has only those that it let in
            return None
        scope = build_scope(self._top.run, self._top.event, connection=self._top.connection)
        try:
            if condition(when, scope):
                return None
        except ChangewireError as error:
            return self._ledger.leave(RunState.PAUSED, f"when: bad_input: {error}")
        return self._ledger.leave(RunState.FILTERED, explain_when(when, scope))

    def _stop(self, end: Stopped) -> RunState:
        """A run that a step ended. One that it let fail is told to ``on_failure`` like any other failure."""
        if end.state is not RunState.FAILED:
            return self._ledger.leave(end.state, end.reason)
        failed = end.decision
        told = AttemptRecord(failed.run_id, failed.address, failed.attempt, failed.use, AttemptState.FAILED)
        told.error, told.error_class, told.finished_at = end.reason, "stopped", failed.finished_at
        return self._handle(told, end.reason, RunState.FAILED)

    # failures

    def _handle(self, failed: AttemptRecord, reason: str, state: RunState) -> RunState:
        """Run the steps of on_failure; after the last the run is left in ``state``."""
        try:
            self.block(self._workflow.on_failure, "on_failure", self._top.after(failed))
        except Waits as end:
            return self._ledger.leave(RunState.WAITING, reason, end.until)
        except Interrupted:
            return self._ledger.leave(RunState.PENDING, reason, self.clock.now())
        except Stopped as end:
            return self._ledger.leave(end.state, end.reason)
        if state is RunState.PAUSED:
            todo = next_step(failed)
            self.advice = reason + (f"\nnext: {todo}" if todo else "")
        return self._ledger.leave(state, reason)

    def stands(self, failed: AttemptRecord) -> bool:
        """Whether a failure still has to be handled. If it has been, a person resumed the run."""
        frame = self._top.after(failed)
        latest = (frame.latest(f"on_failure/{number}") for number in range(len(self._workflow.on_failure)))
        return any(attempt is None or not is_over(attempt, True) for attempt in latest)

    # time

    def _find_deadline(self) -> datetime | None:
        """When the run's time is over. One that a person resumed after that gets all of its time once more."""
        timeout, latest = self._workflow.timeout, self._ledger.progress.latest(TIMEOUT)
        if timeout is None:
            return None
        since_resumed = (self._top.run.started_at or self._top.run.created_at) + timeout
        if latest is None:
            return since_resumed
        if latest.state is not AttemptState.FAILED and "left_s" in latest.output:
            return self._grant(timedelta(seconds=latest.output["left_s"]))
        if latest.state is not AttemptState.FAILED:
            return max(from_text(latest.output["until"]), since_resumed)
        if self.stands(latest):
            return latest.finished_at
        return self._grant(timeout)

    def _grant(self, timeout: timedelta) -> datetime:
        row = self._ledger.row(TIMEOUT, TIMEOUT)
        until = self.clock.now() + timeout
        row.output = {"until": to_text(until)}
        self._ledger.close(row)
        return until

    def time_left(self, wanted: timedelta, frame: Frame) -> timedelta:
        """How long an attempt may take that may take ``wanted`` by itself."""
        if self._deadline is None or frame.handling:
            return wanted
        return max(timedelta(0), min(wanted, self._deadline - self.clock.now()))

    def go_on(self, frame: Frame) -> None:
        """Called before anything new is done. Raises Interrupted, or Failed where the run's time is over."""
        if self._stopping() or any(halt.is_set() for halt in frame.halts):
            raise Interrupted
        if self._deadline is not None and not frame.handling and self.clock.now() >= self._deadline:
            raise Failed(self._too_late())

    def _too_late(self) -> AttemptRecord:
        with self._late:  # parallel iterations find it out together
            latest = self._ledger.progress.latest(TIMEOUT)
            if latest is not None and latest.state is AttemptState.FAILED:
                return latest
            row = self._ledger.row(TIMEOUT, TIMEOUT)
            row.state, row.finished_at, row.error_class = AttemptState.FAILED, row.started_at, TIMEOUT
            assert self._workflow.timeout is not None
            row.error = f"the run took longer than the {format_duration(self._workflow.timeout)} that it has"
            self._ledger.hold(row)
            return row

    # steps

    def block(self, steps: Sequence[Step], place: str, frame: Frame) -> Json:
        """Do steps one after the other; the output of the last one, None where there is none. Raises Ended."""
        output: Any = None
        for number, step in enumerate(steps):
            output = _WAYS[type(step)](self, step, f"{place}/{number}", frame)
            frame.note(place, number, step.id, output)
        return output
