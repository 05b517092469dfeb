from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from changewire.connectors.shared_answers import MAX_BYTES, SharedAnswers
from changewire.connectors.transport.messages import Answer, Request
from changewire.errors import ApiError, FailureClass
from changewire.testing import START, ManualClock

USERS = Request("GET", "/users")


class Source:
    """Counts how often it is asked."""

    def __init__(self, size: int = 2) -> None:
        self.asked = 0
        self._size = size

    def __call__(self) -> Answer:
        self.asked += 1
        return Answer(200, {}, b" " * self._size, "http://x/", START, USERS)


def test_a_young_answer_is_given_again(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source()

    first = shared.get(USERS, 10, source, None)
    clock.advance(10)
    assert shared.get(USERS, 10, source, None) is first
    clock.advance(0.1)
    assert shared.get(USERS, 10, source, None) is not first
    assert source.asked == 2


def test_other_questions_have_other_answers(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source()
    for path in ("/a", "/b", "/a"):
        shared.get(Request("GET", path), 10, source, None)

    assert source.asked == 2


def test_callers_at_the_same_time_ask_once(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        begun.set()
        assert go_on.wait(5)
        return source()

    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(shared.get, USERS, 0, slow, None)
        assert begun.wait(5)
        others = [pool.submit(shared.get, USERS, 0, source, None) for _ in range(7)]
        go_on.set()
        assert {id(one.result(5)) for one in others} >= {id(first.result(5))}
    assert source.asked <= 2


def test_a_failure_is_told_and_forgotten(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source()

    def fail() -> Answer:
        raise ApiError("no", FailureClass.TRANSIENT)

    with pytest.raises(ApiError, match="no"):
        shared.get(USERS, 10, fail, None)
    assert shared.get(USERS, 10, source, None).status == 200


def test_patience_ends(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> Answer:
        begun.set()
        assert go_on.wait(5)
        return source()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shared.get, USERS, 0, slow, None)
        assert begun.wait(5)
        with pytest.raises(TimeoutError):
            shared.get(USERS, 0, source, 0.01)
        go_on.set()
        first.result(5)


def test_an_answer_that_is_no_longer_young_is_let_go(clock: ManualClock) -> None:
    shared = SharedAnswers(clock)
    kept = weakref.ref(shared.get(USERS, 10, Source(), None))
    clock.advance(10.1)

    shared.get(Request("GET", "/other"), 10, Source(), None)
    gc.collect()
    assert kept() is None


def test_an_answer_that_is_to_be_new_each_time_is_not_kept(clock: ManualClock) -> None:
    shared = SharedAnswers(clock)
    kept = weakref.ref(shared.get(USERS, 0, Source(), None))

    gc.collect()
    assert kept() is None


def test_big_answers_do_not_pile_up(clock: ManualClock) -> None:
    shared, source = SharedAnswers(clock), Source(MAX_BYTES // 3)
    requests = [Request("GET", f"/{number}") for number in range(5)]
    for request in requests:
        shared.get(request, 10, source, None)
    assert source.asked == 5

    shared.get(requests[4], 10, source, None)
    assert source.asked == 5
    shared.get(requests[0], 10, source, None)
    assert source.asked == 6
