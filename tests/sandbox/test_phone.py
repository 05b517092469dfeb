from __future__ import annotations

import pytest

from changewire.sandbox import OWNER_ID
from tests.sandbox.api import JSON, Api

ARI = "ari.member+zoom@example.com"


def test_calls_are_in_the_history_of_the_account_and_of_the_user(api: Api) -> None:
    made = api.control("end_call", number="+49301", name="Bo", duration=90)
    api.control("end_call", user_id=ARI, direction="outbound", number="+49302", result="no_answer")
    assert len(api.crawl("/phone/call_history", "call_logs")) == 2
    rows = api.get("/phone/users/me/call_history")["call_logs"]
    assert [(row["id"], row["caller_name"], row["duration"]) for row in rows] == [(made["id"], "Bo", 90)]
    assert api.get("/phone/call_history", directions="outbound")["call_logs"][0]["callee_did_number"] == "+49302"
    assert api.get("/phone/call_history", call_results="answered")["total_records"] == 1
    assert api.get("/phone/call_history", keyword="bo")["total_records"] == 1
    assert api.get(f"/phone/call_history/{made['id']}")["call_elements"][0]["event"] == "incoming"
    assert api.get("/phone/call_logs", type="missed")["call_logs"][0]["direction"] == "outbound"
    assert api.get(f"/phone/call_logs/{made['id']}")["result"] == "Call connected"
    code = {"client_code": "12"}
    assert api.call("PATCH", f"/phone/call_history/{made['id']}/client_code", json=code).status_code == 204
    assert api.call("DELETE", f"/phone/users/me/call_history/{made['id']}").status_code == 204
    assert api.get("/phone/users/me/call_history")["call_logs"] == []


def test_a_month_of_calls_is_the_most(api: Api) -> None:
    api.control("end_call")
    api.control("clock", advance_s=86400 * 40)
    api.sign_in()
    assert api.get("/phone/call_history")["call_logs"] == []
    api.error("/phone/call_history", 400, 300, **{"from": "2026-01-01", "to": "2026-05-01"})


def test_the_history_is_read_on_from_a_token(api: Api) -> None:
    api.control("end_call", name="One")
    first = api.get("/phone/users/me/call_history/sync", sync_type="FSync")
    api.control("end_call", name="Two")
    then = api.get("/phone/users/me/call_history/sync", sync_type="ISync", sync_token=first["sync_token"])
    assert [row["caller_name"] for row in first["call_logs"] + then["call_logs"]] == ["One", "Two"]


def test_voicemails_arrive_are_read_and_deleted(api: Api) -> None:
    made = api.control("leave_voicemail", name="Bo", transcript="Call me")
    path = f"/phone/voice_mails/{made['id']}"
    assert [row["caller_name"] for row in api.get("/phone/users/me/voice_mails", status="unread")["voice_mails"]] == [
        "Bo"
    ]
    assert api.get(path)["transcription"]["content"] == "Call me"
    assert api.call("GET", api.get(path)["download_url"]).content.startswith(b"ID3")
    assert api.call("PATCH", path, params={"read_status": "Read"}).status_code == 204
    assert api.get("/phone/voice_mails", status="unread")["voice_mails"] == []
    assert api.get("/phone/voice_mails", status="read")["total_records"] == 1
    assert api.call("DELETE", path).status_code == 204
    assert api.error(path, 400, 300) == f"Voice mail does not exist: {made['id']}."


def test_a_recorded_call_has_a_recording(api: Api) -> None:
    made = api.control("end_call", recorded=True)
    row = api.get("/phone/recordings")["recordings"][0]
    assert (row["call_log_id"], row["owner"]["id"]) == (made["id"], OWNER_ID)
    assert api.get(f"/phone/call_logs/{made['id']}/recordings")["id"] == row["id"]
    sound = api.call("GET", row["download_url"])
    assert (sound.headers["Content-Type"], sound.content[:3]) == ("audio/mpeg", b"ID3")
    assert api.get("/phone/users/ari.member%2Bzoom@example.com/recordings")["recordings"] == []
    assert api.call("DELETE", f"/phone/recordings/{row['id']}").status_code == 204
    assert api.get("/phone/recordings")["recordings"] == []


