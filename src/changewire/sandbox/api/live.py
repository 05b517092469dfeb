"""Endpoints of running sessions: ending and recovering them, dashboards, in-meeting control."""

from __future__ import annotations

from datetime import timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.clock import iso
from changewire.sandbox.errors import JSON, ApiError, no_meeting, validation
from changewire.sandbox.world.model import Event, Instance

_RTMS = {"start": "started", "stop": "stopped", "pause": "paused", "resume": "started"}


def meeting_status(call: Call) -> Reply:
    """PUT /meetings/{meetingId}/status: end a running meeting, or recover a deleted one."""
    act = call.body.get("action")
    if act == "recover":
        call.world.recover_meeting(_deleted(call).number)
        return call.done()
    event = call.event("meeting")
    if act != "end":
        raise validation("action")
    if event.live is not None:
        call.world.end_meeting(event.number)
    return call.done()


def webinar_status(call: Call) -> Reply:
    """PUT /webinars/{webinarId}/status: end a running webinar."""
    call.need_webinars()
    event = call.webinar()
    if call.body.get("action") != "end":
        raise validation("action")
    if event.live is not None:
        call.world.end_webinar(event.number)
    return call.done()


def live_meetings(call: Call) -> Reply:
    """GET /metrics/meetings: sessions that run, or (``type``) took place."""
    return _dashboard(call, "meeting")


def live_webinars(call: Call) -> Reply:
    """GET /metrics/webinars."""
    return _dashboard(call, "webinar")


def one_meeting(call: Call) -> Reply:
    """GET /metrics/meetings/{meetingId}."""
    return 200, _row(call, _session(call, "meeting"))


def one_webinar(call: Call) -> Reply:
    """GET /metrics/webinars/{webinarId}."""
    return 200, _row(call, _session(call, "webinar"))


def meeting_people(call: Call) -> Reply:
    """GET /metrics/meetings/{meetingId}/participants."""
    return listing(call, call.views.report_participants(_session(call, "meeting"), True))


def webinar_people(call: Call) -> Reply:
    """GET /metrics/webinars/{webinarId}/participants."""
    return listing(call, call.views.report_participants(_session(call, "webinar"), True))


def rtms(call: Call) -> Reply:
    """PATCH /live_meetings/{meetingId}/rtms_app/status."""
    event = _running(call)
    state = _RTMS.get(str(call.body.get("action")))
    if state is None:
        raise validation("action")
    document = call.world.document(f"/live_meetings/{event.number}/rtms_app")
    user_id = str(call.body["settings"].get("participant_user_id", ""))
    if call.body["action"] != "start" and document.get("status") in (None, "stopped"):
        text = f"Unable to '{call.body['action']}' the RTMS app for user '{user_id}' because it has not been started."
        raise ApiError(400, 13277, text)
    call.world.set_document(f"/live_meetings/{event.number}/rtms_app", {"status": state, **call.body["settings"]})
    return call.done()


def in_meeting_event(call: Call) -> Reply:
    """PATCH /live_meetings/{meetingId}/events: control the recording, invite people and the like."""
    event = _running(call)
    method = str(call.body.get("method", ""))
    if not method:
        raise validation("method")
    if method == "recording.start":
        call.world.start_recording(event.number)
    call.world.set_document(f"/live_meetings/{event.number}/events", {"method": method})
    return call.done()


def _deleted(call: Call) -> Event:
    text = call.args["meetingId"]
    event = call.world.events.get(int(text)) if text.isdigit() else None
    if event is None or event.kind != "meeting":
        raise no_meeting(text)
    return event


def _running(call: Call) -> Event:
    event = call.event("meeting")
    if event.live is None:
        raise ApiError(400, 3000, f"Meeting {event.number} has not started.")
    return event


def _dashboard(call: Call, kind: str) -> Reply:
    call.need_paid()
    now = call.world.now()
    wanted = call.choice("type", "live", "past", "pastOne")
    if wanted != "live" and (lacking := [name for name in ("from", "to") if not call.query.get(name)]):
        raise validation(*lacking)
    since, until = call.day("from", now), call.day("to", now) + timedelta(days=1)
    sessions = [s for s in call.world.sessions.values() if s.event.kind == kind]
    if wanted == "live":
        chosen = [s for s in sessions if s.end is None]
    else:
        chosen = [s for s in sessions if s.end is not None and since <= s.start < until]
    http, page = listing(call, [_row(call, s) for s in chosen])
    return http, {"from": f"{since:%Y-%m-%d}", "to": f"{until - timedelta(days=1):%Y-%m-%d}", **(page or {})}


def _session(call: Call, kind: str) -> Instance:
    call.need_paid()
    text = call.uuid_or_number(f"{kind}Id")
    live = call.choice("type", "live", "past", "pastOne") == "live"
    session = call.world.find_session(text, kind, ended=not live)
    if session is None or (session.end is None) != live:
        raise ApiError(404, 3001, "Meeting ID is invalid or the meeting has not ended yet.")
    return session


def _row(call: Call, session: Instance) -> JSON:
    data = session.event.data
    host = call.world.find_user(data["host_id"]) or {}
    length = (session.end or call.world.now()) - session.start
    flags = ("has_pstn", "has_archiving", "has_voip", "has_3rd_party_audio", "has_video", "has_screen_share", "has_sip")
    return {
        "uuid": session.uuid, "id": session.event.number, "topic": session.topic,
        "host": host.get("display_name", ""), "email": data["host_email"], "user_type": "Licensed",
        "start_time": iso(session.start), "end_time": iso(session.end) if session.end else "",
        "duration": str(length).partition(".")[0].zfill(8), "participants": len(session.participants),
        **dict.fromkeys(flags, False), "has_recording": session.recording is not None, "dept": host.get("dept", ""),
    }  # fmt: skip


HANDLERS = {
    "PUT /meetings/{meetingId}/status": meeting_status,
    "PUT /webinars/{webinarId}/status": webinar_status,
    "GET /metrics/meetings": live_meetings,
    "GET /metrics/meetings/{meetingId}": one_meeting,
    "GET /metrics/meetings/{meetingId}/participants": meeting_people,
    "GET /metrics/webinars": live_webinars,
    "GET /metrics/webinars/{webinarId}": one_webinar,
    "GET /metrics/webinars/{webinarId}/participants": webinar_people,
    "PATCH /live_meetings/{meetingId}/rtms_app/status": rtms,
    "PATCH /live_meetings/{meetingId}/events": in_meeting_event,
}
