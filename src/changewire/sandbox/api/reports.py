"""Endpoints of reports, and of what was asked and answered in past sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import in_window, listing
from changewire.sandbox.clock import iso, month_before, parse_iso
from changewire.sandbox.errors import JSON, ApiError, validation
from changewire.sandbox.world.model import Instance
from changewire.sandbox.world.schedule import occurrences

_MOST_DAYS = 31
_VERBS = {"created": "Add", "updated": "Update", "deleted": "Delete"}
_LOGGED = ("user", "group", "role", "settings", "member", "recording")


def polls(call: Call) -> Reply:
    """GET /past_meetings/{meetingId}/polls, the webinars' one and those of the reports."""
    session = _session(call)
    rows = _by_person(call.pager.shuffled(session.answers), lambda row: _without(row, "name", "email"))
    return 200, {"id": session.event.number, "uuid": session.uuid, "start_time": iso(session.start), "questions": rows}


def questions(call: Call) -> Reply:
    """GET /past_meetings/{meetingId}/qa, the webinars' one and those of the reports."""
    session = _session(call)

    def told(row: JSON) -> JSON:
        answers = [one["content"] for one in row["answer_details"]]
        full = _without(row, "name", "email") if call.operation.path.startswith("/report/") else {}
        return {**full, "question": row["question"], "answer": answers[-1] if answers else ""}

    rows = _by_person(call.pager.shuffled(session.questions), told)
    return 200, {"id": session.event.number, "uuid": session.uuid, "start_time": iso(session.start), "questions": rows}


def one_session(call: Call) -> Reply:
    """GET /report/meetings/{meetingId} and /report/webinars/{webinarId}."""
    session = _session(call)
    return 200, {**call.views.session(session), "custom_keys": [], "tracking_fields": []}


def webinar_participants(call: Call) -> Reply:
    """GET /report/webinars/{webinarId}/participants."""
    registrants = call.query.get("include_fields") == "registrant_id"
    return listing(call, call.views.report_participants(_session(call), registrants))


def users(call: Call) -> Reply:
    """GET /report/users: hosts with (``type`` active) or without meetings in a window."""
    _need_reports(call)
    since, until = _window(call)
    wanted = call.choice("type", "active", "inactive")
    rows = []
    for user in call.world.users.values():
        held = [s for s in _held(call, user["id"]) if since <= iso(s.start) <= until]
        if bool(held) != (wanted == "active"):
            continue
        minutes = sum(round((s.end - s.start).total_seconds() / 60) for s in held if s.end)
        rows.append({
            "id": user["id"], "email": user["email"], "user_name": user["display_name"], "type": user["type"],
            "dept": user["dept"], "meetings": len(held), "participants": sum(len(s.participants) for s in held),
            "meeting_minutes": minutes, "last_client_version": user["last_client_version"],
            "last_login_time": user["last_login_time"], "create_time": user["user_created_at"],
        })  # fmt: skip
    http, page = listing(call, rows)
    totals = {f"total_{key}": sum(row[key] for row in rows) for key in ("meetings", "participants", "meeting_minutes")}
    return http, {"from": since[:10], "to": until[:10], **totals, **(page or {})}


def user_meetings(call: Call) -> Reply:
    """GET /report/users/{userId}/meetings."""
    user = call.user()
    _need_reports(call)
    since, until = _window(call)
    rows = [
        {**call.views.session(s), "custom_keys": [], "tracking_fields": [], "schedule_time": iso(s.start)}
        for s in _held(call, user["id"])
        if since <= iso(s.start) <= until
    ]
    http, page = listing(call, rows)
    return http, {"from": since[:10], "to": until[:10], **(page or {})}


def operation_logs(call: Call) -> Reply:
    """GET /report/operationlogs: what administrators did, out of the sandbox's own history."""
    _need_reports(call)
    since, until = _window(call)
    operator = call.world.users[call.world.owner_id]["email"] if call.world.owner_id else ""
    category = call.query.get("category_type", "all")
    rows = list(call.world.shelf("/report/operationlogs").values())
    for entry in call.world.past:
        noun, _, verb = entry["kind"].rpartition("_")
        if noun.partition("_")[0] in _LOGGED and verb in _VERBS:
            rest = _without(entry, "kind", "time", "source")
            detail = f"{_VERBS[verb]} {noun} " + ", ".join(f"{k}: {v}" for k, v in rest.items())
            rows.append({"action": _VERBS[verb], "category_type": noun, "operation_detail": detail.strip(),
                         "operator": operator, "time": entry["time"]})  # fmt: skip
    chosen = [r for r in rows if since <= r["time"] <= until and category in ("all", "", r["category_type"])]
    return listing(call, chosen)


