"""What every store promises about runs of one workflow at the same time."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.state.queries import sql
from changewire.state.records import AttemptState, Lane, RunState
from changewire.state.store import SqliteStore, Store
from tests.state.samples import DAY, MINUTE, NOW, attempt, event, poll, run, with_events

Rows = list[tuple[str, str, str | None]]


def put(store: Store, *runs: Mapping[str, Any]) -> None:
    """Runs r1, r2, … of events of their own, in this order."""
    numbered = list(enumerate(runs, 1))
    with_events(store, [event(f"e{n}") for n, _ in numbered], [run(f"r{n}", f"e{n}", **given) for n, given in numbered])


def claimed(store: Store, limit: int = 9) -> dict[str, int]:
    return {one.id: one.claim for one in store.claim_runs(NOW, limit, DAY)}


def end(store: Store, name: str, claim: int, state: RunState = RunState.SUCCEEDED) -> None:
    due = NOW if state is RunState.PENDING else NOW + MINUTE if state is RunState.WAITING else None
    assert store.finish_run(name, claim, state, due_at=due, finished_at=NOW if state.finished else None)


def stored(store: Store) -> Rows:
    return [(h.run.id, str(h.run.state), h.run.reason) for h in store.runs()]


def test_queued_runs_go_one_after_the_other(store: Store) -> None:
    put(store, *[{"lane": Lane.QUEUED}] * 3)
    for name in ("r1", "r2", "r3"):
        claims = claimed(store)
        assert list(claims) == [name]
        assert claimed(store) == {}
        end(store, name, claims[name])
    assert claimed(store) == {}


def test_a_queued_run_that_waits_holds_the_others_up_and_one_that_is_paused_does_not(store: Store) -> None:
    put(store, *[{"lane": Lane.QUEUED}] * 3)
    end(store, "r1", claimed(store)["r1"], RunState.WAITING)
    assert claimed(store) == {}
    assert store.next_run_after(NOW) == NOW + MINUTE
    (again,) = store.claim_runs(NOW + MINUTE, 9, DAY)
    end(store, "r1", again.claim, RunState.PAUSED)
    second = claimed(store)
    assert list(second) == ["r2"]
    assert store.resume(NOW, by="ann") == ["r1"]
    assert claimed(store) == {}, "one that is resumed waits for the one that began meanwhile"
    end(store, "r2", second["r2"])
    assert list(claimed(store)) == ["r1"]


def test_a_run_that_was_stopped_between_two_steps_keeps_its_place(store: Store) -> None:
    put(store, *[{"lane": Lane.QUEUED}] * 2)
    end(store, "r1", claimed(store)["r1"], RunState.PENDING)
    assert list(claimed(store)) == ["r1"]


def test_so_many_parallel_runs_as_are_allowed_work_at_once(store: Store) -> None:
    put(store, *[{"lane": Lane.PARALLEL, "lane_max": 2}] * 4)
    claims = claimed(store)
    assert list(claims) == ["r1", "r2"]
    end(store, "r2", claims["r2"])
    assert list(claimed(store)) == ["r3"]


def test_a_single_run_that_would_begin_beside_another_is_filtered(store: Store) -> None:
    put(store, *[{"lane": Lane.SINGLE}] * 3)
    assert list(claimed(store)) == ["r1"]
    reason = "mode: single: r1 of this workflow was not finished"
    assert stored(store) == [("r1", "running", None), ("r2", "filtered", reason), ("r3", "filtered", reason)]


def test_a_run_that_begins_cancels_those_before_it_and_fences_them(store: Store) -> None:
    put(store, *[{"lane": Lane.RESTART}] * 2)
    assert list(claimed(store)) == ["r2"], "the first was superseded before it began"
    put_later(store, "r3", lane=Lane.RESTART)
    old = store.load_run("r2")[0].claim
    assert store.start_attempt(old, attempt(run_id="r2", state=AttemptState.RUNNING))
    assert list(claimed(store)) == ["r3"]
    assert not store.commit_step(old, attempt(run_id="r2"), state=RunState.SUCCEEDED, finished_at=NOW)
    assert stored(store) == [
        ("r1", "cancelled", "mode: restart: r2 began"),
        ("r2", "cancelled", "mode: restart: r3 began"),
        ("r3", "running", None),
    ]
    assert [a.state for a in store.load_run("r2")[2]] == ["unknown"]


def put_later(store: Store, name: str, **given: Any) -> None:
    """One more run, of a later poll."""
    claim = store.claim_due(NOW + DAY, 1, DAY)[0]
    assert store.commit_poll(poll(claim, events=[event(f"e of {name}")], runs=[run(name, f"e of {name}", **given)]))


def test_runs_of_one_value_go_in_order_and_others_beside_them(store: Store) -> None:
    put(store, *[{"lane": Lane.PARALLEL, "order_value": value} for value in "aabab"])
    first = claimed(store)
    assert list(first) == ["r1", "r3"]
    end(store, "r1", first["r1"], RunState.PAUSED)
    assert claimed(store) == {}, "a paused run holds up its value"
    end(store, "r3", first["r3"])
    assert list(claimed(store)) == ["r5"]
    assert store.resume(NOW, by="ann") == ["r1"]
    again = claimed(store)
    assert list(again) == ["r1"]
    end(store, "r1", again["r1"], RunState.FAILED)
    assert list(claimed(store)) == ["r2"]


def test_in_a_queue_with_an_order_a_paused_run_holds_up_its_value_only(store: Store) -> None:
    put(store, *[{"lane": Lane.QUEUED, "order_value": value} for value in "aab"])
    end(store, "r1", claimed(store)["r1"], RunState.PAUSED)
    assert list(claimed(store)) == ["r3"]


def test_workflows_do_not_mind_each_other_and_the_earliest_come_first(store: Store) -> None:
    put(
        store,
        {"lane": Lane.QUEUED, "due_at": NOW - MINUTE},
        {"workflow": "v", "due_at": NOW},
        {"lane": Lane.QUEUED, "workflow": "u", "due_at": NOW - 2 * MINUTE},
        {"lane": Lane.QUEUED, "due_at": NOW - 3 * MINUTE},
    )
    assert list(claimed(store, 2)) == ["r3", "r1"]
    assert list(claimed(store, 2)) == ["r2"]


def test_a_run_from_before_the_mode_was_written_counts(store: Store) -> None:
    put(store, {})
    first = claimed(store)
    put_later(store, "r2", lane=Lane.QUEUED)
    assert claimed(store) == {}
    end(store, "r1", first["r1"])
    assert list(claimed(store)) == ["r2"]


@pytest.mark.parametrize("lane", [Lane.QUEUED, Lane.SINGLE])
def test_two_claimers_at_once_never_break_it(lane: Lane, path: Path) -> None:
    with SqliteStore(path, clock=SystemClock()) as first, SqliteStore(path, clock=SystemClock()) as second:
        put(first, *[{"lane": lane}] * 20)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: claimed((first, second)[n % 2], 5), range(32)))
        assert [name for claims in found for name in claims] == ["r1"]


def test_a_claim_outlives_a_restart_of_everything(path: Path) -> None:
    with SqliteStore(path, clock=SystemClock()) as store:
        put(store, *[{"lane": Lane.QUEUED}] * 2)
        assert list(claimed(store)) == ["r1"]
    with SqliteStore(path, clock=SystemClock()) as store:
        assert list(claimed(store)) == ["r1"], "it had begun, so it goes on first"
        assert claimed(store) == {}


def test_a_long_queue_is_looked_at_by_indexes(path: Path) -> None:
    with SqliteStore(path, clock=SystemClock()):
        pass
    connection = sqlite3.connect(path)
    for name in ("lanes_due", "lane_slots", "lane_candidates", "due_runs", "any_due_run", "next_run_due"):
        given = {"now": "", "workflow": "w", "limit": 1}
        plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql(name)}", given))
        assert "SCAN run" not in plan, f"{name}: {plan}"
    connection.close()
