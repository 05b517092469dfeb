"""The fields that new records have, for each kind of record that has any of its own."""

from __future__ import annotations

from changewire.sandbox.errors import JSON
from changewire.sandbox.world.base import WorldBase


def registrant(world: WorldBase) -> JSON:
    """Return somebody registered for a meeting, webinar or recording."""
    texts = (
        "first_name", "last_name", "email", "address", "city", "country", "zip", "state", "phone", "industry",
        "org", "job_title", "purchasing_time_frame", "role_in_purchase_process", "no_of_employees", "comments",
    )  # fmt: skip
    return {
        "id": world.ids.word(), **dict.fromkeys(texts, ""), "custom_questions": [], "status": "approved",
        "create_time": world.stamp(), "participant_pin_code": int(world.ids.digits(6)),
    }  # fmt: skip


def poll(world: WorldBase) -> JSON:
    """Return a poll."""
    return {"id": world.ids.word(), "title": "", "status": "notstart", "anonymous": False, "poll_type": 2,
            "questions": []}  # fmt: skip


def tracking_source(world: WorldBase) -> JSON:
    """Return a place where a webinar is advertised."""
    return {"id": world.ids.word(), "source_name": "", "tracking_url": "", "visitor_count": 0,
            "registration_count": 0}  # fmt: skip


def panelist(world: WorldBase) -> JSON:
    """Return a panelist of a webinar."""
    return {"id": world.ids.word(), "name": "", "email": "", "join_url": "", "virtual_background_id": "",
            "name_tag_id": ""}  # fmt: skip


def view(world: WorldBase) -> JSON:
    """Return one viewing of a recording."""
    return {"date_time": world.stamp(), "type": "by_view", "name": "", "email": "", "duration": 0}


def device(world: WorldBase) -> JSON:
    """Return an enrolled device."""
    return {
        "device_id": world.ids.word(), "device_name": "", "mac_address": world.ids.digits(12), "vendor": "Poly",
        "serial_number": world.ids.digits(10), "model": "Studio", "platform_os": "win", "app_version": "6.6.1.21004",
        "tag": "", "enrolled_in_zdm": True, "connected_to_zdm": True, "room_id": "", "room_name": "",
        "device_type": 0, "device_status": 1, "sdk_version": "", "last_online": world.stamp(), "user_email": "",
    }  # fmt: skip


def archive(world: WorldBase) -> JSON:
    """Return the archived files of a session."""
    return {
        "uuid": world.ids.uuid(False), "account_name": "Example GmbH", "meeting_type": "internal",
        "start_time": world.stamp(), "complete_time": world.stamp(), "is_breakout_room": False,
        "parent_meeting_id": "", "total_size": 0, "recording_count": 0, "archive_files": [],
    }  # fmt: skip


def activity(world: WorldBase) -> JSON:
    """Return a sign-in or sign-out."""
    return {"time": world.stamp(), "email": "", "type": "Sign in", "ip_address": "203.0.113.7",
            "client_type": "mac", "version": "6.6.1.21004"}  # fmt: skip


def group(world: WorldBase) -> JSON:
    """Return a group of users."""
    return {"id": world.ids.word(), "name": "", "total_members": 0}


def role(world: WorldBase) -> JSON:
    """Return a role."""
    return {"id": world.ids.word(), "name": "", "description": "", "total_members": 0, "type": "common",
            "privileges": []}  # fmt: skip


def contact(world: WorldBase) -> JSON:
    """Return an external contact."""
    return {"id": world.ids.word(), "email": "", "first_name": "", "last_name": ""}


def room(world: WorldBase) -> JSON:
    """Return a Zoom Room."""
    return {"id": world.ids.word(), "room_id": world.ids.word(), "name": "", "activation_code": world.ids.digits(6),
            "status": "Available", "type": "ZoomRoom", "location_id": "", "email": ""}  # fmt: skip


def channel(world: WorldBase) -> JSON:
    """Return a chat channel."""
    rights = {"new_members_can_see_previous_messages_files": True, "allow_to_add_external_users": 0,
              "posting_permissions": 1, "add_member_permissions": 1, "mention_all_permissions": 1}  # fmt: skip
    return {"id": world.ids.word(32).lower(), "jid": "", "name": "", "type": 1, "channel_settings": rights}


def message(world: WorldBase) -> JSON:
    """Return a chat message."""
    return {"id": world.ids.file_id().upper(), "message": "", "sender": "", "sender_display_name": "",
            "date_time": world.stamp(), "timestamp": int(world.clock.time() * 1000),
            "message_type": "plain_text_message",
            "reactions": [], "files": [], "at_items": []}  # fmt: skip


def phone_user(world: WorldBase) -> JSON:
    """Return a user with an extension."""
    return {"id": world.ids.word(), "email": "", "name": "", "extension_id": world.ids.word(), "extension_number": 0,
            "status": "activate", "phone_numbers": [{"id": world.ids.word(), "number": "+49300000000"}],
            "site": {"id": "main", "name": "Main"}, "department": "", "cost_center": ""}  # fmt: skip


def call(world: WorldBase) -> JSON:
    """Return one call."""
    sides = {
        f"{side}_{name}": ""
        for side in ("caller", "callee")
        for name in ("name", "email", "ext_id", "ext_number", "ext_type", "did_number", "number_type")
    }
    return {
        "id": world.ids.file_id(), "call_id": world.ids.digits(19), "call_path_id": world.ids.file_id(),
        "connect_type": "external", "call_type": "general", "direction": "inbound", "international": False, **sides,
        "call_result": "answered", "duration": 0, "start_time": world.stamp(), "answer_time": "",
        "end_time": world.stamp(), "recording_status": "non_recorded", "hide_caller_id": False, "end_to_end": False,
        "department": "", "cost_center": "", "site_id": "main", "client_code": "",
    }  # fmt: skip


def voicemail(world: WorldBase) -> JSON:
    """Return a voicemail."""
    return {"id": world.ids.file_id(), "status": "unread", "call_id": world.ids.digits(19), "date_time": world.stamp(),
            "duration": 0, "caller_name": "", "caller_number": "", "callee_name": "", "callee_number": "",
            "owner": {}}  # fmt: skip


def call_recording(world: WorldBase) -> JSON:
    """Return the recording of a call."""
    return {"id": world.ids.file_id(), "call_id": "", "call_log_id": "", "recording_type": "Automatic", "duration": 0,
            "date_time": world.stamp(), "end_time": world.stamp(), "direction": "inbound", "owner": {}}  # fmt: skip


def sms_session(world: WorldBase) -> JSON:
    """Return a conversation by text messages."""
    us: JSON = {"phone_number": "", "display_name": "", "owner": {"id": "", "type": "user"}}
    return {"session_id": world.ids.file_id(), "session_type": "user", "last_access_time": world.stamp(),
            "participants": [us]}  # fmt: skip


def sms(world: WorldBase) -> JSON:
    """Return a text message."""
    return {"message_id": world.ids.file_id(), "message": "", "message_type": 1, "direction": "In",
            "date_time": world.stamp(), "attachments": []}  # fmt: skip


def calendar_event(world: WorldBase) -> JSON:
    """Return an event in a calendar."""
    return {"id": world.ids.word(26).lower(), "kind": "calendar#event", "status": "confirmed", "summary": "",
            "created": world.stamp(), "updated": world.stamp(), "attendees": []}  # fmt: skip
