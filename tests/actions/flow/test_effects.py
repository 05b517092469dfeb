from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from changewire.actions.checking.advice import step_warnings
from changewire.actions.definition import ActionSpec, ActionType
from changewire.actions.flow.effects import effect_of, must_look
from changewire.actions.flow.retry import DELAYED, Failure, Verdict, decide, failure_of
from changewire.errors import ApiError, FailureClass
from changewire.state.records import AttemptRecord, AttemptState
from tests.state.samples import NOW


def attempt(state: str, kind: str | None = None) -> AttemptRecord:
    return AttemptRecord("r1", "steps/0", 1, "x.y", AttemptState(state), error_class=kind, started_at=NOW)


UNSENT = failure_of(ApiError("m", FailureClass.TRANSIENT, sent=False))


@pytest.mark.parametrize(
    ("state", "kind", "failure", "effect", "looks"),
    [
        ("skipped", None, None, None, False),
        ("running", None, None, "intended", True),
        ("succeeded", None, None, "acknowledged", False),
        ("failed", DELAYED, None, "intended", False),
        ("failed", "rate", None, "refused", False),
        ("failed", "bad_input", None, "refused", False),
        ("failed", "scope", None, "refused", False),
        ("failed", "gone", None, "refused", False),
        ("failed", "not_yet", None, "refused", False),
        ("failed", "transient", None, "unknown", True),
        ("failed", "transient", UNSENT, "intended", True),
        ("failed", "broken", None, "sent", True),
        ("unknown", "unknown", None, "unknown", True),
    ],
)
def test_the_effect_of_an_attempt(
    state: str, kind: str | None, failure: Failure | None, effect: Any, looks: bool
) -> None:
    assert effect_of(attempt(state, kind), failure) == effect
    assert must_look([attempt("failed", "rate"), attempt(state, kind)]) is looks


def test_without_earlier_attempts_there_is_nothing_to_look_for() -> None:
    assert not must_look([])


def test_an_unknown_attempt_of_an_action_with_a_probe_is_made_again() -> None:
    assert decide(Failure("x", "unknown"), None, 1, "probe", NOW).verdict is Verdict.RETRY
    assert decide(Failure("x", "unknown"), None, 1, "none", NOW).verdict is Verdict.PAUSE


@dataclass
class Asked:
    attempts: int


@dataclass
class Step:
    retry: Asked | None
    idempotency: str | None = None


@pytest.mark.parametrize(
    ("idempotency", "retry", "count"),
    [("none", Asked(3), 1), ("none", Asked(1), 0), ("none", None, 0), ("natural", Asked(3), 0)],
)
def test_a_retry_of_what_cannot_tell_a_repetition_is_warned_of(
    idempotency: str, retry: Asked | None, count: int
) -> None:
    given = {"title": "T", "description": "D.", "code": "x", "idempotency": idempotency}
    action = ActionType("core.x", "core", ActionSpec.model_validate(given), "f")
    warnings = step_warnings(Step(retry), action)
    assert len(warnings) == count
    assert step_warnings(Step(retry, "natural"), action) == []
    assert all(one.message.startswith("core.x cannot tell a repetition (idempotency: none)") for one in warnings)
