"""Endpoints of the phone system."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from changewire.sandbox.api import crud
from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import iso, month_before
from changewire.sandbox.errors import JSON, ApiError, no_user, validation
from changewire.sandbox.wire import Response
from changewire.sandbox.world.phone import CALLS, RECORDINGS, SMS, USERS, VOICEMAILS

_LONGEST_DAYS = 31
_LISTED = {"directions": "direction", "call_results": "call_result", "call_types": "call_type",
           "connect_types": "connect_type"}  # fmt: skip


def phone_user(call: Call) -> Reply:
    """GET and PATCH /phone/users/{userId}."""
    user_id = call.user()["id"]
    if user_id not in call.world.shelf(USERS):
        raise no_user(call.word("userId"))
    if call.method == "GET":
        return 200, call.world.shelf(USERS)[user_id]
    return call.done(call.world.change(USERS, user_id, call.body))


def call_history(call: Call) -> Reply:
    """GET /phone/call_history and a user's one."""
    rows = _calls(call)
    for name, field in _LISTED.items():
        wanted = call.query.get(name, "").split(",")
        rows = [row for row in rows if wanted == [""] or row[field] in wanted]
    key = call.query.get("keyword", "").lower()
    named = ("caller_name", "callee_name", "caller_did_number", "callee_did_number")
    status = call.query.get("recording_status", "")
    rows = [
        row
        for row in rows
        if any(key in str(row[name]).lower() for name in named) and status in ("", row["recording_status"])
    ]
    return _dated(call, crud.listing(call, rows[::-1]))


def call_logs(call: Call) -> Reply:
    """GET /phone/call_logs and a user's one, in their older form."""
    rows = [_log(row) for row in _calls(call)]
    if call.query.get("type") == "missed":
        rows = [row for row in rows if row["result"] != "Call connected"]
    return _dated(call, crud.listing(call, rows[::-1]))


def call_log(call: Call) -> Reply:
    """GET /phone/call_logs/{callLogId}."""
    return 200, _log(_one_call(call, "callLogId"))


def one_call(call: Call) -> Reply:
    """GET /phone/call_history/{callHistoryUuid} and /phone/call_history_detail/{callHistoryId}."""
    row = _one_call(call, "callHistoryUuid" if "callHistoryUuid" in call.args else "callHistoryId")
    element = {**row, "call_element_id": f"{row['id']}-1", "event": "incoming", "result": row["call_result"]}
    return 200, {**row, "call_elements": [element], "call_path": [element]}


def set_client_code(call: Call) -> Reply:
    """PATCH /phone/call_history/{callLogId}/client_code and the older PUT."""
    row = _one_call(call, "callLogId")
    call.world.change(CALLS, row["id"], {"client_code": call.body["client_code"]})
    return call.done()


def delete_call(call: Call) -> Reply:
    """DELETE /phone/users/{userId}/call_history/{callLogId} and the older one."""
    call.user()
    call.world.drop(CALLS, _one_call(call, "callLogId")["id"])
    return call.done()


def sync_calls(call: Call) -> Reply:
    """GET /phone/users/{userId}/call_history/sync: what is new since the token, or everything."""
    email, calls = call.user()["email"], call.world.shelf(CALLS).values()
    rows = [row for row in calls if email in (row["caller_email"], row["callee_email"])]
    return _since(call, "call_logs", [_log(row) for row in rows] if "call_logs" in call.operation.path else rows)


def voicemails(call: Call) -> Reply:
    """GET /phone/voice_mails and a user's one."""
    status = call.choice("status", "all", "read", "unread")
    rows = _owned(call, VOICEMAILS)
    return crud.listing(call, [_playable(call, row) for row in rows if status in ("all", row["status"])])


def voicemail(call: Call) -> Reply:
    """GET /phone/voice_mails/{voicemailId}."""
    return 200, _playable(call, _voicemail(call, 300))


def mark_voicemail(call: Call) -> Reply:
    """PATCH /phone/voice_mails/{voicemailId}: read or unread."""
    status = call.query["read_status"].lower()
    if status not in ("read", "unread"):
        raise ApiError(400, 400, "The read status is invalid.")
    call.world.change(VOICEMAILS, _voicemail(call, 404)["id"], {"status": status})
    return call.done()