def test_text_messages_make_a_conversation(api: Api) -> None:
    api.control("send_sms", message="Hello", number="+49305")
    answer = api.call("POST", "/phone/sms/messages", json={"message": "Hi", "to_members": [{"phone_number": "+49306"}]})
    assert answer.status_code == 201
    sessions = api.get("/phone/users/me/sms/sessions")["sms_sessions"]
    assert [row["participants"][1]["phone_number"] for row in sessions] == ["+49305", "+49306"]
    assert api.get("/phone/users/me/sms/sessions/sync", sync_type="FSync")["sms_sessions"] == sessions
    path = f"/phone/sms/sessions/{sessions[0]['session_id']}/sync"
    token = api.get(path, sync_type="FSync")["sync_token"]
    assert api.get(path, sync_type="ISync", sync_token=token)["sms_histories"] == []
    texts = [api.get(f"/phone/sms/sessions/{row['session_id']}")["sms_histories"] for row in sessions]
    assert [[row["direction"] for row in rows] for rows in texts] == [["In"], ["Out"]]


def test_phone_users_have_an_extension(api: Api) -> None:
    api.error("/phone/users/me", 404, 1001)
    api.control("add_phone_user", user_id="me", number="+493012")
    user = api.get("/phone/users/me")
    assert (user["id"], user["phone_numbers"][0]["number"]) == (OWNER_ID, "+493012")
    assert api.call("PATCH", "/phone/users/me", json={"extension_number": 811}).status_code == 204
    assert api.get("/phone/users")["users"][0]["extension_number"] == 811


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/phone/users/nobody", None, 404, 1001),
        ("GET", "/phone/users/nobody/call_history", None, 404, 1001),
        ("GET", "/phone/call_history/x", None, 404, 300),
        ("GET", "/phone/sms/sessions/x", None, 404, 12004),
        ("GET", "/phone/sms/sessions/x/sync", None, 404, 12004),
        ("PATCH", "/phone/voice_mails/x?read_status=Read", None, 400, 404),
        ("DELETE", "/phone/recordings/x", None, 404, 404),
        ("GET", "/phone/call_logs/x/recordings", None, 404, 404),
        ("POST", "/phone/sms/messages", {"to_members": [{"phone_number": "12"}]}, 400, 300),
        ("GET", "/phone/voice_mails?status=lost", None, 400, 300),
        ("GET", "/phone/devices", None, 400, 300),
    ],
)
def test_what_the_phone_system_refuses(
    api: Api, method: str, path: str, body: JSON | None, status: int, code: int
) -> None:
    answer = api.call(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_calendars_have_pages_of_their_own_kind(api: Api) -> None:
    for number in range(3):
        api.control("add_record", path="/calendars/primary/events", summary=str(number))
    first = api.get("/calendars/primary/events", maxResults=2)
    rest = api.get("/calendars/primary/events", maxResults=2, pageToken=first["nextPageToken"])
    assert [row["summary"] for row in first["items"] + rest["items"]] == ["0", "1", "2"]
    assert ("nextSyncToken" in first, "nextSyncToken" in rest, rest["nextPageToken"]) == (False, True, "")


def test_scim_counts_its_records(api: Api) -> None:
    for number in range(3):
        api.control("add_record", path="/scim2/Groups", displayName=str(number))
    page = api.get("/scim2/Groups", startIndex=2, count=1)
    (rows,) = [value for value in page.values() if isinstance(value, list)]
    assert (page["totalResults"], page["startIndex"], [row["displayName"] for row in rows]) == (3, 2, ["1"])
    api.error("/scim2/Groups", 400, 300, startIndex="x")


def test_calendar_events_are_listed_under_their_own_key(api: Api) -> None:
    when = {"dateTime": "2026-12-01T10:00:00Z"}
    made = api.call("POST", "/calendars/primary/events", json={"summary": "Visit", "start": when, "end": when}).json()
    assert [row["summary"] for row in api.get("/calendars/primary/events")["items"]] == ["Visit"]
    assert api.get(f"/calendars/primary/events/{made['id']}")["status"] == "confirmed"
