"""What is allowed in a step but should be known: said by `validate`, and no reason to refuse the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType


RETIRED = "retired_operation"


class _Retry(Protocol):
    @property
    def attempts(self) -> int: ...


class _Step(Protocol):
    @property
    def retry(self) -> _Retry | None: ...

    @property
    def idempotency(self) -> str | None: ...


@dataclass(frozen=True)
class Advice:
    """One thing to know about a step."""

    at: str  # the key of the step that it is about
    code: str
    message: str


def step_warnings(step: _Step, action: ActionType) -> list[Advice]:
    """What should be known about a step that uses ``action``."""
    old = outdated(action)
    return [*_twice(step, action), *([old] if old is not None else [])]


def outdated(action: ActionType) -> Advice | None:
    """What to know about an action whose operation is deprecated, or retired and so of no use; None for any other."""
    operation = action.operation
    if operation is None or operation.status not in ("deprecated", "retired"):
        return None
    what = f"{operation.method} {operation.path}"
    successor = f"use {action.connector}.{operation.successor}" if operation.successor else None
    if operation.status == "retired":
        message = f"{what} is not there any more: {successor or 'nothing took its place'}"
    else:
        message = f"{what} is deprecated and may go away: {successor or 'look for another way'}"
    return Advice("use", f"{operation.status}_operation", message)


def _twice(step: _Step, action: ActionType) -> list[Advice]:
    if (step.idempotency or action.spec.idempotency) == "none" and step.retry is not None and step.retry.attempts > 1:
        message = (
            f"{action.name} cannot tell a repetition (idempotency: none), so with 'retry' it may be done twice when an "
            "answer is lost: leave 'retry' out, or make sure that twice does no harm"
        )
        return [Advice("retry", "may_happen_twice", message)]
    return []
