"""Every operation of the API is an action."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.actions import pages
from changewire.actions.calling import check_inputs, perform
from changewire.actions.definition import ActionType, check_parameters
from changewire.actions.loading import load_actions
from changewire.actions.sending import build_request
from changewire.actions.whole import operation_action
from changewire.clock import SystemClock
from changewire.config.connections import Connection
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client
from changewire.connectors.operations import operations
from changewire.errors import ApiError, UsageError
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox
from changewire.values import Json, digest, loads
from tests.actions.rig import BUILT_IN, Rig
from tests.connectors.server import Reply, Server

ZOOM = operations("zoom")
ACTIONS, _ = load_actions([BUILT_IN])
SAMPLES: dict[str, Json] = {
    "integer": 1, "number": 1.5, "boolean": True, "list": ["a", "b"], "object": {"a": 1},
    "date": "2026-11-01", "date-time": "2026-11-01T08:00:00Z", "string": "a+b@x.org",
}  # fmt: skip


def connect(url: str) -> Client:
    keys = {"account_id": ACCOUNT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    auth = {"type": "server_to_server", **keys}
    text = {"name": "work", "connector": "zoom", "plan": "business", "base_url": url, "auth": auth}
    return Client(Connection.model_validate(text), SystemClock(), HttpSettings())


def whole(name: str) -> ActionType:
    found = operation_action("zoom", name)
    assert found is not None
    return found


def sample(action: ActionType) -> dict[str, Json]:
    """Something for each parameter."""
    made: dict[str, Json] = {}
    for name, one in action.spec.parameters.items():
        made[name] = one.enum[0] if one.enum else SAMPLES[one.type]
    if "body" in action.spec.parameters and action.operation is not None:
        made["body"] = body_with(action.operation.required_body)
    return made


def body_with(needs: tuple[str, ...]) -> dict[str, Json]:
    body: dict[str, Json] = {}
    for need in needs:
        inner = body
        *heads, last = need.split(".")
        for head in heads:
            inner = inner.setdefault(head, {})
        inner.setdefault(last, {})
    return body


def test_each_operation_is_an_action_whose_request_can_be_built() -> None:
    for name in ZOOM:
        operation, action = ZOOM[name], whole(name)
        values = check_inputs(action, sample(action))
        request = build_request(action, values)
        assert request.method == operation.method, name
        assert request.path.count("/") == operation.path.count("/"), name
        assert "{" not in request.path, name
        assert request.label == operation.label, name
        sent = {key for key, _ in request.query}
        assert {one.name for one in operation.query_parameters} <= sent | {"query"}, name
        assert (request.body is not None) >= (operation.body in ("json", "form")), name
        assert action.spec.idempotency == ("none" if operation.method == "POST" else "natural"), name
        assert set(action.spec.scopes.granular) == set(operation.granular), name


def test_what_must_be_given_is_asked_for_by_each_operation() -> None:
    for name in ZOOM:
        operation, action = ZOOM[name], whole(name)
        wanted = {one.name for one in (*operation.path_parameters, *operation.query_parameters) if one.required}
        wanted |= {"body"} if operation.required_body and operation.body != "form" else set()
        missing = {problem.path[0] for problem in check_parameters(action, {})}
        assert missing == wanted, name


@given(st.text(min_size=1).filter(lambda text: text not in {".", ".."}))
def test_whatever_an_id_holds_it_stays_one_segment_of_the_path(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    request = build_request(whole("user"), {"userId": value})
    assert request.path.count("/") == 2
    assert unquote(request.path.rpartition("/")[2]) == value


@given(st.text("/+=aZ9", min_size=1, max_size=30))
def test_a_uuid_is_encoded_twice_where_it_begins_with_a_slash_or_holds_two(value: str) -> None:
    request = build_request(whole("recordingGet"), {"meetingId": value})
    segment = request.path.split("/")[2]
    twice = value.startswith("/") or "//" in value
    assert (unquote(unquote(segment)) if twice else unquote(segment)) == value
    assert ("%25" in segment) is (twice and set(value) != {"a", "Z", "9"})


@pytest.mark.parametrize(
    ("use", "name"),
    [
        ("zoom.recordingGet", "zoom.recordingGet"),
        ("zoom.recording_get", "zoom.recordingGet"),
        ("zoom.RECORDINGGET", "zoom.recordingGet"),
        ("zoom.get_meeting", "zoom.get_meeting"),
        ("zoom.getMeeting", "zoom.get_meeting"),
        ("zoom.meeting", "zoom.meeting"),
    ],
)
def test_look_up_finds_actions_and_operations_and_forgives_spelling(use: str, name: str) -> None:
    assert use in ACTIONS
    assert ACTIONS[use].name == name


@pytest.mark.parametrize(
    ("use", "near"),
    [
        ("zoom.recordngGet", "zoom.recordingGet"),
        ("zoom.get_meting", "zoom.get_meeting"),
        ("zom.get_meeting", "zoom.get_meeting"),
        ("core.logg", "core.log"),
        ("zoom.qqqqqqqqqq", None),
    ],
)
def test_a_misspelt_action_has_a_nearest_one(use: str, near: str | None) -> None:
    assert use not in ACTIONS
    assert ACTIONS.near(use) == near
    with pytest.raises(KeyError):
        ACTIONS[use]


def test_iterating_gives_the_actions_of_files() -> None:
    assert len(ACTIONS) == len(list(ACTIONS)) < 500
    assert "zoom.recordingGet" not in list(ACTIONS)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("users", {"statos": "x"}, "there is no parameter 'statos' (did you mean 'status'?)"),
        ("users", {"page_size": 5000}, "page_size must be at most 2000, not 5000"),
        ("meetings", {"userId": "me", "type": "liv"},
            "type must be one of scheduled, live, upcoming, upcoming_meetings, previous_meetings, not 'liv'"
            " (did you mean 'live'?)"),
        ("meeting", {}, "meetingId is missing: which meeting"),
        ("userCreate", {}, "body is missing: the body, with action, user_info"),
        ("userCreate", {"body": {"action": "create"}}, "body lacks user_info"),
    ],
)  # fmt: skip
def test_wrong_parameters_are_told_before_anything_is_sent(name: str, given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_inputs(whole(name), given)
    assert str(caught.value).startswith(f"zoom.{name}: {message}")


def do(rig: Rig, name: str, given: dict[str, Json]) -> Any:
    action = rig.action(name)
    return perform(action, check_inputs(action, given), rig.context("work"))


def test_one_request_is_sent_unless_all_pages_are_asked_for(rig: Rig, server: Server) -> None:
    server.on("/v2/users", Reply(body={"users": [{"id": "a"}], "next_page_token": "t"}))
    assert do(rig, "zoom.users", {"page_size": 1}) == {"users": [{"id": "a"}], "next_page_token": "t"}
    assert server.paths() == ["/v2/users?page_size=1"]


def test_all_pages_are_the_largest_that_there_are(rig: Rig, server: Server) -> None:
    replies = [Reply(body={"users": [{"id": n}], "next_page_token": "t" if n == "a" else ""}) for n in ("a", "b")]
    server.on("/v2/users", *replies)
    assert do(rig, "zoom.users", {"all_pages": True})["users"] == [{"id": "a"}, {"id": "b"}]
    assert server.paths() == ["/v2/users?page_size=2000", "/v2/users?page_size=2000&next_page_token=t"]


@pytest.mark.parametrize(
    ("name", "path", "field", "first", "query"),
    [
        ("userSCIM2List", "/v2/scim2/Users", "Resources", {"startIndex": 1, "totalResults": 2}, "startIndex=2"),
        ("getAllAccounts", "/v2/commerce/accounts", "account_list", {"page_count": 2}, "page_number=2"),
        ("list_emails", "/v2/emails/mailboxes/me/messages", "messages", {"nextPageToken": "n"}, "pageToken=n"),
        ("groupMembers", "/v2/groups/g/members", "members", {"next_page_token": "n"}, "next_page_token=n"),
        ("groupMembers", "/v2/groups/g/members", "members", {"page_count": 2}, "page_number=2"),
    ],
)
def test_each_way_of_paging_is_followed(
    rig: Rig, server: Server, name: str, path: str, field: str, first: Any, query: str
) -> None:
    rest = {"startIndex": 2, "totalResults": 2} if "startIndex" in first else {"page_count": first.get("page_count")}
    server.on(path, Reply(body={field: [{"id": 1}], **first}), Reply(body={field: [{"id": 2}], **rest}))
    given = {one.name: {"groupId": "g", "email": "me"}[one.name] for one in ZOOM[name].path_parameters}
    found = do(rig, f"zoom.{name}", {**given, "all_pages": True})
    assert [entry["id"] for entry in found[field]] == [1, 2]
    assert server.paths()[-1].endswith(query)
    assert len(server.paths()) == 2


def test_a_list_of_unknown_shape_is_found_in_the_answer(rig: Rig, server: Server) -> None:
    assert ZOOM["listBatchJobs"].paging == "unknown"
    bodies = [{"jobs": [{"id": 1}], "next_page_token": "t"}, {"jobs": [{"id": 2}], "next_page_token": ""}]
    server.on("/v2/aiservices/scribe/jobs", *(Reply(body=body) for body in bodies))
    found = do(rig, "zoom.listBatchJobs", {"all_pages": True, "query": {"state": "DONE"}})
    assert found["jobs"] == [{"id": 1}, {"id": 2}]
    assert server.paths()[0].endswith("?state=DONE")


@pytest.mark.parametrize(
    ("pages", "total", "read"),
    [
        ([["a", "b"], ["b", "c"]], None, ["a", "b", "c"]),  # b slid, as something new came before it
        ([["a", "b"], ["b", "c"]], 3, ["a", "b", "c"]),
        ([["a", "a"], ["b"]], None, ["a", "a", "b"]),  # one page never has the same entry twice
        ([["a", "b"], ["a"]], 3, ["a", "b", "a"]),  # just as many as there are: none slid
    ],
)
def test_entries_that_slid_are_there_once_and_those_that_are_alike_stay(
    pages: list[list[str]], total: int | None, read: list[str], rig: Rig, server: Server
) -> None:
    told = {} if total is None else {"total_records": total}
    bodies = [
        {"users": [{"id": one} for one in page], "next_page_token": str(n), **told} for n, page in enumerate(pages)
    ]
    bodies[-1]["next_page_token"] = ""
    server.on("/v2/users", *[Reply(body=body) for body in bodies])
    assert [user["id"] for user in do(rig, "zoom.users", {"all_pages": True})["users"]] == read


def test_a_circle_of_pages_is_an_error(rig: Rig, server: Server) -> None:
    server.on("/v2/users", *[Reply(body={"users": [{"id": n}], "next_page_token": "t"}) for n in range(3)])
    with pytest.raises(ApiError, match="the same page comes again and again"):
        do(rig, "zoom.users", {"all_pages": True})


def test_a_body_is_sent_as_it_is(rig: Rig, server: Server) -> None:
    server.on("/v2/users/me/meetings", Reply(201, {"id": 1}))
    body = {"topic": "T", "settings": {"host_video": True}, "schedule_for": None}
    assert do(rig, "zoom.meetingCreate", {"userId": "me", "body": body}) == {"id": 1}
    assert loads(server.seen[-1].body) == {"topic": "T", "settings": {"host_video": True}}


def test_a_file_is_sent_as_a_part_of_a_form(rig: Rig, server: Server) -> None:
    picture = rig.home / "state" / "files" / "face.png"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(b"PNG")
    server.on("/v2/users/me/picture", Reply(201, {}))
    do(rig, "zoom.userPicture", {"userId": "me", "files": {"pic_file": "face.png"}})
    sent = server.seen[-1]
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'name="pic_file"; filename="face.png"' in sent.body
    with pytest.raises(UsageError, match="body and files lack pic_file"):
        do(rig, "zoom.userPicture", {"userId": "me"})


@pytest.fixture
def client() -> Iterator[Client]:
    with Sandbox(enforce_limits=False) as zoom, closing(connect(zoom.url)) as one:
        yield one


def test_the_stand_in_answers_every_list_that_needs_no_id(client: Client) -> None:
    today = datetime.now(UTC)
    days = {"date": f"{today:%Y-%m-%d}", "date-time": f"{today:%Y-%m-%dT%H:%M:%SZ}"}
    for name in ZOOM:
        operation, action = ZOOM[name], whole(name)
        if operation.method != "GET" or operation.path_parameters or operation.status not in ("current", "new"):
            continue
        wanted = {key: one for key, one in action.parameters.items() if one.required}
        given = {key: one.enum[0] if one.enum else {**SAMPLES, **days}[one.type] for key, one in wanted.items()}
        given |= {key: days["date"] for key in ("from", "to") if key in given}
        answer = client.send(build_request(action, check_inputs(action, given))).data
        assert operation.items is None or isinstance(answer[operation.items], list), name


def test_what_an_operation_makes_others_read_change_and_remove(client: Client) -> None:
    def ask(name: str, given: dict[str, Json]) -> Any:
        return client.send(build_request(whole(name), check_inputs(whole(name), given), user=OWNER_EMAIL)).data

    body = {"topic": "A", "type": 2, "start_time": "2030-01-01T09:00:00Z"}
    made = ask("meetingCreate", {"userId": "me", "body": body})
    ask("meetingUpdate", {"meeting_id": made["id"], "body": {"topic": "B"}})
    assert ask("meeting", {"meetingId": made["id"]})["topic"] == "B"
    ask("meetingDelete", {"meetingId": made["id"]})
    with pytest.raises(ApiError, match="3001"):
        ask("meeting", {"meetingId": made["id"]})


def test_the_budget_of_a_minute_is_waited_for_between_pages(rig: Rig, server: Server) -> None:
    assert ZOOM["dashboardMeetings"].label == "RESOURCE-INTENSIVE"
    replies = [Reply(body={"meetings": [{"id": n}], "next_page_token": "" if n == 11 else f"t{n}"}) for n in range(12)]
    server.on("/v2/metrics/meetings", *replies)
    action = rig.action("zoom.dashboardMeetings")
    given = {"from": "2026-11-01", "to": "2026-11-02", "all_pages": True}
    context = replace(rig.context("work"), deadline=rig.clock.monotonic() + 600)
    before = rig.clock.monotonic()
    found = perform(action, check_inputs(action, given), context)
    assert [one["id"] for one in found["meetings"]] == list(range(12))
    assert rig.clock.monotonic() - before >= 59


def test_a_list_is_held_up_to_a_number_of_pages_and_of_bytes(
    rig: Rig, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(seen: Any) -> Reply:
        return Reply(
            body={"users": [{"id": f"{seen.path} {'x' * 100}"}], "next_page_token": digest(seen.path.encode())}
        )

    server.on("/v2/users", *[endless] * 500)
    with pytest.raises(UsageError, match="more than 200 pages; ask for less"):
        do(rig, "zoom.users", {"all_pages": True})
    monkeypatch.setattr(pages, "MOST_BYTES", 1000)
    with pytest.raises(UsageError, match="the list is longer than"):
        do(rig, "zoom.users", {"all_pages": True})


@pytest.mark.parametrize("depth", [300, 900])
def test_an_entry_that_is_nested_too_deeply_is_an_error_in_words(rig: Rig, server: Server, depth: int) -> None:
    server.on("/v2/users", Reply(body=b'{"users": [{"id": 1}, {"id": %s}]}' % (b"[" * depth + b"]" * depth)))
    with pytest.raises(ApiError, match=r"users: an entry of the list is nested too deeply to be kept"):
        do(rig, "zoom.users", {"all_pages": True})


def test_reading_ends_where_enough_is_there(rig: Rig, server: Server) -> None:
    server.on("/v2/users", *[Reply(body={"users": [{"id": n}], "next_page_token": f"t{n}"}) for n in range(9)])
    action = rig.action("zoom.users")
    told: list[tuple[int, int | None]] = []
    reach = pages.Reach(limit=3, progress=lambda done, total: told.append((done, total)))
    context = replace(rig.context("work"), reach=reach)
    found = perform(action, check_inputs(action, {"all_pages": True}), context)
    assert [one["id"] for one in found["users"]] == [0, 1, 2]
    assert told == [(1, None), (2, None), (3, None)]
