from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.errors import StateError
from changewire.state.records import AttemptState, RunState
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server
from tests.state.samples import DAY, NOW

OK, FAILED, SKIPPED = AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.SKIPPED
MEETING = {"id": 1, "topic": "Weekly"}
GET = "{use: zoom.get_meeting, id: m, with: {meeting_id: 1}}"


def lines(rig: Rig, name: str = "out.txt") -> list[str]:
    path = rig.home / "state" / "files" / name
    return path.read_text().splitlines() if path.exists() else []


def _has_lines(rig: Rig, count: int) -> bool:
    return len(lines(rig)) >= count


def note(text: str) -> str:
    return f'{{use: core.write_file, with: {{path: out.txt, content: "{text}\\n"}}}}'


def test_steps_see_the_event_and_what_came_before(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(body=MEETING))
    rig.start(
        f"""
steps:
  - {GET}
  - id: said
    use: core.log
    with:
      message: >-
        {{{{ payload.a }}}} {{{{ steps.m.topic }}}} {{{{ steps[0].id }}}} {{{{ event.key }}}} {{{{ connection.name }}}}
  - use: core.log
    with: {{message: "{{{{ run.id }}}} {{{{ run.idempotency_key[:4] }}}} {{{{ steps.said.message }}}}"}}
"""
    )
    assert rig.go() is RunState.SUCCEEDED
    assert rig.output("steps/1") == {"message": "1 Weekly 1 k work"}
    assert rig.output("steps/2") == {"message": "r1 key_ 1 Weekly 1 k work"}
    assert rig.attempts == [("steps/0", 1, OK), ("steps/1", 1, OK), ("steps/2", 1, OK)]


def test_each_finished_step_is_finished(rig: Rig) -> None:
    rig.start(f"steps: [{note('one')}, {note('two')}, {note('three')}]")
    for expected in (1, 2):
        assert rig.go(functools.partial(_has_lines, rig, expected)) is RunState.PENDING
        assert len(lines(rig)) == expected
    assert rig.go() is RunState.SUCCEEDED
    assert lines(rig) == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("when", "reason"),
    [
        (
            "{{ payload.a == 2 }}",
            "when: {{ payload.a == 2 }} is false; payload.a is 1",
        ),
        (
            "{{ event.key == 'x' and event.backfill }}",
            "when: {{ event.key == 'x' and event.backfill }} is false; event.backfill is false, event.key is 'k'",
        ),
        (
            "{{ payload.b is defined }}",
            "when: {{ payload.b is defined }} is false; payload.b is not there",
        ),
    ],
)
def test_a_filtered_run_says_which_values_it_looked_at(rig: Rig, when: str, reason: str) -> None:
    rig.start(f'when: "{when}"\nsteps: [{note("one")}]')
    assert rig.go() is RunState.FILTERED
    assert rig.reason == reason
    assert lines(rig) == []


def test_a_when_that_cannot_be_worked_out_pauses_the_run(rig: Rig) -> None:
    rig.start('when: "{{ paylod.a }}"\nsteps: []')
    assert rig.go() is RunState.PAUSED
    words = "there is no name 'paylod' (did you mean 'payload'?)"
    assert rig.reason == f"when: bad_input: {{{{ paylod.a }}}}: {words}"


def test_a_step_whose_when_says_no_is_skipped(rig: Rig) -> None:
    rig.start(
        """
steps:
  - {id: no, use: core.log, when: "{{ payload.a > 1 }}", with: {message: x}}
  - {id: yes, use: core.log, when: "{{ steps.no is none }}", with: {message: y}}
"""
    )
    assert rig.go() is RunState.SUCCEEDED
    assert rig.attempts == [("steps/0", 1, SKIPPED), ("steps/1", 1, OK)]


def test_a_workflow_without_steps_succeeds(rig: Rig) -> None:
    rig.start("steps: []")
    assert rig.go() is RunState.SUCCEEDED


def test_a_hiccup_is_tried_again_later_as_a_row_with_a_due_time(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(500), Reply(500), Reply(body=MEETING))
    rig.start(f"steps: [{note('one')}, {GET}, {note('two')}]")
    for wait in (2, 4):
        assert rig.go() is RunState.WAITING
        run = rig.store.load_run("r1")[0]
        assert run.due_at == rig.clock.now() + timedelta(seconds=wait)
        assert run.reason is not None
        assert run.reason.startswith("steps/1 (zoom.get_meeting): transient: ")
        assert rig.store.claim_runs(rig.clock.now(), 1, DAY) == []
        rig.clock.advance(wait)  # type: ignore[attr-defined]
    assert rig.go() is RunState.SUCCEEDED
    assert rig.attempts == [
        ("steps/0", 1, OK),
        ("steps/1", 1, FAILED),
        ("steps/1", 2, FAILED),
        ("steps/1", 3, OK),
        ("steps/2", 1, OK),
    ]
    assert lines(rig) == ["one", "two"]


