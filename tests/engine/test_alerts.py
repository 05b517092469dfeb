"""What somebody should know is told once when it begins and once when it is over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from changewire.engine.feeding import Feeder
from changewire.health.attention import UNSENT_AFTER, unsent_alerts
from changewire.sandbox import Sandbox
from changewire.state.records import PauseCause, PauseKind, PauseRecord, Raised, RunState
from tests.engine.rig import USER, workflow
from tests.support.turning import Turned

NEW = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
FAILING = NEW.partition("steps:")[0] + (
    "steps: [{use: zoom.get_meeting, with: {meeting_id: '{{ payload.meeting.topic }}'}}]\n"
)
WATCH = (
    "name: Watch\ntrigger: {type: core.alert, with: {of: [%s]}}\n"
    "steps: [{use: core.log, with: {message: '{{ payload.what }} {{ payload.name }}'}}]\n"
)
Make = Callable[..., Turned]


def alerts(daemon: Turned) -> list[tuple[str, str]]:
    return [(event.event_type, event.payload["name"]) for event in daemon.store.events() if event.type == "core.alert"]


def test_a_trigger_that_fails_and_recovers_is_told_once_each(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW, watch=WATCH % "")
    daemon.turn()
    sandbox.control("faults", match="GET /v2/users", kind="status", status=500)
    for _ in range(6):
        daemon.on(3600)
    assert alerts(daemon) == [("trigger_failing", "New/trigger")]
    sandbox.control("clear_faults")
    for _ in range(3):
        daemon.on(3600)
    assert alerts(daemon) == [("trigger_failing", "New/trigger"), ("trigger_recovered", "New/trigger")]
    (event, _) = [event for event in daemon.store.events() if event.type == "core.alert"]
    assert event.payload["message"].startswith("New/trigger: 3 polls in a row failed; the last: ")
    assert event.payload["next"] == "`changewire explain New/trigger`"
    assert {each.run.state for each in daemon.store.runs(workflow="Watch")} == {RunState.SUCCEEDED}


def test_a_workflow_whose_runs_fail_in_a_row_is_told_once_and_once_when_one_is_done(
    sandbox: Sandbox, make: Make, logged: list[tuple[str, str]]
) -> None:
    daemon = make(new=FAILING, watch=WATCH % "workflow_failing, workflow_recovered")
    daemon.turn()
    for number in range(5):
        sandbox.control("create_meeting", user_id=USER, topic=f"7{number}")
    daemon.on()
    assert alerts(daemon) == [("workflow_failing", "New")]
    good = sandbox.control("create_meeting", user_id=USER, topic="good")
    sandbox.control("update_meeting", meeting_id=good["meeting_id"], topic=str(good["meeting_id"]))
    daemon.on()
    daemon.on()
    assert alerts(daemon) == [("workflow_failing", "New"), ("workflow_recovered", "New")]
    (message,) = [message for event, message in logged if event == "workflow_failing"]
    assert message.startswith("New: 3 runs in a row were not done; the last is paused: steps/0 (zoom.get_meeting): ")
    assert ("workflow_recovered", "New is well again after 5 runs that were not") in logged


def test_a_connection_is_told_once(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW, other=NEW.replace("name: New", "name: Other"), watch=WATCH % "")
    daemon.turn()
    body = '{"reason": "Invalid client", "error": "invalid_client"}'
    sandbox.control("faults", match="/oauth/token", kind="status", status=400, body=body)
    sandbox.control("expire_tokens")
    for _ in range(3):
        daemon.on(3600)
    assert alerts(daemon) == [("connection_paused", "work")]
    sandbox.control("clear_faults")
    daemon.on(3601)
    assert alerts(daemon) == [("connection_paused", "work"), ("connection_mended", "work")]


def test_what_is_late_is_told_once_also_over_a_restart(
    sandbox: Sandbox, make: Make, logged: list[tuple[str, str]]
) -> None:
    daemon = make(new=NEW, watch=WATCH % "trigger_stalled, trigger_on_time")
    daemon.turn()
    daemon.clock.advance(3600)
    daemon.daemon._reap()
    daemon.daemon._reap()
    daemon.close()
    again = make(new=NEW, watch=WATCH % "trigger_stalled, trigger_on_time")
    again.daemon._reap()
    assert alerts(again) == [("trigger_stalled", "New/trigger")]
    again.turn()
    again.daemon._reap()
    again.daemon._reap()
    assert alerts(again) == [("trigger_stalled", "New/trigger"), ("trigger_on_time", "New/trigger")]
    assert [event for event, _ in logged if event.startswith("trigger_")] == ["trigger_stalled", "trigger_on_time"]


def test_what_the_request_budget_puts_off_again_and_again_is_late_as_well(
    sandbox: Sandbox, make: Make, logged: list[tuple[str, str]]
) -> None:
    daemon = make(new=NEW, watch=WATCH % "trigger_stalled, trigger_on_time")
    daemon.turn()
    budget = daemon.daemon._clients.get("work").budget
    for _ in range(5):
        budget.forbid("LIGHT", daemon.clock.now() + timedelta(seconds=130))
        budget.forbid("MEDIUM", daemon.clock.now() + timedelta(seconds=130))
        daemon.clock.advance(62)
        daemon.turn()
        daemon.daemon._reap()
    record = daemon.store.triggers(workflow="New")[0]
    assert record.polls == 1
    assert record.late(daemon.clock.now(), 3)
    assert record.next_due is not None
    assert record.next_due > daemon.clock.now()
    assert alerts(daemon) == [("trigger_stalled", "New/trigger")]
    daemon.clock.advance(200)
    daemon.turn()
    daemon.daemon._reap()
    assert alerts(daemon) == [("trigger_stalled", "New/trigger"), ("trigger_on_time", "New/trigger")]
    record = daemon.store.triggers(workflow="New")[0]
    assert (record.polls, record.late_since) == (2, None)
    assert (record.lag_ms or 0) > 300_000, "the lag is counted from the first due moment"


def test_what_the_api_puts_off_for_hours_is_late_although_it_failed_only_once(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW, watch=WATCH % "trigger_failing, trigger_stalled, trigger_on_time")
    daemon.turn()
    sandbox.control("faults", match="GET /v2/users", kind="rate_day", retry_after_s=7200, times=1)
    daemon.on()
    daemon.daemon._reap()
    assert alerts(daemon) == []
    daemon.clock.advance(200)
    daemon.daemon._reap()
    assert alerts(daemon) == [("trigger_stalled", "New/trigger")]
    record = daemon.store.triggers(workflow="New")[0]
    assert (record.state, record.failures) == ("failing", 1)
    daemon.on(7200)
    daemon.daemon._reap()
    assert alerts(daemon) == [("trigger_stalled", "New/trigger"), ("trigger_on_time", "New/trigger")]
    assert daemon.store.triggers(workflow="New")[0].late_since is None


def test_a_workflow_that_is_told_raises_no_alert_about_itself(sandbox: Sandbox, make: Make) -> None:
    watch = "name: Watch\ntrigger: {type: core.alert}\nsteps: [{use: zoom.get_meeting, with: {meeting_id: '1'}}]\n"
    daemon = make(new=FAILING, watch=watch, settings=NEW.replace("name: New", "name: More"))
    (daemon.daemon.path / "config" / "changewire.yaml").write_text("alert_after: 1\n")
    daemon.daemon.reload()
    daemon.turn()
    for number in range(3):
        sandbox.control("create_meeting", user_id=USER, topic=f"7{number}")
        daemon.on()
    assert alerts(daemon) == [("workflow_failing", "New")]
    assert {each.run.state for each in daemon.store.runs(workflow="Watch")} == {RunState.PAUSED}


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("point", ["feed.event:before", "feed.event:after", "alert.told:before", "alert.told:after"])
def test_killed_while_it_is_told_it_is_told_once(sandbox: Sandbox, make: Make, point: str) -> None:
    killed: list[str] = []

    def on_write(name: str) -> None:
        if name == point and not killed:
            killed.append(name)
            raise Killed

    daemon = make(on_write=on_write, new=FAILING, watch=WATCH % "")
    daemon.turn()
    for number in range(3):
        sandbox.control("create_meeting", user_id=USER, topic=f"7{number}")
    with pytest.raises(Killed):
        daemon.on()
    assert killed == [point]
    daemon.close()
    with closing(make(new=FAILING, watch=WATCH % "")) as again:
        again.on()
        again.on()
        assert alerts(again) == [("workflow_failing", "New")]
        assert len(again.store.runs(workflow="Watch")) == 1


def test_unknown_alerts_are_told_where_they_are_written(make: Make) -> None:
    daemon = make(new=NEW, watch=WATCH % "conection_paused")
    (broken,) = daemon.daemon.home.broken
    assert "conection_paused" in str(broken.problems[0])
    assert broken.problems[0].suggestion == "connection_paused"


def test_a_second_streak_of_the_same_run_is_told_like_the_first(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=FAILING, watch=WATCH % "workflow_failing, workflow_recovered")
    (daemon.daemon.path / "config" / "changewire.yaml").write_text("alert_after: 1\n")
    daemon.daemon.reload()
    daemon.turn()
    sandbox.control("create_meeting", user_id=USER, topic="7")
    daemon.on()
    (failed,) = [each.run.id for each in daemon.store.runs(workflow="New")]
    good = sandbox.control("create_meeting", user_id=USER, topic="good")
    sandbox.control("update_meeting", meeting_id=good["meeting_id"], topic=str(good["meeting_id"]))
    daemon.on()
    assert daemon.store.resume(daemon.clock.now(), by="ann", run_id=failed) == [failed]
    daemon.on()
    failing = ("workflow_failing", "New")
    assert alerts(daemon) == [failing, ("workflow_recovered", "New"), failing]


def test_a_streak_is_told_once_also_where_alert_after_is_lowered_in_it(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=FAILING, watch=WATCH % "workflow_failing, workflow_recovered")
    daemon.turn()
    for number in range(4):
        if number == 2:
            (daemon.daemon.path / "config" / "changewire.yaml").write_text("alert_after: 1\n")
            daemon.daemon.reload()
        sandbox.control("create_meeting", user_id=USER, topic=f"7{number}")
        daemon.on()
    assert alerts(daemon) == [("workflow_failing", "New")]


def test_a_connection_that_is_refused_twice_at_the_same_moment_is_told_twice(make: Make) -> None:
    daemon = make(new=NEW, watch=WATCH % "")
    now = daemon.clock.now()
    for _ in range(2):
        daemon.store.pause(PauseRecord(PauseKind.CONNECTION, "work", PauseCause.CREDENTIAL, now, "401"), now)
        daemon.store.lift(PauseKind.CONNECTION, "work", now)
    daemon.daemon.turn(now)
    assert alerts(daemon) == [("connection_paused", "work"), ("connection_mended", "work")] * 2


def test_an_alert_that_meets_a_fault_keeps_no_other_back_and_calls_a_person(
    make: Make, logged: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make(new=NEW, watch=WATCH % "")
    feed = Feeder.feed

    def faulty(feeder: Feeder, raised: Raised) -> list[str]:
        if raised.item["name"] == "bad":
            raise RecursionError("too deep")
        return feed(feeder, raised)

    monkeypatch.setattr(Feeder, "feed", faulty)
    now = daemon.clock.now()
    for name in ("bad", "work"):
        daemon.store.pause(PauseRecord(PauseKind.CONNECTION, name, PauseCause.CREDENTIAL, now, "401"), now)
    for _ in range(3):
        daemon.daemon.turn(now)
    assert alerts(daemon) == [("connection_paused", "work")]
    assert [event for event, _ in logged].count("alert_not_told") == 1
    assert unsent_alerts(daemon.store.untold_since(), now) == []
    (found,) = unsent_alerts(daemon.store.untold_since(), now + UNSENT_AFTER)
    assert (found.kind, found.state) == ("alerts", "unsent")
    monkeypatch.undo()
    daemon.daemon.turn(now)
    assert alerts(daemon) == [("connection_paused", "work"), ("connection_paused", "bad")]
    assert daemon.store.untold_since() is None


def stalled(make: Make) -> Turned:
    """A daemon whose trigger was told to be late."""
    daemon = make(
        new=NEW, other=NEW.replace("name: New", "name: Other"), watch=WATCH % "trigger_stalled, trigger_on_time"
    )
    daemon.turn()
    daemon.clock.advance(3600)
    daemon.daemon._reap()
    assert sorted(alerts(daemon)) == [("trigger_stalled", "New/trigger"), ("trigger_stalled", "Other/trigger")]
    return daemon


def ends(daemon: Turned, name: str) -> list[str]:
    events = [event for event in daemon.store.events() if event.event_type == "trigger_on_time"]
    return [event.payload["message"] for event in events if event.payload["name"] == name]


@pytest.mark.parametrize("kind", [PauseKind.TRIGGER, PauseKind.WORKFLOW, PauseKind.CONNECTION])
def test_a_late_trigger_that_is_paused_is_not_said_to_be_polled_in_time(make: Make, kind: PauseKind) -> None:
    daemon = stalled(make)
    name = {"trigger": "New/trigger", "workflow": "New", "connection": "work"}[kind]
    now = daemon.steady.now()
    daemon.store.pause(PauseRecord(kind, name, PauseCause.PERSON, now, "by a person"), now)
    daemon.daemon._reap()
    daemon.daemon._reap()
    assert ends(daemon, "New/trigger") == ["New/trigger is paused, so it is not late any more"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_late_trigger_that_left_the_files_is_not_said_to_be_polled_in_time(make: Make, restart: bool) -> None:
    daemon = stalled(make)
    (daemon.daemon.path / "config" / "workflows" / "new.yaml").unlink()
    daemon.daemon.reload()
    if restart:
        daemon.close()
        daemon = make(other=NEW.replace("name: New", "name: Other"), watch=WATCH % "trigger_stalled, trigger_on_time")
    daemon.daemon._reap()
    daemon.daemon._reap()
    assert ends(daemon, "New/trigger") == ["New/trigger is not watched any more, so it is not late"]


def test_a_late_trigger_whose_file_broke_is_not_said_to_be_polled_in_time(make: Make) -> None:
    daemon = stalled(make)
    daemon.close()
    again = make(
        new=NEW.replace("zoom.new_meeting_created", "zoom.new_meeting_creatd"),
        other=NEW.replace("name: New", "name: Other"),
        watch=WATCH % "trigger_stalled, trigger_on_time",
    )
    again.daemon._reap()
    assert "polled in time" not in "".join(ends(again, "New/trigger"))


def test_a_refused_connection_that_a_person_paused_is_told_again_when_the_pause_ends(
    sandbox: Sandbox, make: Make
) -> None:
    daemon = make(new=NEW, watch=WATCH % "connection_paused, connection_mended")
    daemon.turn()
    body = '{"reason": "Invalid client", "error": "invalid_client"}'
    sandbox.control("faults", match="/oauth/token", kind="status", status=400, body=body)
    sandbox.control("expire_tokens")
    daemon.on(3600)
    assert alerts(daemon) == [("connection_paused", "work")]
    now = daemon.steady.now()
    daemon.store.pause(PauseRecord(PauseKind.CONNECTION, "work", PauseCause.PERSON, now, "by a person"), now)
    sandbox.control("clear_faults")
    daemon.store.lift(PauseKind.CONNECTION, "work", now)
    daemon.on(60)
    assert alerts(daemon) == [("connection_paused", "work"), ("connection_mended", "work")]
    daemon.store.pause(PauseRecord(PauseKind.CONNECTION, "work", PauseCause.PERSON, now, "by a person"), now)
    daemon.store.lift(PauseKind.CONNECTION, "work", now)
    daemon.on(60)
    assert len(alerts(daemon)) == 2, "a pause by a person alone is no news"
