"""Endpoints of sessions that took place: past meetings and webinars, participants, summaries."""

from __future__ import annotations

from datetime import datetime, timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import iso, month_before, parse_iso
from changewire.sandbox.errors import JSON, ApiError, no_meeting, no_webinar, validation
from changewire.sandbox.world.templates import ZOOM_ACCOUNT_ID

_INSTANCE_DAYS = 456
_ROW_KEYS = (
    "meeting_host_id", "meeting_host_email", "meeting_uuid", "meeting_id", "meeting_topic",
    "meeting_start_time", "meeting_end_time", "summary_start_time", "summary_end_time",
    "summary_created_time", "summary_last_modified_time",
)  # fmt: skip


def past_meeting(call: Call) -> Reply:
    """GET /past_meetings/{meetingId}."""
    call.need_paid()
    return 200, call.views.session(call.past_session("meeting"))


def past_instances(call: Call) -> Reply:
    """GET /past_meetings/{meetingId}/instances."""
    return 200, {"meetings": _instances(call, "meeting")}


def past_webinar_instances(call: Call) -> Reply:
    """GET /past_webinars/{webinarId}/instances."""
    return 200, {"webinars": _instances(call, "webinar")}


def past_participants(call: Call) -> Reply:
    """GET /past_meetings/{meetingId}/participants."""
    call.need_paid()
    return call.listing("participants", call.views.participants(call.past_session("meeting")), by="user_id")


def past_webinar_participants(call: Call) -> Reply:
    """GET /past_webinars/{webinarId}/participants."""
    call.need_paid(f"Only available for Paid or ZMP account: {ZOOM_ACCOUNT_ID}.")
    return call.listing("participants", call.views.participants(call.past_session("webinar")), by="user_id")


def report_participants(call: Call) -> Reply:
    """GET /report/meetings/{meetingId}/participants."""
    if call.plan == "free":
        raise ApiError(call.world.switches.paid_error_form, 200, "No permission.")
    registrants = call.query.get("include_fields") == "registrant_id"
    rows = call.views.report_participants(call.past_session("meeting"), registrants)
    return call.listing("participants", rows, by="user_id")


def meeting_summary(call: Call) -> Reply:
    """GET /meetings/{meetingId}/meeting_summary; takes a UUID only."""
    call.need_paid("Only available for Paid account.")
    text = call.uuid_or_number("meetingId")
    if text.isdigit():
        raise ApiError(400, 300, "Invalid meeting ID.")
    session = call.world.find_session(text, "meeting")
    if session is None or session.summary is None:
        raise no_meeting(text)
    return 200, {**session.summary, **call.world.grown.get("summary", {})}


def delete_summary(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/meeting_summary; takes a UUID only."""
    meeting_summary(call)
    call.world.remove_summary(uuid=call.uuid_or_number("meetingId"))
    return call.done()


def account_summaries(call: Call) -> Reply:
    """GET /meetings/meeting_summaries."""
    return _summaries(call, None)


def user_summaries(call: Call) -> Reply:
    """GET /users/{userId}/meeting_summaries."""
    return _summaries(call, str(call.user()["id"]))


def _instances(call: Call, kind: str) -> list[JSON]:
    text = call.uuid_or_number(f"{kind}Id")
    event = call.world.events.get(int(text)) if text.isdigit() else None
    if event is None:
        session = call.world.find_session(text, kind)
        event = session.event if session else None
    if event is None or event.kind != kind:
        raise no_meeting(text) if kind == "meeting" else no_webinar(text)
    oldest = call.world.now() - timedelta(days=_INSTANCE_DAYS)
    held = [session for session in reversed(event.ended) if session.start >= oldest]
    if "from" in call.query or "to" in call.query:
        since, until = call.day("from", oldest), call.day("to", call.world.now()) + timedelta(days=1)
        held = [session for session in held if since <= session.start < until]
    return [{"uuid": session.uuid, "start_time": iso(session.start)} for session in held]


def _summaries(call: Call, host_id: str | None) -> Reply:
    call.need_paid("Only available for Paid account.")
    field = call.choice("time_filter_field", "summary_start_time", "summary_created_time")
    now = call.world.now()
    until = _instant(call, "to", now)
    since = _instant(call, "from", month_before(until))
    found = [
        session.summary
        for session in call.world.sessions.values()
        if session.summary is not None
        and host_id in (None, session.summary["meeting_host_id"])
        and since <= parse_iso(session.summary[field]) <= until
    ]
    rows = [{key: summary[key] for key in _ROW_KEYS} for summary in found]
    http, answer = call.listing("summaries", rows, by="meeting_uuid")
    kept = {k: v for k, v in (answer or {}).items() if k not in ("page_count", "total_records")}
    return http, {"from": iso(since), "to": iso(until), **kept}


def _instant(call: Call, name: str, default: datetime) -> datetime:
    text = call.query.get(name, "")
    if not text:
        return default
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=default.tzinfo)
    except ValueError:
        raise validation(name) from None


HANDLERS = {
    "DELETE /meetings/{meetingId}/meeting_summary": delete_summary,
    "GET /meetings/meeting_summaries": account_summaries,
    "GET /meetings/{meetingId}/meeting_summary": meeting_summary,
    "GET /users/{userId}/meeting_summaries": user_summaries,
    "GET /past_meetings/{meetingId}": past_meeting,
    "GET /past_meetings/{meetingId}/instances": past_instances,
    "GET /past_meetings/{meetingId}/participants": past_participants,
    "GET /past_webinars/{webinarId}/instances": past_webinar_instances,
    "GET /past_webinars/{webinarId}/participants": past_webinar_participants,
    "GET /report/meetings/{meetingId}/participants": report_participants,
}
