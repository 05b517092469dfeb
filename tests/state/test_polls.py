"""What every store promises about triggers and polls."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from changewire.errors import StateError
from changewire.secret import Secret
from changewire.state.records import Handover, ItemRecord, Lane, RunState, TriggerState
from changewire.state.store import Store
from tests.state.samples import DAY, MINUTE, NOW, claim, end_stale, event, item, poll, run, trigger, with_events


def one(store: Store, trigger_id: str = "t1") -> Any:
    return store.load_poll_state(trigger_id, [])[0]


def test_a_new_trigger_is_stored_as_given(store: Store) -> None:
    record = trigger(lag_ms=1.5, cursor={"page": [1, None]}, schedule="*/5 * * * *", last_ok=NOW)
    store.sync_triggers([record], NOW)
    assert store.triggers() == [record]


def test_triggers_come_by_workflow_and_name(store: Store) -> None:
    store.sync_triggers([trigger("b"), trigger("a"), trigger("z", workflow="a")], NOW)
    assert [record.id for record in store.triggers()] == ["z", "a", "b"]
    assert [record.id for record in store.triggers(workflow="w")] == ["a", "b"]


def test_only_due_free_active_and_available_triggers_are_claimed_earliest_first(store: Store) -> None:
    late, later = trigger("late", next_due=NOW - 2 * MINUTE), trigger("later", next_due=NOW - 3 * MINUTE)
    future, never = trigger("future", next_due=NOW + MINUTE), trigger("never", next_due=None)
    broken = trigger("broken", state=TriggerState.UNAVAILABLE)
    store.sync_triggers([trigger("gone"), trigger("taken", next_due=NOW - DAY)], NOW)
    assert claim(store).trigger_id == "taken"
    store.sync_triggers([late, later, future, never, broken, trigger("taken", next_due=NOW - DAY)], NOW)

    assert [due for due, _ in store.due(NOW, 10)] == ["later", "late"]
    claimed = store.claim_due(NOW, 10, MINUTE)
    assert [(c.trigger_id, c.due_at) for c in claimed] == [("later", later.next_due), ("late", late.next_due)]
    assert store.claim_due(NOW, 10, MINUTE) == []
    assert store.next_due_after(NOW) == future.next_due
    assert store.next_due_after(NOW + DAY) is None


def test_a_claim_brings_the_trigger_as_it_stands(store: Store) -> None:
    store.sync_triggers([trigger("t1"), trigger("t2")], NOW)
    first = claim(store)
    assert first.record == one(store, first.trigger_id)
    changes: dict[str, Any] = {"body_hash": "h", "cursor": {"page": 2}, "baseline_at": NOW, "next_due": NOW - DAY}
    assert store.commit_poll(poll(first, **changes))

    again = claim(store)
    assert (again.trigger_id, again.record.body_hash, again.record.cursor) == (first.trigger_id, "h", {"page": 2})
    assert again.record == one(store, first.trigger_id)


def test_a_claim_takes_no_more_than_the_limit(store: Store) -> None:
    store.sync_triggers([trigger(f"t{n}", next_due=NOW + n * timedelta(seconds=1)) for n in range(5)], NOW)
    assert [c.trigger_id for c in store.claim_due(NOW + MINUTE, 2, MINUTE)] == ["t0", "t1"]
    assert [c.trigger_id for c in store.claim_due(NOW + MINUTE, 2, MINUTE)] == ["t2", "t3"]


def test_a_trigger_is_claimed_by_one_of_many_threads(store: Store) -> None:
    store.sync_triggers([trigger(f"t{n}") for n in range(40)], NOW)
    taken: list[str] = []
    barrier = threading.Barrier(8)

    def work() -> None:
        barrier.wait()
        while found := store.claim_due(NOW, 3, MINUTE):
            taken.extend(c.trigger_id for c in found)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"t{n}" for n in range(40))


def test_a_poll_stores_everything_at_once(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    assert store.commit_poll(poll(claim(store), upserts=[item("a"), item("b"), item("c")], baseline_at=NOW))
    later = NOW + MINUTE
    changed = ItemRecord("a", "hash of 2", b"2", revision=1)
    touched = ItemRecord("b", "not written", None, 9, candidate="hash of 3", candidate_count=1, absences=2)
    commit = poll(
        claim(store, later), later, rules="r", body_hash="b", cursor={"n": 1}, lag_ms=2.0, lag_p99_ms=3.0,
        upserts=[changed], touches=[touched], deletes=["c"], events=[event(at=later)], runs=[run(at=later)],
    )  # fmt: skip
    assert store.commit_poll(commit)

    record, items = store.load_poll_state("t1")
    kept = ItemRecord("b", "hash of 1", b"1", 0, candidate="hash of 3", candidate_count=1, absences=2)
    assert items == {"a": changed, "b": kept}
    assert record == trigger(
        state=TriggerState.OK, next_due=later + MINUTE, last_ok=later, last_poll=later, last_event=later,
        baseline_at=NOW, rules="r", body_hash="b", cursor={"n": 1}, polls=2, events=1, lag_ms=2.0,
        lag_p99_ms=3.0,
    )  # fmt: skip
    assert store.events() == [event(at=later)]
    assert [(h.run.id, h.run.state, h.run.due_at) for h in store.runs()] == [("r1", "pending", later)]


def test_an_unchanged_poll_keeps_rules_and_cursor(store: Store) -> None:
    store.sync_triggers([trigger(rules="r", cursor={"n": 1}, body_hash="b", baseline_at=NOW)], NOW)
    assert store.commit_poll(poll(claim(store), body_hash="b"))
    record = one(store)
    assert (record.rules, record.cursor, record.body_hash, record.baseline_at) == ("r", {"n": 1}, "b", NOW)


def test_a_failed_poll_changes_only_how_the_trigger_is_doing(store: Store) -> None:
    store.sync_triggers([trigger(rules="r", cursor={"n": 1}, body_hash="b", last_ok=NOW)], NOW)
    failed: dict[str, Any] = {"ok": False, "state": TriggerState.FAILING, "failures": 3}
    assert store.commit_poll(poll(claim(store), error="no answer", error_class="transient", **failed))
    record = one(store)
    assert (record.state, record.failures, record.error) == (TriggerState.FAILING, 3, "no answer")
    assert (record.rules, record.cursor, record.body_hash, record.last_ok) == ("r", {"n": 1}, "b", NOW)


@pytest.mark.parametrize(
    "memory", [{"upserts": [item("a")]}, {"events": [event()]}, {"cursor": {}}, {"rules": "r"}], ids=str
)
def test_a_failed_poll_cannot_store_memory(store: Store, memory: dict[str, Any]) -> None:
    store.sync_triggers([trigger()], NOW)
    with pytest.raises(ValueError, match="a poll that failed cannot store"):
        store.commit_poll(poll(claim(store), ok=False, **memory))


def test_an_event_that_exists_is_left_out_with_its_runs_and_the_rest_is_stored(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    assert store.commit_poll(poll(claim(store), events=[event()], runs=[run()]))
    again, later = [event(payload={"other": 1}), event("e2", at=NOW + DAY)], NOW + DAY
    runs = [run("r1 again"), run("r2", "e2", later)]
    assert store.commit_poll(poll(claim(store, later), later, events=again, runs=runs, upserts=[item("a")]))

    assert [(e.id, e.payload) for e in store.events()] == [("e1", {"a": 1}), ("e2", {"a": 1})]
    assert [h.run.id for h in store.runs()] == ["r1", "r2"]
    record, items = store.load_poll_state("t1")
    assert (record.events, record.last_event, list(items)) == (2, later, ["a"])


def test_an_event_that_exists_without_a_run_starts_none_later(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    assert store.commit_poll(poll(claim(store), next_due=NOW, events=[event()]))
    assert store.commit_poll(poll(claim(store), events=[event()], runs=[run()]))
    assert store.runs() == []


def test_one_event_starts_one_run_for_each_workflow(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    runs = [run("r1"), run("r2"), run("r3", workflow="other")]
    assert store.commit_poll(poll(claim(store), events=[event()], runs=runs))
    assert [h.run.id for h in store.runs()] == ["r1", "r3"]


def test_a_poll_may_claim_the_runs_that_it_starts(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    runs = [
        run("r1", "e1"),
        run("r2", "e2", lane=Lane.SINGLE, workflow="other"),
        run("r3", "e3", state=RunState.PAUSED),
        run("r4", "e4"),
        run("r5", "e5"),
        run("r6", "e6", due_at=NOW + MINUTE),
    ]
    room = Handover(NOW, NOW + MINUTE, most=2)
    assert store.commit_poll(poll(claimed, events=[event(f"e{n}") for n in range(1, 7)], runs=runs, handover=room))
    assert [(r.id, r.state, r.claim, r.started_at) for r in room.taken] == [
        ("r1", RunState.RUNNING, claimed.claim, NOW),
        ("r4", RunState.RUNNING, claimed.claim, NOW),
    ]
    assert {h.run.id: h.run.claim for h in store.runs(states=[RunState.RUNNING])} == dict.fromkeys(
        ("r1", "r4"), claimed.claim
    )
    assert [r.id for r in store.claim_runs(NOW, 9, MINUTE)] == ["r2", "r5"]
    assert store.finish_run("r1", claimed.claim, RunState.SUCCEEDED, finished_at=NOW)
    assert end_stale(store, NOW + 2 * MINUTE) == (0, 3)
    assert not store.finish_run("r4", claimed.claim, RunState.SUCCEEDED, finished_at=NOW), "its lease has passed"


def test_a_run_of_an_event_that_was_known_is_not_claimed_with_the_poll(store: Store) -> None:
    with_events(store, [event()], [run()])
    store.claim_runs(NOW, 1, MINUTE)
    end_stale(store, NOW + DAY)
    room = Handover(NOW + DAY, NOW + DAY, most=9)
    claimed = claim(store, NOW + DAY)
    events, runs = [event(), event("e2", at=NOW + DAY)], [run(), run("r2", "e2", NOW + DAY)]
    assert store.commit_poll(poll(claimed, NOW + DAY, events=events, runs=runs, handover=room))
    assert [r.id for r in room.taken] == ["r2"]


def test_a_poll_that_cannot_be_stored_whole_is_not_stored_at_all(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    bad = [run("same"), run("same", workflow="other")]
    with pytest.raises(StateError, match=r"UNIQUE constraint failed: runs\.id"):
        store.commit_poll(poll(claimed, events=[event()], runs=bad, upserts=[item("a")]))
    assert store.events() == []
    assert store.load_poll_state("t1") == (trigger(), {})
    assert store.commit_poll(poll(claimed, events=[event()], runs=[run()]))


@pytest.mark.parametrize("wrong", [{"claim": 1_000}, {"claim": 0}, {"generation": 2}], ids=str)
def test_a_poll_under_a_wrong_claim_stores_nothing(store: Store, wrong: dict[str, Any]) -> None:
    store.sync_triggers([trigger()], NOW)
    commit = poll(claim(store), events=[event()], runs=[run()], upserts=[item("a")], cursor={"n": 1})
    assert not store.commit_poll(replace(commit, **wrong))
    assert (store.load_poll_state("t1"), store.events(), store.runs()) == ((trigger(), {}), [], [])
    assert store.commit_poll(commit)
    assert not store.commit_poll(commit), "a claim is good for one poll"


def test_a_changed_config_fences_the_poll_under_way(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    store.sync_triggers([trigger(interval_s=5.0)], NOW)
    assert not store.commit_poll(poll(claimed))
    assert claim(store).generation == 2


def test_a_released_trigger_is_due_when_told_and_was_not_polled(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    assert store.release("t1", claimed.claim, NOW + DAY)
    assert not store.release("t1", claimed.claim, NOW)
    assert store.claim_due(NOW, 1, MINUTE) == []
    assert (one(store).polls, one(store).next_due) == (0, NOW + DAY)


def test_what_is_put_off_again_and_again_is_due_since_its_first_due_moment(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    for days in range(3):
        claimed = store.claim_due(NOW + days * DAY, 1, MINUTE)[0]
        assert claimed.due_at == NOW
        store.release("t1", claimed.claim, NOW + (days + 1) * DAY)
    assert (one(store).next_due, one(store).due_since) == (NOW + 3 * DAY, NOW)
    assert store.commit_poll(poll(store.claim_due(NOW + 3 * DAY, 1, MINUTE)[0]))
    assert one(store).late_since is None


def test_a_lease_that_passed_is_freed_and_fences_its_poll(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = store.claim_due(NOW, 1, MINUTE)[0]
    assert end_stale(store, NOW + MINUTE - timedelta(microseconds=1)) == (0, 0)
    assert end_stale(store, NOW + MINUTE) == (1, 0)
    assert claim(store).claim != claimed.claim
    assert not store.commit_poll(poll(claimed))


def test_a_subset_of_items_can_be_loaded(store: Store) -> None:
    store.sync_triggers([trigger(), trigger("t2", next_due=NOW + MINUTE)], NOW)
    keys = ["a", 'quote " and ünï', "", "c"]
    assert store.commit_poll(poll(claim(store), upserts=[item(key) for key in keys]))
    assert list(store.load_poll_state("t1", ["c", 'quote " and ünï', "", "no"])[1]) == ["", "c", keys[1]]
    assert store.load_poll_state("t2")[1] == {}


def test_an_unknown_trigger_is_told(store: Store) -> None:
    with pytest.raises(StateError, match="There is no trigger t9 in the database: it was reset or left the"):
        store.load_poll_state("t9")


def test_syncing_the_same_config_changes_nothing(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    store.sync_triggers([trigger(next_due=NOW + DAY, cursor={"x": 1}, state=TriggerState.OK)], NOW)
    assert one(store) == trigger()
    assert store.commit_poll(poll(claimed))


@pytest.mark.parametrize(
    "change",
    [{"workflow": "new"}, {"type": "y"}, {"connection": None}, {"interval_s": 5.0}, {"schedule": "* * * * *"}],
    ids=str,
)
def test_editing_keeps_memory(store: Store, change: dict[str, Any]) -> None:
    store.sync_triggers([trigger(cursor={"n": 1}, polls=7, state=TriggerState.OK)], NOW)
    assert store.commit_poll(poll(claim(store), upserts=[item("a")]))
    store.sync_triggers([trigger(next_due=NOW + DAY, **change)], NOW)
    record, items = store.load_poll_state("t1")
    kept = (record.cursor, record.polls, record.state, record.last_ok)
    assert (list(items), *kept) == (["a"], {"n": 1}, 8, TriggerState.OK, NOW)
    assert (record.generation, record.next_due) == (2, NOW + DAY)
    assert {name: getattr(record, name) for name in change} == change


def test_a_trigger_that_leaves_the_config_rests_and_comes_back_with_its_memory(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    claimed = claim(store)
    store.sync_triggers([], NOW)
    assert (store.triggers(), [t.active for t in store.triggers(active=None)]) == ([], [False])
    assert store.claim_due(NOW, 1, MINUTE) == []
    assert not store.commit_poll(poll(claimed))
    store.sync_triggers([trigger(next_due=None)], NOW)
    record = store.triggers()[0]
    assert (record.generation, record.next_due) == (3, NOW)


@pytest.mark.parametrize(("baseline", "state"), [(None, "baseline_pending"), (NOW, "ok")])
def test_an_unavailable_trigger_keeps_what_was_known(store: Store, baseline: datetime | None, state: str) -> None:
    store.sync_triggers([trigger(baseline_at=baseline)], NOW)
    broken = trigger(state=TriggerState.UNAVAILABLE, error="w.yaml:1:1: bad", fingerprint="", type="")
    store.sync_triggers([broken], NOW)
    record = one(store)
    assert (record.state, record.error) == ("unavailable", "w.yaml:1:1: bad")
    assert (record.fingerprint, record.type) == ("print of t1", "zoom.x")
    store.sync_triggers([replace(broken, error="w.yaml:2:1: worse")], NOW)
    assert one(store).error == "w.yaml:2:1: worse"
    store.sync_triggers([trigger()], NOW)
    assert (one(store).state, one(store).error) == (state, None)


def test_forgetting_begins_anew_and_keeps_the_history(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    first = poll(claim(store), events=[event()], upserts=[item("a"), item("b")], baseline_at=NOW, cursor={"n": 1})
    assert store.commit_poll(first)
    assert store.forget("t1", NOW) == 2
    record, items = store.load_poll_state("t1")
    assert (record.state, record.baseline_at, record.cursor, items) == ("baseline_pending", None, {}, {})
    assert (record.next_due, len(store.events())) == (NOW, 1)


def test_no_memory_gets_an_epoch_that_another_one_had_whatever_is_deleted(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    epochs = [one(store).epoch]
    for _ in range(3):
        store.forget("t1", NOW)
        epochs.append(one(store).epoch)
        store.sync_triggers([], NOW)
        store.forget("t1", NOW)
        store.sync_triggers([trigger(epoch=1)], NOW)
        epochs.append(one(store).epoch)
    assert epochs == sorted(set(epochs))


def test_an_edited_trigger_keeps_its_epoch_also_over_restarts(store: Store) -> None:
    store.sync_triggers([trigger(), trigger("t2")], NOW)
    store.sync_triggers([trigger(interval_s=5.0), trigger("t2", type="y")], NOW)
    store.close()
    store.open()
    store.sync_triggers([trigger()], NOW)
    store.sync_triggers([trigger("t2"), trigger()], NOW)
    assert (one(store).epoch, one(store, "t2").epoch) == (1, 2)


def test_a_forgotten_inactive_trigger_is_gone(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    store.sync_triggers([], NOW)
    assert store.forget("t1", NOW) == 0
    assert store.triggers(active=None) == []


def test_secrets_are_masked_before_they_are_stored(store: Store) -> None:
    word = Secret("hunter2-hunter2").reveal()
    store.sync_triggers([trigger()], NOW)
    noticed = event(payload={"url": f"https://x?token={word}"}, changes=[{"path": "a", "old": word, "new": 1}])
    assert store.commit_poll(poll(claim(store), events=[noticed], runs=[run(reason=word)], error=word))
    kept = store.events()[0]
    assert (kept.payload, kept.changes[0]["old"]) == ({"url": "https://x?token=***"}, "***")
    assert (one(store).error, store.runs()[0].run.reason) == ("***", "***")
