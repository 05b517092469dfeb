"""Endpoints of Zoom Rooms that show a room in another form than the list does."""

from __future__ import annotations

from changewire.sandbox.api.call import Call, Reply
from changewire.sandbox.api.crud import listing
from changewire.sandbox.errors import JSON, validation

_ROOMS = "/rooms"
_BASIC = ("name", "activation_code", "type", "location_id", "email", "status")


def get_room(call: Call) -> Reply:
    """GET /rooms/{roomId}: ``basic`` and ``setup``."""
    room = _room(call)
    return 200, {"basic": {key: room[key] for key in _BASIC if key in room}, "setup": room.get("setup", {})}


def update_room(call: Call) -> Reply:
    """PATCH /rooms/{roomId}."""
    room, basic, setup = _room(call), call.body.get("basic", {}), call.body.get("setup", {})
    if wrong := [key for key, value in (("basic", basic), ("setup", setup)) if not isinstance(value, dict)]:
        raise validation(*wrong)
    call.world.change(_ROOMS, room["id"], {**basic, **({"setup": setup} if setup else {})})
    return call.done()


def dashboard(call: Call) -> Reply:
    """GET /metrics/zoomrooms."""
    call.need_paid()
    rows = [
        {"id": row["id"], "room_name": row["name"], "email": row["email"], "status": row["status"],
         "account_type": "Google Calendar", "device_ip": "", "camera": "", "microphone": "", "speaker": "",
         "last_start_time": "", "issues": [], "health": "" if row["status"] == "Offline" else "health"}
        for row in call.world.shelf(_ROOMS).values()
    ]  # fmt: skip
    return listing(call, rows)


def _room(call: Call) -> JSON:
    found = call.world.shelf(_ROOMS).get(call.word("roomId"))
    if found is None:
        raise call.world.collection(_ROOMS).no(call.word("roomId"))
    return found


HANDLERS = {
    "GET /rooms/{roomId}": get_room,
    "PATCH /rooms/{roomId}": update_room,
    "GET /metrics/zoomrooms": dashboard,
}
