"""Endpoints of cloud recordings."""

from __future__ import annotations

from datetime import timedelta

from changewire.sandbox.call import Call, Reply
from changewire.sandbox.clock import month_before
from changewire.sandbox.errors import JSON, ControlError, no_recording, validation
from changewire.sandbox.model import Instance

_LONGEST_TTL = 604800
_DEFAULT_TTL = 86400


def list_recordings(call: Call) -> Reply:
    """GET /users/{userId}/recordings; a window over one month is cut without a word."""
    user = call.user()
    last = call.day("to", call.world.now())
    first = call.day("from", last)
    first = max(first, month_before(last))
    end = last + timedelta(days=1 if call.world.switches.recordings_to_inclusive else 0)
    trash = call.flag("trash")
    number = call.query.get("meeting_id", "")
    rows: list[JSON] = []
    for session in call.world.sessions.values():
        recording = session.recording
        if recording is None or recording.trashed != trash or session.event.data["host_id"] != user["id"]:
            continue
        in_window = trash or first <= session.start < end
        if in_window and number in ("", str(session.event.number)):
            rows.append(call.views.recording(session, recording, detail=False))
    http, answer = call.listing("meetings", rows, by="uuid")
    return http, {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", **(answer or {})}


def get_recording(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings."""
    ttl = call.query.get("ttl", "")
    if ttl and not (ttl.isascii() and ttl.isdigit() and int(ttl) <= _LONGEST_TTL):
        raise validation("ttl")
    session = _recorded(call)
    assert session.recording is not None
    answer = call.views.recording(session, session.recording, detail=True)
    if call.query.get("include_fields") == "download_access_token":
        token = f"eyJhbGciOiJIUzUxMiJ9.{call.world.ids.nonce(40)}.{call.world.ids.nonce(20)}"
        life = int(ttl) if ttl else _DEFAULT_TTL
        call.world.download_tokens[token] = (session.uuid, call.world.clock.time() + life)
        answer["download_access_token"] = token
    return 200, answer


def delete_recording(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/recordings."""
    trash = call.choice("action", "trash", "delete") == "trash"
    call.world.remove_recording(uuid=_recorded(call).uuid, trash=trash)
    return 204, None


def delete_recording_file(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/recordings/{recordingId}."""
    call.choice("action", "trash", "delete")
    try:
        call.world.remove_recording_file(uuid=_recorded(call).uuid, file_id=call.args["recordingId"])
    except ControlError:
        raise no_recording() from None
    return 204, None


def _recorded(call: Call) -> Instance:
    """Return the session of a UUID, or a number's latest recorded one, or raise the 404."""
    text = call.uuid_or_number("meetingId")
    found = [call.world.find_session(text, "meeting") or call.world.find_session(text, "webinar")]
    if text.isdigit() and int(text) in call.world.events:
        found = list(reversed(call.world.events[int(text)].instances))
    for session in found:
        if session is not None and session.recording is not None and not session.recording.trashed:
            return session
    raise no_recording()
