"""Endpoints of webinars beyond the schedule: panelists, absentees, tracking sources."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.errors import ApiError, validation
from changewire.sandbox.world.registration import registrants_path


def list_panelists(call: Call) -> Reply:
    """GET /webinars/{webinarId}/panelists."""
    rows = list(call.world.shelf(_panelists(call)).values())
    number = call.webinar().number
    links = [{**row, "join_url": f"{call.views.site}/w/{number}?tk={row['id']}"} for row in rows]
    return 200, {"total_records": len(rows), "panelists": links}


def add_panelists(call: Call) -> Reply:
    """POST /webinars/{webinarId}/panelists."""
    path = _panelists(call)
    people = call.objects("panelists")
    if wrong := [key for key in ("name", "email") if not all(one.get(key) for one in people)]:
        raise validation(*wrong)
    for one in people:
        known = {row["email"]: row["id"] for row in call.world.shelf(path).values()}
        if one["email"] in known:
            call.world.change(path, known[one["email"]], one)
        else:
            call.world.put(path, one)
    return call.done({"id": call.webinar().data["uuid"], "updated_at": call.world.stamp()})


def remove_panelists(call: Call) -> Reply:
    """DELETE /webinars/{webinarId}/panelists."""
    path = _panelists(call)
    for panelist_id in list(call.world.shelf(path)):
        call.world.drop(path, panelist_id)
    return call.done()


def remove_panelist(call: Call) -> Reply:
    """DELETE /webinars/{webinarId}/panelists/{panelistId}."""
    path, panelist_id = _panelists(call), call.args["panelistId"]
    if panelist_id not in call.world.shelf(path):
        raise ApiError(400, 300, "Invalid parameter: panelistId.")
    call.world.drop(path, panelist_id)
    return call.done()


def absentees(call: Call) -> Reply:
    """GET /past_webinars/{webinarId}/absentees: who registered and did not come."""
    call.need_paid()
    session = call.past_session("webinar")
    came = {person.data["user_email"].lower() for person in session.participants}
    came |= {person.data["registrant_id"] for person in session.participants}
    rows = [
        row
        for row in call.world.shelf(registrants_path(session.event)).values()
        if row["status"] == "approved" and row["email"].lower() not in came and row["id"] not in came
    ]
    return listing(call, rows)


def _panelists(call: Call) -> str:
    call.need_webinars()
    return f"/webinars/{call.webinar().number}/panelists"


HANDLERS = {
    "GET /webinars/{webinarId}/panelists": list_panelists,
    "POST /webinars/{webinarId}/panelists": add_panelists,
    "DELETE /webinars/{webinarId}/panelists": remove_panelists,
    "DELETE /webinars/{webinarId}/panelists/{panelistId}": remove_panelist,
    "GET /past_webinars/{webinarId}/absentees": absentees,
}
