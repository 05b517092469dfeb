"""Clients that others wrote, doing their ordinary calls against the sandbox."""

from __future__ import annotations

import importlib
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL, Sandbox
from tests.sandbox.api import Api


def foreign(name: str) -> Any:
    # Their own deprecations are not what is tested here.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


@pytest.fixture
def zoomus(sandbox: Sandbox) -> Any:
    return foreign("zoomus").ZoomClient(
        CLIENT_ID,
        CLIENT_SECRET,
        ACCOUNT_ID,
        base_uri=f"{sandbox.url}/v2",
        oauth_uri=f"{sandbox.url}/oauth/token",
    )


def test_zoomus_reads_users_meetings_and_webinars(zoomus: Any) -> None:
    assert next(user["email"] for user in zoomus.user.list().json()["users"]) == OWNER_EMAIL
    assert zoomus.user.me().json()["id"] == zoomus.user.get(id=OWNER_EMAIL).json()["id"]
    rows = zoomus.meeting.list(user_id=OWNER_EMAIL).json()["meetings"]
    assert zoomus.meeting.get(id=rows[0]["id"]).json()["topic"] == rows[0]["topic"]
    rows = zoomus.webinar.list(user_id=OWNER_EMAIL).json()["webinars"]
    assert zoomus.webinar.get(id=rows[0]["id"]).json()["topic"] == rows[0]["topic"]


def test_zoomus_creates_changes_and_deletes(zoomus: Any) -> None:
    made = zoomus.meeting.create(user_id=OWNER_EMAIL, topic="Made by zoomus", type=3)
    assert made.status_code == 201
    number = made.json()["id"]
    assert zoomus.meeting.update(id=number, topic="Changed").status_code == 204
    assert zoomus.meeting.get(id=number).json()["topic"] == "Changed"
    assert zoomus.meeting.delete(id=number).status_code == 204
    assert zoomus.meeting.get(id=number).json()["code"] == 3001


def test_zoomus_reads_the_past(zoomus: Any) -> None:
    uuid = zoomus.past_meeting.get(meeting_id="85512340003").json()["uuid"]
    assert zoomus.past_meeting.get(meeting_id=uuid).json()["uuid"] == uuid
    people = zoomus.past_meeting.get_participants(meeting_id=uuid).json()["participants"]
    assert len(people) == 3
    assert zoomus.past_meeting.list(meeting_id="85512340003").json()["meetings"][0]["uuid"] == uuid


def test_zoomus_reads_recordings_and_reports(zoomus: Any, sandbox: Sandbox) -> None:
    now = sandbox.clock.now()
    listed = zoomus.recording.list(user_id=OWNER_EMAIL, start=now.replace(year=now.year - 1), end=now)
    assert listed.json()["meetings"][0]["id"] == 85512340003
    assert len(zoomus.recording.get(meeting_id=85512340003).json()["recording_files"]) == 3
    assert zoomus.report.get_daily_report(month=now.month, year=now.year).json()["dates"]


def test_zoomus_signs_in_again_after_expiry(zoomus: Any, sandbox: Sandbox) -> None:
    sandbox.control("expire_tokens")
    assert zoomus.user.me().status_code == 401
    zoomus.refresh_token()
    assert zoomus.user.me().status_code == 200


def test_zoomus_keeps_people(zoomus: Any) -> None:
    info = {"email": "new+1@example.com", "type": 1, "first_name": "Nora"}
    made = zoomus.user.create(action="create", user_info=info)
    assert made.status_code == 201
    user = made.json()["id"]
    assert zoomus.user.update(id=user, first_name="Nina").status_code == 204
    assert zoomus.user.get(id=user).json()["first_name"] == "Nina"
    assert zoomus.user.update_settings(id=user, schedule_meeting={"host_video": True}).status_code == 204
    assert zoomus.user.get_settings(id=user).json()["schedule_meeting"]["host_video"] is True
    assert zoomus.user.check_email(email="new+1@example.com").json() == {"existed_email": True}
    assert zoomus.user.update_email(id=user, email="other@example.com").status_code == 204
    assert zoomus.user.delete(id=user, action="delete").status_code == 204
    assert zoomus.user.get(id=user).json()["code"] == 1001


