from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.sandbox.api import Api, double

NUMBER = 85512340001
DAY = 86400


def end(api: Api, *names: str, **more: object) -> str:
    people = [{"name": name} for name in names]
    return str(api.control("end_meeting", meeting_id=NUMBER, participants=people, **more)["uuid"])


def test_nothing_is_past_before_the_end(api: Api) -> None:
    for tail in ("", "/participants"):
        api.error(f"/past_meetings/{NUMBER}{tail}", 404, 3001)
    assert api.get(f"/past_meetings/{NUMBER}/instances") == {"meetings": []}
    api.control("start_meeting", meeting_id=NUMBER)
    api.error(f"/past_meetings/{NUMBER}", 404, 3001)


def test_a_number_means_the_latest_instance(api: Api) -> None:
    first, second = end(api, "Ann", "Bob"), end(api, "Cleo", "Dan", "Eve")
    assert api.get(f"/past_meetings/{NUMBER}")["uuid"] == second
    names = [row["name"] for row in api.get(f"/past_meetings/{NUMBER}/participants")["participants"]]
    assert names == ["Cleo", "Dan", "Eve"]
    assert api.get(f"/past_meetings/{double(first)}")["participants_count"] == 2
    instances = api.get(f"/past_meetings/{NUMBER}/instances")["meetings"]
    assert [row["uuid"] for row in instances] == [second, first]


def test_durations_are_nought_until_processed(api: Api) -> None:
    end(api, "Ann", "Bob", duration=30)
    path = f"/past_meetings/{NUMBER}/participants"
    assert [row["duration"] for row in api.get(path)["participants"]] == [0, 0]
    api.control("process_participants", meeting_id=NUMBER)
    assert [row["duration"] for row in api.get(path)["participants"]] == [1800, 1800]
    api.control("join", meeting_id=NUMBER, name="Late")
    assert api.get(path)["participants"][2]["duration"] == 0
    api.control("clock", advance_s=601)
    assert api.get(path)["participants"][2]["duration"] > 0


def test_participants_appear_late(api: Api) -> None:
    api.control("switch", participants_delay_s=60)
    end(api, "Ann", "Bob")
    path = f"/past_meetings/{NUMBER}/participants"
    assert api.get(path)["participants"] == []
    api.control("clock", advance_s=61)
    assert len(api.get(path)["participants"]) == 2
    api.control("add_participant", meeting_id=NUMBER, name="Cleo", delay_s=60)
    assert len(api.get(path)["participants"]) == 2
    api.control("clock", advance_s=61)
    assert len(api.get(path)["participants"]) == 3


def test_a_rejoin_is_a_row_of_its_own_and_guests_have_no_id(api: Api) -> None:
    end(api, "Guest", "Guest")
    api.control("join", meeting_id=NUMBER, id=OWNER_EMAIL)
    rows = api.get(f"/past_meetings/{NUMBER}/participants")["participants"]
    assert len({row["user_id"] for row in rows}) == 3
    assert [row["id"] == "" for row in rows] == [True, True, False]
    assert [row["internal_user"] for row in rows] == [False, False, True]


def test_one_person_meetings_may_be_hidden(api: Api) -> None:
    end(api, "Alone")
    path = f"/past_meetings/{NUMBER}/participants"
    assert len(api.get(path)["participants"]) == 1
    api.control("switch", one_person_meetings="hidden")
    assert api.get(path)["participants"] == []


def test_joining_the_running_session_ends_with_it(api: Api) -> None:
    api.control("start_meeting", meeting_id=NUMBER)
    api.control("join", meeting_id=NUMBER, name="Ann")
    api.control("clock", advance_s=600)
    end(api)
    api.control("process_participants", meeting_id=NUMBER)
    assert api.get(f"/past_meetings/{NUMBER}/participants")["participants"][0]["duration"] == pytest.approx(600, abs=5)


def test_the_report_has_its_own_shape(api: Api) -> None:
    end(api, "Ann")
    path = f"/report/meetings/{NUMBER}/participants"
    plain = api.get(path)["participants"][0]
    assert {"customer_key", "bo_mtg_id", "participant_user_id"} <= set(plain)
    assert "registrant_id" not in plain
    assert api.get(path, include_fields="registrant_id")["participants"][0]["registrant_id"] == ""


