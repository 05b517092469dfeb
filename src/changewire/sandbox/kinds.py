"""What is special about the lists of plain records."""

from __future__ import annotations

from changewire.sandbox.base import WorldBase
from changewire.sandbox.errors import JSON
from changewire.sandbox.records import Collection


def _registrant(world: WorldBase) -> JSON:
    texts = (
        "first_name", "last_name", "email", "address", "city", "country", "zip", "state", "phone", "industry",
        "org", "job_title", "purchasing_time_frame", "role_in_purchase_process", "no_of_employees", "comments",
    )  # fmt: skip
    return {
        "id": world.ids.word(), **dict.fromkeys(texts, ""), "custom_questions": [], "status": "approved",
        "create_time": world.stamp(), "participant_pin_code": int(world.ids.digits(6)),
    }  # fmt: skip


def _poll(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "title": "", "status": "notstart", "anonymous": False, "poll_type": 2,
            "questions": []}  # fmt: skip


def _panelist(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "name": "", "email": "", "join_url": "", "virtual_background_id": "",
            "name_tag_id": ""}  # fmt: skip


def _view(world: WorldBase) -> JSON:
    return {"date_time": world.stamp(), "type": "by_view", "name": "", "email": "", "duration": 0}


def _device(world: WorldBase) -> JSON:
    return {
        "device_id": world.ids.word(), "device_name": "", "mac_address": world.ids.digits(12), "vendor": "Poly",
        "serial_number": world.ids.digits(10), "model": "Studio", "platform_os": "win", "app_version": "6.6.1.21004",
        "tag": "", "enrolled_in_zdm": True, "connected_to_zdm": True, "room_id": "", "room_name": "",
        "device_type": 0, "device_status": 1, "sdk_version": "", "last_online": world.stamp(), "user_email": "",
    }  # fmt: skip


def _archive(world: WorldBase) -> JSON:
    return {
        "uuid": world.ids.uuid(False), "account_name": "Example GmbH", "meeting_type": "internal",
        "start_time": world.stamp(), "complete_time": world.stamp(), "is_breakout_room": False,
        "parent_meeting_id": "", "total_size": 0, "recording_count": 0, "archive_files": [],
    }  # fmt: skip


def _group(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "name": "", "total_members": 0}


def _role(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "name": "", "description": "", "total_members": 0, "type": "common",
            "privileges": []}  # fmt: skip


def _contact(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "email": "", "first_name": "", "last_name": ""}


def _room(world: WorldBase) -> JSON:
    return {"id": world.ids.word(), "room_id": world.ids.word(), "name": "", "activation_code": world.ids.digits(6),
            "status": "Available", "type": "ZoomRoom", "location_id": "", "email": ""}  # fmt: skip


_NO_POLL = (404, 404, "Meeting Poll not found.")
_SESSIONS = tuple(
    kind
    for place in ("meetings", "webinars")
    for kind in (
        Collection(f"/{place}/{{}}/registrants", "registrant", defaults=_registrant),
        Collection(f"/{place}/{{}}/polls", "poll", defaults=_poll, missing=_NO_POLL),
    )
)
_ADMINISTRATION = (
    Collection(
        "/groups", "group", defaults=_group, missing=(404, 4130, "A group with this {id} does not exist."), paid=True,
        unique="name", taken=(409, 4132, "The group name '{value}' is already in use."),
    ),
    Collection("/groups/{}/admins", "group_admin"),
    Collection(
        "/roles", "role", defaults=_role, missing=(400, 1034, "Provided `role_id` does not exist."),
        unique="name", taken=(400, 1224, "Role name {value} has already been used."), hidden=("privileges",),
    ),
    Collection(
        "/tracking_fields", "tracking_field", missing=(404, 5110, "Tracking field does not exist: {id}."),
        unique="field", taken=(400, 200, "Tracking field {value} already exists."),
    ),
    Collection("/users/{}/assistants", "assistant"),
    Collection("/chat/users/me/contacts", "contact", defaults=_contact),
    Collection(
        "/contacts/groups", "contact_group", key="group_id", paid=True,
        missing=(400, 300, "A group with this groupId: {id} does not exist."),
    ),
    Collection("/devices", "device", key="device_id", defaults=_device,
               missing=(404, 30055012, "Device does not exist: {id}.")),
    Collection(
        "/h323/devices", "h323_device", missing=(404, 2020, "H.323 device does not exist: {id}."),
        unique="name", taken=(404, 2020, "H.323 device's display name {value} is already in use."),
    ),
    Collection("/archive_files", "archive", key="uuid", defaults=_archive),
    Collection("/rooms", "room", defaults=_room, missing=(404, 1012, "Room not found: {id}.")),
    Collection("/information_barriers/policies", "policy", missing=(400, 7001, "Group policy not found: {id}.")),
)  # fmt: skip
_ALL = (
    *_ADMINISTRATION,
    *_SESSIONS,
    Collection("/webinars/{}/panelists", "panelist", defaults=_panelist),
    Collection("/recordings/{}/registrants", "recording_registrant", defaults=_registrant),
    Collection("/recordings/{}/analytics", "recording_view", defaults=_view),
)

COLLECTIONS = {kind.path: kind for kind in _ALL}
