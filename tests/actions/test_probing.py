from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError, UsageError
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server

ACTIONS = """
connector: zoom
actions:
  create_note:
    title: Create a note
    description: Creates a note.
    parameters:
      text: {required: true, description: the note}
    request: {method: POST, path: /notes, body: {text: "{{ parameters.text }}", mark: "{{ idempotency_key }}"}}
    idempotency: probe
    probe:
      request: {path: /notes, query: {mark: "{{ idempotency_key }}"}}
      items: notes
      found: "{{ answer.notes | selectattr('mark', 'equalto', idempotency_key) | first | default(none) }}"
      output: {id: "{{ found.id }}", text: "{{ parameters.text }}"}
  name_room:
    title: Name a room
    description: Names a room.
    parameters:
      room: {required: true, description: which}
    request: {method: PUT, path: "/rooms/{room}"}
    idempotency: probe
    probe: {request: {path: "/rooms/{room}"}, found: "{{ answer.name == 'x' }}"}
"""


@pytest.fixture
def probing(make_rig: Callable[..., Rig], tmp_path: Path) -> Rig:
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "zoom.yaml").write_text(ACTIONS)
    rig = make_rig()
    assert rig.problems == []
    return rig


def do(rig: Rig, name: str, given: dict[str, Any], **changes: Any) -> Any:
    return perform(rig.action(name), check_inputs(rig.action(name), given), rig.context("work", **changes))


def test_the_first_try_does_it_without_looking(probing: Rig, server: Server) -> None:
    server.on("/v2/notes", Reply(201, {"id": 1}))
    assert do(probing, "zoom.create_note", {"text": "a"}, look_first=False) == {"id": 1}
    assert [(one.method, one.body) for one in server.seen] == [("POST", b'{"mark":"key_1","text":"a"}')]


def test_what_was_done_already_is_found_and_not_done_again(probing: Rig, server: Server) -> None:
    pages: list[dict[str, Any]] = [
        {"notes": [{"id": 1, "mark": "k"}], "next_page_token": "t"},
        {"notes": [{"id": 7, "mark": "key_1"}]},
    ]
    server.on("/v2/notes", *(Reply(body=page) for page in pages))
    assert do(probing, "zoom.create_note", {"text": "a"}) == {"id": 7, "text": "a"}
    assert [(one.method, one.path) for one in server.seen] == [
        ("GET", "/v2/notes?mark=key_1"),
        ("GET", "/v2/notes?mark=key_1&next_page_token=t"),
    ]


def test_what_was_not_done_is_done(probing: Rig, server: Server) -> None:
    server.on("/v2/notes", lambda seen: Reply(body={"notes": []}) if seen.method == "GET" else Reply(201, {"id": 8}))
    assert do(probing, "zoom.create_note", {"text": "a"}) == {"id": 8}
    assert [one.method for one in server.seen] == ["GET", "POST"]


def test_a_thing_that_is_not_there_was_not_made(probing: Rig, server: Server) -> None:
    gone = Reply(404, {"code": 3001, "message": "no"})
    server.on("/v2/rooms/r", lambda seen: gone if seen.method == "GET" else Reply(body={"made": True}))
    assert do(probing, "zoom.name_room", {"room": "r"}) == {"made": True}


def test_where_found_is_only_true_the_answer_is_the_output(probing: Rig, server: Server) -> None:
    server.on("/v2/rooms/r", Reply(body={"name": "x"}))
    assert do(probing, "zoom.name_room", {"room": "r"}) == {"name": "x"}
    assert len(server.seen) == 1


def test_where_nobody_can_tell_it_is_not_done(probing: Rig, server: Server) -> None:
    server.on("/v2/notes", Reply(500))
    with pytest.raises(ApiError):
        do(probing, "zoom.create_note", {"text": "a"})
    assert [one.method for one in server.seen] == ["GET"]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("idempotency: probe", "belong together"),
        ("idempotency: natural, probe: {request: {path: /x}, found: '{{ answer }}'}", "belong together"),
        ("idempotency: probe, probe: {request: {path: '/{y}'}, found: '{{ answer }}'}", "the path asks for 'y'"),
        (
            "idempotency: probe, probe: {request: {path: /x}, found: '{{ a b }}'}",
            "an operator is missing between 'a' and 'b'",
        ),
    ],
)
def test_a_probe_that_cannot_be_is_told(make_rig: Callable[..., Rig], tmp_path: Path, part: str, message: str) -> None:
    (tmp_path / "actions").mkdir()
    text = f"connector: zoom\nactions:\n  a: {{title: T, description: D., request: {{path: /x}}, {part}}}"
    (tmp_path / "actions" / "zoom.yaml").write_text(text)
    rig = make_rig()
    assert len(rig.problems) == 1
    assert message in rig.problems[0].message


def test_a_probe_needs_a_connection(probing: Rig) -> None:
    with pytest.raises(UsageError, match="needs a connection"):
        perform(probing.action("zoom.create_note"), {"text": "a"}, probing.context())
