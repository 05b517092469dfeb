"""Endpoints of scheduled meetings and webinars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.clock import iso, months_before, parse_iso
from changewire.sandbox.errors import JSON, ApiError, ControlError, validation
from changewire.sandbox.world.model import Event, Instance
from changewire.sandbox.world.recurrence import occurrence_starts, zone
from changewire.sandbox.world.schedule import RECURRING, expired, to_utc, upcoming

_TYPES = {"meeting": (1, 2, 3, 8, 10), "webinar": (5, 6, 9)}
_TEXTS = {"topic": 200, "agenda": 2000, "password": 10}
_WINDOW_MONTHS = 6
_NOT_FOR_BODIES = (
    "id", "uuid", "user_id", "meeting_id", "webinar_id", "occurrence_id", "host_id", "created_at", "self"
)  # fmt: skip
_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
Row = tuple[Event, JSON]


def list_meetings(call: Call) -> Reply:
    """GET /users/{userId}/meetings."""
    user = call.user()
    kind = call.choice("type", "scheduled", "live", "upcoming", "upcoming_meetings", "previous_meetings")
    events = _events(call, user, "meeting")
    if kind == "scheduled":
        rows: list[Row] = [(e, {}) for e in events if e.data["type"] != 1]
    elif kind == "live":
        rows = [(e, _held(e.live)) for e in events if e.live]
    elif kind == "previous_meetings":
        rows = _previous(call, user)
    else:
        rows = _upcoming(call, events)
    answer = [call.views.event_row(event, **instead) for event, instead in rows]
    return call.listing("meetings", answer, by="uuid")


def next_meetings(call: Call) -> Reply:
    """GET /users/{userId}/upcoming_meetings: those of the next 24 hours, invitations included."""
    user, now = call.user(), call.world.now()
    last = iso(now + timedelta(days=1))
    events = [event for event in _open(call, "meeting") if user["id"] in _involved(call, event)]
    rows = [call.views.event_row(event, **instead) for event, instead in _upcoming(call, events)]
    kept = ("id", "topic", "type", "start_time", "duration", "timezone", "created_at", "join_url")
    near = [{key: row[key] for key in kept if key in row} for row in rows if row["start_time"] < last]
    return 200, {"total_records": len(near), "meetings": near}


def list_webinars(call: Call) -> Reply:
    """GET /users/{userId}/webinars."""
    user = call.user()
    call.need_webinars()
    kind = call.choice("type", "scheduled", "upcoming")
    events = _events(call, user, "webinar")
    rows = _upcoming(call, events) if kind == "upcoming" else [(e, {}) for e in events]
    answer = [call.views.event_row(event, **instead) for event, instead in rows]
    http, page = call.listing("webinars", answer, by="uuid")
    return http, {"page_number": int(call.query.get("page_number") or 1), **(page or {})}


def get_meeting(call: Call) -> Reply:
    """GET /meetings/{meetingId}."""
    return 200, _detail(call, call.meeting())


def get_webinar(call: Call) -> Reply:
    """GET /webinars/{webinarId}."""
    call.need_webinars()
    return 200, _detail(call, call.webinar())


def create_meeting(call: Call) -> Reply:
    """POST /users/{userId}/meetings."""
    return _create(call, "meeting")


def create_webinar(call: Call) -> Reply:
    """POST /users/{userId}/webinars."""
    call.need_webinars()
    return _create(call, "webinar")


def update_meeting(call: Call) -> Reply:
    """PATCH /meetings/{meetingId}."""
    return _update(call, call.meeting())


def update_webinar(call: Call) -> Reply:
    """PATCH /webinars/{webinarId}."""
    return _update(call, call.webinar())


def delete_meeting(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}."""
    return _delete(call, call.meeting())


def delete_webinar(call: Call) -> Reply:
    """DELETE /webinars/{webinarId}."""
    return _delete(call, call.webinar())


def _events(call: Call, user: JSON, kind: str) -> list[Event]:
    return [event for event in _open(call, kind) if event.data["host_id"] == user["id"]]


def _open(call: Call, kind: str) -> list[Event]:
    now = call.world.now()
    return [e for e in call.world.events.values() if e.kind == kind and not e.deleted and not expired(e, now)]


def _involved(call: Call, event: Event) -> set[str]:
    """Return the ids of the host and of the invited users of an event."""
    invited = (str(one.get("email", "")) for one in event.data["settings"].get("meeting_invitees", []))
    return {event.data["host_id"], *(user["id"] for email in invited if (user := call.world.find_user(email)))}


def _held(session: Instance | None) -> JSON:
    return {} if session is None else {"uuid": session.uuid, "start_time": iso(session.start)}


def _upcoming(call: Call, events: list[Event]) -> list[Row]:
    now = call.world.now()
    last = months_ahead(now)
    since, until = call.day("from", now - timedelta(days=1)), call.day("to", last) + timedelta(days=1)
    rows: list[Row] = []
    for event in events:
        data = event.data
        if data["type"] in RECURRING and data.get("recurrence"):
            ahead = [row for row in upcoming(event, now) if row["status"] == "available"]
            rows += [(event, {k: row[k] for k in ("start_time", "duration")}) for row in ahead]
        elif data.get("start_time"):
            end = parse_iso(data["start_time"]) + timedelta(minutes=data["duration"])
            rows += [(event, {})] if end > now or event.live else []

    def start(row: Row) -> datetime:
        return parse_iso(str(row[1].get("start_time") or row[0].data["start_time"]))

    return sorted((row for row in rows if since <= start(row) < min(until, last)), key=start)


