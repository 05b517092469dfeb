from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, choose_connection, perform
from changewire.actions.sending import build_request
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.values import Json
from tests.actions.rig import Rig, connection
from tests.connectors.server import Reply, Server


def do(rig: Rig, name: str, given: dict[str, Json], on: str | None = "work") -> Any:
    action = rig.action(name)
    return perform(action, check_inputs(action, given), rig.context(on))


@pytest.mark.parametrize(
    ("name", "given", "path", "query"),
    [
        ("zoom.get_meeting", {"meeting_id": 85512340002}, "/meetings/85512340002", ()),
        (
            "zoom.get_meeting",
            {"meeting_id": "1", "occurrence_id": "", "show_previous_occurrences": True},
            "/meetings/1",
            (("show_previous_occurrences", "true"),),
        ),
        ("zoom.get_meeting_recordings", {"meeting_id": "a/../b?c"}, "/meetings/a%2F..%2Fb%3Fc/recordings", ()),
        ("zoom.get_meeting_recordings", {"meeting_id": "ab/c=="}, "/meetings/ab%2Fc%3D%3D/recordings", ()),
        ("zoom.get_meeting_recordings", {"meeting_id": "/a=="}, "/meetings/%252Fa%253D%253D/recordings", ()),
        ("zoom.get_meeting_recordings", {"meetingId": "7"}, "/meetings/7/recordings", ()),
        (
            "zoom.list_meetings",
            {"user_id": "a+b@x.org", "from": "2026-01-01"},
            "/users/a%2Bb%40x.org/meetings",
            (("type", "scheduled"), ("from", "2026-01-01"), ("page_size", "300")),
        ),
    ],
)
def test_a_request_is_built_from_the_parameters(rig: Rig, name: str, given: Any, path: str, query: Any) -> None:
    action = rig.action(name)
    request = build_request(action, check_inputs(action, given))
    assert (request.method, request.path, request.query) == ("GET", path, query)
    assert request.label in {"LIGHT", "MEDIUM"}


def test_me_is_who_the_connection_says(rig: Rig) -> None:
    action = rig.action("zoom.list_meetings")
    assert build_request(action, check_inputs(action, {}), user="u@x").path == "/users/u%40x/meetings"
    assert build_request(action, check_inputs(action, {})).path == "/users/me/meetings"


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_what_cannot_be_part_of_a_path_is_refused(rig: Rig, value: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of a path"):
        do(rig, "zoom.get_meeting_recordings", {"meeting_id": value})


def test_all_pages_are_read_and_joined(rig: Rig, server: Server) -> None:
    server.on(
        "/v2/users/me/meetings",
        Reply(body={"meetings": [{"id": 1}, {"id": 2}], "next_page_token": "t1", "total_records": 3}),
        Reply(body={"meetings": [{"id": 2}, {"id": 3}], "next_page_token": ""}),
    )
    found = do(rig, "zoom.list_meetings", {})
    assert found == {"meetings": [{"id": 1}, {"id": 2}, {"id": 3}], "next_page_token": "", "total_records": 3}
    assert [path.partition("&next_page_token=")[2] for path in server.paths()] == ["", "t1"]


def test_one_page_is_read_where_that_is_enough(rig: Rig, server: Server) -> None:
    page = {"meetings": [{"id": 1}], "next_page_token": "t1"}
    server.on("/v2/users/me/meetings", Reply(body=page))
    assert do(rig, "zoom.list_meetings", {"all_pages": False}) == page


def test_a_dead_page_token_starts_the_list_again_once(rig: Rig, server: Server) -> None:
    dead = Reply(400, {"code": 300, "message": "The next page token is invalid or expired."})
    first = Reply(body={"meetings": [{"id": 1}], "next_page_token": "t1"})
    last = Reply(body={"meetings": [{"id": 2}], "next_page_token": ""})
    server.on("/v2/users/me/meetings", first, dead, first, last)
    assert [one["id"] for one in do(rig, "zoom.list_meetings", {})["meetings"]] == [1, 2]


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"total_records": 0}, "zoom.list_meetings: the answer has no list 'meetings'"),
        ({"meetings": None}, "zoom.list_meetings: the answer has no list 'meetings'"),
        ({"meetings": [], "next_page_token": "t"}, "zoom.list_meetings: the same page comes again and again"),
    ],
)
def test_a_list_that_cannot_be_is_broken(rig: Rig, server: Server, page: Any, message: str) -> None:
    server.on("/v2/users/me/meetings", Reply(body=page))
    with pytest.raises(ApiError) as caught:
        do(rig, "zoom.list_meetings", {})
    assert (str(caught.value), caught.value.failure) == (message, FailureClass.BROKEN)