def upcoming_events(call: Call) -> Reply:
    """GET /report/upcoming_events: meetings and webinars that begin within the window."""
    _need_reports(call)
    since, until = _window(call)
    kind = call.choice("type", "all", "meeting", "webinar")
    rows = []
    for event in call.world.events.values():
        starts = [row["start_time"] for row in occurrences(event)] or [event.data.get("start_time", "")]
        host = call.world.find_user(event.data["host_id"]) or {}
        about = {"id": str(event.number), "topic": event.data["topic"], "host_id": event.data["host_id"],
                 "host_name": host.get("display_name", ""), "dept": host.get("dept", "")}  # fmt: skip
        if kind in ("all", event.kind) and not event.deleted:
            rows += [{**about, "start_time": start} for start in starts if since <= start <= until]
    http, page = listing(call, rows)
    return http, {"from": since[:10], "to": until[:10], **(page or {})}


def telephone(call: Call) -> Reply:
    """GET /report/telephone."""
    _need_reports(call)
    since, until = _window(call)
    rows = in_window(call, list(call.world.shelf("/report/telephone").values()), "start_time")
    http, page = listing(call, rows)
    return http, {"from": since[:10], "to": until[:10], **(page or {})}


def cloud_recording(call: Call) -> Reply:
    """GET /report/cloud_recording: storage used by day."""
    _need_reports(call)
    since, until = _window(call)
    used = sum(
        int(file.data.get("file_size") or 0)
        for session in call.world.sessions.values()
        if session.recording is not None
        for file in session.recording.files
    )
    days, day = [], parse_iso(since)
    while iso(day) <= until:
        days.append({"date": f"{day:%Y-%m-%d}", "free_usage": "0 GB", "plan_usage": "0 GB", "usage": f"{used} B"})
        day += timedelta(days=1)
    return 200, {"from": since[:10], "to": until[:10], "cloud_recording_storage": days}


def _need_reports(call: Call) -> None:
    if call.plan == "free":
        raise ApiError(call.world.switches.paid_error_form, 200, "No permission.")


def _session(call: Call) -> Instance:
    kind = "webinar" if "webinarId" in call.args else "meeting"
    if call.operation.path.startswith("/report/"):
        _need_reports(call)
    if kind == "webinar":
        call.need_webinars()
    return call.past_session(kind)


def _window(call: Call) -> tuple[str, str]:
    """Return the ends of the asked window as instants; it is at most a month long."""
    now = call.world.now()
    last = call.day("to", now)
    first = call.day("from", month_before(last))
    if last < first or (last - first).days > _MOST_DAYS:
        raise validation("from", "to")
    return iso(first), iso(last + timedelta(seconds=86399))


def _held(call: Call, host_id: str) -> list[Instance]:
    sessions = call.world.sessions.values()
    return [s for s in sessions if s.end is not None and s.event.data["host_id"] == host_id]


def _by_person(rows: list[JSON], detail: Callable[[JSON], JSON]) -> list[JSON]:
    people: dict[tuple[str, str], list[JSON]] = {}
    for row in rows:
        people.setdefault((row["name"], row["email"]), []).append(detail(row))
    return [{"name": name, "email": email, "question_details": told} for (name, email), told in people.items()]


def _without(row: JSON, *names: str) -> JSON:
    return {key: value for key, value in row.items() if key not in names}


HANDLERS = {
    "GET /past_meetings/{meetingId}/polls": polls,
    "GET /past_meetings/{meetingId}/qa": questions,
    "GET /past_webinars/{webinarId}/polls": polls,
    "GET /past_webinars/{webinarId}/qa": questions,
    "GET /report/meetings/{meetingId}": one_session,
    "GET /report/meetings/{meetingId}/polls": polls,
    "GET /report/meetings/{meetingId}/qa": questions,
    "GET /report/webinars/{webinarId}": one_session,
    "GET /report/webinars/{webinarId}/participants": webinar_participants,
    "GET /report/webinars/{webinarId}/polls": polls,
    "GET /report/webinars/{webinarId}/qa": questions,
    "GET /report/users": users,
    "GET /report/users/{userId}/meetings": user_meetings,
    "GET /report/operationlogs": operation_logs,
    "GET /report/telephone": telephone,
    "GET /report/upcoming_events": upcoming_events,
    "GET /report/cloud_recording": cloud_recording,
}
