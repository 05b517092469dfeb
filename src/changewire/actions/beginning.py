"""What a workflow says about its runs at the same time, put down in each run when it is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from changewire.actions.scope import build_scope
from changewire.errors import ChangewireError
from changewire.secret import mask
from changewire.state.records import EventRecord, Lane, RunRecord, RunState
from changewire.templates import render, text_of

if TYPE_CHECKING:
    from changewire.config.workflows import Workflow


def in_lane(run: RunRecord, event: EventRecord, workflow: Workflow, connection: str | None) -> RunRecord:
    """A run that is about to be stored, with its lane and its value of ``order_by``.

    Where ``order_by`` cannot be worked out the run is paused, with the reason; resumed, it keeps no order.
    """
    if workflow.mode == "parallel" and workflow.max is None and workflow.order_by is None:
        return run
    run = replace(run, lane=Lane(workflow.mode), lane_max=workflow.max)
    if workflow.order_by is None:
        return run
    try:
        value = text_of(render(workflow.order_by, build_scope(run, event, connection=connection)))
    except (ChangewireError, ValueError) as error:
        reason = f"order_by: bad_input: {error} (resumed, it runs without an order)"
        return replace(run, state=RunState.PAUSED, reason=reason)
    return replace(run, order_value=mask(value))
