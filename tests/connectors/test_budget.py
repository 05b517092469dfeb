from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from changewire.connectors.budget import LOOK_AGAIN_S, Budget
from changewire.connectors.budget_store import MemoryBudgetStore
from changewire.connectors.definition import load_connector
from changewire.connectors.rate_counts import next_midnight
from changewire.errors import DelayedError, FailureClass
from changewire.testing import START, ManualClock


def budget(clock: ManualClock, plan: str = "free", share: float = 1.0, connector: str = "zoom") -> Budget:
    return Budget(load_connector(connector), "work", plan, share, clock)


def wait(one: Budget, label: str | None, clock: ManualClock, **more: Any) -> float:
    """Seconds that a request that takes its place now has to wait."""
    return one.take(label, clock.now(), **more).wait_s


def test_a_label_may_be_used_as_often_as_the_plan_says_and_then_waits(clock: ManualClock) -> None:
    one = budget(clock)

    assert [wait(one, "LIGHT", clock) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_the_window_moves(clock: ManualClock) -> None:
    one = budget(clock)
    wait(one, "MEDIUM", clock)
    clock.advance(0.75)
    wait(one, "MEDIUM", clock)

    turn = one.take("MEDIUM", clock.now())
    assert turn.wait_s == pytest.approx(0.25)
    clock.advance(0.25)
    assert wait(one, "MEDIUM", clock, place=turn.place) == 0.0
    assert wait(one, "MEDIUM", clock) == pytest.approx(0.75)


def test_who_waits_is_in_line_before_those_who_ask_later(clock: ManualClock) -> None:
    one = budget(clock)
    first, *others = [one.take("HEAVY", clock.now()) for _ in range(4)]
    assert [first.wait_s, *(turn.wait_s for turn in others)] == [0.0, 1.0, 2.0, 3.0]

    one.give_up("HEAVY", others.pop(0).place)
    clock.advance(1)
    assert [wait(one, "HEAVY", clock, place=turn.place) for turn in reversed(others)] == [2.0, 0.0]


def test_who_is_patient_gets_a_place_behind_those_who_are_not(clock: ManualClock) -> None:
    one = budget(clock)
    assert [wait(one, "HEAVY", clock) for _ in range(6)] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(DelayedError):
        wait(one, "HEAVY", clock)
    turn = one.take("HEAVY", clock.now(), patience_s=90.0)
    assert (turn.wait_s, turn.ask_again_s) == (6.0, 6.0)
    clock.advance(2.0)
    assert wait(one, "HEAVY", clock, place=turn.place, patience_s=90.0) == 4.0


def test_those_who_are_patient_leave_places_to_those_who_are_not(clock: ManualClock) -> None:
    one = budget(clock)
    turns = [one.take("HEAVY", clock.now(), patience_s=90.0) for _ in range(20)]
    assert [turn.wait_s for turn in turns if turn.place is not None] == [0.0, 1.0, 2.0]
    assert {(turn.wait_s, turn.ask_again_s) for turn in turns[3:]} == {(3.0, 1.0)}
    assert wait(one, "HEAVY", clock) == 3.0

    clock.advance(1.0)
    assert wait(one, "HEAVY", clock, place=turns[1].place, patience_s=90.0) == 0.0
    again = [one.take("HEAVY", clock.now(), patience_s=90.0) for _ in range(2)]
    assert [turn.place is None for turn in again] == [False, True], "one of them was sent, so one has its place"


def test_labels_do_not_disturb_each_other(clock: ManualClock) -> None:
    one = budget(clock)
    wait(one, "HEAVY", clock)

    assert wait(one, "HEAVY", clock) > 0
    assert wait(one, "MEDIUM", clock) == 0.0


def test_a_share_leaves_the_rest_to_others_but_never_nothing(clock: ManualClock) -> None:
    half, little = budget(clock, share=0.5), budget(clock, share=0.01)

    assert [wait(half, "LIGHT", clock) for _ in range(3)] == [0.0, 0.0, 1.0]
    assert [wait(little, "LIGHT", clock) for _ in range(2)] == [0.0, 1.0]


def test_a_day_ends_at_midnight_utc(clock: ManualClock) -> None:
    one = budget(clock)
    for _ in range(1000):
        assert wait(one, "HEAVY", clock) == 0.0
        clock.advance(1)

    with pytest.raises(DelayedError) as caught:
        wait(one, "HEAVY", clock)
    assert caught.value.until == datetime(2026, 11, 22, tzinfo=UTC)
    assert str(caught.value) == (
        "today's 1000 HEAVY requests of connection 'work' are used up: it goes on at 2026-11-22T00:00:00.000000Z"
    )
    clock.advance((caught.value.until - clock.now()).total_seconds())
    assert wait(one, "HEAVY", clock) == 0.0


def test_heavy_and_resource_intensive_share_one_day_on_pro(clock: ManualClock) -> None:
    one = budget(clock, "pro", share=0.001)
    for _ in range(15):
        assert wait(one, "HEAVY", clock) == 0.0
        assert wait(one, "RESOURCE-INTENSIVE", clock) == 0.0
        clock.advance(60)

    with pytest.raises(DelayedError):
        wait(one, "RESOURCE-INTENSIVE", clock)
    with pytest.raises(DelayedError):
        wait(one, "HEAVY", clock)


def test_long_waits_are_delays_and_each_is_told_a_later_moment(clock: ManualClock) -> None:
    one = budget(clock)
    for _ in range(10):
        wait(one, "RESOURCE-INTENSIVE", clock)

    moments = []
    for _ in range(3):
        with pytest.raises(DelayedError) as caught:
            wait(one, "RESOURCE-INTENSIVE", clock)
        moments.append((caught.value.until - START).total_seconds())
    assert moments == [60.0, 66.0, 72.0]
    assert caught.value.failure is FailureClass.RATE
    assert "the budget of plan 'free' for RESOURCE-INTENSIVE requests of connection 'work' is used up" in str(
        caught.value
    )


def test_what_the_api_forbids_is_not_asked_before(clock: ManualClock) -> None:
    one = budget(clock)
    one.forbid("MEDIUM", START + timedelta(seconds=3))

    assert wait(one, "MEDIUM", clock) == 3.0
    assert wait(one, "LIGHT", clock) == 0.0
    clock.advance(3)
    assert wait(one, "MEDIUM", clock) == 0.0


def test_a_forbidden_day_holds_for_the_whole_pool(clock: ManualClock) -> None:
    one = budget(clock, "business")
    one.forbid("HEAVY", next_midnight(START), daily=True)

    with pytest.raises(DelayedError) as caught:
        wait(one, "RESOURCE-INTENSIVE", clock)
    assert caught.value.until == next_midnight(START)
    assert wait(one, "MEDIUM", clock) == 0.0


def test_without_rates_nothing_is_counted_until_something_is_forbidden(clock: ManualClock) -> None:
    one = budget(clock, connector="http")
    assert {wait(one, None, clock) for _ in range(1000)} == {0.0}

    one.forbid(None, START + timedelta(seconds=60))
    with pytest.raises(DelayedError) as caught:
        wait(one, None, clock)
    assert caught.value.until == START + timedelta(seconds=60)
    clock.advance(60)
    assert wait(one, None, clock) == 0.0


def test_a_host_may_create_and_update_a_hundred_meetings_a_day(clock: ManualClock) -> None:
    one = budget(clock, "business")
    create = ("POST", "/users/jane%40example.com/meetings")
    for _ in range(100):
        assert wait(one, "LIGHT", clock, call=create) == 0.0
        clock.advance(1)

    with pytest.raises(DelayedError) as caught:
        wait(one, "LIGHT", clock, user="jane@example.com", call=("PATCH", "/meetings/1"))
    assert str(caught.value).startswith(
        "today's 100 meeting create and update requests of one host (jane@example.com) are used up"
    )
    assert caught.value.until == next_midnight(START)
    assert wait(one, "LIGHT", clock, call=("GET", create[1])) == 0.0
    assert wait(one, "LIGHT", clock, call=("POST", "/users/joe/meetings")) == 0.0


def test_a_forbidden_user_does_not_hold_up_the_others(clock: ManualClock) -> None:
    one = budget(clock)
    one.forbid_user(None, ("POST", "/users/jane/meetings"), next_midnight(START))

    with pytest.raises(DelayedError):
        wait(one, "LIGHT", clock, call=("POST", "/users/jane/meetings"))
    assert wait(one, "LIGHT", clock, call=("POST", "/users/joe/meetings")) == 0.0


def test_many_threads_never_take_more_than_there_is(clock: ManualClock) -> None:
    one = budget(clock, "business")
    taken: list[float] = []

    def take() -> None:
        taken.extend(wait(one, "MEDIUM", clock) for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(0.0) == 60


def test_a_request_counts_from_its_answer_for_it_may_have_been_slow_on_its_way(clock: ManualClock) -> None:
    one = budget(clock)
    taken = [one.take("MEDIUM", clock.now()).place for _ in range(2)]
    clock.advance(0.75)
    one.landed("MEDIUM", taken[0])

    turn = one.take("MEDIUM", clock.now())
    assert turn.wait_s == pytest.approx(0.25)
    clock.advance(0.25)
    assert wait(one, "MEDIUM", clock, place=turn.place) == 0.0
    assert wait(one, "MEDIUM", clock) == pytest.approx(0.75)
    clock.advance(3)
    one.landed("MEDIUM", taken[1])  # forgotten already, and on its way all the same
    assert [wait(one, "MEDIUM", clock) for _ in range(2)] == [0.0, 1.0]


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


def test_the_day_is_counted_by_the_time_that_passes_and_not_by_a_clock_that_is_set(clock: ManualClock) -> None:
    one = budget(clock)
    for _ in range(999):
        assert wait(one, "HEAVY", clock) == 0.0
        clock.advance(1)
    clock.set_wall(24 * 3600)
    assert wait(one, "HEAVY", clock) == 0.0, "the last one of the day"
    for step in (0, 365 * 86400, -2 * 365 * 86400, 8 * 3600):
        clock.set_wall(step)
        with pytest.raises(DelayedError) as caught:
            wait(one, "HEAVY", clock)
        assert timedelta(0) < caught.value.until - clock.now() <= timedelta(days=1)
    clock.advance(86400)
    assert wait(one, "HEAVY", clock) == 0.0


def test_what_the_api_forbids_lasts_as_long_as_it_said_whatever_the_clock_is_set_to(clock: ManualClock) -> None:
    one = budget(clock)
    one.forbid("MEDIUM", clock.now() + timedelta(seconds=4))
    for step in (3600, -7200):
        clock.set_wall(step)
        turn = one.take("MEDIUM", clock.now())
        assert turn.wait_s == 4.0
        one.give_up("MEDIUM", turn.place)
    clock.advance(4)
    assert wait(one, "MEDIUM", clock) == 0.0


def test_budgets_with_one_store_are_one(clock: ManualClock) -> None:
    store = MemoryBudgetStore(clock)
    one, other = (Budget(load_connector("zoom"), "work", "free", 1.0, clock, store) for _ in range(2))
    assert (wait(one, "HEAVY", clock), wait(other, "HEAVY", clock)) == (0.0, 1.0)

    other.refused("LIGHT", clock.now() + timedelta(seconds=3), clock.now())
    assert wait(one, "LIGHT", clock) == 3.0
    clock.advance(3)
    assert one.refused("LIGHT", clock.now(), clock.now())[0] == clock.now() + timedelta(seconds=2)
    other.take("LIGHT", clock.now())
    other.accepted("LIGHT")
    clock.advance(2)
    assert one.refused("LIGHT", clock.now(), clock.now())[0] == clock.now()


def test_a_refusal_that_another_process_met_holds_back_what_nothing_counts_as_well(clock: ManualClock) -> None:
    store = MemoryBudgetStore(clock)
    one, other = (Budget(load_connector("http"), "work", None, 1.0, clock, store) for _ in range(2))
    assert wait(one, None, clock) == 0.0
    other.refused(None, clock.now() + timedelta(seconds=3), clock.now())
    clock.advance(LOOK_AGAIN_S)
    assert wait(one, None, clock) == 3.0 - LOOK_AGAIN_S


@pytest.mark.parametrize("connector", ["zoom", "http"])
def test_a_wait_that_a_person_ends_delays_nothing_afterwards(clock: ManualClock, connector: str) -> None:
    store = MemoryBudgetStore(clock)
    plan = "free" if connector == "zoom" else None
    one, other = (Budget(load_connector(connector), "work", plan, 1.0, clock, store) for _ in range(2))
    label = "LIGHT" if connector == "zoom" else None
    one.forbid(label, clock.now() + timedelta(days=1))
    with pytest.raises(DelayedError) as caught:
        one.take(label, clock.now())
    assert caught.value.until == clock.now() + timedelta(days=1)
    clock.advance(LOOK_AGAIN_S)
    assert other.release()
    assert not other.release()
    clock.advance(LOOK_AGAIN_S)
    assert wait(one, label, clock) == 0.0
    one.forbid(label, clock.now() + timedelta(seconds=100))
    with pytest.raises(DelayedError) as caught:
        one.take(label, clock.now())
    assert caught.value.until == clock.now() + timedelta(seconds=100)


def test_the_end_of_a_wait_gives_back_no_request_that_was_sent(clock: ManualClock) -> None:
    one = Budget(load_connector("zoom"), "work", "free", 1.0, clock, MemoryBudgetStore(clock))
    one.take("HEAVY", clock.now())
    one.forbid("HEAVY", clock.now() + timedelta(hours=1), daily=True)
    assert one.release()
    assert wait(one, "HEAVY", clock) == 1.0
