"""The load is what counting every single poll of a day would give."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changewire.triggers.load import DAY, Asker, due_times, peak, per_day, repeats_after
from changewire.triggers.schedule import EPOCH, Schedule

NOW = datetime(2026, 11, 21, 10, 0, 7, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TICK = timedelta(microseconds=1)


def every(seconds: float, phase: float = 0.0) -> Schedule:
    return Schedule(timedelta(seconds=seconds), phase)


schedules = st.one_of(
    st.builds(every, st.sampled_from([300, 600, 900, 1200, 3600, 5400, 7200, 86400]), st.floats(0, 0.999)),
    st.sampled_from(["*/15 * * * *", "0 8-18 * * mon-fri", "30 3 * * *"]).map(lambda cron: Schedule(None, cron=cron)),
)
askers = st.lists(
    st.tuples(schedules, st.dictionaries(st.sampled_from(["LIGHT", "HEAVY"]), st.integers(1, 3))), max_size=6
).map(lambda found: [Asker(f"t{number}", *one) for number, one in enumerate(found)])


def counted(asking: list[Asker], label: str, end: datetime) -> list[tuple[datetime, int, str]]:
    """Every poll up to ``end``, found by asking each schedule for the next one again and again."""
    found = []
    for asker in asking:
        at = asker.schedule.next_after(NOW)
        while at <= end:
            found.append((at, asker.requests.get(label, 0), asker.name))
            at = asker.schedule.next_after(at)
    return found


@settings(max_examples=40, deadline=None)
@given(askers)
def test_a_day_is_the_sum_of_its_polls(asking: list[Asker]) -> None:
    for label in ("LIGHT", "HEAVY"):
        assert per_day(asking, label, NOW) == sum(count for _, count, _ in counted(asking, label, NOW + DAY))


@settings(max_examples=40, deadline=None)
@given(askers, st.sampled_from([SECOND, MINUTE, timedelta(minutes=17)]))
def test_the_peak_is_the_fullest_of_all_stretches(asking: list[Asker], span: timedelta) -> None:
    polls = counted(asking, "LIGHT", NOW + DAY + span)
    stretches = [
        sum(count for at, count, _ in polls if begin <= at < begin + span) for begin, count, _ in polls if count
    ]
    found = peak(asking, "LIGHT", NOW, span)
    assert found.requests == max(stretches, default=0)
    if found.begins_at is not None:
        inside = Counter[str]()
        for at, count, name in polls:
            if count and found.begins_at <= at < found.begins_at + span:
                inside[name] += count
        assert sum(inside.values()) == found.requests
        assert set(found.names) == set(inside)
        assert [inside[name] for name in found.names] == sorted(inside.values(), reverse=True)


@settings(max_examples=60, deadline=None)
@given(schedules, st.integers(0, 86400 * 30))
def test_due_times_are_those_of_the_schedule(schedule: Schedule, later: int) -> None:
    begin = NOW + timedelta(seconds=later)
    found = [EPOCH + tick * TICK for tick in due_times(schedule, begin, begin + timedelta(hours=6))]
    expected, at = [], schedule.next_after(begin)
    while at <= begin + timedelta(hours=6):
        expected.append(at)
        at = schedule.next_after(at)
    assert found == expected


def test_two_polls_a_hairs_breadth_apart_are_in_one_second_and_a_second_apart_are_not() -> None:
    together = [Asker("a", every(60), {"LIGHT": 1}), Asker("b", every(60, 0.999 / 60), {"LIGHT": 1})]
    apart = [Asker("a", every(60), {"LIGHT": 1}), Asker("b", every(60, 1 / 60), {"LIGHT": 1})]
    assert peak(together, "LIGHT", NOW, SECOND).requests == 2
    assert peak(apart, "LIGHT", NOW, SECOND).requests == 1


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([60, 300], timedelta(minutes=5)),
        ([240, 360], timedelta(minutes=12)),
        ([7, 86400], DAY),
        ([86399, 86400], DAY),
        ([], timedelta(microseconds=1)),
    ],
)
def test_the_pattern_repeats(intervals: list[int], expected: timedelta) -> None:
    assert repeats_after([every(one) for one in intervals]) == expected
    assert repeats_after([*map(every, intervals), Schedule(None, cron="0 8 * * *")]) == DAY


def test_nobody_asks_nothing() -> None:
    assert peak([], "LIGHT", NOW, SECOND) == peak([Asker("a", every(60), {})], "LIGHT", NOW, SECOND)
    assert peak([], "LIGHT", NOW, SECOND).requests == per_day([], "LIGHT", NOW) == 0
