"""Endpoints of registration: registrants, questions to them, links and tokens to join."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.errors import JSON, ApiError, validation
from changewire.sandbox.world.model import Event
from changewire.sandbox.world.registration import MANUAL, NONE, registrants_path
from changewire.sandbox.world.schedule import join_url, upcoming

_OUTCOMES = {"approve": "approved", "deny": "denied", "cancel": "cancelled"}
_MOST_AT_ONCE = 30
_MOST_POLLS = 50
_A_DAY, _CHANGES_A_DAY = 3, 10
_A_DAY_TEXT = (
    "You have exceeded the daily rate limit (3) of Add {kind} registrant API requests permitted for the "
    "registrant {email}. You may resume these requests at GMT 00:00:00."
)
_CHANGES_TEXT = (
    "You have exceeded the daily rate limit (10) of registrant status changes permitted for the "
    "registrant {email}. You may resume these requests at GMT 00:00:00."
)


def list_registrants(call: Call) -> Reply:
    """GET /meetings/{meetingId}/registrants and the webinars' one."""
    event = _event(call)
    status = call.choice("status", "approved", "pending", "denied")
    source = call.query.get("tracking_source_id", "")
    rows = [row for row in call.world.shelf(registrants_path(event)).values() if row["status"] == status]
    rows = [row for row in rows if source in ("", row.get("tracking_source_id"))]
    return listing(call, [_shown(call, event, row) for row in rows])


def add_registrant(call: Call) -> Reply:
    """POST /meetings/{meetingId}/registrants and the webinars' one."""
    event = _event(call)
    _need_registration(event, 300 if event.kind == "meeting" else 3000)
    row = _register(call, event, call.body)
    occurrences = {"occurrences": upcoming(event, call.world.now())} if event.data.get("recurrence") else {}
    return call.done({
        "id": event.number, "registrant_id": row["id"], "topic": event.data["topic"],
        "start_time": event.data.get("start_time", ""), "participant_pin_code": row["participant_pin_code"],
        "join_url": _own_link(call, event, row), **occurrences,
    })  # fmt: skip


def add_registrants(call: Call) -> Reply:
    """POST /meetings/{meetingId}/batch_registrants and the webinars' one."""
    event = _event(call)
    _need_registration(event, 404 if event.kind == "meeting" else 3000)
    people = call.objects("registrants", _MOST_AT_ONCE)
    lacking = [name for name in ("first_name", "email") for one in people if not one.get(name)]
    if lacking:
        raise validation(*sorted(set(lacking)))
    approve = bool(call.body.get("auto_approve"))
    rows = [_register(call, event, one, approve) for one in people]
    return call.done({"registrants": [
        {"email": row["email"], "registrant_id": row["id"], "participant_pin_code": row["participant_pin_code"],
         "join_url": _own_link(call, event, row)}
        for row in rows
    ]})  # fmt: skip


def get_registrant(call: Call) -> Reply:
    """GET /meetings/{meetingId}/registrants/{registrantId} and the webinars' one."""
    event = _event(call)
    return 200, _shown(call, event, _registrant(call, event))


def delete_registrant(call: Call) -> Reply:
    """DELETE /meetings/{meetingId}/registrants/{registrantId} and the webinars' one."""
    event = _event(call)
    call.world.drop(registrants_path(event), _registrant(call, event)["id"])
    return call.done()


def change_status(call: Call) -> Reply:
    """PUT /meetings/{meetingId}/registrants/status and the webinars' one."""
    event = _event(call)
    outcome = _OUTCOMES.get(str(call.body["action"]))
    if outcome is None:
        raise validation("action")
    named = call.objects("registrants", least=0)
    path = registrants_path(event)
    for one in named:
        row = next((r for r in call.world.shelf(path).values() if one.get("id") in (r["id"], None)
                    and one.get("email") in (r["email"], None)), None)  # fmt: skip
        if row is not None:
            text = _CHANGES_TEXT.format(email=row["email"])
            call.limiter.admit_daily(f"status {path} {row['id']}", _CHANGES_A_DAY, text, call.label)
            call.world.change(path, row["id"], {"status": outcome})
    return call.done()


def get_questions(call: Call) -> Reply:
    """GET /meetings/{meetingId}/registrants/questions and the webinars' one."""
    return 200, {"questions": [], "custom_questions": [], **call.world.document(_questions(call))}


def set_questions(call: Call) -> Reply:
    """PATCH /meetings/{meetingId}/registrants/questions and the webinars' one."""
    return call.done(call.world.set_document(_questions(call), call.body))


def add_polls(call: Call) -> Reply:
    """POST /meetings/{meetingId}/batch_polls."""
    event, polls = _event(call), call.objects("polls")
    path = f"/meetings/{event.number}/polls"
    if len(call.world.shelf(path)) + len(polls) > _MOST_POLLS:
        raise ApiError(400, 4400, f"You can only add a maximum of {_MOST_POLLS} polls.")
    return call.done({"polls": [call.world.put(path, one) for one in polls]})


