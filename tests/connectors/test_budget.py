from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changewire.connectors.budget import Budget, next_midnight
from changewire.connectors.definition import load_connector
from changewire.errors import DelayedError, FailureClass
from changewire.testing import START, ManualClock
from changewire.values import dumps, loads


def budget(clock: ManualClock, plan: str = "free", share: float = 1.0, connector: str = "zoom") -> Budget:
    return Budget(load_connector(connector), "work", plan, share, clock)


def test_a_label_may_be_used_as_often_as_the_plan_says_and_then_waits(clock: ManualClock) -> None:
    one = budget(clock)

    assert [one.take("LIGHT", clock.now()) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_the_window_moves(clock: ManualClock) -> None:
    one = budget(clock)
    one.take("MEDIUM", clock.now())
    clock.advance(0.75)
    one.take("MEDIUM", clock.now())

    assert one.take("MEDIUM", clock.now()) == pytest.approx(0.25)
    clock.advance(0.25)
    assert one.take("MEDIUM", clock.now()) == 0.0
    assert one.take("MEDIUM", clock.now()) == pytest.approx(0.75)


def test_labels_do_not_disturb_each_other(clock: ManualClock) -> None:
    one = budget(clock)
    one.take("HEAVY", clock.now())

    assert one.take("HEAVY", clock.now()) > 0
    assert one.take("MEDIUM", clock.now()) == 0.0


def test_a_share_leaves_the_rest_to_others_but_never_nothing(clock: ManualClock) -> None:
    half, little = budget(clock, share=0.5), budget(clock, share=0.01)

    assert [half.take("LIGHT", clock.now()) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert [little.take("LIGHT", clock.now()) for _ in range(2)] == [0.0, 1.0]


def test_a_day_ends_at_midnight_utc(clock: ManualClock) -> None:
    one = budget(clock)
    for _ in range(1000):
        assert one.take("HEAVY", clock.now()) == 0.0
        clock.advance(1)

    with pytest.raises(DelayedError) as caught:
        one.take("HEAVY", clock.now())
    assert caught.value.until == datetime(2026, 11, 22, tzinfo=UTC)
    assert str(caught.value) == (
        "today's 1000 HEAVY requests of connection 'work' are used up: it goes on at 2026-11-22T00:00:00.000000Z"
    )
    clock.advance((caught.value.until - clock.now()).total_seconds())
    assert one.take("HEAVY", clock.now()) == 0.0


def test_heavy_and_resource_intensive_share_one_day_on_pro(clock: ManualClock) -> None:
    one = budget(clock, "pro", share=0.001)
    for _ in range(15):
        assert one.take("HEAVY", clock.now()) == 0.0
        assert one.take("RESOURCE-INTENSIVE", clock.now()) == 0.0
        clock.advance(60)

    with pytest.raises(DelayedError):
        one.take("RESOURCE-INTENSIVE", clock.now())
    with pytest.raises(DelayedError):
        one.take("HEAVY", clock.now())


def test_long_waits_are_delays_and_each_is_told_a_later_moment(clock: ManualClock) -> None:
    one = budget(clock)
    for _ in range(10):
        one.take("RESOURCE-INTENSIVE", clock.now())

    moments = []
    for _ in range(3):
        with pytest.raises(DelayedError) as caught:
            one.take("RESOURCE-INTENSIVE", clock.now())
        moments.append((caught.value.until - START).total_seconds())
    assert moments == [60.0, 66.0, 72.0]
    assert caught.value.failure is FailureClass.RATE
    assert "the budget of plan 'free' for RESOURCE-INTENSIVE requests of connection 'work' is used up" in str(
        caught.value
    )


def test_what_the_api_forbids_is_not_asked_before(clock: ManualClock) -> None:
    one = budget(clock)
    one.forbid("MEDIUM", START + timedelta(seconds=3))

    assert one.take("MEDIUM", clock.now()) == 3.0
    assert one.take("LIGHT", clock.now()) == 0.0
    clock.advance(3)
    assert one.take("MEDIUM", clock.now()) == 0.0


def test_a_forbidden_day_holds_for_the_whole_pool(clock: ManualClock) -> None:
    one = budget(clock, "business")
    one.forbid("HEAVY", next_midnight(START), daily=True)

    with pytest.raises(DelayedError) as caught:
        one.take("RESOURCE-INTENSIVE", clock.now())
    assert caught.value.until == next_midnight(START)
    assert one.take("MEDIUM", clock.now()) == 0.0


def test_without_rates_nothing_is_counted_until_something_is_forbidden(clock: ManualClock) -> None:
    one = budget(clock, connector="http")
    assert {one.take(None, clock.now()) for _ in range(1000)} == {0.0}

    one.forbid(None, START + timedelta(seconds=60))
    with pytest.raises(DelayedError) as caught:
        one.take(None, clock.now())
    assert caught.value.until == START + timedelta(seconds=60)
    clock.advance(60)
    assert one.take(None, clock.now()) == 0.0


def test_a_host_may_create_and_update_a_hundred_meetings_a_day(clock: ManualClock) -> None:
    one = budget(clock, "business")
    create = ("POST", "/users/jane%40example.com/meetings")
    for _ in range(100):
        assert one.take("LIGHT", clock.now(), call=create) == 0.0
        clock.advance(1)

    with pytest.raises(DelayedError) as caught:
        one.take("LIGHT", clock.now(), user="jane@example.com", call=("PATCH", "/meetings/1"))
    assert str(caught.value).startswith(
        "today's 100 meeting create and update requests of one host (jane@example.com) are used up"
    )
    assert caught.value.until == next_midnight(START)
    assert one.take("LIGHT", clock.now(), call=("GET", create[1])) == 0.0
    assert one.take("LIGHT", clock.now(), call=("POST", "/users/joe/meetings")) == 0.0


def test_a_forbidden_user_does_not_hold_up_the_others(clock: ManualClock) -> None:
    one = budget(clock)
    one.forbid_user(None, ("POST", "/users/jane/meetings"), next_midnight(START))

    with pytest.raises(DelayedError):
        one.take("LIGHT", clock.now(), call=("POST", "/users/jane/meetings"))
    assert one.take("LIGHT", clock.now(), call=("POST", "/users/joe/meetings")) == 0.0


def test_many_threads_never_take_more_than_there_is(clock: ManualClock) -> None:
    one = budget(clock, "business")
    taken: list[float] = []

    def take() -> None:
        taken.extend(one.take("MEDIUM", clock.now()) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(0.0) == 60


def test_a_request_counts_from_its_answer_for_it_may_have_been_slow_on_its_way(clock: ManualClock) -> None:
    one = budget(clock)
    taken = [clock.monotonic() for _ in range(2) if one.take("MEDIUM", clock.now()) == 0.0]
    clock.advance(0.75)
    one.landed("MEDIUM", taken[0])

    assert one.take("MEDIUM", clock.now()) == pytest.approx(0.25)
    clock.advance(0.25)
    assert one.take("MEDIUM", clock.now()) == 0.0
    assert one.take("MEDIUM", clock.now()) == pytest.approx(0.75)
    clock.advance(3)
    one.landed("MEDIUM", taken[1])  # forgotten already, and on its way all the same
    assert [one.take("MEDIUM", clock.now()) for _ in range(2)] == [0.0, 1.0]


def test_many_refusals_at_once_are_one_and_each_later_one_in_a_row_counts_twice_as_long(clock: ManualClock) -> None:
    one = budget(clock)

    lasting: list[bool] = []

    def refused() -> float:
        until, lasts = one.refused("MEDIUM", clock.now() + timedelta(seconds=1), clock.now())
        lasting.append(lasts)
        return (until - clock.now()).total_seconds()

    assert [refused() for _ in range(20)] == [1.0] * 20
    waits = []
    for _ in range(8):
        clock.advance(100)
        waits.append(refused())
    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]
    assert lasting == [False] * 26 + [True, True]
    one.accepted("LIGHT")
    clock.advance(100)
    assert refused() == 64.0
    one.accepted("MEDIUM")
    clock.advance(100)
    assert refused() == 1.0


def test_what_was_taken_today_is_known_to_the_next_process(clock: ManualClock) -> None:
    first = budget(clock)
    for _ in range(600):
        assert first.take("HEAVY", clock.now()) == 0.0
        clock.advance(1)
    for _ in range(60):
        assert first.take("LIGHT", clock.now(), call=("POST", "/users/jane%40example.com/meetings")) == 0.0
        clock.advance(1)

    second = budget(clock)
    second.restore(loads(dumps(first.spent(clock.now()))), clock.now())
    assert second.spent(clock.now()) == first.spent(clock.now())
    for _ in range(400):
        assert second.take("HEAVY", clock.now()) == 0.0
        clock.advance(1)
    with pytest.raises(DelayedError, match="today's 1000 HEAVY requests"):
        second.take("HEAVY", clock.now())
    for _ in range(40):
        assert second.take("LIGHT", clock.now(), user="jane@example.com", call=("PATCH", "/meetings/1")) == 0.0
        clock.advance(1)
    with pytest.raises(DelayedError, match="today's 100 meeting create and update requests"):
        second.take("LIGHT", clock.now(), user="jane@example.com", call=("PATCH", "/meetings/1"))


def test_another_day_and_nonsense_are_passed_over(clock: ManualClock) -> None:
    first = budget(clock)
    assert first.take("HEAVY", clock.now()) == 0.0
    told = first.spent(clock.now())
    clock.advance(86400)
    second = budget(clock)
    nonsense: list[list[Any]] = [
        ["label HEAVY", "x"],
        ["who", "knows", "what", 3],
        [5],
        ["label HEAVY", "2026-11-22", -4],
    ]
    second.restore([*told, *nonsense], clock.now())
    assert second.spent(clock.now()) == []
    assert first.spent(clock.now()) == []
