from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.actions.flow.retry import DELAYED, Decision, Failure, Verdict, decide, failure_of
from changewire.config.steps import Retry
from changewire.errors import ApiError, DelayedError, FailureClass, UsageError
from tests.state.samples import NOW

HICCUP = Failure("no answer", "transient")


def after(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def retry(**given: Any) -> Retry:
    return Retry.model_validate(given)


@pytest.mark.parametrize(
    ("failure", "retry", "attempt", "idempotency", "expected"),
    [
        (None, None, 1, "none", (Verdict.SUCCEED, None)),
        (HICCUP, None, 1, "natural", (Verdict.RETRY, 2)),
        (HICCUP, None, 2, "header", (Verdict.RETRY, 4)),
        (HICCUP, None, 3, "natural", (Verdict.PAUSE, None)),
        (HICCUP, None, 1, "none", (Verdict.PAUSE, None)),
        (HICCUP, retry(attempts=2), 1, "none", (Verdict.RETRY, 2)),
        (Failure("x", "transient", undone=True), None, 1, "none", (Verdict.RETRY, 2)),
        (Failure("x", "gone", permanent=True), retry(attempts=9), 1, "natural", (Verdict.PAUSE, None)),
        (Failure("x", "rate", retry_at=after(600)), None, 1, "natural", (Verdict.RETRY, 600)),
        (Failure("x", "rate", retry_at=after(1)), None, 1, "natural", (Verdict.RETRY, 2)),
        (Failure("x", DELAYED, retry_at=after(9)), retry(attempts=1), 7, "none", (Verdict.RETRY, 9)),
        (HICCUP, retry(attempts=9, delay=3, backoff="linear"), 3, "natural", (Verdict.RETRY, 9)),
        (HICCUP, retry(attempts=9, delay=3, backoff="constant"), 3, "natural", (Verdict.RETRY, 3)),
        (HICCUP, retry(attempts=99, delay=3, max_delay="5m"), 80, "natural", (Verdict.RETRY, 300)),
    ],
)
def test_what_happens_after_an_attempt(
    failure: Any, retry: Any, attempt: int, idempotency: Any, expected: tuple[Verdict, float | None]
) -> None:
    decision = decide(failure, retry, attempt, idempotency, NOW)
    assert decision.verdict is expected[0]
    assert decision.at == (None if expected[1] is None else after(expected[1]))


def test_the_reason_has_class_and_message() -> None:
    assert decide(HICCUP, None, 3, "natural", NOW).reason == "transient: no answer"


def test_a_step_may_be_passed_over_when_nothing_helps() -> None:
    failed = Failure("x", "gone", permanent=True)
    assert decide(failed, None, 1, "natural", NOW, continue_on_error=True) == Decision(Verdict.FAIL, reason="gone: x")
    assert decide(HICCUP, None, 1, "natural", NOW, continue_on_error=True).verdict is Verdict.RETRY


@given(st.integers(1, 100), st.sampled_from(["exponential", "linear", "constant"]), st.integers(0, 10**7))
def test_the_next_attempt_is_never_in_the_past_nor_later_than_allowed(attempt: int, backoff: str, delay: int) -> None:
    asked = retry(attempts=100, delay=delay, backoff=backoff, max_delay="1d")
    decision = decide(HICCUP, asked, attempt, "natural", NOW)
    if attempt == 100:
        assert decision.verdict is Verdict.PAUSE
    else:
        assert decision.at is not None
        assert NOW <= decision.at <= NOW + max(timedelta(days=1), timedelta(seconds=delay))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ApiError("m", FailureClass.TRANSIENT), Failure("m", "transient")),
        (ApiError("m", FailureClass.TRANSIENT, sent=False), Failure("m", "transient", undone=True)),
        (ApiError("m", FailureClass.RATE, retry_at=NOW), Failure("m", "rate", undone=True, retry_at=NOW)),
        (ApiError("m", FailureClass.SCOPE), Failure("m", "scope", permanent=True)),
        (DelayedError("m", NOW), Failure("m", DELAYED, undone=True, retry_at=NOW)),
        (UsageError("m"), Failure("m", "bad_input", permanent=True, undone=True)),
        (OSError(28, "No space left on device", "/x"), Failure("/x: no space left on device", "transient")),
        (TimeoutError(110, "Timed out"), Failure("timed out", "transient")),
        (KeyError("k"), Failure("a fault in the code of the action (KeyError: 'k')", "broken")),
    ],
)
def test_what_an_error_means(error: Exception, expected: Failure) -> None:
    assert failure_of(error) == expected
