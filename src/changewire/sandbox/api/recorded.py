"""Endpoints about recordings: the trash, settings, registrants, analytics, transcripts."""

from __future__ import annotations

from urllib.parse import quote

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.api.recordings import recorded
from changewire.sandbox.clock import month_before
from changewire.sandbox.errors import JSON, ApiError, ControlError, no_recording, validation
from changewire.sandbox.world.model import Instance, RecordingFile
from changewire.sandbox.world.templates import ZOOM_ACCOUNT_ID

_SETTINGS: JSON = {
    "share_recording": "publicly", "recording_authentication": False, "authentication_option": "",
    "authentication_domains": "", "viewer_download": True, "password": "", "on_demand": False,
    "approval_type": 2, "send_email_to_host": False, "show_social_share_buttons": False,
}  # fmt: skip
_OUTCOMES = {"approve": "approved", "deny": "denied"}


def recover(call: Call) -> Reply:
    """PUT /meetings/{meetingUUID}/recordings/status."""
    _need_recover(call)
    call.world.recover_recording(uuid=recorded(call, trashed=True, name="meetingUUID").uuid)
    return call.done()


def recover_file(call: Call) -> Reply:
    """PUT /meetings/{meetingId}/recordings/{recordingId}/status."""
    _need_recover(call)
    session = recorded(call, trashed=True)
    try:
        call.world.recover_recording(uuid=session.uuid, file_id=call.args["recordingId"])
    except ControlError:
        raise no_recording() from None
    return call.done()


def get_settings(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings/settings."""
    session = recorded(call)
    return 200, {**_SETTINGS, "topic": session.topic, **call.world.document(_place(session, "settings"))}


def set_settings(call: Call) -> Reply:
    """PATCH /meetings/{meetingId}/recordings/settings."""
    return call.done(call.world.set_document(_place(recorded(call), "settings"), call.body))


def list_registrants(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings/registrants."""
    status = call.choice("status", "approved", "pending", "denied")
    rows = call.world.shelf(_place(recorded(call), "registrants")).values()
    return listing(call, [row for row in rows if row["status"] == status])


def add_registrant(call: Call) -> Reply:
    """POST /meetings/{meetingId}/recordings/registrants."""
    session = recorded(call)
    row = call.world.put(_place(session, "registrants"), {**call.body, "status": "approved"})
    share = f"{call.views.site}/rec/share/{session.recording.share_key if session.recording else ''}"
    return call.done({"id": session.event.number, "registrant_id": row["id"], "share_url": share,
                      "topic": session.topic})  # fmt: skip


def change_registrants(call: Call) -> Reply:
    """PUT /meetings/{meetingId}/recordings/registrants/status."""
    place = _place(recorded(call), "registrants")
    outcome = _OUTCOMES.get(str(call.body["action"]))
    if outcome is None:
        raise validation("action")
    for one in call.objects("registrants", least=0):
        if one.get("id") in call.world.shelf(place):
            call.world.change(place, one["id"], {"status": outcome})
    return call.done()


def get_questions(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings/registrants/questions."""
    kept = call.world.document(_place(recorded(call), "questions"))
    return 200, {"questions": [], "custom_questions": [], **kept}


def set_questions(call: Call) -> Reply:
    """PATCH /meetings/{meetingId}/recordings/registrants/questions."""
    return call.done(call.world.set_document(_place(recorded(call), "questions"), call.body))


def analytics_summary(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings/analytics_summary: views and downloads by day."""
    first, last, rows = _analytics(call)
    days: dict[str, JSON] = {}
    for row in rows:
        day = str(row["date_time"])[:10]
        counts = days.setdefault(day, {"date": day, "views_total_count": 0, "downloads_total_count": 0})
        counts["downloads_total_count" if row["type"] == "by_download" else "views_total_count"] += 1
    return 200, {"from": first, "to": last, "analytics_summary": list(days.values())}


def analytics_details(call: Call) -> Reply:
    """GET /meetings/{meetingId}/recordings/analytics_details: who viewed or downloaded."""
    kind = call.choice("type", "by_view", "by_download")
    first, last, rows = _analytics(call)
    http, page = listing(call, [row for row in rows if row["type"] == kind])
    return http, {"from": first, "to": last, **(page or {})}


def get_transcript(call: Call) -> Reply:
    """GET /meetings/{meetingId}/transcript: where to download the transcript, or why not yet."""
    session, file = _transcript(call)
    ready = file.data["status"] == "completed"
    answer: JSON = {
        "meeting_id": session.uuid, "account_id": ZOOM_ACCOUNT_ID, "meeting_topic": session.topic,
        "host_id": session.event.data["host_id"], "transcript_created_time": file.data["recording_end"] or "",
        "can_download": ready, "auto_delete": False, "auto_delete_date": "",
    }  # fmt: skip
    if ready:
        nonce = call.world.ids.nonce(16)
        return 200, {**answer, "download_url": f"{call.views.site}/rec/download/{file.key}.{nonce}"}
    return 200, {**answer, "download_restriction_reason": "NOT_READY"}


def delete_transcript(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/transcript."""
    session, file = _transcript(call)
    call.world.remove_recording_file(uuid=session.uuid, file_id=file.key)
    return call.done()


def _need_recover(call: Call) -> None:
    if call.body.get("action", "recover") != "recover":
        raise validation("action")


def _place(session: Instance, rest: str) -> str:
    return f"/recordings/{quote(session.uuid, safe='')}/{rest}"


def _analytics(call: Call) -> tuple[str, str, list[JSON]]:
    session, now = recorded(call), call.world.now()
    last = call.day("to", now)
    first = call.day("from", month_before(last))
    rows = call.world.shelf(_place(session, "analytics")).values()
    chosen = [row for row in rows if f"{first:%Y-%m-%d}" <= str(row["date_time"])[:10] <= f"{last:%Y-%m-%d}"]
    return f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}", chosen


def _transcript(call: Call) -> tuple[Instance, RecordingFile]:
    missing = ApiError(404, 3322, "This meeting transcript does not exist.")
    try:
        session = recorded(call)
    except ApiError:
        raise missing from None
    files = session.recording.files if session.recording else []
    file = next((one for one in files if one.data["file_type"] == "TRANSCRIPT"), None)
    if file is None:
        raise missing
    return session, file


HANDLERS = {
    "PUT /meetings/{meetingUUID}/recordings/status": recover,
    "PUT /meetings/{meetingId}/recordings/{recordingId}/status": recover_file,
    "GET /meetings/{meetingId}/recordings/settings": get_settings,
    "PATCH /meetings/{meetingId}/recordings/settings": set_settings,
    "GET /meetings/{meetingId}/recordings/registrants": list_registrants,
    "POST /meetings/{meetingId}/recordings/registrants": add_registrant,
    "PUT /meetings/{meetingId}/recordings/registrants/status": change_registrants,
    "GET /meetings/{meetingId}/recordings/registrants/questions": get_questions,
    "PATCH /meetings/{meetingId}/recordings/registrants/questions": set_questions,
    "GET /meetings/{meetingId}/recordings/analytics_summary": analytics_summary,
    "GET /meetings/{meetingId}/recordings/analytics_details": analytics_details,
    "GET /meetings/{meetingId}/transcript": get_transcript,
    "DELETE /meetings/{meetingId}/transcript": delete_transcript,
}