def test_zoomus_keeps_webinars_with_registrants_and_panelists(zoomus: Any, sandbox: Sandbox) -> None:
    start = (sandbox.clock.now() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = zoomus.webinar.create(
        user_id=OWNER_EMAIL, topic="By zoomus", type=5, start_time=start, settings={"approval_type": 0}
    )
    assert made.status_code == 201
    number = made.json()["id"]
    registered = zoomus.webinar.register(id=number, email="a@example.com", first_name="A", last_name="B")
    assert registered.status_code == 201
    (known,) = zoomus.webinar.get_registrants(id=number).json()["registrants"]
    assert known["id"] == registered.json()["registrant_id"]
    assert zoomus.webinar.add_panelists(id=number, panelists=[{"name": "P", "email": "p@x.org"}]).status_code == 201
    assert [one["name"] for one in zoomus.webinar.list_panelists(id=number).json()["panelists"]] == ["P"]
    assert zoomus.webinar.remove_panelists(id=number).status_code == 204
    assert zoomus.webinar.update(id=number, topic="Changed").status_code == 204
    assert zoomus.webinar.get(id=number).json()["topic"] == "Changed"
    assert zoomus.webinar.delete(id=number).status_code == 204
    assert zoomus.webinar.get(id=number).json()["code"] == 3001


def test_zoomus_deletes_recordings_and_reads_reports_and_metrics(zoomus: Any, sandbox: Sandbox) -> None:
    now = sandbox.clock.now()
    ago = now - timedelta(days=20)
    held = zoomus.report.get_user_report(user_id=OWNER_EMAIL, start_time=ago, end_time=now).json()["meetings"]
    assert 85512340003 in [one["id"] for one in held]
    assert zoomus.report.get_account_report(start_time=ago, end_time=now).json()["users"][0]["email"] == OWNER_EMAIL
    assert len(zoomus.report.get_meeting_participants_report(id=85512340003).json()["participants"]) == 3
    seen = zoomus.metric.list_meetings(type="past", **{"from": ago.date(), "to": now.date()}).json()["meetings"]
    assert seen
    assert len(zoomus.meeting.list_meeting_participants(id=85512340003, type="past").json()["participants"]) == 3
    file = zoomus.recording.get(meeting_id=85512340003).json()["recording_files"][0]["id"]
    single = zoomus.recording.delete_single_recording(meeting_id=85512340003, recording_id=file)
    assert single.status_code == 204
    assert len(zoomus.recording.get(meeting_id=85512340003).json()["recording_files"]) == 2
    assert zoomus.recording.delete(meeting_id=85512340003).status_code == 204
    assert zoomus.recording.get(meeting_id=85512340003).json()["code"] == 3301


def test_zoomus_keeps_groups_roles_and_rooms(zoomus: Any) -> None:
    group = zoomus.group.create(name="By zoomus").json()["id"]
    assert zoomus.group.add_members(groupid=group, members=[{"email": OWNER_EMAIL}]).status_code == 201
    assert [one["email"] for one in zoomus.group.list_members(groupid=group).json()["members"]] == [OWNER_EMAIL]
    assert zoomus.group.delete(id=group).status_code == 204
    role = zoomus.role.create(name="Looking", description="", privileges=["User:Read"]).json()["id"]
    assert zoomus.role.get(id=role).json()["name"] == "Looking"
    assert role in [one["id"] for one in zoomus.role.list().json()["roles"]]
    room = zoomus.room.create(name="Big one", type="ZoomRoom").json()
    assert zoomus.room.get(id=room["id"]).json()["basic"]["name"] == "Big one"
    assert len(zoomus.room.list().json()["rooms"]) == 1


@pytest.fixture
def cern(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client of CERN, zoom-python-client."""
    office = foreign("zoom_python_client.zoom_auth_api.zoom_auth_api_client").ZoomAuthApiClient
    monkeypatch.setattr(office, "oauth_base_url", f"{sandbox.url}/oauth")
    made = foreign("zoom_python_client.zoom_api_client").ZoomApiClient
    return made(ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, api_endpoint=f"{sandbox.url}/v2", use_path=str(tmp_path))


def test_the_client_of_cern_reads_people_meetings_and_webinars(cern: Any, api: Api) -> None:
    assert cern.users.get_user(OWNER_EMAIL)["email"] == OWNER_EMAIL
    page = cern.users.get_user_meetings(OWNER_EMAIL, {"type": "scheduled", "page_size": 1})
    rows = list(page["meetings"])
    while page["next_page_token"]:
        asked = {"type": "scheduled", "page_size": 1, "next_page_token": page["next_page_token"]}
        page = cern.users.get_user_meetings(OWNER_EMAIL, asked)
        rows += page["meetings"]
    assert [row["id"] for row in rows] == [row["id"] for row in api.crawl(f"/users/{OWNER_EMAIL}/meetings", "meetings")]
    assert cern.meetings.get_meeting("85512340002")["settings"]["waiting_room"] is True
    assert "token" in cern.meetings.get_meeting_token("85512340001")
    number = api.get(f"/users/{OWNER_EMAIL}/webinars")["webinars"][0]["id"]
    assert cern.webinars.get_webinar(str(number))["id"] == number


def test_the_client_of_cern_sets_live_streams_and_finds_rooms(cern: Any, api: Api) -> None:
    stream = {"stream_url": "rtmp://x", "stream_key": "k", "page_url": "https://x.org", "resolution": "720p"}
    assert cern.meeting_livestreams.update_livestream("85512340001", stream) is True
    assert cern.meeting_livestreams.get_livestream("85512340001")["stream_key"] == "k"
    assert cern.meeting_livestreams.update_livestream_status("85512340001", "start", {"display_name": "x"}) is True
    number = str(api.get(f"/users/{OWNER_EMAIL}/webinars")["webinars"][0]["id"])
    assert cern.webinar_livestreams.update_livestream(number, stream) is True
    assert cern.webinar_livestreams.get_livestream(number)["page_url"] == "https://x.org"
    assert cern.rooms.get_rooms({"page_size": 1})["rooms"] == []
    assert cern.calendars.list_calendar_resources() == []


def test_the_client_of_cern_signs_in_again_after_expiry(cern: Any, sandbox: Sandbox) -> None:
    assert cern.users.get_user(OWNER_EMAIL)["email"] == OWNER_EMAIL
    sandbox.control("expire_tokens")
    assert cern.users.get_user(OWNER_EMAIL)["email"] == OWNER_EMAIL


@pytest.fixture
def helper(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The client zoom-api-helper. Zoom's addresses are part of it, so they are led to the sandbox on their way out."""
    send, site = HTTPAdapter.send, urlsplit(sandbox.url)

    def lead(self: HTTPAdapter, request: requests.PreparedRequest, *rest: Any, **more: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        if str(parts.hostname).endswith("zoom.us"):
            request.url = parts._replace(scheme="http", netloc=site.netloc).geturl()
        return send(self, request, *rest, **more)

    monkeypatch.setenv("CACHE_DIR", str(tmp_path))
    package = foreign("zoom_api_helper")
    for name in ("v2", "oauth"):
        monkeypatch.setattr(importlib.import_module(f"zoom_api_helper.{name}"), "CACHE_DIR", tmp_path)
    monkeypatch.setattr(HTTPAdapter, "send", lead)
    client = package.ZoomAPI(CLIENT_ID, CLIENT_SECRET, ACCOUNT_ID)
    yield client
    client._session.close()


def test_zoom_api_helper_reads_all_users_page_by_page(helper: Any, sandbox: Sandbox) -> None:
    for number in range(5):
        sandbox.control("create_user", email=f"user+{number}@example.com")
    found = helper.list_users(page_size=2)
    assert len({user["id"] for user in found["users"]}) == len(found["users"]) == found["total_records"] == 7
    assert helper.user_email_to_id()[OWNER_EMAIL] in {user["id"] for user in found["users"]}


def test_zoom_api_helper_creates_meetings(helper: Any, sandbox: Sandbox) -> None:
    start = sandbox.clock.now() + timedelta(days=1)
    made = helper.create_meeting(host_email=OWNER_EMAIL, topic="By helper", start_time=start, timezone="Europe/Berlin")
    assert (made["topic"], made["timezone"]) == ("By helper", "Europe/Berlin")


def test_the_models_of_pyzoom_accept_the_answers(api: Api) -> None:
    client = foreign("pyzoom").ZoomClient(api.token, base_url=f"{api.sandbox.url}/v2")
    assert len(client.meetings.list_meetings().meetings) == 3
    assert client.meetings.get_meeting(85512340002).settings.waiting_room is True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = client.meetings.create_meeting("By pyzoom", start_time="2099-01-01T10:00:00Z", duration_min=30)
    assert made.topic == "By pyzoom"
    assert client.meetings.delete_meeting(made.id) is True
    assert len(client.meetings.past_meeting_participants(85512340003)) == 3
    assert next(user.email for user in client.users.get_users("active").users) == OWNER_EMAIL