def test_out_of_attempts_waits_for_a_person_and_goes_on_from_the_failed_step(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(500), Reply(500), Reply(500), Reply(body=MEETING))
    step = GET[:-1] + ", retry: {attempts: 2, delay: 1s, backoff: constant}}"
    rig.start(f"steps: [{note('one')}, {step}]")
    assert rig.go() is RunState.WAITING
    rig.clock.advance(1)  # type: ignore[attr-defined]
    assert rig.go() is RunState.PAUSED
    assert str(rig.reason).startswith("steps/1 (zoom.get_meeting): transient: ")
    rig.resume()
    assert rig.go() is RunState.WAITING
    rig.clock.advance(1)  # type: ignore[attr-defined]
    assert rig.go() is RunState.SUCCEEDED
    assert [number for address, number, _ in rig.attempts if address == "steps/1"] == [1, 2, 3, 4]
    assert lines(rig) == ["one"]


def test_a_failure_that_trying_again_cannot_help_pauses_at_once(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(404, {"code": 3001, "message": "Meeting does not exist: 1."}))
    rig.start(f"steps: [{GET}]")
    assert rig.go() is RunState.PAUSED
    assert str(rig.reason).startswith("steps/0 (zoom.get_meeting): gone: ")
    assert len(server.seen) == 1


def test_a_step_may_fail_and_the_run_goes_on(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(404, {"code": 3001, "message": "Meeting does not exist: 1."}))
    rig.start(f"steps: [{GET[:-1]}, continue_on_error: true}}, {note('{{ steps.m is none }}')}]")
    assert rig.go() is RunState.SUCCEEDED
    assert rig.attempts == [("steps/0", 1, FAILED), ("steps/1", 1, OK)]
    assert lines(rig) == ["true"]


def test_retry_after_is_a_floor(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(429, {"code": 429, "message": "x"}, {"Retry-After": "120"}), Reply(body=MEETING))
    rig.start(f"steps: [{GET}]")
    assert rig.go() is RunState.WAITING
    due = rig.store.load_run("r1")[0].due_at
    assert due is not None
    assert due >= NOW + timedelta(seconds=120)


def test_a_used_up_budget_delays_and_counts_as_no_attempt(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(body=MEETING))
    rig.clients.get("work").budget.forbid("LIGHT", NOW + timedelta(hours=1))
    rig.start(f"steps: [{GET[:-1]}, retry: {{attempts: 1}}}}]")
    assert rig.go() is RunState.WAITING
    assert rig.store.load_run("r1")[0].due_at == NOW + timedelta(hours=1)
    rig.clock.advance(3601)  # type: ignore[attr-defined]
    assert rig.go() is RunState.SUCCEEDED
    assert rig.attempts == [("steps/0", 1, OK)]


HANDLERS = """
on_failure:
  - use: core.write_file
    with: {path: out.txt, content: "{{ failure.step }} {{ failure.use }} {{ failure.class }}\\n"}
  - {use: core.log, with: {message: "{{ nothing }}"}}
  - use: core.write_file
    with: {path: out.txt, content: "{{ run.workflow }} failed\\n"}
"""


def test_on_failure_runs_once_for_a_failure_and_the_run_waits_for_a_person(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(404, {"code": 3001, "message": "Meeting does not exist: 1."}))
    rig.start(f"steps: [{GET}]{HANDLERS}")
    assert rig.go() is RunState.PAUSED
    assert lines(rig) == ["steps/0 zoom.get_meeting gone", "w failed"]
    assert str(rig.reason).startswith("steps/0 (zoom.get_meeting): gone: ")
    server.on("/v2/meetings/1", Reply(body=MEETING))
    rig.resume()
    assert rig.go() is RunState.SUCCEEDED
    assert len(lines(rig)) == 2


