"""A broken credential pauses its connection once, and everything goes on by itself when it is mended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from changewire.sandbox import Sandbox
from changewire.state.records import PauseCause, PauseKind, PauseRecord, RunHistory, RunState, TriggerState
from tests.connectors.server import Reply, Seen, Server
from tests.engine.rig import USER, connection, workflow
from tests.support.turning import Turned

NEW = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
STEPS = (
    "steps: [{use: core.log, with: {message: first}}, {use: zoom.get_meeting, with: {meeting_id: '{{ event.key }}'}}]\n"
)
WITH_STEP = NEW.partition("steps:")[0] + STEPS
PEOPLE = workflow("People", "zoom.user_information_changed", f"{{user_id: {USER}}}")
Make = Callable[..., Turned]


class Broken:
    """A sandbox whose sign-in can be refused, and whose tokens die with that."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def refuse(self) -> None:
        body = '{"reason": "Invalid client_id or client_secret", "error": "invalid_client"}'
        self.sandbox.control("faults", match="/oauth/token", kind="status", status=400, body=body)
        self.sandbox.control("expire_tokens")

    def refuse_steps(self) -> None:
        """Polls still work with the token that they have; the first step finds out that it is refused."""
        self.sandbox.control("faults", match="/v2/meetings/", kind="status", status=401, code=124)
        body = '{"reason": "Invalid client_id or client_secret", "error": "invalid_client"}'
        self.sandbox.control("faults", match="/oauth/token", kind="status", status=400, body=body)

    def accept(self) -> None:
        self.sandbox.control("clear_faults")


def states(daemon: Turned) -> set[TriggerState]:
    return {record.state for record in daemon.store.triggers()}


def told(logged: list[tuple[str, str]]) -> list[str]:
    return [event for event, _ in logged if event.startswith("connection_")]


def test_one_refusal_suspends_all_triggers_and_is_told_once(
    sandbox: Sandbox, make: Make, logged: list[tuple[str, str]]
) -> None:
    daemon = make(new=NEW, people=PEOPLE, other=NEW.replace("name: New", "name: Other"))
    daemon.turn()
    Broken(sandbox).refuse()
    daemon.on(3600)
    assert states(daemon) == {TriggerState.SUSPENDED}
    assert told(logged) == ["connection_paused"]
    (pause,) = daemon.store.pauses()
    assert (pause.kind, pause.name, pause.cause) == (PauseKind.CONNECTION, "work", PauseCause.CREDENTIAL)
    assert pause.reason.startswith("signing in to Zoom as 'work' failed (HTTP 400: Invalid client_id or client_secret)")
    assert not [event for event, _ in logged if event in {"poll_failed", "trigger_failing"}]


def test_nothing_is_lost_and_nothing_fires_for_nothing_when_it_is_mended(
    sandbox: Sandbox, make: Make, logged: list[tuple[str, str]]
) -> None:
    daemon = make(new=NEW)
    daemon.turn()
    broken = Broken(sandbox)
    broken.refuse()
    daemon.on()
    sandbox.control("create_meeting", user_id=USER, topic="Meanwhile")
    daemon.on(24 * 3600)
    assert daemon.store.events() == []
    broken.accept()
    daemon.on(3601)
    assert [event.payload["meeting"]["topic"] for event in daemon.store.events()] == ["Meanwhile"]
    assert daemon.store.pauses() == []
    assert states(daemon) == {TriggerState.OK}
    assert told(logged) == ["connection_paused", "connection_mended"]


