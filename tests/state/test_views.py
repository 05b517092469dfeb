"""The forms of ``events --json`` and ``runs --json``."""

from __future__ import annotations

from datetime import timedelta, timezone

from changewire.state.records import AttemptState, RunState
from changewire.state.store import Store
from changewire.state.views import event_views, run_views
from tests.state.samples import MINUTE, NOW, attempt, event, run, with_events

FINE = dict.fromkeys(("class", "error", "effect", "input", "response", "done_by", "next"))


def test_an_event_is_shown_in_the_first_form(store: Store) -> None:
    berlin = NOW.astimezone(timezone(timedelta(hours=1)))
    changes = [{"path": "a", "old": 0, "new": 1}]
    with_events(store, [event(at=berlin, changes=changes, backfill=True, chain=["a", "b"], cause="r0")], [])
    assert event_views(store) == [
        {
            "v": 1,
            "id": "e1",
            "trigger": "w/t1",
            "type": "zoom.x",
            "event_type": "x_created",
            "key": "k",
            "detected_at": "2026-11-21T10:00:00.000000Z",
            "payload": {"a": 1},
            "changes": changes,
            "backfill": True,
            "hops": 2,
            "cause": "r0",
        }
    ]


def test_a_run_is_shown_in_the_first_form_and_a_step_stands_where_its_last_attempt_stands(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    store.commit_step(claim, attempt("0", 1, AttemptState.FAILED, error="503"))
    store.commit_step(claim, attempt("0", 2, output={"id": 7}))
    skipped = attempt("1", 1, AttemptState.SKIPPED, use="http.request")
    store.commit_step(claim, skipped, state=RunState.SUCCEEDED, finished_at=NOW + MINUTE)
    assert run_views(store) == [
        {
            "v": 1,
            "id": "r1",
            "workflow": "w",
            "event": "e1",
            "events": ["e1"],
            "replay": 0,
            "state": "succeeded",
            "reason": None,
            "waits_for": None,
            "waits_for_step": None,
            "resumes": 0,
            "resumed_at": None,
            "resumed_by": None,
            "created_at": "2026-11-21T10:00:00.000000Z",
            "finished_at": "2026-11-21T10:01:00.000000Z",
            "steps": [
                {
                    "address": "0",
                    "use": "core.log",
                    "state": "succeeded",
                    "attempts": 2,
                    "output": {"id": 7},
                    **FINE,
                    "effect": "acknowledged",
                },
                {"address": "1", "use": "http.request", "state": "skipped", "attempts": 1, "output": None, **FINE},
            ],
        }
    ]


def test_views_are_picked_like_events_and_runs(store: Store) -> None:
    with_events(store, [event(), event("e2", at=NOW + MINUTE)], [run(), run("r2", "e2", NOW + MINUTE)])
    assert [view["id"] for view in event_views(store, since=NOW + MINUTE, workflow="w")] == ["e2"]
    assert [view["id"] for view in run_views(store, limit=1)] == ["r2"]
    assert run_views(store)[0]["finished_at"] is None
    assert run_views(store, workflow="other") == []


def test_an_action_that_a_killed_process_left_under_way_in_a_paused_run_may_have_been_done(store: Store) -> None:
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claim
    store.start_attempt(claim, attempt("0", 1, AttemptState.RUNNING, use="http.request"))
    assert [step["effect"] for shown in run_views(store) for step in shown["steps"]] == ["intended"]
    store.finish_run("r1", claim, RunState.PAUSED, reason="another iteration failed")
    assert [step["effect"] for shown in run_views(store) for step in shown["steps"]] == ["unknown"]
