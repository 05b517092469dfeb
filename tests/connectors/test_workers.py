"""Twenty workers share one budget: never more than there is, and not much less."""

from __future__ import annotations

import heapq
from bisect import bisect_left

import pytest

from changewire.connectors.budget import Budget, Turn
from changewire.connectors.definition import load_connector
from changewire.errors import DelayedError
from changewire.testing import ManualClock
from tests.support.workers import WORKERS, measure


@pytest.mark.parametrize(("share", "most"), [(1.0, 20), (0.5, 10)])
def test_twenty_workers_use_what_there_is_and_never_more(share: float, most: int) -> None:
    found = measure("MEDIUM", "pro", share, seconds=4.0)
    assert found.refused == 0
    assert found.peak <= most
    assert found.total >= 0.9 * most * found.seconds


@pytest.mark.parametrize(
    ("label", "plan", "share", "most", "window"),
    [
        ("LIGHT", "business", 1.0, 80, 1),
        ("LIGHT", "business", 0.5, 40, 1),
        ("HEAVY", "pro", 1.0, 10, 1),
        ("HEAVY", "free", 0.5, 1, 1),
        ("RESOURCE-INTENSIVE", "pro", 1.0, 10, 60),
        ("RESOURCE-INTENSIVE", "business", 0.5, 10, 60),
    ],
)
def test_ten_windows_of_twenty_workers_under_a_turned_clock(
    label: str, plan: str, share: float, most: int, window: int
) -> None:
    """Each worker asks, is served for a twentieth of a second, and comes again when it was told to."""
    clock, served = ManualClock(), 0.05
    one = Budget(load_connector("zoom"), "work", plan, share, clock)
    due: list[tuple[float, int, float | None]] = [(0.0, worker, None) for worker in range(WORKERS)]
    taken: list[float] = []
    under_way: list[tuple[float, float]] = []  # end, place
    while due[0][0] < 10 * window:
        at, worker, place = heapq.heappop(due)
        while under_way and under_way[0][0] <= at:
            end, sent = heapq.heappop(under_way)
            clock.advance(end - clock.monotonic())
            one.landed(label, sent)
        clock.advance(max(0.0, at - clock.monotonic()))
        try:
            turn = one.take(label, clock.now(), place=place)
        except DelayedError as error:
            turn = Turn((error.until - clock.now()).total_seconds())
        if turn.wait_s == 0.0:
            assert turn.place is not None
            taken.append(clock.monotonic())
            heapq.heappush(under_way, (clock.monotonic() + served, turn.place))
        place = turn.place if turn.wait_s else None
        heapq.heappush(due, (clock.monotonic() + (turn.wait_s or served), worker, place))
    for number, start in enumerate(taken):
        assert bisect_left(taken, start + window - 1e-6) - number <= most
    assert len(taken) >= 0.9 * most * 10
