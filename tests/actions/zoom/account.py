"""A Zoom account in which every curated action finds something to act on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from changewire.sandbox import OWNER_EMAIL, OWNER_ID, Sandbox

Names = dict[str, Any]
MEMBER = "ari.member+zoom@example.com"
PLANNED, PAST = 85512340001, 85512340003
WEBINAR, PAST_WEBINAR = 91122233344, 91122233345
POLL = {"title": "Lunch", "questions": [{"name": "Where?", "type": "single", "answers": ["Here", "There"]}]}


def furnish(sandbox: Sandbox) -> Names:
    """Start the sandbox anew and put something of everything into it: what good inputs may name with ``$``."""
    sandbox.control("reset")
    now = sandbox.clock.now()
    names: Names = {
        "today": f"{now:%Y-%m-%d}",
        "days_ago": f"{now - timedelta(days=5):%Y-%m-%d}",
        "moment_ago": f"{now - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}",
        "moment": f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M:%SZ}",
        "next_week": f"{now + timedelta(days=7):%Y-%m-%d}T09:00:00Z",
        "year": now.year,
        "month": now.month,
    }
    for part in (_people, _meetings, _recordings, _webinars, _chat, _phone):
        names |= part(sandbox)
    return names


def _people(sandbox: Sandbox) -> Names:
    do = sandbox.control
    users = {user["email"]: user["id"] for user in do("state")["users"]}
    group = do("create_group", name="Support")["id"]
    do("add_group_member", group_id=group, user_id=MEMBER)
    role = do("create_role", name="Recording keeper", privileges=["Recording:Read"])["id"]
    do("set_role", user_id=MEMBER, role_id=role)
    inactive = do("create_user", email="kim.away@example.com", first_name="Kim", last_name="Away")["user_id"]
    do("set_user_status", user_id=inactive, status="inactive")
    do("add_contact", email="lou@example.org", first_name="Lou", last_name="Outside")
    call = {"meeting_id": PAST, "phone_number": "+4930123456", "duration": 12, "type": "call-in"}
    do("add_record", path="/report/telephone", start_time=do("state")["now"], end_time=do("state")["now"], **call)
    do("change_account_settings", schedule_meeting={"host_video": True}, recording={"auto_recording": "none"})
    return {
        "owner": OWNER_ID, "owner_email": OWNER_EMAIL, "member": users[MEMBER], "member_email": MEMBER,
        "inactive": inactive, "group": group, "role": role, "device": "sandbox-device-1",
    }  # fmt: skip


def _meetings(sandbox: Sandbox) -> Names:
    do = sandbox.control
    live = do("create_meeting", user_id=OWNER_EMAIL, topic="Running")["meeting_id"]
    do("start_meeting", meeting_id=live)
    do("join", meeting_id=live, name="Ann Guest")
    deleted = do("create_meeting", user_id=OWNER_EMAIL, topic="Cancelled")["meeting_id"]
    do("delete_meeting", meeting_id=deleted)
    do("update_meeting", meeting_id=PLANNED, settings={"approval_type": 1})
    streaming = do("create_meeting", user_id=OWNER_EMAIL, topic="Streaming")["meeting_id"]
    do("start_meeting", meeting_id=streaming)
    sandbox.world.set_document(f"/live_meetings/{streaming}/rtms_app", {"status": "started"})
    weekly = {"type": 2, "repeat_interval": 1, "weekly_days": "2", "end_times": 4}
    recurring = {"recurrence": weekly, "settings": {"approval_type": 0}, "topic": "Weekly standup", "agenda": "News"}
    course = do("create_meeting", user_id=OWNER_EMAIL, type=8, **recurring)["meeting_id"]
    registrant = do("add_registrant", meeting_id=PLANNED, email="robin@example.org", first_name="Robin")
    accepted = do("add_registrant", meeting_id=course, email="robin@example.org", first_name="Robin")
    poll = do("add_record", path=f"/meetings/{PLANNED}/polls", **POLL)["id"]
    do("answer_poll", meeting_id=PAST)
    do("ask_question", meeting_id=PAST, answer="Yes")
    return {
        "planned": PLANNED, "course": course, "past": PAST, "live": live, "streaming": streaming, "deleted": deleted,
        "poll": poll,
        "registrant": registrant["registrant_id"], "accepted": accepted["registrant_id"],
    }  # fmt: skip


def _recordings(sandbox: Sandbox) -> Names:
    do = sandbox.control
    session = do("add_recording_file", meeting_id=PAST, file_type="CHAT")
    do("add_participant_audio", meeting_id=PAST)
    do("edit_summary", meeting_id=PAST, summary_details=[{"label": "Rollout", "summary": "In two phases"}])
    do("add_archive_file", meeting_id=PAST)
    thrown = do("create_meeting", user_id=OWNER_EMAIL, topic="Thrown away")["meeting_id"]
    whole = do("end_meeting", meeting_id=thrown, recording="completed")["uuid"]
    do("remove_recording", uuid=whole)
    lost = do("create_meeting", user_id=OWNER_EMAIL, topic="One file lost")["meeting_id"]
    partly = do("end_meeting", meeting_id=lost, recording="completed")["uuid"]
    file = do("add_recording_file", uuid=partly, file_type="CHAT")["file_id"]
    do("remove_recording_file", uuid=partly, file_id=file, trash=True)
    return {
        "session": session["uuid"], "file": session["file_id"], "thrown_away": whole, "partly": partly,
        "lost_file": file,
    }  # fmt: skip


def _webinars(sandbox: Sandbox) -> Names:
    do = sandbox.control
    live = do("create_webinar", user_id=OWNER_EMAIL, topic="Running")["webinar_id"]
    do("start_webinar", webinar_id=live)
    do("update_webinar", webinar_id=WEBINAR, settings={"approval_type": 1})
    daily = {"type": 1, "repeat_interval": 1, "end_times": 4}
    series = do("create_webinar", user_id=OWNER_EMAIL, type=9, recurrence=daily, settings={"approval_type": 0})
    registrant = do("add_registrant", webinar_id=WEBINAR, email="robin@example.org", first_name="Robin")
    accepted = do("add_registrant", webinar_id=series["webinar_id"], email="robin@example.org", first_name="Robin")
    do("update_webinar", webinar_id=PAST_WEBINAR, settings={"approval_type": 0})
    do("add_registrant", webinar_id=PAST_WEBINAR, email="absent@example.org", first_name="Ab")
    do("answer_poll", webinar_id=PAST_WEBINAR)
    do("ask_question", webinar_id=PAST_WEBINAR, answer="Yes")
    return {
        "webinar": WEBINAR, "past_webinar": PAST_WEBINAR, "live_webinar": live,
        "series": series["webinar_id"],
        "webinar_registrant": registrant["registrant_id"], "accepted_in_series": accepted["registrant_id"],
        "webinar_poll": do("add_record", path=f"/webinars/{WEBINAR}/polls", **POLL)["id"],
        "panelist": do("add_panelist", webinar_id=WEBINAR, email="sam@example.org", name="Sam")["id"],
    }  # fmt: skip


def _chat(sandbox: Sandbox) -> Names:
    do = sandbox.control
    channel = do("create_channel", name="Release", members=[MEMBER])["id"]
    return {"channel": channel, "message": do("send_message", message="Hello", channel_id=channel)["id"]}


def _phone(sandbox: Sandbox) -> Names:
    do = sandbox.control
    do("add_phone_user", user_id=OWNER_EMAIL)
    call = do("end_call", user_id=OWNER_EMAIL, recorded=True)["id"]
    do("leave_voicemail", user_id=OWNER_EMAIL)
    do("send_sms", message="Hello", user_id=OWNER_EMAIL)
    return {"call": call}
