"""Settings as they are before anybody changes them, by path with ``{}`` for variable parts."""

from __future__ import annotations

from changewire.sandbox.errors import JSON

_SCHEDULE: JSON = {
    "host_video": False, "participants_video": False, "audio_type": "both", "join_before_host": False,
    "use_pmi_for_scheduled_meetings": False, "require_password_for_scheduling_new_meetings": True,
    "meeting_password_requirement": {"length": 0, "have_number": False, "only_allow_numeric": False},
}  # fmt: skip
_IN_MEETING: JSON = {
    "e2e_encryption": False, "chat": True, "private_chat": True, "auto_saving_chat": False, "file_transfer": True,
    "feedback": False, "polling": True, "annotation": True, "whiteboard": True, "breakout_room": True,
    "remote_control": True, "non_verbal_feedback": True, "waiting_room": True, "co_host": True, "screen_sharing": True,
}  # fmt: skip
_EMAIL: JSON = {
    "cloud_recording_available_reminder": True, "jbh_reminder": True, "cancel_meeting_reminder": True,
    "alternative_host_reminder": True,
}  # fmt: skip
_RECORDING: JSON = {
    "local_recording": True, "cloud_recording": True, "record_speaker_view": True, "record_gallery_view": False,
    "record_audio_file": True, "save_chat_text": True, "show_timestamp": False, "recording_audio_transcript": True,
    "auto_recording": "none", "auto_delete_cmr": False, "auto_delete_cmr_days": 30,
}  # fmt: skip
_PARTS: JSON = {
    "schedule_meeting": _SCHEDULE, "in_meeting": _IN_MEETING, "email_notification": _EMAIL, "recording": _RECORDING,
    "telephony": {"third_party_audio": False, "audio_conference_info": "", "show_international_numbers_link": False},
}  # fmt: skip
_LOCKS: JSON = {
    part: {name: False for name, value in names.items() if isinstance(value, bool)} for part, names in _PARTS.items()
}

DEFAULTS: JSON = {
    "/users/{}/settings": {
        **_PARTS,
        "feature": {"meeting_capacity": 100, "large_meeting": False, "webinar": True, "webinar_capacity": 500,
                    "cn_meeting": False, "in_meeting": False, "zoom_phone": True, "concurrent_meeting": "Basic"},
    },
    "/users/{}/presence_status": {"status": "Available"},
    "/groups/{}/settings": _PARTS,
    "/groups/{}/lock_settings": _LOCKS,
    "/accounts/{}/settings": {
        **_PARTS,
        "meeting_security": {"waiting_room": True, "meeting_password": True, "end_to_end_encrypted_meetings": False},
        "security": {"admin_change_name_pic": True, "hide_billing_info": True, "import_photos_from_devices": True},
        "zoom_rooms": {"upcoming_meeting_alert": True, "weekly_system_restart": False},
        "feature": {"meeting_capacity": 300},
    },
    "/accounts/{}/lock_settings": _LOCKS,
    "/accounts/{}/managed_domains": {"domains": [{"domain": "example.com", "status": "approved"}]},
    "/accounts/{}/trusted_domains": {"trusted_domains": ["example.com"]},
    "/phone/users/{}/settings": {"area_code": "", "country": "DE", "outbound_caller_ids": [], "voice_mail": []},
}  # fmt: skip