def months_ahead(now: datetime) -> datetime:
    """Return the end of the window of upcoming meetings."""
    return now + timedelta(days=183)


def _previous(call: Call, user: JSON) -> list[Row]:
    now = call.world.now()
    oldest = months_before(now, _WINDOW_MONTHS)
    since, until = call.day("from", oldest), call.day("to", now) + timedelta(days=1)
    held = [
        session
        for event in call.world.events.values()
        if event.kind == "meeting" and event.data["host_id"] == user["id"]
        for session in event.ended
        if max(since, oldest) <= session.start < until
    ]
    held.sort(key=lambda session: session.start, reverse=True)
    return [(session.event, _held(session)) for session in held]


def _detail(call: Call, event: Event) -> JSON:
    occurrence_id = call.query.get("occurrence_id")
    answer = call.views.event(event, call.flag("show_previous_occurrences") or occurrence_id is not None)
    if not occurrence_id:
        return answer
    rows = [row for row in answer.pop("occurrences", []) if row["occurrence_id"] == occurrence_id]
    if not rows:
        raise ApiError(400, 300, "Invalid parameter: `occurrence_id`.")
    return {**answer, "start_time": rows[0]["start_time"], "duration": rows[0]["duration"]}


def _create(call: Call, kind: str) -> Reply:
    user = call.user()
    body = dict(call.body)
    _check(call, body, kind)
    default = 2 if kind == "meeting" else 5
    body.setdefault("type", default)
    if body["type"] in RECURRING and not body.get("recurrence"):
        raise validation("recurrence")
    if body["type"] == 2 and not body.get("start_time"):
        body["type"] = 1
    if body["type"] == 1:
        body["start_time"] = call.world.stamp()
    call.limiter.admit_change(user["id"], call.label)
    body["creation_source"] = "open_api"
    act = call.world.create_meeting if kind == "meeting" else call.world.create_webinar
    number = act(user["id"], **body)[f"{kind}_id"]
    return 201, call.views.event(call.world.events[number])


def _update(call: Call, event: Event) -> Reply:
    _check(call, call.body, event.kind)
    if call.body.get("start_time"):
        zone_name = str(call.body.get("timezone") or event.data["timezone"])
        if parse_iso(to_utc(call.body["start_time"], zone_name)) < call.world.now():
            raise validation("start_time")
    call.limiter.admit_change(event.data["host_id"], call.label)
    act = call.world.update_meeting if event.kind == "meeting" else call.world.update_webinar
    try:
        act(event.number, call.query.get("occurrence_id"), **call.body)
    except ControlError as error:
        raise ApiError(400, 300, "Invalid parameter: `occurrence_id`.") from error
    return 204, None


def _delete(call: Call, event: Event) -> Reply:
    if call.world.switches.delete_counts:
        call.limiter.admit_change(event.data["host_id"], call.label)
    act = call.world.delete_meeting if event.kind == "meeting" else call.world.delete_webinar
    try:
        act(event.number, call.query.get("occurrence_id"))
    except ControlError as error:
        raise ApiError(400, 300, "Invalid parameter: `occurrence_id`.") from error
    return 204, None


def _check(call: Call, body: JSON, kind: str) -> None:
    """Raise the validation error naming every unfit field of a body."""
    wrong = [k for k, most in _TEXTS.items() if k in body and not _text(body[k], most)]
    if not isinstance(body.get("settings", {}), dict):
        wrong.append("settings")
    if not _recurs(body.get("recurrence", {})):
        wrong.append("recurrence")
    if "type" in body and body["type"] not in _TYPES[kind]:
        wrong.append("type")
    duration = body.get("duration", 1)
    if not isinstance(duration, int) or isinstance(duration, bool) or duration < 1:
        wrong.append("duration")
    try:
        zone(body.get("timezone") or "UTC")
    except (TypeError, ValueError):
        wrong.append("timezone")
    try:
        start = body.get("start_time", "")
        to_utc(start if start != "" else call.world.stamp(), "UTC")
    except (AttributeError, TypeError, ValueError):
        wrong.append("start_time")
    if wrong:
        raise validation(*wrong)
    for key in _NOT_FOR_BODIES:
        body.pop(key, None)


def _recurs(recurrence: object) -> bool:
    try:
        return isinstance(recurrence, dict) and occurrence_starts(_SOME_DAY, "UTC", recurrence) is not None
    except (TypeError, ValueError):
        return False


def _text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most


HANDLERS = {
    "GET /users/{userId}/upcoming_meetings": next_meetings,
    "GET /users/{userId}/meetings": list_meetings,
    "POST /users/{userId}/meetings": create_meeting,
    "GET /meetings/{meetingId}": get_meeting,
    "PATCH /meetings/{meetingId}": update_meeting,
    "DELETE /meetings/{meetingId}": delete_meeting,
    "GET /users/{userId}/webinars": list_webinars,
    "POST /users/{userId}/webinars": create_webinar,
    "GET /webinars/{webinarId}": get_webinar,
    "PATCH /webinars/{webinarId}": update_webinar,
    "DELETE /webinars/{webinarId}": delete_webinar,
}