def recordings(call: Call) -> Reply:
    """GET /phone/recordings and a user's one."""
    site = call.views.site
    rows = [{**r, "download_url": f"{site}/v2/phone/recording/download/{r['id']}"} for r in _owned(call, RECORDINGS)]
    return _dated(call, crud.listing(call, rows))


def recording_of_call(call: Call) -> Reply:
    """GET /phone/call_logs/{id}/recordings."""
    found = [row for row in call.world.shelf(RECORDINGS).values() if row["call_log_id"] == call.word("id")]
    if not found:
        raise ApiError(404, 404, f"Recording does not exist: {call.word('id')}.")
    return 200, found[0]


def recording_file(call: Call) -> Response:
    """GET /phone/recording/download/{fileId}: the sound of a call."""
    return _sound(call, RECORDINGS, ApiError(404, 404, f"Recording does not exist: {call.word('fileId')}."))


def voicemail_file(call: Call) -> Response:
    """GET /phone/voice_mails/download/{fileId}."""
    return _sound(call, VOICEMAILS, ApiError(400, 404, "File does not exist."))


def sms_sessions(call: Call) -> Reply:
    """GET /phone/sms/sessions and a user's one."""
    since, until = _window(call)
    user_id = call.user()["id"] if "userId" in call.args else None
    rows = [
        row
        for row in call.world.shelf(SMS).values()
        if since <= row["last_access_time"] <= until and user_id in (None, row["participants"][0]["owner"]["id"])
    ]
    return crud.listing(call, rows)


def sync_sms_sessions(call: Call) -> Reply:
    """GET /phone/users/{userId}/sms/sessions/sync: the conversations begun since the token, or all."""
    user_id, sessions = call.user()["id"], call.world.shelf(SMS).values()
    return _since(call, "sms_sessions", [row for row in sessions if user_id == row["participants"][0]["owner"]["id"]])


def sync_sms(call: Call) -> Reply:
    """GET /phone/sms/sessions/{sessionId}/sync: the messages since the token, or all."""
    session_id = call.word("sessionId")
    if session_id not in call.world.shelf(SMS):
        raise call.world.collection(SMS).no(session_id)
    return _since(call, "sms_histories", list(call.world.shelf(f"{SMS}/{session_id}").values()))


def send_sms(call: Call) -> Reply:
    """POST /phone/sms/messages."""
    sender = call.body.get("sender") or {}
    if not isinstance(sender, dict):
        raise validation("sender")
    number = call.objects("to_members")[0].get("phone_number", "")
    if not str(number).startswith("+"):
        raise ApiError(400, 300, "The phone number does not conform with the E.164 standard.")
    user = call.user(str(sender.get("user_id") or "me"))
    made = call.world.send_sms(str(call.body.get("message", "")), user["id"], number, number, "outbound")
    return call.done({key: made[key] for key in ("message_id", "session_id", "date_time")})


def _sound(call: Call, place: str, missing: ApiError) -> Response:
    found = call.world.shelf(place).get(call.word("fileId"))
    if found is None:
        raise missing
    return Response(200, b"ID3" + str(found["id"]).encode() * (1 + int(found["duration"])), "audio/mpeg")


def _since(call: Call, key: str, rows: list[JSON]) -> Reply:
    """Answer what is new since the query's token, which counts rows, and the next token."""
    token = call.query.get("sync_token", "")
    return 200, {key: rows[int(token) if token.isdecimal() else 0 :], "sync_token": str(len(rows))}


def _calls(call: Call) -> list[JSON]:
    email = call.user()["email"] if "userId" in call.args else None
    since, until = _window(call)
    field = "end_time" if call.query.get("time_type", "").lower().startswith("end") else "start_time"
    rows = call.world.shelf(CALLS).values()
    return [r for r in rows if since <= r[field] <= until and email in (None, r["caller_email"], r["callee_email"])]


def _window(call: Call) -> tuple[str, str]:
    """Return the ends of the asked window as instants; it is a month at most, and a month if nothing is asked."""
    now = call.world.now()
    until = call.moment("to", last=True) if call.query.get("to") else now
    since = call.moment("from") if call.query.get("from") else month_before(until)
    if not timedelta(0) <= until - since <= timedelta(days=_LONGEST_DAYS + 1):
        raise validation("from", "to")
    return iso(since), iso(until)


