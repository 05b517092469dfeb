"""Clients that others wrote, doing their ordinary calls against the sandbox."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest

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
