from __future__ import annotations

from contextlib import ExitStack

from changewire.engine.workload import Workload
from changewire.testing import START, ManualClock


def test_work_is_under_way_from_its_beginning_to_its_end() -> None:
    clock = ManualClock()
    load = Workload(clock, 2, 1)
    with load.worker("poll", "New/trigger", "New", 60):
        clock.advance(5)
        (work,) = load.look().work
        assert (work.kind, work.name, work.since, work.limit_s) == ("poll", "New/trigger", START, 60)
        assert load.look().elapsed - work.began == 5
    assert load.look().work == ()


def test_a_pool_is_stuck_only_while_all_of_its_workers_got_nowhere() -> None:
    clock = ManualClock()
    load = Workload(clock, 1, 2)

    def stuck() -> tuple[float, float]:
        polls, runs = load.look().pools
        return polls.stuck_s, runs.stuck_s

    with ExitStack() as stack:
        stack.enter_context(load.worker("run", "r1", "A", None))
        clock.advance(100)
        assert stuck() == (0, 0)
        stack.enter_context(load.worker("run", "r2", "B", None))
        clock.advance(30)
        assert stuck() == (0, 30)
        with load.step("r2", "B", "pay (core.pay)", 10):
            clock.advance(7)
            assert stuck() == (0, 7)
            assert [work.step for work in load.look().pools[1].busy] == ["", "pay (core.pay)"]
        clock.advance(3)
        assert stuck() == (0, 3)
    assert stuck() == (0, 0)


def test_the_oldest_step_of_a_run_stands_for_it() -> None:
    clock = ManualClock()
    load = Workload(clock, 1, 1)
    with load.worker("run", "r1", "A", None), load.step("r1", "A", "first", 10):
        clock.advance(1)
        with load.step("r1", "A", "second", 10):
            assert [work.step for work in load.look().pools[1].busy] == ["first"]
            assert [work.step for work in load.look().work] == ["first", "second"]


def test_work_that_raises_has_ended() -> None:
    load = Workload(ManualClock(), 1, 1)
    for _ in range(3):
        try:
            with load.worker("run", "r1", "A", None), load.step("r1", "A", "s", 1):
                raise SystemExit
        except SystemExit:
            continue
    assert load.look().work == ()
    assert load.look().pools[1].busy == ()
