"""The arithmetic of the request budget, for any order of requests, waits, slow answers and deaths of processes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from changewire.connectors.rate_counts import STEP_S, DayCount, LabelCount, Window
from changewire.values import dumps, loads

MIDNIGHT = datetime(2026, 11, 22, tzinfo=UTC)
DAY_S = 86400.0
SHORT = st.sampled_from([0.0, 0.0, 0.05, 0.25, 0.5, 1.0, 3.0])
STEPS = st.lists(st.tuples(st.sampled_from("aaawwwlldg"), SHORT, st.integers(0, 20)), min_size=30, max_size=60)
WINDOWS = st.sampled_from([(Window(1, 1.0),), (Window(3, 1.0),), (Window(2, 1.0), Window(5, 10.0)), (Window(2, 10.0),)])


@dataclass
class History:
    """Requests of several processes, each of which is in line, under way, or has come to its end."""

    windows: tuple[Window, ...]
    count: LabelCount = field(default_factory=LabelCount)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.waiting: list[float] = []
        self.under_way: list[float] = []
        self.sent: list[float] = []

    def step(self, what: str, seconds: float, which: int) -> None:
        self.now = round(self.now + seconds, 6)
        longest = max(window.span for window in self.windows)
        self.count = LabelCount.of(loads(dumps(self.count.since(self.now - longest).to_json())))
        if what == "a":
            self.ask(None)
        elif what == "w" and self.waiting:
            self.ask(self.waiting.pop(which % len(self.waiting)))
        elif what == "g" and self.waiting:
            self.count = self.count.without(self.waiting.pop(which % len(self.waiting)))
        elif what == "l" and self.under_way:
            self.count = self.count.landed(self.under_way.pop(which % len(self.under_way)), self.now)
        elif what == "d":  # of a process that dies nothing is heard again
            del self.waiting[: which % 3], self.under_way[: which % 3]

    def ask(self, place: float | None) -> float:
        self.count, moment = self.count.reserve(self.windows, self.now, place)
        if moment <= self.now:
            self.sent.append(self.now)
            self.under_way.append(moment)
        else:
            self.waiting.append(moment)
        return moment

    def most(self, span: float) -> int:
        """The most requests that were sent in any ``span`` seconds."""
        return max((bisect_left(self.sent, moment + span) - n for n, moment in enumerate(self.sent)), default=0)


@settings(max_examples=500)
@given(WINDOWS, STEPS)
def test_no_window_holds_more_requests_than_its_limit(
    windows: tuple[Window, ...], steps: list[tuple[str, float, int]]
) -> None:
    history = History(windows)
    for step in steps:
        history.step(*step)
    for window in windows:
        assert history.most(window.span - 1e-6) <= window.limit


@given(WINDOWS, STEPS)
def test_who_asks_again_when_it_was_told_to_is_sent_in_the_end(
    windows: tuple[Window, ...], steps: list[tuple[str, float, int]]
) -> None:
    history = History(windows)
    for step in steps:
        history.step(*step)
    history.under_way.clear()
    for _ in range(10 * len(history.waiting)):
        history.waiting.sort()
        place = history.waiting.pop(0)
        history.now = max(history.now, place)
        history.ask(place)
        if not history.waiting:
            return
    assert not history.waiting


@given(st.lists(SHORT, max_size=30))
def test_places_are_given_in_the_order_of_the_questions(waits: list[float]) -> None:
    history = History((Window(2, 1.0),))
    places = []
    for seconds in waits:
        history.now += seconds
        places.append(history.ask(None))
    assert places == sorted(places)


@given(
    st.integers(1, 40),
    st.floats(0, DAY_S - 1),
    st.lists(st.tuples(st.floats(0, 40_000), st.floats(-2e8, 2e8)), max_size=20),
)
def test_a_day_ends_when_its_time_has_passed_and_lasts_no_longer_than_a_day_however_the_clock_is_set(
    limit: int, start: float, turns: list[tuple[float, float]]
) -> None:
    elapsed, wall = 0.0, MIDNIGHT + timedelta(seconds=start)
    day = DayCount.at({}, wall, elapsed)
    for passed, step in turns:
        elapsed, wall = elapsed + passed, wall + timedelta(seconds=passed + step)
        before, day = day, DayCount.at(loads(dumps(replace(day, count=limit).to_json())), wall, elapsed)
        until = day.closed_until(limit, wall, elapsed)
        if day.count == 0:
            assert elapsed >= before.ends - STEP_S
            assert until is None
        else:
            assert until is not None
            assert until - wall <= timedelta(days=1)


def test_a_clock_that_is_set_to_the_evening_ends_the_day_at_its_midnight() -> None:
    day = DayCount("2026-11-21", ends=50_000.0, count=7)
    evening = DayCount.at(day.to_json(), MIDNIGHT - timedelta(seconds=10), 1000.0)
    assert evening.closed_until(7, MIDNIGHT - timedelta(seconds=10), 1000.0) == MIDNIGHT
    assert DayCount.at(evening.to_json(), MIDNIGHT, 1010.0).count == 0