CONNECTIONS = {
    one.name: one for one in (connection("a"), connection("b"), connection("web", "https://x.example", "http"))
}


@pytest.mark.parametrize(
    ("name", "named", "usual", "known", "chosen"),
    [
        ("zoom.get_meeting", "b", "a", ["a", "b"], "b"),
        ("zoom.get_meeting", None, "a", ["a", "b"], "a"),
        ("zoom.get_meeting", None, "web", ["a", "web"], "a"),
        ("zoom.get_meeting", None, None, ["a", "web"], "a"),
        ("core.log", None, "a", ["a"], None),
        ("http.request", None, "web", ["web"], None),
        ("http.request", "a", None, ["a"], "a"),
        ("http.hit", None, None, ["a", "web"], "web"),
    ],
)
def test_the_connection_is_the_named_one_or_the_only_one_that_fits(
    rig: Rig, name: str, named: Any, usual: Any, known: list[str], chosen: Any
) -> None:
    connections = {key: CONNECTIONS[key] for key in known}
    action = replace(rig.action("zoom.get_meeting"), connector="http") if name == "http.hit" else rig.action(name)
    assert choose_connection(action, named, usual, connections) == chosen


@pytest.mark.parametrize(
    ("named", "known", "message"),
    [
        (None, ["a", "b"], "zoom.get_meeting needs a connection of zoom: write connection: with one of a, b"),
        (
            None,
            ["web"],
            "zoom.get_meeting needs a connection of zoom: add one to "
            "config/connections.yaml, or mend what `changewire validate` tells of those there",
        ),
        ("wep", ["web"], "there is no connection 'wep'; did you mean 'web'?"),
        ("web", ["web"], "connection 'web' is of http, and zoom.get_meeting needs one of zoom"),
    ],
)
def test_a_connection_that_cannot_be_told_is_asked_for(rig: Rig, named: Any, known: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_connection(rig.action("zoom.get_meeting"), named, None, {key: CONNECTIONS[key] for key in known})
    assert str(caught.value) == message


@pytest.fixture
def web(make_rig: Callable[..., Rig], server: Server) -> Rig:
    return make_rig(connection("site", server.url, "http", allow_private=True), allow_private=True)


@pytest.mark.parametrize("on", ["site", None])
def test_an_http_request_sends_what_it_is_told(web: Rig, server: Server, on: str | None) -> None:
    server.on("/items", Reply(201, {"id": 7}, {"X-Kind": "new", "Set-Cookie": "a=b"}))
    url = "/items" if on else f"{server.url}/items"
    given = {"url": url, "method": "POST", "query": {"q": "a b", "n": None}, "headers": {"X-A": 1}, "json": {"x": [1]}}
    answer = do(web, "http.request", given, on)
    assert (answer["status"], answer["body"], answer["headers"]["x-kind"]) == (201, {"id": 7}, "new")
    assert "set-cookie" not in answer["headers"]
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.body) == ("POST", "/items?q=a%20b", b'{"x":[1]}')
    assert (seen.headers["x-a"], seen.headers["idempotency-key"]) == ("1", "key_1")
    assert seen.headers["content-type"] == "application/json"


def test_an_http_request_may_send_a_form_or_text_and_expect_an_error(web: Rig, server: Server) -> None:
    server.on("/x", Reply(404, b"not here", {"Content-Type": "text/plain"}))
    answer = do(web, "http.request", {"url": "/x", "method": "POST", "form": {"a": "b c"}, "expect": [404]}, "site")
    assert (answer["status"], answer["body"]) == (404, "not here")
    do(web, "http.request", {"url": "/x", "method": "PATCH", "body": "ü", "expect": ["404"]}, "site")
    assert [seen.body for seen in server.seen] == [b"a=b+c", "ü".encode()]
    with pytest.raises(ApiError):
        do(web, "http.request", {"url": "/x"}, "site")
    with pytest.raises(UsageError, match="json and body cannot be sent together: keep one"):
        do(web, "http.request", {"url": "/x", "json": {}, "body": "x"}, "site")


def test_an_http_request_to_this_machine_is_refused(rig: Rig, server: Server) -> None:
    with pytest.raises(ApiError, match="refused for addresses that come from data"):
        do(rig, "http.request", {"url": f"{server.url}/x"}, None)
    assert server.seen == []
