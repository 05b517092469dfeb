"""Endpoints of cloud recordings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import month_before
from changewire.sandbox.errors import JSON, ControlError, no_recording, validation
from changewire.sandbox.world.model import Instance, Recording

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
        if recording is None or session.event.data["host_id"] != user["id"] or not _has_files(recording, trash):
            continue
        in_window = trash or first <= session.start < end
        if in_window and number in ("", str(session.event.number)):
            shown = replace(recording, files=recording.trash) if trash and not recording.trashed else recording
            rows.append(call.views.recording(session, shown, detail=False))
    http, answer = call.listing("meetings", rows, by="uuid")
    return http, {"from": f"{first:%Y-%m-%d}", "to": f"{last:%Y-%m-%d}", **(answer or {})}


def get_recording(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings."""
    ttl = call.query.get("ttl", "")
    if ttl and not (ttl.isascii() and ttl.isdigit() and int(ttl) <= _LONGEST_TTL):
        raise validation("ttl")
    session = recorded(call)
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
    call.world.remove_recording(uuid=recorded(call).uuid, trash=trash)
    return 204, None


def delete_recording_file(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/recordings/{recordingId}."""
    trash = call.choice("action", "trash", "delete") == "trash"
    try:
        call.world.remove_recording_file(uuid=recorded(call).uuid, file_id=call.args["recordingId"], trash=trash)
    except ControlError:
        raise no_recording() from None
    return 204, None


def recorded(call: Call, trashed: bool = False, name: str = "meetingId") -> Instance:
    """Return the session of a UUID, or a number's latest recorded one, or raise the 404.

    ``trashed`` looks for one with something in the trash, ``name`` is the path's variable part.
    """
    text = call.uuid_or_number(name)
    found = [call.world.find_session(text, "meeting") or call.world.find_session(text, "webinar")]
    if text.isdigit() and int(text) in call.world.events:
        found = list(reversed(call.world.events[int(text)].instances))
    for session in found:
        if session is not None and session.recording is not None and _has_files(session.recording, trashed):
            return session
    raise no_recording()


def _has_files(recording: Recording, trashed: bool) -> bool:
    """Whether a recording has files in (``trashed``) or outside the trash."""
    if trashed:
        return recording.trashed or bool(recording.trash)
    return not recording.trashed and bool(recording.files)


HANDLERS = {
    "GET /users/{userId}/recordings": list_recordings,
    "GET /meetings/{meetingId}/recordings": get_recording,
    "DELETE /meetings/{meetingId}/recordings": delete_recording,
    "DELETE /meetings/{meetingId}/recordings/{recordingId}": delete_recording_file,
}
