"""Steps that decide. What they decided is a row, so that the run goes the same way whenever it is taken up again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from changewire.actions.calling import LARGEST_OUTPUT
from changewire.actions.flow.acting import kept
from changewire.actions.flow.endings import Failed, Stopped, Waits
from changewire.clock import from_text, to_text
from changewire.config.steps import Wait, WaitUntil
from changewire.durations import parse_duration
from changewire.errors import ChangewireError, ConfigError, FailureClass, StateError, UsageError, described
from changewire.secret import mask
from changewire.state.records import AttemptRecord, AttemptState, RunState
from changewire.templates import condition, render, text_of
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from changewire.actions.flow.course import Course
    from changewire.actions.flow.frame import Frame
    from changewire.config.steps import Call, Choose, Common, If, SetNames, Stop

MOST_CALLS = 20  # workflows inside each other

_FORESEEN = (ChangewireError, ValueError, ArithmeticError, OSError, TypeError)  # their words are about the values
WorkOut = Callable[[dict[str, Any]], Json]


def decided(
    walk: Course,
    step: Common,
    address: str,
    frame: Frame,
    work_out: WorkOut,
    ends_at: Callable[[], datetime | None] = lambda: None,
) -> AttemptRecord | None:
    """The decision of a step: what is stored, else what ``work_out`` makes of its scope now. Raises Ended.

    The row is ``running`` until somebody closes it. None: the step is passed over, since its ``when`` says no.
    ``ends_at`` is asked after ``work_out`` for the moment that is stored with it.
    """
    return decision(walk, (step.kind, step.when), address, frame, work_out, ends_at)


def decision(
    walk: Course,
    what: tuple[str, str | None],
    address: str,
    frame: Frame,
    work_out: WorkOut,
    ends_at: Callable[[], datetime | None] = lambda: None,
) -> AttemptRecord | None:
    """`decided` for anything: ``what`` is the kind that the row shows, and a ``when`` or None."""
    latest = frame.latest(address)
    if latest is not None and latest.state is not AttemptState.FAILED:
        return None if latest.state is AttemptState.SKIPPED else latest
    if latest is not None and (frame.handling or frame.ledger.progress.stands(latest)):
        return _passed_over(latest, frame)
    walk.go_on(frame)
    kind, when = what
    row = frame.ledger.row(address, kind)
    try:
        scope = frame.scope(address)
        if when is not None and not condition(when, scope):
            row.state, row.finished_at = AttemptState.SKIPPED, row.started_at
        else:
            row.output = _sized(kind, kept(work_out(scope)))
            row.retry_at = ends_at()
    except StateError:
        raise
    except Exception as error:  # whatever it is: else the run would begin again and meet it again
        row.state, row.finished_at = AttemptState.FAILED, frame.ledger.moment()
        words = str(error) if isinstance(error, _FORESEEN) else described(error)
        row.error, row.error_class = mask(words), str(FailureClass.BAD_INPUT)
    if row.state is AttemptState.FAILED:
        _note_failure(row, frame)
        return _passed_over(row, frame)
    frame.ledger.hold(row)
    return None if row.state is AttemptState.SKIPPED else row


def _note_failure(row: AttemptRecord, frame: Frame) -> None:
    if frame.handling:
        frame.ledger.hold(row)
    else:
        frame.ledger.end(row)


def _passed_over(row: AttemptRecord, frame: Frame) -> AttemptRecord | None:
    """A step that cannot be decided ends the walk, but in ``on_failure`` it is passed over."""
    if not frame.handling:
        raise Failed(row)
    return None


def _sized(kind: str, output: Json) -> Json:
    size = len(dumps(output))
    if size > LARGEST_OUTPUT:
        raise UsageError(f"{kind} gave {size} bytes, more than the {LARGEST_OUTPUT} that are kept of a step")
    return output


def branch(walk: Course, step: If, address: str, frame: Frame) -> Json:
    """`if`: its output is the way it went."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        return {"branch": "then" if condition(step.condition, scope) else "else"}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    name = row.output["branch"]
    walk.block(step.then if name == "then" else step.otherwise, f"{address}/{name}", frame)
    frame.ledger.close(row)
    return row.output


