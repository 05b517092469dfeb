"""Runs that nothing would wake, whatever made them so, are found and woken."""

from __future__ import annotations

from typing import Any

from changewire.state.records import PauseCause, PauseKind, PauseRecord, RunState
from changewire.state.store import Store
from tests.state.samples import DAY, MINUTE, NOW, event, run, with_events


def put(store: Store, **columns: Any) -> None:
    """Store the run ``r1`` and give columns of its row other values, as no unit of writing would."""
    with_events(store, [event()], [run()])
    change = ", ".join(f"{name} = :{name}" for name in columns)
    store._write(lambda transaction: transaction.execute("put", f"UPDATE runs SET {change}", columns))  # type: ignore[attr-defined]


def woken(store: Store) -> bool:
    """Whether it is counted as asleep, and is claimed once it was woken."""
    assert store.claim_runs(NOW + MINUTE, 9, DAY) == []
    assert store.sleepers() == {"w": 1}
    store.wake_sleepers(NOW + MINUTE)
    assert store.sleepers() == {}
    return [one.id for one in store.claim_runs(NOW + MINUTE, 9, DAY)] == ["r1"]


def test_a_run_held_by_a_pause_that_does_not_exist_is_woken(store: Store) -> None:
    put(store, state="paused", held_by="workflow/Old", due_at=None, time_left_s=60.0, started_at="2026-11-20")
    assert woken(store)
    found = store.load_run("r1")[0]
    assert (found.resumed_by, found.resumed_at, found.resumes) == ("workflow/Old", NOW + MINUTE, 0)
    assert (found.started_at, found.time_left_s) == (NOW + MINUTE, 60.0), "its time counts again"


def test_a_run_without_a_due_time_is_woken(store: Store) -> None:
    put(store, state="waiting", due_at=None)
    assert woken(store)


def test_a_batch_that_gathers_without_end_is_woken(store: Store) -> None:
    put(store, due_at=None, batch_max=9, gathering=1)
    assert woken(store)


def test_a_run_that_takes_a_place_in_its_lane_although_it_is_over_gives_it_back(store: Store) -> None:
    with_events(store, [event()], [run(lane="queued"), run("r2", lane="queued", replay=1)])
    change = "UPDATE runs SET state = 'failed', finished_at = :now, slot = 1, due_at = NULL WHERE id = 'r1'"
    store._write(lambda transaction: transaction.execute("put", change, {"now": "2026-11-21"}))  # type: ignore[attr-defined]
    assert store.claim_runs(NOW, 9, DAY) == []
    assert store.sleepers() == {"w": 1}
    store.wake_sleepers(NOW)
    assert [one.id for one in store.claim_runs(NOW, 9, DAY)] == ["r2"]


def test_what_waits_for_a_pause_a_person_or_a_moment_is_left_alone(store: Store) -> None:
    now = NOW
    with_events(store, [event()], [run(), run("r2", replay=1), run("r3", replay=2)])
    store.pause(PauseRecord(PauseKind.WORKFLOW, "w", PauseCause.PERSON, now, "by hand"), now)
    one, two, three = store.claim_runs(now, 9, DAY)
    assert store.finish_run(one.id, one.claim, RunState.PAUSED, reason="paused", held_by="workflow/w")
    assert store.finish_run(two.id, two.claim, RunState.PAUSED, reason="403")
    assert store.finish_run(three.id, three.claim, RunState.WAITING, due_at=now + DAY)
    assert (store.sleepers(), store.wake_sleepers(now)) == ({}, [])
