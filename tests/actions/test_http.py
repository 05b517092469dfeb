from __future__ import annotations

from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import pytest

from changewire.actions.answers import check_answer, make_checks
from changewire.actions.calling import check_inputs, perform
from changewire.errors import ApiError, FailureClass, UsageError
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server


@pytest.fixture
def web(make_rig: Callable[..., Rig], server: Server) -> Rig:
    auth = {"type": "bearer", "token": "web-token-1"}
    return make_rig(connection("site", server.url, "http", auth=auth, allow_private=True), allow_private=True)


def do(rig: Rig, **given: Any) -> Any:
    action = rig.action("http.request")
    return perform(action, check_inputs(action, given), rig.context("site"))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_verb_is_sent_with_the_credentials_of_the_connection(web: Rig, server: Server, method: str) -> None:
    server.on("/x", Reply(body={"ok": True}))
    answer = do(web, url="/x", method=method)
    assert (answer["status"], answer["url"], answer["path"]) == (200, f"{server.url}/x", None)
    assert answer["body"] == ("" if method == "HEAD" else {"ok": True})
    seen = server.seen[0]
    assert (seen.method, seen.headers["authorization"]) == (method, "Bearer web-token-1")
    assert ("idempotency-key" in seen.headers) is (method not in {"GET", "HEAD", "OPTIONS"})


def test_an_own_idempotency_key_is_kept_however_it_is_spelled(web: Rig, server: Server) -> None:
    server.on("/x", Reply())
    do(web, url="/x", method="POST", headers={"idempotency-key": "mine"})
    assert server.seen[0].headers["idempotency-key"] == "mine"


def test_a_list_in_the_query_is_sent_entry_by_entry(web: Rig, server: Server) -> None:
    server.on("/x", Reply())
    do(web, url="/x", query={"id": [1, 2], "q": "a b", "none": None})
    assert server.seen[0].path == "/x?id=1&id=2&q=a%20b"


def test_files_are_sent_as_parts_of_a_form(web: Rig, server: Server) -> None:
    server.on("/up", Reply(body={}))
    (web.home / "state/downloads").mkdir(parents=True)
    (web.home / "state/downloads/a.mp4").write_bytes(b"\0film")
    (web.home / "state/files").mkdir(parents=True)
    (web.home / "state/files/b").write_text("text")
    files = {"film": "state/downloads/a.mp4", "note": {"path": "b", "name": "Grüße.txt", "type": "text/x-note"}}
    do(web, url="/up", method="POST", form={"title": "Weekly", "n": 1}, files=files)
    seen = server.seen[0]
    raw = b"Content-Type: " + seen.headers["content-type"].encode() + b"\r\n\r\n" + seen.body
    parts = [
        (part.get_param("name", header="content-disposition"), part.get_content_type(), part.get_payload(decode=True))
        for part in message_from_bytes(raw, policy=policy.HTTP).iter_parts()
    ]
    assert [(name, kind, data) for name, kind, data in parts if name in {"film", "note"}] == [
        ("film", "video/mp4", b"\0film"),
        ("note", "text/x-note", b"text"),
    ]
    assert [data for name, _, data in parts if name in {"title", "n"}] == [b"Weekly", b"1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"files": {"a": "nix"}}, "there is no file 'state/files/nix' in this home"),
        ({"files": {"a": "../changewire.db"}}, "must be the path of a file below"),
        ({"files": {"a": {"path": "x", "nme": "y"}}}, "files: a has 'nme'; known are path, name and type"),
        ({"files": {"a": "x"}, "json": {}}, "json and files cannot be sent together: keep one"),
        ({"save_to": "../x"}, "must be the path of a file below"),
        ({"expect_json": {"a": {"mn": 1}}}, "expect_json: a: 'mn' is not known; use exists, not, min, max"),
    ],
)
def test_a_request_that_cannot_be_is_not_sent(web: Rig, server: Server, given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        do(web, url="/x", method="POST", **given)
    assert message in str(caught.value)
    assert server.seen == []


def test_an_answer_is_saved_and_left_out_of_the_output(web: Rig, server: Server) -> None:
    server.on("/big", Reply(body=b"x" * 2_000_000, headers={"Content-Type": "text/plain"}))
    answer = do(web, url="/big", save_to="dl/big.txt")
    assert (answer["body"], answer["path"], answer["size"]) == (None, "state/files/dl/big.txt", 2_000_000)
    assert (web.home / "state/files/dl/big.txt").stat().st_size == 2_000_000


@pytest.mark.parametrize("given", [{}, {"save_to": "x", "max_bytes": "1MB"}])
def test_an_answer_that_is_too_long_is_an_error(web: Rig, server: Server, given: Any) -> None:
    server.on("/big", Reply(body=b"x" * 2_000_000))
    with pytest.raises(ApiError, match="longer than"):
        do(web, url="/big", **given)
    assert not (web.home / "state/files/x").exists()


def test_an_answer_that_is_not_as_expected_is_an_error_and_not_saved(web: Rig, server: Server) -> None:
    server.on("/x", Reply(body={"ok": False, "error": "no_channel"}))
    with pytest.raises(ApiError) as caught:
        do(web, url="/x", method="POST", expect_json={"ok": True}, save_to="x")
    assert str(caught.value) == "the answer is not as expected: ok is 'false', expected true"
    assert caught.value.failure is FailureClass.BROKEN
    assert not (web.home / "state/files/x").exists()
    assert do(web, url="/x", expect_json={"ok": False})["status"] == 200


ANSWER = {"ok": True, "n": 3, "none": None, "data": {"state": "done", "files": [{"id": "a"}, {"id": "b"}]}}


@pytest.mark.parametrize(
    ("checks", "wrong"),
    [
        ({"ok": True, "n": 3, "data.state": ["done", "ready"], "none": None, "nix": None}, None),
        ({"data.files.1.id": "b", "data.files": {"min": 2, "max": 2}, "n": {"min": 3}}, None),
        ({"data": {"exists": True}, "none": {"exists": False}, "nix.far": {"exists": False}}, None),
        ({"data.state": {"not": ["failed", "gone"]}, "nix": {"not": "x"}}, None),
        ({"n": True}, "n is '3', expected true"),
        ({"ok": 1}, "ok is 'true', expected 1"),
        ({"data.state": ["ready"]}, "data.state is 'done', expected [\"ready\"]"),
        ({"nix": "x"}, "nix is nothing, expected x"),
        ({"ok": None}, "ok is 'true', expected nothing"),
        ({"n": {"min": 4}}, "n is '3', expected {\"min\":4}"),
        ({"data.files": {"max": 1}}, 'data.files is \'[{"id":"a"},{"id":"b"}]\', expected {"max":1}'),
        ({"data.state": {"min": 1}}, "data.state is 'done', expected {\"min\":1}"),
        ({"data.files.7.id": {"exists": True}}, 'data.files.7.id is nothing, expected {"exists":true}'),
        ({"data.state": {"not": "done"}}, 'data.state is \'done\', expected {"not":"done"}'),
    ],
)
def test_what_an_answer_holds_is_checked_without_expressions(checks: Any, wrong: str | None) -> None:
    if wrong is None:
        check_answer(make_checks(checks), ANSWER)
        return
    with pytest.raises(ApiError) as caught:
        check_answer(make_checks(checks), ANSWER)
    assert str(caught.value) == f"the answer is not as expected: {wrong}"
