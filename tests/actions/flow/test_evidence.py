"""What is kept of an attempt that did not succeed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow.evidence import LONGEST_INPUT, came_of, given
from changewire.actions.flow.retry import failure_of
from changewire.errors import ApiError, FailureClass
from changewire.secret import Secret
from changewire.state.records import AttemptRecord, AttemptState, RunState
from changewire.state.views import effect, next_step, run_view
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server
from tests.state.samples import NOW

STEP = """
steps:
  - use: http.request
    with: {method: POST, url: /orders, connection: shop, json: {id: "{{ payload.a }}", key: "${KEY}"}}
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as one:
        yield one


@pytest.fixture
def rig(tmp_path: Path, server: Server) -> Iterator[Rig]:
    shop = connection("shop", server.url, "http")
    with closing(Rig(tmp_path, shop, connection("work", server.url), KEY="the-secret-key").open()) as made:
        yield made


def last(rig: Rig) -> AttemptRecord:
    return rig.store.load_run("r1")[2][-1]


def test_a_refused_step_keeps_what_was_sent_and_answered_without_secrets(rig: Rig, server: Server) -> None:
    server.on("/orders", Reply(422, b'{"message": "no such thing", "sent": "the-secret-key"}'))
    rig.start(STEP)
    assert rig.go() is RunState.PAUSED
    attempt = last(rig)
    assert attempt.evidence["input"]["json"] == {"id": 1, "key": "***"}
    assert attempt.evidence["response"] == {
        "status": 422,
        "code": None,
        "body": '{"message": "no such thing", "sent": "***"}',
    }
    assert (attempt.error_class, effect(attempt)) == ("bad_input", "refused")
    assert (next_step(attempt) or "").startswith("correct the step in the workflow, then `changewire replay`")


def test_an_answer_that_says_nothing_leaves_the_effect_unknown(rig: Rig, server: Server) -> None:
    server.on("/orders", Reply(503, b"busy"))
    rig.start(STEP)
    rig.go()
    attempt = last(rig)
    assert (effect(attempt), attempt.evidence["response"]["body"]) == ("unknown", "busy")
    assert attempt.retry_at is None or (next_step(attempt) or "").startswith("nothing: it is tried again by itself at ")


@pytest.mark.parametrize("reply", [Reply(503, b"busy"), Reply(200, b"<html>")])
def test_what_may_have_been_done_is_looked_at_before_a_person_does_it_again(
    rig: Rig, server: Server, reply: Reply
) -> None:
    server.on("/v2/users/me/meetings", reply)
    rig.start("steps: [{use: zoom.create_meeting, with: {topic: a}}]")
    assert rig.go() is RunState.PAUSED
    assert (next_step(last(rig)) or "").startswith("it may have been done: look there first.")


def test_what_only_reads_is_simply_done_again(rig: Rig, server: Server) -> None:
    server.on("/v2/meetings/1", Reply(503, b"busy"))
    rig.start("steps: [{use: zoom.get_meeting, with: {meetingId: 1}, retry: {attempts: 1}}]")
    assert rig.go() is RunState.PAUSED
    assert (next_step(last(rig)) or "").startswith("the other side had a problem")


def test_what_never_left_this_machine_was_only_intended(rig: Rig) -> None:
    rig.connections["shop"] = connection("shop", "http://127.0.0.1:1", "http")
    rig.clients.replace(rig.connections)
    rig.start(STEP)
    rig.go()
    assert (effect(last(rig)), last(rig).evidence["response"]) == ("intended", None)


def test_a_step_that_succeeded_needs_no_evidence(rig: Rig, server: Server) -> None:
    server.on("/orders", Reply(200, {}))
    rig.start(STEP)
    assert rig.go() is RunState.SUCCEEDED
    assert (last(rig).evidence, effect(last(rig)), next_step(last(rig))) == (None, "acknowledged", None)


def test_the_input_is_stored_before_anything_is_sent(rig: Rig, server: Server) -> None:
    seen: list[Any] = []

    def look(_: Any) -> Reply:
        seen.append(last(rig))
        return Reply(200, {})

    server.on("/orders", look)
    rig.start(STEP)
    rig.go()
    (attempt,) = seen
    assert (attempt.state, effect(attempt)) == (AttemptState.RUNNING, "intended")
    assert attempt.evidence["input"]["url"] == "/orders"


def test_the_form_for_programs_tells_it(rig: Rig, server: Server) -> None:
    server.on("/orders", Reply(404, {"message": "gone"}))
    rig.start(STEP)
    rig.go()
    history = rig.store.run("r1")
    assert history is not None
    (step,) = run_view(history)["steps"]
    assert (step["class"], step["effect"], step["response"]["status"]) == ("gone", "refused", 404)
    assert step["next"].startswith("what the step asks for is not there: make it be there and `changewire resume r1`")


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"a": Secret("hidden-value")}, {"a": "***"}),
        ({"a": "see hidden-value"}, {"a": "see ***"}),
        ({"a": "x" * 2 * LONGEST_INPUT}, '{"a":"' + "x" * (LONGEST_INPUT - 6) + "…"),
    ],
)
def test_inputs_are_masked_and_cut(values: dict[str, Any], kept: Any) -> None:
    Secret("hidden-value")
    assert given(values) == {"input": kept}


@pytest.mark.parametrize("kind", list(FailureClass))
def test_every_class_has_a_next_step(kind: FailureClass) -> None:
    attempt = AttemptRecord("r1", "steps/0", 1, "x.y", AttemptState.FAILED, error_class=str(kind), started_at=NOW)
    error = ApiError("m", kind)
    attempt.evidence = came_of(attempt, failure_of(error), error)
    assert next_step(attempt)