def test_sign_in_is_tried_again_after_a_minute_and_then_ever_more_rarely(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW)
    daemon.turn()
    Broken(sandbox).refuse()
    daemon.on()
    waits = []
    for _ in range(9):
        (pause,) = daemon.store.pauses()
        assert pause.try_at is not None
        waits.append(round((pause.try_at - daemon.clock.now()).total_seconds() / 60))
        daemon.on((pause.try_at - daemon.clock.now()).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_runs_that_need_it_are_held_at_their_step_and_go_on(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=WITH_STEP, free=NEW.replace("name: New", "name: Free"))
    daemon.turn()
    for number in range(3):
        sandbox.control("create_meeting", user_id=USER, topic=f"Number {number}")
    broken = Broken(sandbox)
    broken.refuse_steps()
    daemon.on()
    by_workflow: dict[str, list[RunHistory]] = {}
    for each in daemon.store.runs():
        by_workflow.setdefault(each.run.workflow, []).append(each)
    assert {each.run.state for each in by_workflow["Free"]} == {RunState.SUCCEEDED}
    held = by_workflow["New"]
    assert [(each.run.state, each.run.held_by) for each in held] == [(RunState.PAUSED, "connection/work")] * 3
    assert all(
        (each.run.reason or "").startswith("steps/1 (zoom.get_meeting): connection 'work' is paused: ") for each in held
    )
    assert sorted(len(each.attempts) for each in held) == [1, 1, 2]  # one found it out, the others did not even try
    broken.accept()
    daemon.on()
    after = [each for each in daemon.store.runs() if each.run.workflow == "New"]
    assert {each.run.state for each in after} == {RunState.SUCCEEDED}
    assert {(a.address, a.attempt) for each in after for a in each.attempts} == {("steps/0", 1), ("steps/1", 1)}


def test_the_changed_files_mend_it_at_once(sandbox: Sandbox, make: Make, tmp_path: Path) -> None:
    daemon = make(connection(sandbox.url, secret="wrong-secret"), new=NEW)
    daemon.turn()
    assert states(daemon) == {TriggerState.SUSPENDED}
    (tmp_path / "config" / "connections.yaml").write_text(connection(sandbox.url))
    daemon.daemon.reload()
    daemon.turn()
    assert (states(daemon), daemon.store.pauses()) == ({TriggerState.OK}, [])


def test_a_restart_tries_at_once(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW)
    daemon.turn()
    broken = Broken(sandbox)
    broken.refuse()
    daemon.on()
    daemon.on(24 * 3600)
    daemon.close()
    broken.accept()
    again = make(new=NEW)
    again.daemon.mend()
    again.turn()
    assert (states(again), again.store.pauses()) == ({TriggerState.OK}, [])


def test_a_connection_that_left_the_files_holds_nothing_any_more(sandbox: Sandbox, make: Make, tmp_path: Path) -> None:
    daemon = make(new=NEW)
    daemon.turn()
    Broken(sandbox).refuse()
    daemon.on()
    (tmp_path / "config" / "connections.yaml").write_text(connection(sandbox.url, name="other"))
    daemon.daemon.reload()
    assert daemon.store.pauses() == []


def test_a_time_out_does_not_run_while_a_run_is_held(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=WITH_STEP + "timeout: 10m\n")
    daemon.turn()
    sandbox.control("create_meeting", user_id=USER, topic="One")
    broken = Broken(sandbox)
    broken.refuse_steps()
    daemon.on()
    broken.accept()
    daemon.on(24 * 3600)
    ((run,),) = [[each.run for each in daemon.store.runs()]]
    assert (run.state, run.reason) == (RunState.SUCCEEDED, None)


BEARER = "api: {{connector: http, base_url: '{url}', auth: {{type: bearer, token: the-bearer-token}}}}\n"
LIST = workflow("List", "http.new_item", "{path: /list}")


class Api:
    """A JSON API that can refuse its token."""

    def __init__(self, server: Server) -> None:
        self.refuses = False
        self.items = [{"id": 1}]
        for path in ("/list", "/other"):
            server.on(path, self._answer)

    def _answer(self, seen: Seen) -> Reply:
        return Reply(401, {"message": "Bad token"}) if self.refuses else Reply(200, list(self.items))


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as one:
        yield one


def test_without_a_sign_in_one_poll_is_let_through_as_the_trial(
    server: Server, make: Make, logged: list[tuple[str, str]]
) -> None:
    api = Api(server)
    other = LIST.replace("List", "Other").replace("/list", "/other")
    daemon = make(BEARER.format(url=server.url), a=LIST, b=other)
    daemon.turn()
    api.refuses = True
    daemon.on()
    assert states(daemon) == {TriggerState.SUSPENDED}
    asked = len(server.seen)
    for _ in range(3):
        daemon.on(3601)
    assert len(server.seen) == asked + 3
    api.refuses = False
    api.items = [{"id": 1}, {"id": 2}]
    daemon.on(3601)
    assert (states(daemon), daemon.store.pauses()) == ({TriggerState.OK}, [])
    assert sorted((event.workflow, event.key) for event in daemon.store.events()) == [("List", "2"), ("Other", "2")]
    assert told(logged) == ["connection_paused", "connection_mended"]


def test_where_only_runs_wait_one_of_them_is_the_trial(server: Server, make: Make) -> None:
    api = Api(server)
    api.refuses = True
    connections = BEARER.format(url=server.url) + "free: {connector: http, base_url: '" + server.url + "'}\n"
    server.on("/free", Reply(200, [{"id": 1}]), Reply(200, [{"id": 1}, {"id": 2}, {"id": 3}]))
    step = "steps: [{use: http.request, with: {method: GET, url: /list, connection: api}}]\n"
    text = workflow("List", "http.new_item", "{path: /free}", "connection: free")
    daemon = make(connections, a=text.partition("steps:")[0] + step)
    daemon.turn()
    daemon.on()
    assert [each.run.held_by for each in daemon.store.runs()] == ["connection/api"] * 2
    daemon.on(3601)
    assert [each.run.held_by for each in daemon.store.runs()] == ["connection/api"] * 2
    api.refuses = False
    daemon.on(3601)
    assert [each.run.state for each in daemon.store.runs()] == [RunState.SUCCEEDED] * 2
    assert daemon.store.pauses() == []


@pytest.mark.parametrize(
    ("kind", "name"), [(PauseKind.WORKFLOW, "New"), (PauseKind.TRIGGER, "New/trigger"), (PauseKind.CONNECTION, "work")]
)
def test_a_pause_by_hand_lasts_until_a_person_ends_it(sandbox: Sandbox, make: Make, kind: PauseKind, name: str) -> None:
    daemon = make(new=NEW)
    daemon.turn()
    daemon.store.pause(PauseRecord(kind, name, PauseCause.PERSON, daemon.clock.now(), "by hand"), daemon.clock.now())
    sandbox.control("create_meeting", user_id=USER, topic="Meanwhile")
    daemon.on(24 * 3600)
    daemon.close()
    again = make(new=NEW)
    again.on(24 * 3600)
    assert (states(again), again.store.events()) == ({TriggerState.PAUSED}, [])
    assert again.store.triggers()[0].error == f"{kind} {name!r} is paused: by hand"
    lifted = again.store.lift(kind, name, again.clock.now())
    assert lifted is not None
    assert (lifted.triggers, lifted.runs) == (1, [])
    again.turn()
    assert [event.payload["meeting"]["topic"] for event in again.store.events()] == ["Meanwhile"]


def test_runs_of_a_paused_workflow_neither_begin_nor_go_on(sandbox: Sandbox, make: Make) -> None:
    waits = NEW.partition("steps:")[0] + "steps: [{wait: 1h}, {use: core.log, with: {message: after}}]\n"
    daemon = make(new=waits)
    daemon.turn()
    sandbox.control("create_meeting", user_id=USER, topic="One")
    daemon.on()
    now = daemon.clock.now()
    daemon.store.pause(PauseRecord(PauseKind.WORKFLOW, "New", PauseCause.PERSON, now, "by hand"), now)
    daemon.on(2 * 3600)
    ((run,),) = [[each.run for each in daemon.store.runs()]]
    assert (run.state, run.held_by, run.reason) == (RunState.PAUSED, "workflow/New", "the workflow is paused: by hand")
    lifted = daemon.store.lift(PauseKind.WORKFLOW, "New", daemon.clock.now())
    assert lifted is not None
    assert lifted.runs == [run.id]
    daemon.turn()
    assert daemon.store.runs()[0].run.state is RunState.SUCCEEDED


def test_a_refusal_that_was_found_out_before_the_pause_ended_pauses_nothing(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW)
    daemon.clock.advance(1)
    (claimed,) = daemon.store.claim_due(daemon.clock.now(), 1, timedelta(minutes=1))
    now = daemon.clock.now()
    record = PauseRecord(PauseKind.CONNECTION, "work", PauseCause.CREDENTIAL, now, "refused")
    assert daemon.store.pause(record, now, by=(claimed.trigger_id, claimed.claim)) == "new"
    assert daemon.store.lift(PauseKind.CONNECTION, "work", now) is not None
    assert daemon.store.pause(record, now, by=(claimed.trigger_id, claimed.claim)) == "fenced"
    assert daemon.store.pauses() == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(
    "point",
    [
        "pause.put:before",
        "pause.put:after",
        "pauses.trigger:after",
        "alert.put:after",
        "lift.pause:after",
        "lift.runs:after",
    ],
)
def test_killed_while_it_is_paused_or_mended_it_is_whole_and_told_once(
    sandbox: Sandbox, make: Make, point: str
) -> None:
    killed: list[str] = []

    def on_write(name: str) -> None:
        if name == point and not killed:
            killed.append(name)
            raise Killed

    watch = "name: Watch\ntrigger: {type: core.alert}\nsteps: [{use: core.log, with: {message: told}}]\n"
    both = {"new": WITH_STEP, "watch": watch}
    daemon = make(on_write=on_write, **both)
    daemon.turn()
    sandbox.control("create_meeting", user_id=USER, topic="One")
    broken = Broken(sandbox)

    def break_and_mend() -> None:
        broken.refuse_steps()
        daemon.on()
        daemon.on()
        broken.accept()
        daemon.on(3601)

    with pytest.raises(Killed):
        break_and_mend()
    assert killed == [point]
    daemon.close()
    again = make(**both)
    for _ in range(3):
        again.on()
    broken.accept()
    for _ in range(3):
        again.on(3601)
    assert again.store.pauses() == []
    assert {each.run.state for each in again.store.runs()} == {RunState.SUCCEEDED}
    told = [event.event_type for event in again.store.events() if event.type == "core.alert"]
    assert told == ["connection_paused", "connection_mended"]
