"""What every store promises about runs, attempts and the past."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.errors import StateError
from changewire.state.records import AttemptState, PauseCause, PauseKind, PauseRecord, RunState
from changewire.state.store import SqliteStore, Store
from changewire.testing import ManualClock
from tests.state.samples import DAY, MINUTE, NOW, attempt, end_stale, event, run, trigger, with_events


def test_due_runs_are_claimed_once_and_earliest_first(store: Store) -> None:
    names = [("e1", "r1", NOW), ("e2", "r2", NOW - DAY), ("e3", "r3", NOW + DAY)]
    with_events(store, [event(e) for e, _, _ in names], [run(r, e, due_at=due) for e, r, due in names])
    claimed = store.claim_runs(NOW, 10, MINUTE)
    assert [(r.id, r.state, r.started_at) for r in claimed] == [("r2", "running", NOW), ("r1", "running", NOW)]
    assert store.claim_runs(NOW, 10, MINUTE) == []
    assert store.next_run_after(NOW) == NOW + DAY


def test_a_run_goes_through_its_steps(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    assert store.start_attempt(claim, attempt(state=AttemptState.RUNNING, started_at=NOW))
    done = attempt(output={"id": 1}, started_at=NOW, finished_at=NOW)
    assert store.commit_step(claim, done)
    last = attempt("1", output=None, started_at=NOW, finished_at=NOW)
    assert store.commit_step(claim, last, state=RunState.SUCCEEDED, finished_at=NOW)
    found, of, attempts = store.load_run("r1")
    assert (found.state, found.finished_at, found.due_at, found.claim) == ("succeeded", NOW, None, 0)
    assert (of, attempts) == (event(), [done, last])
    assert not store.commit_step(claim, attempt("2")), "the claim ended with the run"


def test_what_was_decided_before_is_stored_with_a_beginning_and_with_an_end(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    decided = [attempt("steps/0", use="if"), attempt("steps/0/then/0", use="set")]
    begun = attempt("steps/1", state=AttemptState.RUNNING)
    assert not store.start_attempt(claim + 1, begun, before=decided)
    assert store.load_run("r1")[2] == []
    assert store.start_attempt(claim, begun, before=decided)
    assert store.load_run("r1")[2] == [*decided, begun]
    more, last = attempt("steps/2", use="set"), attempt("steps/3")
    assert store.commit_step(claim, last, state=RunState.SUCCEEDED, finished_at=NOW, before=[more])
    assert store.load_run("r1")[2] == [*decided, begun, more, last]


def test_a_waiting_run_is_claimed_again_when_it_is_due(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, DAY)[0].claim
    failed = attempt(state=AttemptState.FAILED, error="503", error_class="transient", retry_at=NOW + MINUTE)
    assert store.commit_step(claim, failed, state=RunState.WAITING, reason="503", due_at=NOW + MINUTE)
    assert store.claim_runs(NOW, 1, MINUTE) == []
    again = store.claim_runs(NOW + MINUTE, 1, MINUTE)[0]
    assert (again.id, again.started_at, again.claim != claim) == ("r1", NOW, True)


def test_a_paused_run_waits_for_a_person(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, DAY)[0].claim
    assert store.finish_run("r1", claim, RunState.PAUSED, reason="credential: sign in again")
    assert store.claim_runs(NOW + DAY, 1, MINUTE) == []
    assert store.load_run("r1")[0].reason == "credential: sign in again"


def test_a_fenced_run_stores_nothing(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    assert end_stale(store, NOW + MINUTE) == (0, 1)
    assert not store.start_attempt(claim, attempt())
    assert not store.commit_step(claim, attempt())
    assert not store.commit_step(claim, attempt(), state=RunState.SUCCEEDED, finished_at=NOW)
    assert not store.finish_run("r1", claim, RunState.FAILED, finished_at=NOW)
    assert store.load_run("r1")[2] == []
    assert [r.id for r in store.claim_runs(NOW + MINUTE, 1, MINUTE)] == ["r1"]


@pytest.mark.parametrize(
    ("state", "given", "words"),
    [
        (RunState.WAITING, {}, "a run that is waiting needs a due_at"),
        (RunState.PAUSED, {"due_at": NOW}, "a run that is paused takes no due_at"),
        (RunState.SUCCEEDED, {}, "a run that is succeeded needs a finished_at"),
        (RunState.PAUSED, {"finished_at": NOW}, "a run that is paused takes no finished_at"),
    ],
)
def test_a_run_cannot_be_left_where_nobody_finds_it(
    store: Store, state: RunState, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        store.finish_run("r1", 1, state, **given)


def test_runs_that_wait_for_a_pause_are_resumed_by_its_end_only(store: Store) -> None:
    pause = PauseRecord(PauseKind.CONNECTION, "work", PauseCause.PERSON, NOW, "by hand")
    with_events(store, [event("e1"), event("e2")], [run("r1", "e1"), run("r2", "e2")])
    store.pause(pause, NOW)
    for claimed in store.claim_runs(NOW, 2, MINUTE):
        held_by = pause.held_by if claimed.id == "r1" else None
        assert store.finish_run(claimed.id, claimed.claim, RunState.PAUSED, reason="no", held_by=held_by)
    assert (store.resume(NOW, run_id="r1", by="ann"), store.resume(NOW, by="ann")) == ([], ["r2"])
    lifted = store.lift(PauseKind.CONNECTION, "work", NOW)
    assert lifted is not None
    assert lifted.runs == ["r1"]


def test_a_paused_run_that_is_resumed_is_due_with_all_that_it_did(store: Store) -> None:
    with_events(store, [event("e1"), event("e2"), event("e3", workflow="v")],
                [run("r1", "e1"), run("r2", "e2"), run("r3", "e3", workflow="v")])  # fmt: skip
    for claimed in store.claim_runs(NOW, 3, MINUTE):
        failed = attempt(run_id=claimed.id, state=AttemptState.FAILED, error="403")
        assert store.commit_step(claimed.claim, failed, state=RunState.PAUSED, reason="403")
    assert store.resume(NOW + MINUTE, run_id="r1", by="ann") == ["r1"]
    assert store.resume(NOW + MINUTE, run_id="r1", by="ann") == [], "it is not paused any more"
    assert store.resume(NOW + MINUTE, run_id="r9", by="ann") == []
    assert store.claim_runs(NOW, 3, MINUTE) == []
    (again,) = store.claim_runs(NOW + MINUTE, 3, MINUTE)
    assert (again.id, again.state, again.reason, again.started_at) == ("r1", "running", None, NOW + MINUTE)
    assert [a.error for a in store.load_run("r1")[2]] == ["403"]
    assert store.resume(NOW, workflow="v", by="ann") == ["r3"]
    assert store.resume(NOW, by="ann") == ["r2"]


@pytest.mark.parametrize("state", [None, RunState.RUNNING, RunState.WAITING, RunState.PAUSED])
def test_a_cancelled_run_is_finished_and_whoever_worked_on_it_is_fenced(store: Store, state: RunState | None) -> None:
    with_events(store, [event()], [run()])
    claim = 0
    if state is not None:
        claim = store.claim_runs(NOW, 1, DAY)[0].claim
        assert store.start_attempt(claim, attempt(state=AttemptState.RUNNING, started_at=NOW))
    if state in (RunState.WAITING, RunState.PAUSED):
        due = NOW if state is RunState.WAITING else None
        assert store.finish_run("r1", claim, state, due_at=due)
    assert store.cancel("r1", NOW + MINUTE, "enough")
    found, _, attempts = store.load_run("r1")
    assert (found.state, found.reason, found.finished_at, found.due_at, found.claim) == (
        "cancelled", "enough", NOW + MINUTE, None, 0,
    )  # fmt: skip
    assert [(a.state, a.error) for a in attempts] == ([] if state is None else [("unknown", "enough")])
    assert not store.commit_step(claim, attempt(), state=RunState.SUCCEEDED, finished_at=NOW)
    assert store.claim_runs(NOW + DAY, 1, MINUTE) == []
    assert not store.cancel("r1", NOW + DAY, "again")
    assert not store.cancel("r9", NOW, "unknown")
    assert store.resume(NOW, by="ann") == []


def test_a_replay_is_a_run_of_its_own_with_the_next_number(store: Store) -> None:
    with_events(store, [event("e1"), event("e2")], [run("r1", "e1"), run("r2", "e2")])
    wanted = [run("", "e1", version="v2"), run("", "e9"), run("", "e2", workflow="v")]
    stored = store.replay(wanted)
    assert [(r.event_id, r.workflow, r.version, r.replay) for r in stored] == [
        ("e1", "w", "v2", 1),
        ("e2", "v", "v1", 1),
    ]
    assert len({r.id for r in stored} | {"r1", "r2"}) == 4
    (again,) = store.replay(wanted[:1])
    assert (again.replay, again.id != stored[0].id) == (2, True)
    assert store.load_run(again.id)[0] == replace(again, due_at=NOW)
    assert [(h.run.event_id, h.run.replay) for h in store.runs()] == [
        ("e1", 0), ("e2", 0), ("e1", 1), ("e2", 1), ("e1", 2),
    ]  # fmt: skip


def test_a_number_of_a_replay_is_never_given_again(store: Store) -> None:
    with_events(store, [event()], [run()])
    (first,) = store.replay([run("")])
    for claimed in store.claim_runs(NOW, 9, MINUTE):
        store.finish_run(claimed.id, claimed.claim, RunState.SUCCEEDED, finished_at=NOW)
    assert store.prune(NOW + DAY, 10 * DAY, timedelta(0)) == {"runs": 2, "events": 0}
    (second,) = store.replay([run("")])
    assert (second.replay, second.id != first.id) == (2, True)


def test_an_unknown_run_is_told(store: Store) -> None:
    with pytest.raises(StateError, match=r"There is no run r9 in the database\."):
        store.load_run("r9")


def test_attempts_come_in_the_order_of_their_addresses(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    addresses = ["on_failure/0", "10", "2/do/11", "2/do/2", "2", "0"]
    for address in addresses:
        assert store.commit_step(claim, attempt(address, 2))
        assert store.commit_step(claim, attempt(address, 1))
    order = ["0", "2", "2/do/2", "2/do/11", "10", "on_failure/0"]
    expected = [(address, number) for address in order for number in (1, 2)]
    assert [(a.address, a.attempt) for a in store.runs()[0].attempts] == expected
    assert [(a.address, a.attempt) for a in store.load_run("r1")[2]] == expected


def test_a_version_is_stored_once(store: Store) -> None:
    store.save_version("v1", "name: w\n")
    store.save_version("v1", "something else")
    store.save_versions({"v1": "something else", "v2": "name: v\n"})
    store.save_versions({})
    assert (store.load_version("v1"), store.load_version("v2")) == ("name: w\n", "name: v\n")
    with pytest.raises(StateError, match="The text of workflow version v9 is not in the database"):
        store.load_version("v9")


def test_events_and_runs_are_picked_by_age_workflow_state_and_number(store: Store) -> None:
    times = [NOW + n * MINUTE for n in range(4)]
    workflows = ["w", "v", "w", "v"]
    every = list(zip(range(4), times, workflows, strict=True))
    events = [event(f"e{n}", at=at, workflow=w) for n, at, w in every]
    with_events(store, events, [run(f"r{n}", f"e{n}", at, workflow=w) for n, at, w in every])
    store.claim_runs(times[0], 1, MINUTE)

    def picked(**given: Any) -> tuple[list[str], list[str]]:
        return [e.id[1:] for e in store.events(**given)], [h.run.id[1:] for h in store.runs(**given)]

    assert picked() == (["0", "1", "2", "3"],) * 2
    assert picked(since=times[2]) == (["2", "3"],) * 2
    assert picked(workflow="w") == (["0", "2"],) * 2
    assert picked(limit=3) == (["1", "2", "3"],) * 2
    assert picked(since=times[1], workflow="v", limit=1) == (["3"],) * 2
    assert [h.run.id for h in store.runs(states=[RunState.RUNNING])] == ["r0"]
    assert [h.run.id for h in store.runs(states=[RunState.PENDING], workflow="w")] == ["r2"]
    assert store.event("e1") == events[1]
    assert store.event("e9") is None


def test_events_and_runs_come_in_the_order_in_which_they_were_stored_whatever_the_wall_clock_showed(
    store: Store,
) -> None:
    times = {"e1": NOW, "e2": NOW - timedelta(days=365), "e3": NOW - timedelta(days=364)}
    events = [event(name, at=at) for name, at in times.items()]
    with_events(store, events, [run(f"r-{name}", name, at) for name, at in times.items()])
    assert [e.id for e in store.events()] == ["e1", "e2", "e3"]
    assert [e.id for e in store.events(limit=2)] == ["e2", "e3"]
    assert [h.run.id for h in store.runs(limit=2)] == ["r-e2", "r-e3"]


def test_counts_are_by_state(store: Store) -> None:
    with_events(store, [event(), event("e2")], [run(), run("r2", "e2", due_at=NOW - MINUTE)])
    store.sync_triggers([trigger(), trigger("t2")], NOW)
    store.claim_runs(NOW, 1, MINUTE)
    assert store.counts() == {
        "triggers": {"ok": 1, "baseline_pending": 1},
        "runs": {"pending": 1, "running": 1},
        "held": {},
        "events": {"stored": 2},
    }


def test_the_daemon_tells_of_itself(store: Store) -> None:
    assert store.daemon_info() is None
    store.heartbeat({"pid": 1}, NOW)
    store.heartbeat({"pid": 2, "version": "1"}, NOW + MINUTE)
    assert store.daemon_info() == {"pid": 2, "version": "1", "at": "2026-11-21T10:01:00.000000Z"}


def test_pruning_deletes_the_finished_past_and_nothing_else(store: Store) -> None:
    names = [str(n) for n in range(5)]
    with_events(store, [event(f"e{n}") for n in names], [run(f"r{n}", f"e{n}") for n in names[:4]])
    ends = {"r0": RunState.SUCCEEDED, "r1": RunState.PAUSED, "r2": RunState.FILTERED}
    for claimed in store.claim_runs(NOW, 3, MINUTE):
        store.start_attempt(claimed.claim, attempt(run_id=claimed.id))
        end = ends[claimed.id]
        finished = {"r0": NOW, "r2": NOW + DAY}.get(claimed.id)
        store.finish_run(claimed.id, claimed.claim, end, finished_at=finished)
    gone = store.prune(NOW + DAY, timedelta(0), timedelta(hours=1))
    assert gone == {"runs": 1, "events": 2}
    assert [h.run.id for h in store.runs()] == ["r1", "r2", "r3"]
    assert [e.id for e in store.events()] == ["e1", "e2", "e3"]
    assert len(store.triggers()) == 1


def test_pruning_takes_a_run_with_very_many_attempts_in_parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changewire.state.pruning.AT_ONCE", 10)
    with_events(store, [event(), event("e2"), event("e3")], [run(), run("r2", "e2"), run("r3", "e3")])
    for claimed in store.claim_runs(NOW, 3, MINUTE):
        many = [attempt(str(n), run_id=claimed.id) for n in range(45 if claimed.id == "r2" else 2)]
        assert store.commit_step(claimed.claim, many[0], before=many[1:])
        assert store.finish_run(claimed.id, claimed.claim, RunState.SUCCEEDED, finished_at=NOW)
    before = store.stats()["units"]
    assert store.prune(NOW + DAY, timedelta(0), timedelta(0)) == {"runs": 3, "events": 3}
    assert store.stats()["units"] - before >= 5 + 2, "parts of ten attempts, and the runs"
    assert store.runs() == []


def test_events_that_still_have_a_run_are_passed_over_and_those_after_them_are_deleted(store: Store) -> None:
    events = [event(f"e{n}", at=NOW + timedelta(seconds=n)) for n in range(6)]
    with_events(store, events, [run("r1", "e1"), run("r3", "e3")])
    assert store.prune(NOW + DAY, timedelta(0), timedelta(0)) == {"runs": 0, "events": 4}
    assert [e.id for e in store.events()] == ["e1", "e3"]


def test_ids_are_found_by_their_beginning(store: Store) -> None:
    names = ["run_a", "run_ab", "run_b", "rum", "run_%"]
    with_events(store, [event(f"e{n}") for n in names], [run(n, f"e{n}") for n in names])
    assert store.beginning_with("runs", "run_a") == ["run_a", "run_ab"]
    assert store.beginning_with("events", "erun_%") == ["erun_%"]
    assert store.beginning_with("runs", "run_c") == []
    assert len(store.beginning_with("runs", "")) == 5
    history = store.run("run_ab")
    assert history is not None
    assert (history.run.event_id, history.attempts, store.run("run_")) == ("erun_ab", [], None)


def test_many_runs_are_gone_through_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changewire.state.store.READ_AT_ONCE", 2)
    with_events(store, [event(f"e{n}") for n in range(5)], [run(f"r{n}", f"e{n}") for n in range(5)])
    found = store.each_run()
    assert next(found).run.id == "r0"
    for claimed in store.claim_runs(NOW, 5, MINUTE):
        if claimed.id in {"r1", "r3"}:
            assert store.finish_run(claimed.id, claimed.claim, RunState.SUCCEEDED, finished_at=NOW)
    assert store.prune(NOW + DAY, DAY * 9, timedelta(0))["runs"] == 2
    assert [history.run.id for history in found] == ["r1", "r2", "r4"], "r1 had been read, r3 is gone"
    assert [e.id for e in store.each_event(limit=3)] == ["e2", "e3", "e4"]


def test_what_takes_long_to_read_is_read_in_short_snapshots(path: Path) -> None:
    clock = ManualClock()
    sizes: list[int] = []

    def read(connection: sqlite3.Connection, part: list[int]) -> list[int]:
        sizes.append(len(part))
        clock.advance(len(part) * (0.02 if len(sizes) < 4 else 0.0001))
        return part

    with SqliteStore(path, clock=clock) as store:
        assert list(store._each(list(range(600)), read)) == list(range(600))
    assert sizes[:4] == [10, 2, 2, 2]
    assert sizes[4:7] == [200, 200, 184]