def test_a_year_is_the_limit(api: Api) -> None:
    uuid = end(api, "Ann", "Bob")
    api.control("backdate_session", uuid=uuid, days=366)
    api.error(f"/past_meetings/{double(uuid)}/participants", 400, 12702)


def test_past_webinars(api: Api) -> None:
    api.error("/past_webinars/91122233344/participants", 404, 3001)
    made = api.control("end_webinar", webinar_id=91122233344, participants=[{"name": "Ari"}])
    api.control("add_webinar_participant", webinar_id=91122233344, name="Late", registrant_id="r1")
    rows = api.get("/past_webinars/91122233344/participants")["participants"]
    assert [row["name"] for row in rows] == ["Ari", "Late"]
    assert api.get(f"/past_webinars/{double(made['uuid'])}/participants")["total_records"] == 2
    assert api.get("/past_webinars/91122233344/instances")["webinars"][0]["uuid"] == made["uuid"]


def test_a_summary_comes_late_and_by_uuid_only(api: Api) -> None:
    uuid = end(api, "Ann", "Bob")
    path = f"/meetings/{double(uuid)}/meeting_summary"
    api.error(path, 404, 3001)
    api.error(f"/meetings/{NUMBER}/meeting_summary", 400, 300)
    api.control("add_summary", uuid=uuid, content="First", delay_s=60)
    api.error(path, 404, 3001)
    api.control("clock", advance_s=61)
    first = api.get(path)
    assert first["summary_content"] == "First"
    assert api.get(f"/past_meetings/{NUMBER}")["has_meeting_summary"] is True
    api.control("clock", advance_s=60)
    api.control("edit_summary", uuid=uuid, content="Second")
    second = api.get(path)
    assert second["summary_content"] == "Second"
    assert second["summary_last_modified_time"] > first["summary_last_modified_time"]
    api.control("remove_summary", uuid=uuid)
    api.error(path, 404, 3001)


def test_summaries_are_listed_by_time(api: Api) -> None:
    assert len(api.get("/users/me/meeting_summaries")["summaries"]) == 1
    window = {"from": "2001-01-01T00:00:00Z", "to": "2001-02-01T00:00:00Z"}
    answer = api.get("/meetings/meeting_summaries", **window)
    assert (answer["summaries"], answer["from"]) == ([], window["from"])
    api.error("/meetings/meeting_summaries", 400, 300, **{"from": "2001-01-01"})
    api.error("/meetings/meeting_summaries", 400, 300, time_filter_field="other")


BASE64 = "abcABC019+/"


@settings(max_examples=60, deadline=None)
@given(st.text(BASE64, min_size=22, max_size=22).filter(lambda text: not text.isdigit()))
def test_every_uuid_is_reached_by_the_rule_and_only_by_it(shared: Api, stem: str) -> None:
    uuid = f"{stem}=="
    world = shared.sandbox.world
    if world.find_session(uuid, "meeting") is None:
        world.end_meeting(NUMBER, uuid=uuid)
    assert shared.get(f"/past_meetings/{double(uuid)}")["uuid"] == uuid
    once = quote(uuid, safe="")
    wrong = once if uuid.startswith("/") or "//" in uuid else quote(once, safe="")
    shared.error(f"/past_meetings/{wrong}", 404, 3001)
    shared.control("switch", double_encoding="accept")
    shared.get(f"/past_meetings/{quote(once, safe='')}")
    shared.control("switch", double_encoding="reject")


@pytest.fixture(scope="module")
def shared() -> Iterator[Api]:
    with Sandbox(enforce_limits=False) as sandbox:
        api = Api(sandbox)
        yield api
        api.session.close()


def test_some_uuids_need_double_encoding(api: Api) -> None:
    uuids = [end(api) for _ in range(8)]
    assert any(uuid.startswith("/") for uuid in uuids)
    assert any("//" in uuid for uuid in uuids)
    assert any("/" not in uuid for uuid in uuids)
    api.control("switch", awkward_uuids=False)
    api.control("end_meeting", meeting_id=NUMBER)
    assert all("/" not in end(api) for _ in range(8))
