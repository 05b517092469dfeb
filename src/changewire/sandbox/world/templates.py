"""Full field shapes of new users, meetings and webinars."""

from __future__ import annotations

import base64
from typing import Any

from changewire.sandbox.errors import JSON
from changewire.sandbox.ids import IdMaker

ZOOM_ACCOUNT_ID = "Kp3vS0yJQ2mC8dNf1hRz6A"
_DIAL_IN = [{"country": "DE", "country_name": "Germany", "number": "+49 69 3807 9883", "type": "toll"}]


def meeting_settings() -> JSON:
    """Return a new meeting's settings."""
    return {
        "host_video": True, "participant_video": False, "cn_meeting": False, "in_meeting": False,
        "join_before_host": False, "jbh_time": 0, "mute_upon_entry": True, "watermark": False,
        "use_pmi": False, "approval_type": 2, "audio": "both", "auto_recording": "none",
        "enforce_login": False, "enforce_login_domains": "", "alternative_hosts": "",
        "alternative_hosts_email_notification": True, "alternative_host_update_polls": False,
        "close_registration": False, "show_share_button": False, "allow_multiple_devices": False,
        "registrants_confirmation_email": True, "registrants_email_notification": True,
        "waiting_room": True, "waiting_room_options": {"mode": "follow_setting"},
        "request_permission_to_unmute_participants": False, "meeting_authentication": False,
        "encryption_type": "enhanced_encryption", "email_notification": True,
        "private_meeting": False, "internal_meeting": False, "focus_mode": False,
        "host_save_video_order": False, "device_testing": False,
        "approved_or_denied_countries_or_regions": {"enable": False},
        "breakout_room": {"enable": False}, "sign_language_interpretation": {"enable": False},
        "continuous_meeting_chat": {"enable": True, "channel_id": "cabc1234567defghijkl01234"},
        "meeting_invitees": [], "participant_focused_meeting": False, "resources": [],
        "push_change_to_calendar": False, "email_in_attendee_report": False,
        "auto_start_meeting_summary": False, "auto_start_ai_companion_questions": False,
        "question_and_answer": {"enable": False}, "language_interpretation": {"enable": False},
        "registration_type": 1, "show_join_info": True, "disable_participant_video": False,
        "allow_host_control_participant_mute_state": False, "who_will_receive_summary": 1,
        "who_can_ask_questions": 1, "contact_name": "Dana Host",
        "contact_email": "dana.host@example.com", "additional_data_center_regions": [],
        "custom_keys": [], "audio_conference_info": "",
        "global_dial_in_countries": ["DE"], "global_dial_in_numbers": [dict(n) for n in _DIAL_IN],
    }  # fmt: skip


def webinar_settings() -> JSON:
    """Return a new webinar's settings."""
    return {
        "host_video": True, "panelists_video": True, "practice_session": False, "hd_video": False,
        "hd_video_for_attendees": False, "send_1080p_video_to_attendees": False,
        "approval_type": 0, "registration_type": 1, "registrants_restrict_number": 0,
        "audio": "both", "auto_recording": "none", "enforce_login": False,
        "enforce_login_domains": "", "alternative_hosts": "", "alternative_host_update_polls": False,
        "close_registration": False, "show_share_button": True, "allow_multiple_devices": True,
        "on_demand": False, "contact_name": "Dana Host", "contact_email": "dana.host@example.com",
        "question_and_answer": {
            "enable": True, "allow_submit_questions": True, "allow_anonymous_questions": False,
            "answer_questions": "all", "attendees_can_comment": False, "attendees_can_upvote": True,
        },
        "registrants_email_notification": True, "registrants_confirmation_email": True,
        "panelists_invitation_email_notification": True, "panelist_authentication": False,
        "meeting_authentication": False, "add_watermark": False, "add_audio_watermark": False,
        "post_webinar_survey": False, "survey_url": "", "email_language": "en-US",
        "attendees_and_panelists_reminder_email_notification": {"enable": False, "type": 0},
        "follow_up_attendees_email_notification": {"enable": False, "type": 0},
        "follow_up_absentees_email_notification": {"enable": False, "type": 0},
        "enable_session_branding": False, "show_join_info": True, "email_in_attendee_report": False,
        "language_interpretation": {"enable": False}, "additional_data_center_regions": [],
        "audio_conference_info": "", "allow_host_control_participant_mute_state": False,
        "request_permission_to_unmute_participants": False,
        "global_dial_in_countries": ["DE"], "global_dial_in_numbers": [dict(n) for n in _DIAL_IN],
    }  # fmt: skip


def new_meeting(ids: IdMaker, host: JSON, created: str) -> JSON:
    """Return a scheduled meeting's steady fields, without number, UUID and times."""
    return {
        "assistant_id": "", "host_email": host["email"], "host_id": host["id"],
        "topic": "Zoom Meeting", "type": 2, "agenda": "", "duration": 60,
        "timezone": host["timezone"], "created_at": created, "password": ids.word(6),
        "h323_password": ids.digits(6), "pre_schedule": False, "creation_source": "web_portal",
        "settings": meeting_settings(),
    }  # fmt: skip


def new_webinar(ids: IdMaker, host: JSON, created: str) -> JSON:
    """Return a scheduled webinar's steady fields, without number, UUID and times."""
    return {
        "host_email": host["email"], "host_id": host["id"], "topic": "Zoom Webinar", "type": 5,
        "agenda": "", "duration": 60, "timezone": host["timezone"], "created_at": created,
        "password": ids.word(6), "h323_passcode": ids.digits(6), "register_key": ids.word(12),
        "is_simulive": False, "transition_to_live": False, "creation_source": "web_portal",
        "settings": webinar_settings(),
    }  # fmt: skip


def new_user(ids: IdMaker, user_id: str, email: str, created: str) -> JSON:
    """Return an active licensed user."""
    name = email.partition("@")[0]
    first, _, last = (part.capitalize() for part in name.replace("+", ".").partition("."))
    return {
        "id": user_id, "first_name": first, "last_name": last,
        "display_name": f"{first} {last}".strip(), "email": email, "type": 2,
        "role_name": "Member", "role_id": "2", "pmi": int(ids.digits(10)), "use_pmi": False,
        "timezone": "Europe/Berlin", "verified": 1, "dept": "", "created_at": created,
        "user_created_at": created, "last_login_time": created,
        "last_client_version": "6.6.1.21004(mac)", "cms_user_id": "",
        "jid": f"{user_id.lower()}@xmpp.zoom.us", "group_ids": [], "im_group_ids": [],
        "division_ids": [], "account_id": ZOOM_ACCOUNT_ID, "account_number": 5001234567,
        "language": "en-US", "phone_country": "", "phone_number": "", "phone_numbers": [],
        "status": "active", "job_title": "", "cost_center": "", "company": "", "location": "",
        "manager": "", "pronouns": "", "pronouns_option": 1, "login_types": [100],
        "plan_united_type": "1", "custom_attributes": [], "cluster": "us02",
    }  # fmt: skip


def hidden_password(password: str) -> str:
    """Return the form of a password that join links carry."""
    return base64.b64encode(password.encode()).decode().rstrip("=") if password else ""


def merge(into: JSON, changes: JSON) -> None:
    """Lay ``changes`` over ``into``, object by object; lists are replaced."""
    for key, value in changes.items():
        old: Any = into.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merge(old, value)
        else:
            into[key] = value
