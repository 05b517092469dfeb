"""Ids, names and lists as unkind as they come, through the client, actions and triggers, against the stand-in."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from changewire.actions.calling import check_inputs, perform
from changewire.actions.pages import listing, read_all_pages
from changewire.actions.sending import build_request
from changewire.clock import SystemClock
from changewire.engine.polling import Outcome
from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox
from tests.actions.rig import Rig as Actions
from tests.actions.rig import connection
from tests.engine.rig import Rig as Triggers
from tests.engine.rig import connection as connection_text
from tests.engine.rig import sandbox_clock, workflow, write_home

AUTH = {"type": "server_to_server", "account_id": ACCOUNT_ID, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
HELD = 85512340003
MANY, PAGE = 5_000, 300
UUIDS = st.builds(
    lambda raw, place, slashes: _with_slashes(base64.b64encode(raw).decode(), place, slashes),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 21),
    st.sampled_from(["", "/", "//", "+", "/+/"]),
)
SOME_UUIDS = ["/ab+c/def==", "a//b+cdefgh==", "//abc+d/efgh==", "plain+abc/def=="]
quick = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _with_slashes(text: str, place: int, slashes: str) -> str:
    return text[:place] + slashes + text[place + len(slashes) :] if place + len(slashes) <= 22 else text


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as one:
        yield one


@pytest.fixture
def actions(sandbox: Sandbox, tmp_path: Path) -> Iterator[Actions]:
    one = Actions(tmp_path, connection("work", sandbox.url, plan="business", auth=AUTH), clock=SystemClock()).open()
    yield one
    one.close()


def do(actions: Actions, name: str, **given: Any) -> Any:
    action = actions.action(f"zoom.{name}")
    return perform(action, check_inputs(action, given), actions.context("work"))


@pytest.fixture
def watch(sandbox: Sandbox, tmp_path: Path) -> Iterator[Any]:
    made: list[Triggers] = []

    def start(kind: str, parameters: str, extra: str = "") -> Triggers:
        home = write_home(tmp_path / "home", connection_text(sandbox.url), one=workflow("One", kind, parameters, extra))
        made.append(Triggers(home, sandbox_clock(sandbox)))
        return made[-1]

    yield start
    for each in made:
        each.close()


def crowd(sandbox: Sandbox, count: int) -> str:
    """A session with so many participants: its UUID."""
    people = [{"name": f"Number {number}"} for number in range(count)]
    return str(sandbox.control("end_meeting", meeting_id=HELD, participants=people)["uuid"])


def asked(sandbox: Sandbox, path: str) -> list[dict[str, Any]]:
    return [one for one in sandbox.control("requests") if path in one["path"]]


@quick
@given(uuid=UUIDS)
def test_a_uuid_finds_its_session_wherever_it_has_slashes(sandbox: Sandbox, actions: Actions, uuid: str) -> None:
    if uuid not in {one.uuid for one in sandbox.world.sessions.values()}:
        sandbox.control("end_meeting", meeting_id=HELD, uuid=uuid, recording="completed")
    assert do(actions, "get_meeting_recordings", meetingId=uuid)["uuid"] == uuid
    assert do(actions, "get_past_meeting", meetingId=uuid)["uuid"] == uuid
    assert do(actions, "download_recordings", meetingId=uuid, types=["M4A"], folder="x")["uuid"] == uuid


@pytest.mark.parametrize("uuid", SOME_UUIDS)
def test_a_trigger_watches_a_session_by_any_uuid(sandbox: Sandbox, watch: Any, uuid: str) -> None:
    sandbox.control("end_meeting", meeting_id=HELD, uuid=uuid, participants=[{"name": "Ann"}, {"name": "Bo"}])
    people = watch("zoom.new_meeting_participant", f'{{meeting_id: "{uuid}"}}', "first_poll: {backfill: {max: 5}}")
    assert people.poll() == [Outcome.STORED]
    assert sorted(event.payload["name"] for event in people.events) == ["Ann", "Bo"]


@quick
@given(name=st.text(st.sampled_from("abcXYZ019+._-'"), min_size=1, max_size=30))
def test_a_user_is_found_by_an_address_with_anything_in_it(sandbox: Sandbox, actions: Actions, name: str) -> None:
    email = f"{name}@example.com"
    if sandbox.world.find_user(email) is None:
        sandbox.control("create_user", email=email)
    assert do(actions, "get_user", userId=email)["email"].lower() == email.lower()
    assert do(actions, "list_meetings", userId=email)["meetings"] == []


def test_a_trigger_watches_a_user_with_a_plus_in_the_address(sandbox: Sandbox, watch: Any) -> None:
    sandbox.control("create_user", email="ann+zoom+x@example.com")
    new = watch("zoom.new_meeting_created", "{user_id: ann+zoom+x@example.com}")
    assert new.poll() == [Outcome.STORED]  # of an empty list
    assert new.poll() == [Outcome.UNCHANGED]
    sandbox.control("create_meeting", user_id="ann+zoom+x@example.com", topic="First")
    new.poll()
    assert [event.payload["meeting"]["topic"] for event in new.events] == ["First"]


@quick
@given(topic=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=150))
def test_a_topic_goes_out_and_comes_back_as_it_is(sandbox: Sandbox, actions: Actions, topic: str) -> None:
    made = do(actions, "create_meeting", userId=OWNER_EMAIL, topic=topic, type=2)
    assert do(actions, "get_meeting", meetingId=made["id"])["topic"] == topic


def test_topics_of_all_kinds_come_through_a_trigger(sandbox: Sandbox, watch: Any) -> None:
    new = watch("zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}")
    new.poll()
    topics = ["日本語の会議", "🎉 👩\u200d👩\u200d👧", "{{ 7 * 7 }} ${HOME}", "a\u202eb\u0000c", '"quoted" \\ back']
    topics += ["e\u0301 é", "x" * 200]
    for topic in topics:
        sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic=topic)
    new.poll()
    assert sorted(event.payload["meeting"]["topic"] for event in new.events) == sorted(topics)


@pytest.mark.parametrize("number", [98_765_432_101, 99_999_999_999, 1_234_567_890])
def test_numbers_longer_than_32_bits_stay_numbers(sandbox: Sandbox, actions: Actions, watch: Any, number: int) -> None:
    new = watch("zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}")
    new.poll()
    sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Long", id=number)
    new.poll()
    (event,) = new.events
    assert (event.key, event.payload["meeting"]["id"]) == (str(number), number)
    for form in (number, str(number)):
        assert do(actions, "get_meeting", meetingId=form)["id"] == number


def test_a_list_of_five_thousand_is_read_in_full(sandbox: Sandbox, actions: Actions) -> None:
    uuid = crowd(sandbox, MANY)
    action = actions.action("zoom.get_past_meeting_participants")
    request = build_request(action, check_inputs(action, {"meetingId": uuid, "page_size": PAGE}))
    client, deadline = actions.clients.get("work"), actions.clock.monotonic() + 120
    found = read_all_pages(listing("x", "participants", "token", client, actions.clock), request, client, deadline)[
        "participants"
    ]
    assert len({one["user_id"] for one in found}) == len(found) == MANY
    assert len(asked(sandbox, "/participants")) == -(-MANY // PAGE)


def test_a_list_of_five_thousand_is_watched_in_full(sandbox: Sandbox, watch: Any) -> None:
    uuid = crowd(sandbox, MANY)
    people = watch("zoom.new_meeting_participant", f'{{meeting_id: "{uuid}", page_size: {PAGE}}}')
    people.poll(2)
    assert people.events == []
    sandbox.control("add_participant", uuid=uuid, name="The last one")
    people.poll()
    assert [event.payload["name"] for event in people.events] == ["The last one"]


@pytest.mark.parametrize(("fault", "again"), [("expire_tokens", 1), ("dead_page_token", 10)])
def test_a_list_is_whole_where_sign_in_or_place_are_lost_on_page_ten(
    sandbox: Sandbox, actions: Actions, fault: str, again: int
) -> None:
    """With a new token that page alone is asked for again, and where the place is lost the list from its beginning."""
    uuid = crowd(sandbox, 200)
    sandbox.control("faults", match="next_page_token=", kind=fault, after=8, times=1)
    found = do(actions, "get_past_meeting_participants", meetingId=uuid, page_size=10)["participants"]
    assert len({one["user_id"] for one in found}) == len(found) == 200
    assert len(asked(sandbox, "/participants")) == 20 + again
    assert len(asked(sandbox, "/oauth/token")) == (2 if fault == "expire_tokens" else 1)


@pytest.mark.parametrize("fault", ["expire_tokens", "dead_page_token"])
def test_a_poll_is_whole_where_sign_in_or_place_are_lost_on_page_ten(sandbox: Sandbox, watch: Any, fault: str) -> None:
    uuid = crowd(sandbox, 200)
    extra = "first_poll: {backfill: {max: 500}}"
    people = watch("zoom.new_meeting_participant", f'{{meeting_id: "{uuid}", page_size: 10}}', extra)
    sandbox.control("faults", match="next_page_token=", kind=fault, after=8, times=1)
    assert people.poll() == [Outcome.STORED]
    assert len({event.key for event in people.events}) == len(people.events) == 200