def _dated(call: Call, reply: Reply) -> Reply:
    since, until = _window(call)
    return reply[0], {"from": since[:10], "to": until[:10], **(reply[1] or {})}


def _one_call(call: Call, name: str) -> JSON:
    found = call.world.shelf(CALLS).get(call.word(name))
    if found is None:
        raise ApiError(404, 300, f"Call history not found: {call.word(name)}")
    return found


def _log(row: JSON) -> JSON:
    """Return a call in the form of the older call log."""
    return {
        "id": row["id"], "call_id": row["call_id"], "call_type": "voip", "direction": row["direction"],
        "caller_name": row["caller_name"], "caller_number": row["caller_did_number"],
        "callee_name": row["callee_name"], "callee_number": row["callee_did_number"], "date_time": row["start_time"],
        "answer_start_time": row["answer_time"], "call_end_time": row["end_time"], "duration": row["duration"],
        "result": "Call connected" if row["call_result"] == "answered" else "Missed", "path": "extension",
        "has_recording": row["recording_status"] == "recorded", "has_voicemail": row["call_result"] == "voicemail",
    }  # fmt: skip


def _owned(call: Call, place: str) -> list[JSON]:
    user_id = call.user()["id"] if "userId" in call.args else None
    since, until = _window(call)
    rows = call.world.shelf(place).values()
    return [row for row in rows if since <= row["date_time"] <= until and user_id in (None, row["owner"].get("id"))]


def _voicemail(call: Call, code: int) -> JSON:
    voicemail_id = call.word("voicemailId")
    found = call.world.shelf(VOICEMAILS).get(voicemail_id)
    if found is None:
        raise ApiError(400, code, f"Voice mail does not exist: {voicemail_id}.")
    return found


def _playable(call: Call, row: JSON) -> JSON:
    return {**row, "download_url": f"{call.views.site}/v2/phone/voice_mails/download/{row['id']}"}


HANDLERS: dict[str, Callable[[Call], Reply | Response]] = {
    "GET /phone/users/{userId}": phone_user,
    "PATCH /phone/users/{userId}": phone_user,
    "GET /phone/call_history": call_history,
    "GET /phone/users/{userId}/call_history": call_history,
    "GET /phone/call_history/{callHistoryUuid}": one_call,
    "GET /phone/call_history_detail/{callHistoryId}": one_call,
    "PATCH /phone/call_history/{callLogId}/client_code": set_client_code,
    "PUT /phone/call_logs/{callLogId}/client_code": set_client_code,
    "DELETE /phone/users/{userId}/call_history/{callLogId}": delete_call,
    "DELETE /phone/users/{userId}/call_logs/{callLogId}": delete_call,
    "GET /phone/users/{userId}/call_history/sync": sync_calls,
    "GET /phone/users/{userId}/call_logs/sync": sync_calls,
    "GET /phone/call_logs": call_logs,
    "GET /phone/call_logs/{callLogId}": call_log,
    "GET /phone/users/{userId}/call_logs": call_logs,
    "GET /phone/call_logs/{id}/recordings": recording_of_call,
    "GET /phone/voice_mails": voicemails,
    "GET /phone/users/{userId}/voice_mails": voicemails,
    "GET /phone/voice_mails/{voicemailId}": voicemail,
    "PATCH /phone/voice_mails/{voicemailId}": mark_voicemail,
    "GET /phone/recordings": recordings,
    "GET /phone/users/{userId}/recordings": recordings,
    "GET /phone/recording/download/{fileId}": recording_file,
    "GET /phone/voice_mails/download/{fileId}": voicemail_file,
    "GET /phone/sms/sessions": sms_sessions,
    "GET /phone/users/{userId}/sms/sessions": sms_sessions,
    "GET /phone/users/{userId}/sms/sessions/sync": sync_sms_sessions,
    "GET /phone/sms/sessions/{sessionId}/sync": sync_sms,
    "POST /phone/sms/messages": send_sms,
}
