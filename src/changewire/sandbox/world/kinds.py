"""What is special about the lists of plain records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from changewire.sandbox.world import shapes
from changewire.sandbox.world.records import Collection

MISSING = Path(__file__).with_name("missing.tsv")
"""How the API refuses unknown records: path of the list, HTTP status, code, what it calls a record."""
_NO_POLL = (404, 404, "Meeting Poll not found.")
_SESSIONS = tuple(
    kind
    for place in ("meetings", "webinars")
    for kind in (
        Collection(f"/{place}/{{}}/registrants", "registrant", defaults=shapes.registrant),
        Collection(f"/{place}/{{}}/polls", "poll", defaults=shapes.poll, missing=_NO_POLL),
    )
)
_ADMINISTRATION = (
    Collection(
        "/groups", "group", must=("name",), defaults=shapes.group, paid=True,
        missing=(404, 4130, "A group with this {id} does not exist."),
        unique="name", taken=(409, 4132, "The group name '{value}' is already in use."),
    ),
    Collection("/groups/{}/admins", "group_admin"),
    Collection(
        "/roles", "role", must=("name",), defaults=shapes.role,
        missing=(400, 1034, "Provided `role_id` does not exist."),
        unique="name", taken=(400, 1224, "Role name {value} has already been used."), hidden=("privileges",),
    ),
    Collection(
        "/tracking_fields", "tracking_field", must=("field",),
        missing=(404, 5110, "Tracking field does not exist: {id}."),
        unique="field", taken=(400, 200, "Tracking field {value} already exists."),
    ),
    Collection("/users/{}/assistants", "assistant"),
    Collection("/chat/users/me/contacts", "contact", defaults=shapes.contact),
    Collection(
        "/contacts/groups", "contact_group", key="group_id", paid=True,
        missing=(400, 300, "A group with this groupId: {id} does not exist."),
    ),
    Collection("/devices", "device", key="device_id", defaults=shapes.device,
               missing=(404, 30055012, "Device does not exist: {id}.")),
    Collection(
        "/h323/devices", "h323_device", missing=(404, 2020, "H.323 device does not exist: {id}."),
        unique="name", taken=(404, 2020, "H.323 device's display name {value} is already in use."),
    ),
    Collection("/report/activities", "activity", defaults=shapes.activity, when="time"),
    Collection("/archive_files", "archive", key="uuid", defaults=shapes.archive),
    Collection("/rooms", "room", must=("name",), defaults=shapes.room,
               missing=(404, 1012, "Room not found: {id}.")),
    Collection("/information_barriers/policies", "policy", missing=(400, 7001, "Group policy not found: {id}.")),
)  # fmt: skip
_TALK = (
    Collection("/chat/channels", "channel", defaults=shapes.channel,
               missing=(404, 4130, "Channel does not exist: {id}.")),
    Collection("/chat/channels/{}/members", "channel_member"),
    Collection("/chat/messages/{}", "message", defaults=shapes.message),
    Collection("/phone/users", "phone_user", defaults=shapes.phone_user,
               missing=(404, 1001, "User does not exist: {id}.")),
    Collection("/phone/call_history", "call", defaults=shapes.call, missing=(404, 300, "Call history not found: {id}")),
    Collection("/phone/voice_mails", "voicemail", defaults=shapes.voicemail,
               missing=(400, 300, "Voice mail does not exist: {id}.")),
    Collection("/phone/recordings", "call_recording", defaults=shapes.call_recording,
               missing=(404, 404, "Recording does not exist: {id}.")),
    Collection("/phone/sms/sessions", "sms_session", key="session_id", defaults=shapes.sms_session,
               missing=(404, 12004, "Session does not exist: {id}.")),
    Collection("/phone/sms/sessions/{}", "sms", key="message_id", defaults=shapes.sms, when="date_time",
               missing=(404, 7013, "Error retrieving SMS history.")),
    Collection("/phone/devices", "phone_device", missing=(400, 400, "Device does not exist in the system.")),
    Collection("/calendars/{}/events", "calendar_event", items="items", defaults=shapes.calendar_event),
)  # fmt: skip
_ALL = (
    *_TALK,
    *_ADMINISTRATION,
    *_SESSIONS,
    Collection("/webinars/{}/tracking_sources", "tracking_source", defaults=shapes.tracking_source),
    Collection("/webinars/{}/panelists", "panelist", defaults=shapes.panelist),
    Collection("/recordings/{}/registrants", "recording_registrant", defaults=shapes.registrant),
    Collection("/recordings/{}/analytics", "recording_view", defaults=shapes.view),
)


def _plain() -> Iterator[Collection]:
    """Yield the lists of which only the refusal of an unknown record is known."""
    for line in MISSING.read_text(encoding="utf-8").splitlines()[1:]:
        path, status, code, noun = line.split("\t")
        missing = (int(status), int(code), f"{noun} does not exist: {{id}}.")
        yield Collection(path, noun.lower().replace(" ", "_"), missing=missing, strict=False)


COLLECTIONS = {kind.path: kind for kind in (*_plain(), *_ALL)}
