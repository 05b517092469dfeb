"""Events that gather and become one run: when it begins, what it sees, and that none is lost or in two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.engine.feeding import run_for
from changewire.state.records import RunState
from changewire.state.store import SqliteStore
from changewire.testing import START, ManualClock
from tests.cli.rig import changewire, lines
from tests.engine.inside import emit, kick, killed, out, watching, work, write, write_home
from tests.support.processes import ask
from tests.support.turning import Turned

SEEN = "{{ events | map(attribute='payload.n') | join(' ') }} ({{ payload.n }} {{ event.id == (events | last).id }})"


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Callable[..., Turned]]:
    made: list[Turned] = []

    def start(**workflows: dict[str, Any]) -> Turned:
        for each in made:
            each.close()
        clock = made[-1].clock if made else ManualClock()
        made.append(Turned(write_home(tmp_path, **workflows), clock).start())
        assert made[-1].daemon.home.problems == []
        return made[-1]

    yield start
    for each in made:
        each.close()


def digest(maximum: int = 3, every: str = "1h", **more: Any) -> dict[str, Any]:
    return watching("n", write(SEEN), batch={"max": maximum, "every": every}, **more)


def numbers(turned: Turned, *given: int, **more: Any) -> list[str]:
    return kick(turned, "n", *({"n": n} for n in given), **more)


def later(turned: Turned, minutes: float = 60) -> None:
    turned.clock.advance(minutes * 60)
    turned.turn()


def runs(turned: Turned) -> list[tuple[str, int]]:
    return [(str(h.run.state), len(h.event_ids)) for h in turned.store.runs()]


def test_a_batch_begins_when_it_is_full_or_its_time_is_over(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest())
    ids = numbers(turned, 1, 2, 3, 4)
    turned.turn()
    assert out(tmp_path) == ["1 2 3 (3 true)"]
    (first, second) = turned.store.runs()
    assert (first.event_ids, second.event_ids) == (ids[:3], ids[3:])
    assert (second.run.state, second.run.due_at) == (RunState.PENDING, START + timedelta(hours=1))
    assert second.run.reason == "gathers events until 2026-11-21T11:00:00.000000Z, at most 3"
    later(turned, 59)
    ids += numbers(turned, 5)
    assert out(tmp_path) == ["1 2 3 (3 true)"]
    later(turned, 1)
    assert out(tmp_path) == ["1 2 3 (3 true)", "4 5 (5 true)"]
    assert turned.store.runs()[1].event_ids == ids[3:]
    later(turned)
    assert len(turned.store.runs()) == 2


def test_when_is_asked_of_each_event_before_it_joins(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(2, when="{{ payload.n is even }}"))
    numbers(turned, 1, 2, 3, 4)
    kick(turned, "n", {"m": 1})
    turned.turn()
    assert out(tmp_path) == ["2 4 (4 true)"]
    assert [(str(h.run.state), h.run.reason) for h in turned.store.runs()] == [
        ("filtered", "when: {{ payload.n is even }} is false; payload.n is 1"),
        ("succeeded", None),
        ("filtered", "when: {{ payload.n is even }} is false; payload.n is 3"),
        ("paused", "when: bad_input: {{ payload.n is even }}: there is no field 'n'; known here: m"),
    ]


def test_each_value_of_order_by_gathers_for_itself(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(2, order_by="{{ event.key }}"))
    numbers(turned, 1, key="a")
    numbers(turned, 2, key="b")
    numbers(turned, 3, key="a")
    turned.turn()
    assert out(tmp_path) == ["1 3 (3 true)"]
    later(turned)
    assert out(tmp_path) == ["1 3 (3 true)", "2 (2 true)"]


def test_a_batch_of_a_value_waits_for_the_one_before(turn: Callable[..., Turned], tmp_path: Path) -> None:
    flow = digest(2, order_by="{{ event.key }}")
    flow["steps"].insert(0, {"wait": "2h"})
    turned = turn(a=flow)
    numbers(turned, 1, 2, 3, 4)
    turned.turn()
    assert runs(turned) == [("waiting", 2), ("pending", 2)]
    later(turned, 120)
    assert runs(turned) == [("succeeded", 2), ("waiting", 2)]
    later(turned, 120)
    assert out(tmp_path) == ["1 2 (2 true)", "3 4 (4 true)"]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("single", [("waiting", 2), ("filtered", 2)]),
        ("restart", [("cancelled", 2), ("waiting", 2)]),
        ("queued", [("waiting", 2), ("pending", 2)]),
        ("parallel", [("waiting", 2), ("waiting", 2)]),
    ],
)
def test_modes_speak_of_batches_as_of_any_run(
    turn: Callable[..., Turned], mode: str, expected: list[tuple[str, int]]
) -> None:
    flow = digest(2, mode=mode)
    flow["steps"].insert(0, {"wait": "2h"})
    turned = turn(a=flow)
    numbers(turned, 1, 2)
    turned.turn()
    numbers(turned, 3, 4)
    turned.turn()
    assert runs(turned) == expected


def test_a_run_that_begins_anew_does_not_end_what_still_gathers(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(2, mode="restart"))
    numbers(turned, 1, 2, 3)
    turned.turn()
    event = turned.store.events()[0]
    trigger = next(iter(turned.daemon.home.triggers.values()))
    turned.store.replay([run_for(event, trigger, turned.clock.now())])
    turned.turn()
    later(turned)
    assert out(tmp_path) == ["1 2 (2 true)", "1 (1 true)", "3 (3 true)"]


def test_one_that_is_cancelled_takes_no_more_events(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest())
    numbers(turned, 1)
    (history,) = turned.store.runs()
    assert turned.store.cancel(history.run.id, turned.clock.now(), "enough")
    numbers(turned, 2)
    later(turned)
    assert runs(turned) == [("cancelled", 1), ("succeeded", 1)]
    assert out(tmp_path) == ["2 (2 true)"]


def test_one_that_was_interrupted_takes_no_more_events(turn: Callable[..., Turned]) -> None:
    turned = turn(a=digest())
    numbers(turned, 1)
    turned.clock.advance(3600)
    (run,) = turned.store.claim_runs(turned.clock.now(), 1, timedelta(minutes=1))
    turned.store.finish_run(run.id, run.claim, RunState.PENDING, due_at=turned.clock.now())
    numbers(turned, 2)
    assert runs(turned) == [("pending", 1), ("pending", 1)]


def test_a_replay_gathers_what_is_asked_for_at_once(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest())
    numbers(turned, 1, 2)
    later(turned)
    events = turned.store.events()
    trigger = next(iter(turned.daemon.home.triggers.values()))
    wanted = [run_for(event, trigger, turned.clock.now()) for event in (*events, *events)]
    stored = turned.store.replay(wanted)
    assert [run.replay for run in stored] == [1, 1]
    turned.turn()
    assert out(tmp_path) == ["1 2 (2 true)", "1 2 1 (1 true)", "2 (2 true)"]


def test_edits_keep_what_has_gathered(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(50))
    numbers(turned, 1, 2)
    turned = turn(a=digest(3, steps=[write("new " + SEEN)]))
    numbers(turned, 3)
    turned.turn()
    assert out(tmp_path) == ["new 1 2 3 (3 true)"]
    numbers(turned, 4)
    turned = turn(a=watching("n", write("one by one " + SEEN)))
    numbers(turned, 5)
    turned.turn()
    assert out(tmp_path)[1:] == ["new 4 (4 true)", "one by one 5 (5 true)"]


def test_no_event_joins_a_batch_that_is_full_after_an_edit(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(50))
    numbers(turned, 1, 2, 3, 4)
    turned = turn(a=digest(3, steps=[write("new " + SEEN)]))
    numbers(turned, 5)
    turned.turn()
    assert out(tmp_path) == ["1 2 3 4 (4 true)"]
    numbers(turned, 6, 7)
    turned.turn()
    assert out(tmp_path)[1:] == ["new 5 6 7 (7 true)"]


def test_a_batch_of_one_begins_at_once(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(1))
    numbers(turned, 1, 2)
    turned.turn()
    assert out(tmp_path) == ["1 (1 true)", "2 (2 true)"]


def test_without_batch_events_is_the_one_event(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=watching("n", write(SEEN)))
    numbers(turned, 1)
    turned.turn()
    assert out(tmp_path) == ["1 (1 true)"]


def test_what_a_batch_raises_is_one_further_than_the_farthest_of_its_events(turn: Callable[..., Turned]) -> None:
    turned = turn(
        a=watching("n", emit("m", payload={"n": 0}), batch={"max": 2, "every": "1h"}),
        before=watching("first", emit("n", payload={"n": 1})),
        b=watching("m"),
    )
    kick(turned, "first", {})
    turned.turn()
    numbers(turned, 2)
    turned.turn()
    assert [(e.workflow, e.chain) for e in turned.store.events()][-1] == ("b", ["before", "a"])


def test_a_batch_is_shown_with_its_events(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(20))
    ids = numbers(turned, *range(12))
    run = turned.store.runs()[0].run.id
    shown = changewire("runs", "--home", tmp_path, run).stdout
    assert "12 events, the latest 10" in shown
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("event ")] == ids[2:]
    (line,) = lines(changewire("runs", "--home", tmp_path, "--json").stdout)
    assert (line["event"], line["events"]) == (ids[-1], ids)


def test_events_of_a_batch_stay_as_long_as_its_run(turn: Callable[..., Turned], tmp_path: Path) -> None:
    turned = turn(a=digest(2))
    numbers(turned, 1, 2, 3)
    turned.turn()
    day = timedelta(days=1)
    turned.clock.advance(600)
    assert turned.store.prune(turned.clock.now(), timedelta(0), day) == {"runs": 0, "events": 0}
    assert turned.store.prune(turned.clock.now(), timedelta(0), timedelta(0)) == {"runs": 1, "events": 2}
    assert ask(tmp_path, "SELECT count(*) FROM batches") == [(1,)]


def test_killed_at_any_write_each_event_is_in_one_batch(tmp_path: Path) -> None:
    template = write_home(
        tmp_path / "template",
        a=watching("go", *(emit("n", payload={"n": n}) for n in (1, 2, 3))),
        b=digest(2),
    )
    turned = Turned(template, ManualClock()).start()
    kick(turned, "go", {})
    turned.close()
    points = killed(template, tmp_path / "homes", step=9)
    assert len(points) > 9
    for point, home in points.items():
        work(home)
        with SqliteStore(home / "state" / "changewire.db", clock=ManualClock()) as store:
            found = [h for h in store.runs() if h.run.workflow == "b"]
            events = [e for e in store.events() if e.workflow == "b"]
        assert sorted(e.payload["n"] for e in events) == [1, 2, 3], point
        assert sorted(i for h in found for i in h.event_ids) == sorted(e.id for e in events), point
        assert {h.run.state for h in found} == {RunState.SUCCEEDED}, point
        assert out(home) == ["1 2 (2 true)", "3 (3 true)"], point
