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
from changewire.actions.flow.endings import Ended, Failed, Held, Interrupted, Stopped, Waits
from changewire.actions.flow.frame import Frame
from changewire.actions.flow.ledger import Ledger
from changewire.actions.flow.progress import Progress
from changewire.actions.flow.scope import build_scope, explain_when
from changewire.config.steps import ActionStep, Call, Choose, ForEach, If, Repeat, SetNames, Stop, Wait, WaitUntil
from changewire.durations import format_duration
from changewire.errors import StateError, described
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
from changewire.values import Json, one_line

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
        self._ended_by = self._find_ending()

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
        end = self._walk()
        if self._ended_by is not None:  # stored before; the walk only found again what on_failure sees
            return self._handle(*self._ended_by)
        match end:
            case None:
                return self._ledger.leave(RunState.SUCCEEDED)
            case Waits():
                due = end.due(self.clock)
                until = due if self._deadline is None else min(due, self._deadline)
                return self._ledger.leave(RunState.WAITING, end.reason, until, waits_for=end.address)
            case Held():
                return self._hold(end.pause, end.reason, end.attempt.address)
            case Failed():
                return self._handle(end.attempt, end.reason, RunState.PAUSED)
            case Stopped():
                return self._stop(end)
        return self._ledger.leave(RunState.PENDING, None, self.clock.now())

    def _walk(self) -> Ended | None:
        """Do what is left of the run's steps; why that ended before the last one, or None."""
        try:
            self.block(self._workflow.steps, "steps", self._top)
        except Ended as end:
            return end
        return None

    def _hold(self, pause: PauseRecord, reason: str, waits_for: str | None = None) -> RunState:
        """Leave the run until a pause ends. The time until then is none of the run's own."""
        left = None if self._deadline is None else max(0.0, (self._deadline - self.clock.now()).total_seconds())
        return self._ledger.leave(RunState.PAUSED, reason, held_by=pause.held_by, waits_for=waits_for, time_left_s=left)

    def _filter(self) -> RunState | None:
        when = self._workflow.when
        if when is None or self._ledger.progress.begun or self._top.events:  # a batch has only those that it let in
            return None
        try:
            scope = build_scope(self._top.run, self._top.event, connection=self._top.connection)
            reason = None if condition(when, scope) else explain_when(when, scope)
        except Exception as error:  # whatever it is: else the run would begin again and meet it again
            return self._ledger.leave(RunState.PAUSED, f"when: bad_input: {described(error)}")
        return None if reason is None else self._ledger.leave(RunState.FILTERED, reason)

    def _stop(self, end: Stopped) -> RunState:
        """Leave a run that a step ended. ``on_failure`` handles a failed one like any other failure."""
        if end.state is not RunState.FAILED:
            return self._ledger.leave(end.state, end.reason)
        return self._handle(*_stop_failure(end))

    # failures

    def _find_ending(self) -> tuple[AttemptRecord, str, RunState] | None:
        """The failure that ends the run, from the store: what `_handle` takes. None: nothing ends it yet."""
        address = self._top.run.ending_step
        row = None if address is None else self._ledger.progress.latest(address)
        if row is None:
            return None
        if row.use == "stop" and row.state is AttemptState.SUCCEEDED:
            return _stop_failure(Stopped(row))
        return row, row.failure, RunState.PAUSED

    def _handle(self, failed: AttemptRecord, reason: str, state: RunState) -> RunState:
        """Run the steps of on_failure; after the last the run is left in ``state``."""
        self._ledger.ends_at(failed.address)
        try:
            self.block(self._workflow.on_failure, "on_failure", self._top.after(failed))
        except Waits as end:
            return self._ledger.leave(RunState.WAITING, reason, end.due(self.clock), waits_for=end.address)
        except Interrupted:
            return self._ledger.leave(RunState.PENDING, reason, self.clock.now())
        except Stopped as end:
            return self._ledger.leave(end.state, end.reason)
        if state is RunState.PAUSED:
            todo = next_step(failed)
            self.advice = one_line(reason) + (f"\nnext: {todo}" if todo else "")
            return self._ledger.leave(state, reason, waits_for=failed.address)
        return self._ledger.leave(state, reason)

    # time

    def _find_deadline(self) -> datetime | None:
        """When the run's time is over; None: it has no timeout. It counts from what the store says, so that a process
        that ends in between grants nothing.
        """
        timeout, run = self._workflow.timeout, self._top.run
        if timeout is None:
            return None
        left = timeout if run.time_left_s is None else timedelta(seconds=run.time_left_s)
        return (run.started_at or self.clock.now()) + left

    def time_left(self, wanted: timedelta, frame: Frame) -> timedelta:
        """How long an attempt may take that may take ``wanted`` by itself."""
        if self._deadline is None or frame.handling:
            return wanted
        return max(timedelta(0), min(wanted, self._deadline - self.clock.now()))

    def check_halt(self, frame: Frame) -> None:
        """See `Course.check_halt`."""
        if self._stopping() or any(halt.is_set() for halt in frame.halts):
            raise Interrupted
        if self._ended_by is not None and not frame.handling:
            raise Interrupted

    def go_on(self, frame: Frame) -> None:
        """Called before anything new is done. Raises Interrupted, or Failed where the run's time is over."""
        self.check_halt(frame)
        if self._deadline is not None and not frame.handling and self.clock.now() >= self._deadline:
            raise Failed(self._too_late())

    def _too_late(self) -> AttemptRecord:
        with self._late:  # parallel iterations find it out together
            latest = self._ledger.progress.latest(TIMEOUT)
            if latest is not None and self._ledger.progress.stands(latest):
                return latest
            row = self._ledger.row(TIMEOUT, TIMEOUT)
            row.state, row.finished_at, row.error_class = AttemptState.FAILED, row.started_at, TIMEOUT
            assert self._workflow.timeout is not None
            row.error = f"the run took longer than the {format_duration(self._workflow.timeout)} that it has"
            self._ledger.end(row)
            return row

    # steps

    def block(self, steps: Sequence[Step], place: str, frame: Frame) -> Json:
        """Do steps one after the other; the output of the last one, None where there is none. Raises Ended."""
        output: Any = None
        for number, step in enumerate(steps):
            output = _WAYS[type(step)](self, step, f"{place}/{number}", frame)
            frame.note(place, number, step.id, output)
        return output


def _stop_failure(end: Stopped) -> tuple[AttemptRecord, str, RunState]:
    """The failure that a `stop` is, as ``on_failure`` sees it; its reason; and the state that the run ends in."""
    row = end.decision
    failed = AttemptRecord(row.run_id, row.address, row.attempt, row.use, AttemptState.FAILED, series=row.series)
    failed.error, failed.error_class, failed.finished_at = end.reason, "stopped", row.finished_at
    return failed, end.reason, RunState.FAILED
