"""One poll from claim to commit, against a real sandbox and a real store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from changewire.engine.finding import FRESH_MOST
from changewire.engine.polling import Outcome
from changewire.sandbox import Sandbox
from changewire.state.records import TriggerState
from changewire.triggers.follow_ups import MOST
from tests.engine.rig import USER, Rig, workflow

MEETINGS = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
Make = Callable[..., Rig]


def test_the_first_poll_is_silent_and_the_second_tells_what_came_since(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    assert new.poll() == [Outcome.STORED]
    made = sandbox.control("create_meeting", user_id=USER, topic="Plan")
    new.poll()
    (event,) = new.events
    assert (event.key, event.event_type, event.trigger) == (str(made["meeting_id"]), "meeting_created", "New/trigger")
    assert event.payload["meeting"]["topic"] == "Plan"
    ((run,),) = [[history.run for history in new.store.runs()]]
    assert (run.event_id, run.workflow) == (event.id, "New")


def test_a_list_that_hiccups_empty_at_the_first_poll_does_not_make_all_new(sandbox: Sandbox, rig: Make) -> None:
    ended = sandbox.control("create_meeting", user_id=USER, topic="Held")
    session = sandbox.control(
        "end_meeting", meeting_id=ended["meeting_id"], participants=[{"name": "A"}, {"name": "B"}]
    )
    new = rig(new=workflow("People", "zoom.new_meeting_participant", f'{{meeting_id: "{session["uuid"]}"}}'))
    body = '{"participants": [], "next_page_token": ""}'
    sandbox.control("faults", match="participants", kind="status", status=200, body=body, times=1)
    new.poll(3)
    assert new.events == []


def test_an_equal_answer_is_not_even_compared(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    assert new.poll(3) == [Outcome.STORED, Outcome.UNCHANGED, Outcome.UNCHANGED]
    assert new.trigger.polls == 3


def test_a_rate_limit_of_the_moment_is_waited_out_and_no_failure(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll()
    sandbox.control("create_meeting", user_id=USER, topic="Meanwhile")
    sandbox.control("faults", match="GET /v2/users", kind="rate_second", times=1)
    assert new.poll() == [Outcome.STORED]
    sandbox.control("faults", match="GET /v2/users", kind="rate_second", times=7)
    due = new.trigger.next_due
    assert due is not None
    assert new.poll(5) == [Outcome.DELAYED] * 5
    assert (new.trigger.state, new.trigger.failures, new.trigger.error) == (TriggerState.OK, 0, None)
    assert new.poll() == [Outcome.UNCHANGED]
    assert (new.clock.now() - due).total_seconds() > 1 + 2 + 4 + 8 + 16 + 32 + 64
    assert len(new.events) == 1


def test_a_rate_limit_that_does_not_end_is_a_failure_that_people_see(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll(3)  # from the second on at the due moment, whatever second of the minute the test began in
    sandbox.control("faults", match="GET /v2/users", kind="rate_second", times=9)
    assert new.poll(7) == [Outcome.DELAYED] * 5 + [Outcome.FAILED] * 2
    assert (new.trigger.state, new.trigger.failures) == (TriggerState.FAILING, 2)
    assert new.poll() == [Outcome.UNCHANGED]


def test_a_failed_poll_leaves_the_memory_and_says_why(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll()
    sandbox.control("faults", match="GET /v2/users", kind="empty_200", times=2)
    sandbox.control("create_meeting", user_id=USER, topic="Meanwhile")
    assert new.poll() == [Outcome.FAILED]
    assert new.trigger.state is TriggerState.FAILING
    assert new.trigger.error is not None
    assert "meetings" in new.trigger.error
    assert new.poll(2) == [Outcome.FAILED, Outcome.STORED]
    assert [event.payload["meeting"]["topic"] for event in new.events] == ["Meanwhile"]
    after = new.trigger
    assert (after.state, after.error, after.failures) == (TriggerState.OK, None, 0)


def test_failing_is_told_once_and_once_again_when_it_is_over(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll()
    sandbox.control("faults", match="GET /v2/users", kind="status", status=500, times=5)
    new.poll(6)
    words = [word for word, _ in new.logged if word.startswith(("poll_failed", "trigger_"))]
    assert words == ["poll_failed", "trigger_failing", "trigger_recovered"]


def test_waits_grow_from_failure_to_failure(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    sandbox.control("faults", match="GET /v2/users", kind="status", status=503, times=None)
    waits = []
    for _ in range(4):
        new.poll()
        due = new.trigger.next_due
        assert due is not None
        waits.append(round((due - new.clock.now()).total_seconds()))
    assert waits == [30, 60, 120, 240]


def test_a_credential_that_is_refused_suspends_the_trigger(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    sandbox.control("set_scopes", scopes=["user:read:admin"])
    new.poll()
    assert new.trigger.state is TriggerState.SUSPENDED
    assert "scope" in (new.trigger.error or "")


def test_a_used_up_budget_delays_a_poll_and_is_no_failure(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll()
    sandbox.control("faults", match="GET /v2/users", kind="rate_day", retry_after_s=7200, times=1)
    new.poll()
    due = new.trigger.next_due
    assert due is not None
    assert due - new.clock.now() > timedelta(minutes=110)
    sandbox.control("create_meeting", user_id=USER, topic="Later")
    new.poll()
    assert [event.payload["meeting"]["topic"] for event in new.events] == ["Later"]


def test_backfill_is_counted_bounded_and_marked(sandbox: Sandbox, rig: Make) -> None:
    for number in range(5):
        sandbox.control("create_meeting", user_id=USER, topic=f"Old {number}")
    extra = "first_poll: {backfill: {max: 3}}"
    new = rig(new=workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}", extra))
    new.poll()
    assert [event.backfill for event in new.events] == [True] * 3
    assert any(word == "backfill_begins" and "newest of" in message for word, message in new.logged)
    new.poll(2)
    assert len(new.events) == 3
    sandbox.control("create_meeting", user_id=USER, topic="Really new")
    new.poll()
    assert [event.backfill for event in new.events] == [True] * 3 + [False]


def test_details_of_many_new_items_are_asked_for_over_several_polls(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=workflow("Webinars", "zoom.new_webinar_created", f"{{user_id: {USER}, page_size: 300}}"))
    new.poll()
    for number in range(MOST + 5):
        sandbox.control("create_webinar", user_id=USER, topic=f"Webinar {number}")
    new.poll()
    assert len(new.events) == MOST
    new.poll()
    assert len(new.events) == MOST + 5
    assert all("settings" in event.payload for event in new.events)


def test_a_preview_changes_nothing(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    new.poll()
    sandbox.control("create_meeting", user_id=USER, topic="Seen twice")
    new.clock.advance(FRESH_MOST + 1)
    (trigger,) = new.home.triggers.values()
    assert [e.payload["meeting"]["topic"] for e in new.engine.preview(trigger)] == ["Seen twice"]
    assert new.events == []
    new.poll()
    assert len(new.events) == 1


def test_a_trigger_that_was_changed_while_it_was_polled_stores_nothing(sandbox: Sandbox, rig: Make) -> None:
    new = rig(new=MEETINGS)
    (claim,) = new.store.claim_due(new.clock.now(), 10, timedelta(minutes=5))
    (new.path / "config" / "workflows" / "new.yaml").write_text(MEETINGS.replace("60s", "90s"))
    new.load()
    assert new.engine.poll(claim) is Outcome.FENCED
    assert new.trigger.polls == 0


def test_equal_requests_of_several_triggers_are_sent_once(sandbox: Sandbox, rig: Make) -> None:
    new = rig(one=MEETINGS, two=MEETINGS.replace("name: New", "name: Second"))
    assert len(new.poll()) == 2
    calls = [entry for entry in sandbox.control("requests") if "/meetings" in entry["path"]]
    assert len(calls) == 1
