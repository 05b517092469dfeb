"""Requests of one poll about single items."""

from __future__ import annotations

from typing import Any

import pytest

from changewire.connectors.client import Answer, Request
from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, PollError, StateError, StoppedError
from changewire.testing import START, ManualClock
from changewire.triggers.binding import Reader
from changewire.triggers.follow_ups import MOST_IN_A_ROW, FollowUps, Refused
from changewire.triggers.polling import Allowance, fetch_detail
from tests.triggers.kinds import SCOPE, kind_of

DOWN = ApiError("down", FailureClass("transient"), status=503)


def requests(most: int | None = 50, **more: Any) -> FollowUps:
    return FollowUps(Allowance(deadline=60.0, clock=ManualClock(), **more), most)


def fail(error: Exception) -> Any:
    raise error


def test_a_refusal_stops_no_other_request_and_three_in_a_row_stop_all() -> None:
    sent = requests()
    for _ in range(MOST_IN_A_ROW - 1):
        assert sent.attempt(lambda: fail(DOWN)) == Refused(DOWN)
    assert sent.attempt(lambda: 1) == 1
    for _ in range(MOST_IN_A_ROW):
        assert not sent.stopped
        sent.attempt(lambda: fail(DOWN))
    assert sent.stopped
    assert (sent.answered, len(sent.refusals)) == (1, 2 * MOST_IN_A_ROW - 1)


def test_items_that_cannot_be_processed_stop_no_request() -> None:
    sent = requests()
    for error in (ValueError("a fault"), PollError("too deep"), MemoryError(), RecursionError()):
        assert sent.attempt(lambda error=error: fail(error)).broken  # type: ignore[misc]
    assert sent.attempt(lambda: 1) == 1
    assert (sent.stopped, sent.refusals, len(sent.broken)) == (False, [], 4)


def test_an_answer_that_cannot_be_read_is_the_fault_of_its_item() -> None:
    sent = requests()
    html = sent.attempt(lambda: fail(ApiError("HTML", FailureClass.BROKEN)))
    down = sent.attempt(lambda: fail(DOWN))
    assert [isinstance(each, Refused) and each.broken for each in (html, down)] == [True, False]
    assert len(sent.refusals) == 2


@pytest.mark.parametrize("error", [DelayedError("later", START), CredentialError("who?", "work", "sign in")])
def test_what_concerns_the_whole_connection_stops_all_and_refuses_no_item(error: Exception) -> None:
    sent = requests()
    assert sent.attempt(lambda: fail(error)) == Refused(None)
    assert sent.stopped
    assert sent.refusals == []


def test_a_request_during_which_the_time_is_up_says_nothing_about_its_item() -> None:
    sent = requests()
    sent.allowance.answers = 1

    def slow() -> None:
        sent.allowance.clock.wait(61)
        raise DOWN

    assert sent.attempt(slow) == Refused(None)
    assert sent.stopped
    assert sent.refusals == []


def test_a_request_that_needs_the_whole_time_of_a_poll_is_refused() -> None:
    sent = requests()

    def slow() -> None:
        sent.allowance.clock.wait(61)
        raise DOWN

    assert sent.attempt(slow) == Refused(DOWN)


def test_only_so_many_are_sent_in_one_poll() -> None:
    sent = requests(most=2)
    sent.attempt(lambda: 1)
    assert not sent.stopped
    sent.attempt(lambda: fail(DOWN))
    assert sent.stopped


def test_a_process_that_stops_keeps_what_is_complete_and_a_database_that_fails_ends_the_poll() -> None:
    sent = requests()
    assert sent.attempt(lambda: fail(StoppedError())) == Refused(None)
    with pytest.raises(StateError, match="locked"):
        sent.attempt(lambda: fail(StateError("locked")))


def test_a_request_about_an_item_uses_no_answer_that_another_poll_received_before() -> None:
    asked: list[float] = []

    class Source:
        def send_shared(self, request: Request, *, fresh_s: float, **_: Any) -> Answer:
            asked.append(fresh_s)
            return Answer(200, {}, b'{"id": 1}', request.path, START, request)

    reader = Reader(kind_of("created", detail={"path": "/things/{item.id}"}), {})
    allowance = requests(fresh_s=5.0).allowance
    assert fetch_detail(reader, Source(), allowance, SCOPE, {"id": 1}) == {"id": 1}
    assert (asked, allowance.answers, allowance.bytes) == ([0.0], 1, 64_000_000 - 9)
