"""Leases of claims, and runs that a fault stopped."""

from __future__ import annotations

from datetime import timedelta

from changewire.state.leases import MOST_ABANDONED
from changewire.state.records import Claim, RunState
from changewire.state.store import Store
from tests.state.samples import DAY, MINUTE, NOW, attempt, claim, event, run, trigger, with_events

LATER = NOW + MINUTE


def test_all_leases_are_renewed_at_once_and_lost_claims_are_named(store: Store) -> None:
    with_events(store, [event("e1"), event("e2")], [run("r1", "e1"), run("r2", "e2")])
    store.sync_triggers([trigger("t1", next_due=NOW), trigger("t2", next_due=NOW)], NOW)
    polls = [each.claimed_as for each in store.claim_due(NOW + DAY, 9, MINUTE - DAY)]
    runs = [each.claimed_as for each in store.claim_runs(NOW, 9, MINUTE)]
    assert [*polls, *runs] == [
        Claim("triggers", "t2", 2), Claim("triggers", "t1", 2), Claim("runs", "r1", 3), Claim("runs", "r2", 3),
    ]  # fmt: skip
    store.cancel("r2", NOW, "by hand")
    assert store.renew_claims([*polls, *runs], LATER, MINUTE) == {*polls, runs[0]}
    assert store.stale_claims(LATER + MINUTE - timedelta(microseconds=1)) == ([], [])
    stale_polls, stale_runs = store.stale_claims(LATER + MINUTE)
    assert [each.claimed_as for each in stale_polls] == polls
    assert [each.claimed_as for each in stale_runs] == runs[:1]


def test_a_claim_of_an_earlier_worker_is_not_renewed(store: Store) -> None:
    store.sync_triggers([trigger()], NOW)
    first = claim(store)
    store.release("t1", first.claim, NOW)
    second = claim(store)
    assert store.renew_claims([first.claimed_as], NOW, DAY) == set()
    assert [each.claim for each in store.stale_claims(NOW + 5 * MINUTE)[0]] == [second.claim]


def test_what_a_worker_has_in_hand_is_not_stale(store: Store) -> None:
    with_events(store, [event("e1"), event("e2")], [run("r1", "e1"), run("r2", "e2")])
    first, second = store.claim_runs(NOW, 9, MINUTE)
    assert [each.id for each in store.stale_claims(NOW + DAY, [first.claimed_as])[1]] == [second.id]


def test_a_run_that_faults_again_and_again_waits_for_a_person(store: Store) -> None:
    with_events(store, [event()], [run()])
    now, waited = NOW, []
    for count in range(1, MOST_ABANDONED):
        (held,) = store.claim_runs(now, 9, MINUTE)
        assert store.abandon_run("r1", held.claim, now, "a fault") is RunState.PENDING, count
        due = store.load_run("r1")[0].due_at
        assert due is not None
        waited.append((due - now).total_seconds())
        now = due
    assert waited == [0, 5, 10, 20]
    (held,) = store.claim_runs(now, 9, MINUTE)
    assert store.abandon_run("r1", held.claim, now, "a fault") is RunState.PAUSED
    found = store.load_run("r1")[0]
    assert (found.reason, found.claim, found.due_at) == (
        "it was begun 5 times in a row and came to no end: a fault", 0, None,
    )  # fmt: skip
    assert store.waiting_for_a_person() == {"w": 1}
    assert store.resume(now, by="ann", run_id="r1") == ["r1"]
    (held,) = store.claim_runs(now, 9, MINUTE)
    assert store.abandon_run("r1", held.claim, now, "a fault") is RunState.PENDING, "it is counted anew"


def test_a_run_that_came_to_a_wait_in_between_is_counted_anew(store: Store) -> None:
    with_events(store, [event()], [run()])
    now = NOW
    for _ in range(2 * MOST_ABANDONED):
        (held,) = store.claim_runs(now, 9, MINUTE)
        assert store.abandon_run("r1", held.claim, now, "a fault") is RunState.PENDING
        (held,) = store.claim_runs(now, 9, MINUTE)
        now += DAY
        assert store.commit_step(held.claim, attempt(), state=RunState.WAITING, due_at=now)


def test_a_lost_run_cannot_be_abandoned(store: Store) -> None:
    with_events(store, [event()], [run()])
    (held,) = store.claim_runs(NOW, 9, MINUTE)
    store.cancel("r1", NOW, "by hand")
    assert store.abandon_run("r1", held.claim, NOW, "a fault") is None
    assert store.load_run("r1")[0].state is RunState.CANCELLED
