"""What is allowed in a step but should be known: said by `validate`, and no reason to refuse the workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType


class _Retry(Protocol):
    @property
    def attempts(self) -> int: ...


class _Step(Protocol):
    @property
    def retry(self) -> _Retry | None: ...


@dataclass(frozen=True)
class Advice:
    """One thing to know about a step."""

    at: str  # the key of the step that it is about
    code: str
    message: str


def step_warnings(step: _Step, action: ActionType) -> list[Advice]:
    """What should be known about a step that uses ``action``."""
    return [*_twice(step, action), *_deprecated(action)]


def _deprecated(action: ActionType) -> list[Advice]:
    operation = action.operation
    if operation is None or operation.status != "deprecated":
        return []
    instead = f"use {action.connector}.{operation.successor}" if operation.successor else "look for another way"
    message = f"{operation.method} {operation.path} is deprecated and may go away: {instead}"
    return [Advice("use", "deprecated_operation", message)]


def _twice(step: _Step, action: ActionType) -> list[Advice]:
    if action.spec.idempotency == "none" and step.retry is not None and step.retry.attempts > 1:
        message = (
            f"{action.name} cannot tell a repetition (idempotency: none), so with 'retry' it may be done twice when an "
            "answer is lost: leave 'retry' out, or make sure that twice does no harm"
        )
        return [Advice("retry", "may_happen_twice", message)]
    return []
