"""What a workflow says about its runs at the same time, put down in each run when it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from changewire.actions.flow.scope import build_scope, explain_when
from changewire.clock import to_text
from changewire.errors import described
from changewire.secret import mask
from changewire.state.records import EventRecord, Lane, RunRecord, RunState
from changewire.templates import condition, render, text_of

if TYPE_CHECKING:
    from changewire.config.workflows import Workflow


def in_lane(run: RunRecord, event: EventRecord, workflow: Workflow, connection: str | None) -> RunRecord:
    """A run that is about to be stored, with its lane and its value of ``order_by``.

    Where ``order_by`` cannot be worked out the run is paused, with the reason; resumed, it keeps no order. With
    ``batch``, ``when`` is asked here, before the event joins others: the run may come back filtered, or paused.
    """
    if workflow.batch is None:
        return _ordered(run, event, workflow, connection)
    stopped = _filtered(run, event, workflow, connection)
    run = _ordered(run, event, workflow, connection) if stopped is None else stopped
    if run.state is not RunState.PENDING:
        return run
    every = workflow.batch.every
    reason = f"gathers events until {to_text(run.created_at + every)}, at most {workflow.batch.max}"
    until = (run.due_at or run.created_at) + every
    return replace(run, batch_max=workflow.batch.max, gathers_until=until, reason=reason)


def _filtered(run: RunRecord, event: EventRecord, workflow: Workflow, connection: str | None) -> RunRecord | None:
    """The run of an event that does not join a batch; None: it does."""
    if workflow.when is None:
        return None
    try:
        scope = build_scope(run, event, connection=connection)
        if condition(workflow.when, scope):
            return None
        reason = explain_when(workflow.when, scope)
    except Exception as error:  # whatever it is, it must not hold up the runs of other events
        return replace(run, state=RunState.PAUSED, due_at=None, reason=f"when: bad_input: {described(error)}")
    return replace(run, state=RunState.FILTERED, due_at=None, reason=reason, finished_at=run.created_at)


def _ordered(run: RunRecord, event: EventRecord, workflow: Workflow, connection: str | None) -> RunRecord:
    if workflow.mode == "parallel" and workflow.max is None and workflow.order_by is None:
        return run
    run = replace(run, lane=Lane(workflow.mode), lane_max=workflow.max)
    if workflow.order_by is None:
        return run
    try:
        value = text_of(render(workflow.order_by, build_scope(run, event, connection=connection)))
        value.encode()  # raises ValueError for half characters, which the database does not take
    except Exception as error:
        words = str(error) if isinstance(error, ValueError) else described(error)
        reason = f"order_by: bad_input: {words} (resumed, it runs without an order)"
        return replace(run, state=RunState.PAUSED, due_at=None, reason=reason)
    return replace(run, order_value=mask(value))