def choose(walk: Course, step: Choose, address: str, frame: Frame) -> Json:
    """`choose`: its output is the number of the first choice that held, or "else"."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        holding = (number for number, choice in enumerate(step.choices) if condition(choice.when, scope))
        return {"branch": next(holding, "else")}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    number = row.output["branch"]
    if number == "else":
        walk.block(step.otherwise, f"{address}/else", frame)
    else:
        walk.block(step.choices[number].do, f"{address}/choose/{number}/do", frame)
    frame.ledger.close(row)
    return row.output


def wait(walk: Course, step: Wait | WaitUntil, address: str, frame: Frame) -> Json:
    """`wait` and `wait_until`: a due time, worked out once, and shown by the wall clock.

    A `wait` ends when its time has elapsed, a `wait_until` when the wall clock shows its moment.
    """
    ends_at: datetime | None = None

    def work_out(scope: Mapping[str, Any]) -> Json:
        nonlocal ends_at
        if isinstance(step, WaitUntil):
            return {"until": to_text(_moment(step, scope))}
        ends_at, offset = walk.clock.now() + parse_duration(render(step.duration, scope)), walk.clock.offset()
        return {"until": to_text(ends_at + offset)}

    row = decided(walk, step, address, frame, work_out, lambda: ends_at)
    if row is None:
        return None
    if row.state is AttemptState.RUNNING:
        walk.go_on(frame)
        _wait(walk, step, address, row)
        frame.ledger.close(row)
    return row.output


def _wait(walk: Course, step: Wait | WaitUntil, address: str, row: AttemptRecord) -> None:
    """Raises Waits unless the time is over. An older `wait` has no moment of its own beside the one that it shows."""
    until = from_text(row.output["until"])
    moment = None if isinstance(step, Wait) else until
    ends = Waits(row.retry_at or until, f"{address} ({step.kind}): until {row.output['until']}", address, moment)
    if walk.clock.now() < ends.due(walk.clock):
        raise ends


def _moment(step: WaitUntil, scope: Mapping[str, Any]) -> datetime:
    value = render(step.moment, scope)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC)
    try:
        return from_text(value)
    except (TypeError, ValueError):
        message = f"wait_until: {value!r} is not a moment: 2026-12-24T18:00:00Z, a date or seconds since 1970 are"
        raise UsageError(message) from None


def set_names(walk: Course, step: SetNames, address: str, frame: Frame) -> Json:
    """`set`: values by name, each worked out with those above it in scope."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        values: dict[str, Json] = {}
        for name, written in step.values.items():
            values[name] = render(written, {**scope, **values}, (name,))
        return {"values": values}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    frame.variables.update(row.output["values"])
    frame.ledger.close(row)
    return row.output


def stop(walk: Course, step: Stop, address: str, frame: Frame) -> Json:
    """`stop`: raises Stopped unless it is passed over."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        return {"reason": text_of(render(step.end.reason, scope)), "state": step.end.state}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    if row.output["state"] == RunState.FAILED and not frame.handling:
        frame.ledger.ends_at(address)
    frame.ledger.close(row)
    raise Stopped(row)


def call(walk: Course, step: Call, address: str, frame: Frame) -> Json:
    """`call`: the steps of another workflow, in the version that it had when they were first reached."""

    def work_out(scope: Mapping[str, Any]) -> Json:
        before = frame.latest(address)
        if before is not None and before.output:
            return before.output
        _refuse_recursion(step.workflow, frame)
        version = walk.runner.pin(step.workflow)
        return {"version": version, "payload": render(step.parameters, scope, ("with",))}

    row = decided(walk, step, address, frame, work_out)
    if row is None:
        return None
    root = f"{address}/call/steps"
    inner = frame.calling(step.workflow, root, row.output["payload"])
    last = None
    try:
        last = walk.block(_pinned(walk, step, row, frame), root, inner)
    except Stopped as end:
        if end.state is not RunState.SUCCEEDED:
            raise
    frame.ledger.close(row)
    return {"output": last, "steps": dict(inner.outputs)}


def _refuse_recursion(name: str, frame: Frame) -> None:
    if name in frame.called:
        raise UsageError(f"call: {' → '.join([*frame.called, name])} would go on for ever")
    if len(frame.called) > MOST_CALLS:
        raise UsageError(f"call: more than {MOST_CALLS} workflows inside each other")


def _pinned(walk: Course, step: Call, row: AttemptRecord, frame: Frame) -> Any:
    """The steps of the version that a call began with."""
    try:
        return walk.runner.workflow(row.output["version"], step.workflow).steps
    except ConfigError as error:
        row.state, row.finished_at = AttemptState.FAILED, frame.ledger.moment()
        row.error = mask(f"the workflow {step.workflow!r} as it was stored cannot be used: {error}")
        row.error_class = str(FailureClass.BAD_INPUT)
        _note_failure(row, frame)
        if frame.handling:
            return ()
        raise Failed(row) from error
