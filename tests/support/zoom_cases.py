"""What happens in an account for each trigger type beyond the sheet's, and which events must come of it.

In arguments, ``$name`` is a thing of the stage, ``/path/$name/…`` a path with one in it, ``?word`` a text and ``@`` an
address that was not there before, and ``+3600`` the moment so many seconds from now.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from changewire.sandbox import Sandbox
from changewire.sandbox.clock import iso

Facts = dict[str, Any]


@dataclass(frozen=True)
class Do:
    """One control call; ``keep`` is the name that a field of its answer has from then on, as ``name=field``."""

    action: str
    arguments: Facts
    keep: str = ""


def do(action: str, /, keep: str = "", **arguments: Any) -> Do:
    """A control call to come."""
    return Do(action, arguments, keep)


@dataclass
class Stage:
    """An account with something of everything; ``facts`` names it."""

    sandbox: Sandbox
    facts: Facts = field(default_factory=dict)
    number: int = 0

    def play(self, *calls: Do) -> None:
        """Make calls."""
        for call in calls:
            found = self.sandbox.control(call.action, **self.meant(call.arguments))
            name, _, of = call.keep.partition("=")
            if name:
                self.facts[name] = found[of]

    def meant(self, value: Any) -> Any:
        """``value`` with what stands for something replaced by it."""
        if isinstance(value, dict):
            return {key: self.meant(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.meant(inner) for inner in value]
        return self._meant_text(value) if isinstance(value, str) else value

    def _meant_text(self, text: str) -> Any:
        self.number += text[:1] in ("?", "@")
        if text == "@":
            return f"person{self.number}@example.net"
        if text.startswith("?"):
            return f"{text[1:]} {self.number}"
        if re.fullmatch(r"\+\d+", text):
            return iso(self.sandbox.clock.now() + timedelta(seconds=int(text)))
        if re.fullmatch(r"\$\w+", text):
            return self.facts[text[1:]]
        return re.sub(r"\$(\w+)", lambda name: str(self.facts[name[1]]), text)


_HOST = {"user_id": "stage.host@example.com"}
_HOSTED = {**_HOST, "page_size": 2}
_SIGNED = {"path": "/report/activities", "time": "+0", "email": "@", "ip_address": "192.0.2.17", "client_type": "mac"}
_LOGGED = {"path": "/report/operationlogs", "time": "+0", "operator": "@", "category_type": "billing", "action": "Add"}
_APPROVING = {"settings": {"approval_type": 1}, **_HOST}
# A number lapses 30 days after what it was for: longer than the longest proof.
_LATE = {"start_time": "+8640000"}
_ANSWERED: Facts = {"polling_id": "p1", "date_time": "2026-11-20T14:40:12Z"}  # the same twice is alike to the second
_RECORDED = (do("end_meeting", meeting_id="$recorded", recording="completed"),)
PREPARATION = (
    do("create_user", keep="host=user_id", email="stage.host@example.com"),
    do("create_meeting", keep="live=meeting_id", **_HOST, topic="Stage live"),
    do("create_meeting", keep="doomed=meeting_id", **_HOST, **_LATE),
    do("create_meeting", keep="moved=meeting_id", **_HOST, topic="Stage moved"),
    do("create_meeting", keep="asked=meeting_id", **_APPROVING, **_LATE, topic="Stage asked"),
    do("create_meeting", keep="recorded=meeting_id", **_HOST, topic="Stage recorded"),
    do("create_meeting", keep="trashed=meeting_id", **_HOST, topic="Stage trashed"),
    do("create_meeting", keep="summed=meeting_id", **_HOST, topic="Stage summed"),
    do("create_webinar", keep="show=webinar_id", **_APPROVING, **_LATE, topic="Stage show"),
    do("create_webinar", keep="doomed_show=webinar_id", **_HOST, **_LATE),
    do("end_meeting", keep="session=uuid", meeting_id="$summed", participants=[{"name": "Ann"}, {"name": "Ben"}]),
    *_RECORDED,
    do("end_meeting", meeting_id="$trashed", recording="completed"),
    do("end_webinar", webinar_id="$show", participants=[{"name": "Ann"}, {"name": "Ben"}]),
    do("answer_poll", meeting_id="$summed", name="Ann"),
    do("answer_poll", webinar_id="$show", name="Ann"),
    *[do("answer_poll", meeting_id="$summed", name="Ann", **_ANSWERED)] * 2,
    do("ask_question", meeting_id="$summed", name="Ann"),
    do("ask_question", webinar_id="$show", name="Ann", answer="Yes."),
    *[do("ask_question", webinar_id="$show", name="Ann", again=True)] * 2,
    do("add_registrant", keep="registrant=registrant_id", meeting_id="$asked", email="@", status="pending"),
    do("add_registrant", meeting_id="$asked", email="@", status="denied"),
    do("add_registrant", keep="visitor=registrant_id", webinar_id="$show", email="@", status="pending"),
    do("add_registrant", webinar_id="$show", email="@", status="denied"),
    do("add_panelist", keep="panelist=id", webinar_id="$show", email="@"),
    do("create_user", keep="sleeper=user_id", email="@"),
    do("create_user", keep="leaver=user_id", email="@"),
    do("create_user", keep="member=user_id", email="@"),
    do("create_group", keep="group=id", name="Stage"),
    do("create_role", keep="role=id", name="Stage"),
    do("add_group_member", group_id="$group", user_id="$sleeper"),
    do("add_group_member", group_id="$group", user_id="$host"),
    do("set_role", user_id="$sleeper", role_id="$role"),
    do("add_device", keep="device=device_id", device_name="Desk"),
    do("add_record", keep="room=id", path="/rooms", name="Aquarium"),
    do("add_contact", keep="contact=id", email="@"),
    do("create_channel", keep="channel=id", name="Stage", owner="$host", members=["$sleeper"]),
    do("send_message", keep="message=id", message="Hello", channel_id="$channel"),
    do("add_phone_user", user_id="me"),
    do("end_call", keep="call=id", recorded=True),
    do("leave_voicemail", keep="voicemail=id"),
    do("send_sms", message="Hello"),
    do("add_record", **_SIGNED, type="Sign in"),
    do("add_record", **_LOGGED),
)


@dataclass(frozen=True)
class Step:
    """Something that happens, and the event types that must come of it within two polls."""

    calls: tuple[Do, ...]
    events: tuple[str, ...]


def brings(*events: str, by: Do) -> Step:
    """A step that brings these events and no others."""
    return Step((by,), events)


NOTHING = Step((), ())
"""A round in which nothing happens to a type: something else must happen first."""


@dataclass(frozen=True)
class Case:
    """One type: its parameters, what happens to it, what is noise to it, and what its requests look like."""

    parameters: Facts
    steps: tuple[Step, ...]
    route: str  # a regular expression on path and query of its lists; one answer about one thing is no list
    noise: tuple[Do, ...] = ()
    listing: bool = True  # whether it reads a list


def _status(action: str, **of: str) -> tuple[Step, ...]:
    return tuple(
        brings(f"registrant_{word}", by=do("set_registrant_status", registrant_id=f"${action}", status=word, **of))
        for word in ("approved", "denied", "pending")
    )


def _settings(path: str) -> tuple[Do, ...]:
    return (do("change_record", path=path, brand_new=1), do("change_record", path=path, recording={}))


_LIVE_NOISE = (do("update_meeting", meeting_id="$live", topic="?Stage"),)
_USER_NOISE = (do("update_user", user_id="$sleeper", first_name="?Kim", last_login_time="+0", dept="?Dept"),)
_RENAMED_DEVICE = (do("change_record", path="/devices/$device", device_name="?Desk", last_online="+0"),)
_NEW_SUMMARY_KEY = (do("grow_schema", kind="summary", key="brand_new", value=1),)
_WITHOUT_TIME = (do("change_record", path="/phone/call_history/$call", department="?Dept"),)

CASES: dict[str, Case] = {
    "meeting_started": Case(
        _HOSTED,
        (brings("meeting_started", by=do("start_meeting", meeting_id="$live")),),
        "type=live",
        _LIVE_NOISE,
    ),
    "meeting_ended": Case(
        _HOSTED,
        (NOTHING, brings("meeting_ended", "new_past_meeting", by=do("end_meeting", meeting_id="$live"))),
        "type=live",
        _LIVE_NOISE,
    ),
    "meeting_deleted": Case(
        _HOSTED,
        (brings("meeting_deleted", by=do("delete_meeting", meeting_id="$doomed")),),
        "/users/.*/meetings\\?.*type=scheduled",
        (do("transfer_meeting", meeting_id="$moved", user_id="$member"),),
    ),
    "webinar_deleted": Case(
        _HOSTED,
        (brings("webinar_deleted", by=do("delete_webinar", webinar_id="$doomed_show")),),
        "/users/.*/webinars",
        (do("update_webinar", webinar_id="$show", topic="?Show"),),
    ),
    "new_past_meeting": Case(
        _HOSTED,
        (brings("new_past_meeting", by=do("end_meeting", meeting_id="$asked", duration=5)),),
        "/report/users/",
        (do("grow_schema", kind="past_meeting", key="brand_new", value=1),),
    ),
    "new_meeting_registrant": Case(
        {"meeting_id": "$asked", "page_size": 1},
        (brings("new_meeting_registrant", by=do("add_registrant", meeting_id="$asked", email="@")),),
        "/meetings/\\d+/registrants",
        (do("change_record", path="/meetings/$asked/registrants/$registrant", city="?Ghent"),),
    ),
    "meeting_registrant_status_changed": Case(
        {"meeting_id": "$asked", "page_size": 1},
        _status("registrant", meeting_id="$asked"),
        "/meetings/\\d+/registrants",
    ),
    "new_webinar_registrant": Case(
        {"webinar_id": "$show", "page_size": 1},
        (brings("new_webinar_registrant", by=do("add_registrant", webinar_id="$show", email="@")),),
        "/webinars/\\d+/registrants",
        (do("change_record", path="/webinars/$show/registrants/$visitor", city="?Ghent"),),
    ),
    "webinar_registrant_status_changed": Case(
        {"webinar_id": "$show", "page_size": 1},
        _status("visitor", webinar_id="$show"),
        "/webinars/\\d+/registrants",
    ),
    "webinar_panelists_changed": Case(
        {"webinar_id": "$show"},
        (
            brings("panelist_added", by=do("add_panelist", webinar_id="$show", email="@")),
            brings("panelist_removed", by=do("remove_record", path="/webinars/$show/panelists/$panelist")),
        ),
        "/webinars/\\d+/panelists",
        (do("change_record", path="/webinars/$show/panelists/$panelist", name="?Guest"),),
    ),
    "new_meeting_summary": Case(
        {"page_size": 2},
        (brings("new_meeting_summary", by=do("add_summary", uuid="$session")),),
        "/meetings/meeting_summaries",
        _NEW_SUMMARY_KEY,
    ),
    "new_transcript": Case(
        _HOSTED,
        (
            brings(by=do("add_recording_file", keep="file=file_id", meeting_id="$recorded", file_type="TRANSCRIPT",
                         status="processing")),
            brings("new_transcript", by=do("complete_recording", meeting_id="$recorded", file_id="$file")),
        ),
        "/users/.*/recordings\\?.*from=",
        (do("add_recording_file", meeting_id="$recorded", file_type="TIMELINE"),),
    ),
    "recording_trashed": Case(
        _HOSTED,
        (
            brings("recording_trashed", by=do("remove_recording", meeting_id="$trashed")),
            brings(by=do("recover_recording", meeting_id="$trashed")),
            brings("recording_trashed", by=do("remove_recording", meeting_id="$trashed")),
        ),
        "/users/.*/recordings\\?.*trash=true",
    ),
    "new_archive_file": Case(
        {"page_size": 2},
        (
            brings(by=do("add_archive_file", keep="archived=file_id", uuid="$session", status="processing")),
            brings("new_archive_file", by=do("add_archive_file", meeting_id="$recorded")),
        ),
        "/archive_files",
    ),
    "new_meeting_poll_result": Case(
        {"meeting_id": "$session"},
        (
            brings("new_meeting_poll_result", by=do("answer_poll", uuid="$session", name="Ben", **_ANSWERED)),
            brings("new_meeting_poll_result", by=do("answer_poll", uuid="$session", name="Ben", **_ANSWERED)),
            brings("new_meeting_poll_result", by=do("answer_poll", uuid="$session", name="Ann", **_ANSWERED)),
        ),
        "/past_meetings/.*/polls",
    ),
    "new_webinar_poll_result": Case(
        {"webinar_id": "$show"},
        (Step((do("answer_poll", webinar_id="$show", **_ANSWERED),) * 2, ("new_webinar_poll_result",) * 2),),
        "/past_webinars/.*/polls",
    ),
    "new_meeting_question": Case(
        {"meeting_id": "$session"},
        (
            brings("question_asked", by=do("ask_question", uuid="$session", name="Ben", question="When?")),
            brings("question_answered",
                   by=do("ask_question", uuid="$session", name="Ben", question="When?", answer="Now.")),
            brings("question_asked", by=do("ask_question", uuid="$session", name="Ben", question="When?", again=True)),
            brings("question_answered",
                   by=do("ask_question", uuid="$session", name="Ben", question="When?", answer="Now.")),
        ),
        "/past_meetings/.*/qa",
    ),
    "new_webinar_question": Case(
        {"webinar_id": "$show"},
        (
            brings("question_answered", "question_asked",
                   by=do("ask_question", webinar_id="$show", name="Ben", question="When?", answer="Now.")),
            brings("question_asked", by=do("ask_question", webinar_id="$show", name="Ann", again=True)),
            brings("question_answered", by=do("ask_question", webinar_id="$show", name="Ann", answer="No.")),
        ),
        "/past_webinars/.*/(qa|instances)",
    ),
    "new_user": Case(
        {"page_size": 2},
        (
            brings(by=do("create_user", keep="invited=user_id", email="@", status="pending")),
            brings("new_user", by=do("set_user_status", user_id="$invited", status="active")),
        ),
        "/users\\?",
        _USER_NOISE,
    ),
    "user_status_changed": Case(
        {"page_size": 2},
        (
            brings("user_deactivated", by=do("set_user_status", user_id="$sleeper", status="inactive")),
            brings("user_activated", by=do("set_user_status", user_id="$sleeper", status="active")),
        ),
        "/users\\?",
        _USER_NOISE,
    ),
    "user_deleted": Case(
        {"page_size": 2},
        (brings("user_deleted", by=do("delete_user", user_id="$leaver")),),
        "/users\\?",
        _USER_NOISE,
    ),
    "role_members_changed": Case(
        {"role_id": "$role", "page_size": 1},
        (
            brings("role_member_added", by=do("set_role", user_id="$member", role_id="$role")),
            brings("role_member_removed", by=do("set_role", user_id="$member")),
            brings("role_member_added", by=do("set_role", user_id="$member", role_id="$role")),
        ),
        "/roles/.*/members",
        _USER_NOISE,
    ),
    "group_members_changed": Case(
        {"group_id": "$group", "page_size": 1},
        (
            brings("group_member_added", by=do("add_group_member", group_id="$group", user_id="$member")),
            brings("group_member_removed", by=do("remove_group_member", group_id="$group", user_id="$member")),
        ),
        "/groups/.*/members",
        _USER_NOISE,
    ),
    "role_changed": Case(
        {},
        (
            brings("role_created", by=do("create_role", keep="other_role=id", name="?Role")),
            brings("role_updated", by=do("change_record", path="/roles/$other_role", description="Looks after rooms")),
            brings("role_deleted", by=do("remove_record", path="/roles/$other_role")),
        ),
        "/roles$",
        (do("change_record", path="/roles/$role", total_members=7),),
    ),
    "new_contact": Case(
        {"page_size": 1},
        (brings("new_contact", by=do("add_contact", email="@")),),
        "/chat/users/me/contacts",
        (do("change_record", path="/chat/users/me/contacts/$contact", first_name="?Kim"),),
    ),
    "new_chat_channel": Case(
        _HOSTED,
        (brings("new_chat_channel", by=do("create_channel", name="?Orders", owner="$host")),),
        "/chat/users/.*/channels\\?",
        (do("change_record", path="/chat/channels/$channel", name="?Stage"),),
    ),
    "chat_channel_members_changed": Case(
        {**_HOST, "channel_id": "$channel", "page_size": 1},
        (
            brings("chat_member_joined", by=do("add_channel_member", channel_id="$channel", user_id="$member")),
            brings("chat_member_left", by=do("remove_channel_member", channel_id="$channel", user_id="$member")),
        ),
        "/chat/users/.*/channels/.*/members",
        _USER_NOISE,
    ),
    "new_chat_message": Case(
        {**_HOST, "to_channel": "$channel", "page_size": 1},
        (
            brings("new_chat_message", by=do("send_message", message="?Hello", channel_id="$channel")),
            brings("new_chat_message", by=do("send_message", message="?Hello", channel_id="$channel")),
        ),
        "/chat/users/.*/messages",
        (do("edit_message", message_id="$message", message="?Hello"),),
    ),
    "new_phone_call": Case(
        {"page_size": 1},
        (brings("new_phone_call", by=do("end_call")),),
        "/phone/call_history",
        _WITHOUT_TIME,
    ),
    "new_voicemail": Case(
        {"page_size": 1},
        (brings("new_voicemail", by=do("leave_voicemail")),),
        "/phone/voice_mails",
        (do("change_record", path="/phone/voice_mails/$voicemail", status="read"),),
    ),
    "new_phone_recording": Case(
        {"page_size": 1},
        (brings("new_phone_call", "new_phone_recording", by=do("end_call", recorded=True)),),
        "/phone/recordings",
    ),
    "new_sms": Case(
        {},
        (
            brings("new_sms", by=do("send_sms", message="?Hello")),
            brings("new_sms", by=do("send_sms", message="?Hello", number="+3293331234")),
        ),
        "/phone/sms/sessions",
    ),
    "new_device": Case(
        {"page_size": 1},
        (brings("new_device", by=do("add_device", device_name="?Desk")),),
        "/devices",
        _RENAMED_DEVICE,
    ),
    "device_status_changed": Case(
        {"page_size": 1},
        (
            brings("device_offline", by=do("set_device_status", device_id="$device", online=False)),
            brings("device_online", by=do("set_device_status", device_id="$device", online=True)),
            brings("device_unlinked", by=do("change_record", path="/devices/$device", device_status=-1)),
        ),
        "/devices",
        _RENAMED_DEVICE,
    ),
    "new_room": Case(
        {"page_size": 1},
        (brings("new_room", by=do("add_record", path="/rooms", name="?Room")),),
        "/rooms",
        (do("change_record", path="/rooms/$room", name="?Room"),),
    ),
    "room_status_changed": Case(
        {"page_size": 1},
        (brings("room_status_changed", by=do("change_record", path="/rooms/$room", status="InMeeting")),),
        "/rooms",
        (do("change_record", path="/rooms/$room", name="?Room", activation_code="?7"),),
    ),
    "new_sign_in": Case(
        {"page_size": 1},
        (
            brings("user_signed_in", by=do("add_record", **_SIGNED, type="Sign in")),
            brings("user_signed_out", by=do("add_record", **_SIGNED, type="Sign out")),
        ),
        "/report/activities",
    ),
    "new_operation_log": Case(
        {"category_type": "billing", "page_size": 1},
        (
            brings("new_operation_log", by=do("add_record", **_LOGGED, operation_detail="Add a plan")),
            brings("new_operation_log", by=do("add_record", **_LOGGED, operation_detail="Add a plan")),
        ),
        "/report/operationlogs",
        (do("create_user", email="@", status="pending"),),
    ),
    "account_settings_changed": Case(
        {},
        (brings("account_settings_changed", by=do("change_account_settings", in_meeting={"chat": False})),),
        "/accounts/me/settings",
        _settings("/accounts/me/settings"),
        listing=False,
    ),
    "user_settings_changed": Case(
        {"user_id": "$sleeper"},
        (
            brings("user_settings_changed",
                   by=do("change_record", path="/users/$sleeper/settings", in_meeting={"chat": False})),
        ),
        "/users/.*/settings",
        _settings("/users/$sleeper/settings"),
        listing=False,
    ),
    "group_settings_changed": Case(
        {"group_id": "$group"},
        (
            brings("group_settings_changed",
                   by=do("change_record", path="/groups/$group/settings", in_meeting={"chat": False})),
        ),
        "/groups/.*/settings",
        _settings("/groups/$group/settings"),
        listing=False,
    ),
}  # fmt: skip


def prepare(sandbox: Sandbox) -> Stage:
    """An account with something of everything."""
    stage = Stage(sandbox)
    stage.play(*PREPARATION)
    return stage


def watches(stage: Stage) -> dict[str, tuple[str, Facts]]:
    """Workflow name → trigger type and its parameters, as `tests.support.homes.Cast.watches`."""
    return {name: (f"zoom.{name}", _texts(name, stage.meant(case.parameters))) for name, case in CASES.items()}


def play_round(stage: Stage, number: int) -> Counter[tuple[str, str]]:
    """Let the step of that number happen to every type; (type, event type) of all events that must come of it."""
    wanted: Counter[tuple[str, str]] = Counter()
    for name, case in CASES.items():
        for step in case.steps[number : number + 1]:
            stage.play(*step.calls)
            # what another type makes of the same change bears that type's name
            wanted.update((word if word in CASES and word != name else name, word) for word in step.events)
    return wanted


def play_noise(stage: Stage) -> None:
    """Let everything happen that no type is about."""
    for case in CASES.values():
        stage.play(*case.noise)


def refresh(stage: Stage) -> None:
    """Recordings are asked for by date: have a late one, for what happens to it weeks after the preparation."""
    stage.play(*_RECORDED)


ROUNDS = max(len(case.steps) for case in CASES.values())


def _texts(name: str, parameters: Facts) -> Facts:
    """Numbers in text, where the type wants text."""
    return {key: str(value) if key == "webinar_id" else value for key, value in parameters.items()}