def invite_links(call: Call) -> Reply:
    """POST /meetings/{meetingId}/invite_links and the webinars' one."""
    event = _event(call)
    people = call.objects("attendees")
    if not all(one.get("name") for one in people):
        raise validation("attendees")
    return call.done({"attendees": [
        {"name": one["name"], "join_url": f"{call.views.site}/w/{event.number}?tk={call.world.ids.nonce(30)}"}
        for one in people
    ]})  # fmt: skip


def join_token(call: Call) -> Reply:
    """GET /meetings/{meetingId}/jointoken/..., /meetings/{meetingId}/token and the webinars' ones."""
    event = _event(call)
    if call.operation.path.endswith("}/token"):
        return 200, {"token": f"{call.views.site}/closedcaption?id={event.number}&token={call.world.ids.nonce(30)}"}
    return 200, {"expire_in": 120, "token": f"eyJ0eXAiOiJKV1QifQ.{call.world.ids.nonce(40)}"}


def invitation(call: Call) -> Reply:
    """GET /meetings/{meetingId}/invitation."""
    event = call.meeting()
    data = event.data
    lines = (
        f"{_host(call, event)} is inviting you to a scheduled Zoom meeting.", "", f"Topic: {data['topic']}",
        f"Time: {data.get('start_time', '')} {data['timezone']}", "", "Join Zoom Meeting",
        join_url(event, call.views.site), "", f"Meeting ID: {event.number}", f"Passcode: {data.get('password', '')}",
    )  # fmt: skip
    return 200, {"invitation": "\r\n".join(lines), "sip_links": [f"sip:{event.number}@zoomcrc.com"]}


def _host(call: Call, event: Event) -> str:
    host = call.world.find_user(event.data["host_id"])
    return str(host["display_name"]) if host else str(event.data["host_email"])


def _event(call: Call) -> Event:
    """Return the meeting or webinar of the path; adding to a missing meeting has a code of its own."""
    if "webinarId" in call.args:
        call.need_webinars()
        return call.webinar()
    try:
        return call.event("meeting")
    except ApiError as error:
        if error.code == 3001 and call.method == "POST" and call.operation.path.endswith("/registrants"):
            error.code = 1001
        raise


def _need_registration(event: Event, code: int) -> None:
    if event.data["settings"].get("approval_type") == NONE:
        raise ApiError(400, code, f"Registration has not been enabled for this {event.kind}: {event.number}.")


def _register(call: Call, event: Event, body: JSON, approve: bool = False) -> JSON:
    email = str(body["email"])
    if "@" not in email:
        raise validation("email")
    text = _A_DAY_TEXT.format(kind=event.kind, email=email)
    call.limiter.admit_daily(f"register {event.number} {email.lower()}", _A_DAY, text, call.label)
    manual = event.data["settings"].get("approval_type") == MANUAL and not approve
    fields = {key: value for key, value in body.items() if key not in ("id", "auto_approve")}
    return call.world.register(event, {**fields, "status": "pending" if manual else "approved"})


def _registrant(call: Call, event: Event) -> JSON:
    registrant_id = call.args["registrantId"]
    row = call.world.shelf(registrants_path(event)).get(registrant_id)
    if row is None:
        raise ApiError(400, 3079, f"This registrant does not exist: {registrant_id}.")
    return row


def _shown(call: Call, event: Event, row: JSON) -> JSON:
    link = {"join_url": _own_link(call, event, row)} if row["status"] == "approved" else {}
    return {**row, **link}


def _own_link(call: Call, event: Event, row: JSON) -> str:
    return f"{call.views.site}/w/{event.number}?tk={row['id']}"


def _questions(call: Call) -> str:
    return f"{registrants_path(_event(call))}/questions"


HANDLERS = {
    f"{method} /{kind}s/{{{kind}Id}}/{rest}": handler
    for kind in ("meeting", "webinar")
    for method, rest, handler in (
        ("GET", "registrants", list_registrants),
        ("POST", "registrants", add_registrant),
        ("POST", "batch_registrants", add_registrants),
        ("GET", "registrants/{registrantId}", get_registrant),
        ("DELETE", "registrants/{registrantId}", delete_registrant),
        ("PUT", "registrants/status", change_status),
        ("GET", "registrants/questions", get_questions),
        ("PATCH", "registrants/questions", set_questions),
        ("POST", "invite_links", invite_links),
        ("GET", "token", join_token),
        ("GET", "jointoken/live_streaming", join_token),
        ("GET", "jointoken/local_archiving", join_token),
        ("GET", "jointoken/local_recording", join_token),
    )
} | {
    "GET /meetings/{meetingId}/invitation": invitation,
    "POST /meetings/{meetingId}/batch_polls": add_polls,
}