def test_on_failure_of_another_failure_is_no_repetition_of_the_first(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(404, {"code": 3001, "message": "Meeting does not exist: 1."}))
    rig.start(
        f"steps: [{GET}]{HANDLERS}  - {{id: key, use: core.log, with: {{message: '{{{{ run.idempotency_key }}}}'}}}}"
    )
    assert rig.go() is RunState.PAUSED
    first = rig.output("on_failure/3")
    rig.clock.advance(60)  # type: ignore[attr-defined]
    rig.resume()
    assert rig.go() is RunState.PAUSED
    assert lines(rig) == ["steps/0 zoom.get_meeting gone", "w failed"] * 2
    assert rig.output("on_failure/3") != first


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (
            "{use: zoom.get_meting}",
            "steps/0 (zoom.get_meting): bad_input: there is no action 'zoom.get_meting';"
            " did you mean 'zoom.get_meeting'?",
        ),
        (
            "{use: zoom.get_meeting, with: {meting_id: 1}}",
            "steps/0 (zoom.get_meeting): bad_input: zoom.get_meeting: there is no parameter 'meting_id'"
            " (did you mean 'meetingId'?)",
        ),
        (
            "{use: zoom.get_meeting, with: {meeting_id: '{{ payload.b }}'}}",
            "steps/0 (zoom.get_meeting): bad_input: meeting_id: {{ payload.b }}: there is no field 'b'; known here: a",
        ),
        (
            "{use: zoom.get_meeting, with: {meeting_id: 1, connection: wrk}}",
            "steps/0 (zoom.get_meeting): bad_input: there is no connection 'wrk'; did you mean 'work'?",
        ),
    ],
)
def test_a_step_that_cannot_begin_pauses_the_run_in_words(rig: Rig, step: str, reason: str) -> None:
    rig.start(f"steps: [{step}]")
    assert rig.go() is RunState.PAUSED
    assert rig.reason == reason


def test_a_stored_workflow_that_no_longer_loads_pauses_the_run(rig: Rig) -> None:
    rig.start("steps: 5")
    assert rig.go() is RunState.PAUSED
    assert str(rig.reason).startswith("the workflow as it was stored cannot be used: ")


def test_a_run_whose_workflow_cannot_be_read_for_a_moment_waits_for_no_person(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig()
    rig.start("steps: [{use: core.log, with: {message: done}}]")

    def fail(version: str) -> str:
        raise StateError("The database has been locked by another program for 30 seconds: end it.")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "load_version", fail)
        with pytest.raises(StateError):
            rig.go()
    assert rig.store.load_run("r1")[0].state is RunState.RUNNING
    rig.store.close()
    rig.store.open()
    assert rig.go() is RunState.SUCCEEDED


def test_a_lost_claim_stores_nothing_more(rig: Rig) -> None:
    rig.start(f"steps: [{note('one')}]")
    claimed = rig.store.claim_runs(NOW, 1, DAY)[0]
    assert rig.runner().advance("r1", claimed.claim + 1) is None
    assert (rig.attempts, lines(rig)) == ([], [])


def test_an_output_that_is_too_large_is_refused_in_words(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(body={"x": "y" * 2_000_000}))
    rig.start(f"steps: [{GET}]")
    assert rig.go() is RunState.PAUSED
    assert "the output of zoom.get_meeting is 2000008 bytes, more than the 1048576" in str(rig.reason)


def test_secrets_are_sent_and_never_stored(make_rig: Callable[..., Rig], server: Server) -> None:
    rig = make_rig(
        connection("site", server.url, "http", allow_private=True), API_TOKEN="s3cr3t-w0rd", SITE="prod-site"
    )
    server.on("/hook", lambda seen: Reply(body={"echo": seen.headers["x-key"], "body": seen.body.decode()}))
    rig.start(
        """
steps:
  - use: http.request
    with:
      connection: site
      method: POST
      url: /hook
      headers: {X-Key: "${API_TOKEN}"}
      json: {mixed: "${SITE}/{{ payload.a }}", text: "{{ payload.b }}"}
""",
        {"a": 1, "b": "${API_TOKEN}"},
    )
    assert rig.go() is RunState.SUCCEEDED
    assert server.seen[0].headers["x-key"] == "s3cr3t-w0rd"
    assert server.seen[0].body == b'{"mixed":"prod-site/1","text":"${API_TOKEN}"}'
    assert rig.output("steps/0")["body"]["echo"] == "***"
    assert rig.output("steps/0")["body"]["body"] == '{"mixed":"***/1","text":"${API_TOKEN}"}'
    rig.store.close()
    stored = b"".join(path.read_bytes() for path in (rig.home / "state").iterdir() if path.is_file())
    assert b"s3cr3t-w0rd" not in stored


