"""A process killed at any write leaves each transaction whole or absent, and the next one goes on from there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from changewire.clock import SystemClock
from changewire.state.records import AttemptState, Lane, RunState
from changewire.state.store import SqliteStore
from tests.state.killed import work
from tests.state.samples import DAY, NOW, attempt, claim, event, item, poll, run, trigger, with_events

ROOT = Path(__file__).parents[2]


def prepare(path: Path) -> None:
    with SqliteStore(path, clock=SystemClock()) as store:
        store.sync_triggers([trigger(cursor={"n": 1})], NOW)
        first = poll(claim(store), next_due=NOW, body_hash="old", upserts=[item(key) for key in "abd"])
        assert store.commit_poll(first)


def seen(store: SqliteStore) -> dict[str, Any]:
    record, items = store.load_poll_state("t1")
    return {
        "items": {key: (i.hash, i.absences) for key, i in items.items()},
        "memory": (record.cursor, record.body_hash, record.polls, record.events, record.last_event),
        "events": [e.id for e in store.events()],
        "runs": [h.run.id for h in store.runs()],
    }


BEFORE: dict[str, Any] = {
    "items": dict.fromkeys("abd", ("hash of 1", 0)),
    "memory": ({"n": 1}, "old", 1, 0, None),
    "events": [],
    "runs": [],
}
AFTER: dict[str, Any] = {
    "items": {"a": ("hash of 2", 0), "b": ("hash of 1", 1), "c": ("hash of 1", 0)},
    "memory": ({"n": 2}, "new", 2, 2, NOW),
    "events": ["e1", "e2"],
    "runs": ["r1", "r2"],
}


def go_on(store: SqliteStore) -> None:
    """What the next process does: whatever is still to do."""
    if seen(store) == BEFORE:
        work(store)
        return
    for claimed in store.claim_runs(NOW, 1, DAY):
        if claimed.id == "r1":
            store.start_attempt(claimed.claim, attempt(number=2, state=AttemptState.RUNNING))
            done = attempt(number=2)
            store.commit_step(claimed.claim, done, state=RunState.SUCCEEDED, finished_at=NOW)


def killed_points(folder: Path, work: str) -> list[str]:
    command = [sys.executable, "-m", "tests.state.killed", str(folder / "template.db"), str(folder), work]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return [line.split()[1] for line in done.stdout.splitlines()]


def test_killed_at_every_write_point(tmp_path: Path) -> None:
    prepare(tmp_path / "template.db")
    points = killed_points(tmp_path, "work")
    assert {"commit:before", "commit_poll.put_item:after", "commit_poll.counters:before"} <= set(points)

    found = []
    for number, point in enumerate(points):
        with SqliteStore(tmp_path / f"{number}.db", clock=SystemClock()) as store:
            state = seen(store)
            assert state in (BEFORE, AFTER), point
            found.append(state == AFTER)
            states = [(h.run.state, [a.state for a in h.attempts]) for h in store.runs()]
            assert all((run == "succeeded") == (steps == ["succeeded"]) for run, steps in states), point
            go_on(store)
            assert seen(store) == AFTER, point
            assert store.runs()[0].run.state is RunState.SUCCEEDED, point
    turn = found.index(True)
    assert found == [False] * turn + [True] * (len(found) - turn)
    assert points[turn] == "commit:after"


def test_killed_while_a_person_mends(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "template.db", clock=SystemClock()) as store:
        with_events(store, [event("e1"), event("e2")], [run("r1", "e1"), run("r2", "e2")])
        first, second = store.claim_runs(NOW, 2, DAY)
        store.start_attempt(second.claim, attempt(run_id="r2", state=AttemptState.RUNNING))
        store.finish_run("r1", first.claim, RunState.PAUSED)
    points = killed_points(tmp_path, "mend")
    assert {"cancel.run:after", "replay.count:after", "replay.run:after", "resume.runs:after"} <= set(points)
    seen_states = []
    for number, point in enumerate(points):
        store = SqliteStore(tmp_path / f"{number}.db", clock=SystemClock())
        store.open(take_over=False)
        histories = {h.run.id: h for h in store.runs()}
        state = (histories["r1"].run.state, histories["r2"].run.state, len(histories) - 2)
        seen_states.append(state)
        cancelled = histories["r2"].run.state == "cancelled"
        assert [a.state for a in histories["r2"].attempts] == ["unknown" if cancelled else "running"], point
        replayed = [r.replay for r in store.replay([run("", "e1"), run("", "e2")])]
        assert replayed == ([2, 2] if state[2] else [1, 1]), point
        store.close()
    whole = [
        ("paused", "running", 0),
        ("pending", "running", 0),
        ("pending", "cancelled", 0),
        ("pending", "cancelled", 2),
    ]
    assert list(dict.fromkeys(seen_states)) == whole, "each is done whole or not at all, in this order"


def test_killed_while_runs_begin_that_mind_each_other(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "template.db", clock=SystemClock()) as store:
        lanes = [("w", Lane.RESTART), ("w", Lane.RESTART), ("v", Lane.SINGLE), ("v", Lane.SINGLE)]
        with_events(
            store,
            [event(f"e{n}") for n in range(1, 5)],
            [run(f"r{n}", f"e{n}", workflow=name, lane=lane) for n, (name, lane) in enumerate(lanes, 1)],
        )
    points = killed_points(tmp_path, "begin")
    assert {"claim_runs.supersede:after", "claim_runs.filter:after", "claim_runs.claim:after"} <= set(points)
    seen_states = []
    for number in range(len(points)):
        store = SqliteStore(tmp_path / f"{number}.db", clock=SystemClock())
        store.open(take_over=False)
        seen_states.append([str(h.run.state) for h in store.runs()])
        store.close()
    after = ["cancelled", "running", "running", "filtered"]
    assert [state for n, state in enumerate(seen_states) if state not in seen_states[:n]] == [["pending"] * 4, after]


def test_killed_while_events_gather(tmp_path: Path) -> None:
    with SqliteStore(tmp_path / "template.db", clock=SystemClock()) as store:
        store.sync_triggers([trigger()], NOW)
    points = killed_points(tmp_path, "gather")
    assert {"feed.run:after", "feed.join_batch:before", "feed.batch:after", "feed.runs:before"} <= set(points)
    seen_states = []
    for number in range(len(points)):
        with SqliteStore(tmp_path / f"{number}.db", clock=SystemClock()) as store:
            seen_states.append([(h.run.id, h.event_ids, len(store.events())) for h in store.runs()])
    after = [("r4", [], 4), ("r1", ["e1", "e2"], 4), ("r3", ["e3"], 4)]
    assert [state for n, state in enumerate(seen_states) if state not in seen_states[:n]] == [[], after]
