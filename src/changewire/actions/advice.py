"""What is allowed in a step but should be known: said by `validate`, and no reason to refuse the workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType


class _Retry(Protocol):
    @property
    def attempts(self) -> int: ...


class _Step(Protocol):
    @property
    def retry(self) -> _Retry | None: ...


def step_warnings(step: _Step, action: ActionType) -> list[str]:
    """One sentence for each thing to know about a step that uses ``action``."""
    if action.spec.idempotency == "none" and step.retry is not None and step.retry.attempts > 1:
        return [
            f"{action.name} cannot tell a repetition (idempotency: none), so with 'retry' it may be done twice when an "
            "answer is lost: leave 'retry' out, or make sure that twice does no harm"
        ]
    return []