def test_code_of_a_home_may_fail_in_any_way(make_rig: Callable[..., Rig], tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "core.yaml").write_text(
        "connector: core\nactions: {mine: {title: Mine, description: Mine., code: mine, idempotency: none}}\n"
    )
    (tmp_path / "actions" / "core.py").write_text("def mine(context, values):\n    return 1 / 0\n")
    rig = make_rig()
    rig.start("steps: [{use: core.mine}]")
    assert rig.go() is RunState.PAUSED
    assert (
        rig.reason
        == "steps/0 (core.mine): broken: a fault in the code of the action (ZeroDivisionError: division by zero)"
    )


def test_a_host_that_stands_in_the_workflow_may_be_a_private_one(make_rig: Callable[..., Rig], server: Server) -> None:
    rig = make_rig()
    server.on("/hook/1", Reply(body={"ok": True}))
    rig.start(f'steps: [{{use: http.request, with: {{url: "{server.url}/hook/{{{{ payload.a }}}}"}}}}]')
    assert rig.go() is RunState.SUCCEEDED


def test_a_host_that_comes_from_data_may_not(make_rig: Callable[..., Rig], server: Server) -> None:
    rig = make_rig()
    rig.start("steps: [{use: http.request, with: {url: 'http://{{ payload.host }}/hook'}}]", {"host": server.url[7:]})
    assert rig.go() is RunState.PAUSED
    assert server.seen == []


def test_the_key_is_the_same_for_each_attempt(make_rig: Callable[..., Rig], server: Server) -> None:
    rig = make_rig(connection("site", server.url, "http", allow_private=True))
    server.on("/x", Reply(503), Reply(body={}))
    rig.start("steps: [{use: http.request, with: {connection: site, url: /x, method: POST, json: {a: 1}}}]")
    assert rig.go() is RunState.WAITING
    rig.clock.advance(60)  # type: ignore[attr-defined]
    assert rig.go() is RunState.SUCCEEDED
    keys = {seen.headers["idempotency-key"] for seen in server.seen}
    assert len(server.seen) == 2
    assert len(keys) == 1


def test_a_step_ends_at_its_timeout(rig: Rig, server: Server) -> None:
    server.on("/v2/users/me/meetings", lambda seen: _page_after(rig))
    rig.start("steps: [{use: zoom.list_meetings, timeout: 10s, retry: {attempts: 1}}]")
    assert rig.go() is RunState.PAUSED
    assert "transient" in str(rig.reason)
    assert len(server.seen) < 4


def _page_after(rig: Rig) -> Reply:
    rig.clock.advance(4)  # type: ignore[attr-defined]
    return Reply(body={"meetings": [], "next_page_token": str(rig.clock.now())})


@pytest.mark.parametrize(
    ("idempotency", "own", "state", "attempts"),
    [
        ("natural", "", RunState.SUCCEEDED, [("steps/0", 1, AttemptState.UNKNOWN), ("steps/0", 2, OK)]),
        ("header", "", RunState.SUCCEEDED, [("steps/0", 1, AttemptState.UNKNOWN), ("steps/0", 2, OK)]),
        ("none", "", RunState.PAUSED, [("steps/0", 1, AttemptState.UNKNOWN)]),
        ("natural", "none", RunState.PAUSED, [("steps/0", 1, AttemptState.UNKNOWN)]),
        ("none", "natural", RunState.SUCCEEDED, [("steps/0", 1, AttemptState.UNKNOWN), ("steps/0", 2, OK)]),
    ],
)
def test_an_attempt_whose_answer_never_came_is_unknown(
    make_rig: Callable[..., Rig], tmp_path: Path, idempotency: str, own: str, state: RunState, attempts: Any
) -> None:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "core.yaml").write_text(
        f"connector: core\nactions: {{mine: {{title: M, description: M., code: mine, idempotency: {idempotency}}}}}\n"
    )
    (tmp_path / "actions" / "core.py").write_text(
        "class Killed(BaseException):\n    pass\n\n\ndef mine(context, values):\n"
        "    mark = context.home / 'mark'\n    if not mark.exists():\n        mark.touch()\n        raise Killed\n"
    )
    rig = make_rig()
    rig.start(f"steps: [{{use: core.mine{f', idempotency: {own}' if own else ''}}}]")
    with pytest.raises(BaseException, match=r"^$"):
        rig.go()
    rig.store.close()
    rig.store.open()
    assert rig.go() is state
    assert rig.attempts == attempts
    if state is RunState.PAUSED:
        words = "the process ended before an answer was stored; it may have been done"
        assert rig.reason == f"steps/0 (core.mine): unknown: {words}"
        rig.resume()
        assert rig.go() is RunState.SUCCEEDED
