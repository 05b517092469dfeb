"""What happens in the demo, and what must be noticed of it: the ground truth that the events are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from changewire.state.records import EventRecord

Control: TypeAlias = Callable[..., Any]
"""`Sandbox.control`: the name of a control call, then its arguments."""

HOST = "dana.host@example.com"
CALL = 85512340003  # the meeting that four of the workflows watch
WEBINAR = 91122233344


@dataclass(frozen=True)
class Change:
    """One thing that must be noticed exactly once."""

    type: str  # trigger type
    event_type: str
    key: str  # stands in the event's key


@dataclass(frozen=True)
class Scene:
    """Something that happens at Zoom. ``play`` makes it happen and tells what must be noticed; nothing: it is noise."""

    title: str
    play: Callable[[Control], list[Change]]


@dataclass(frozen=True)
class Verdict:
    """What the events have to do with what happened. All three are empty when all is well."""

    lost: Sequence[Change]
    doubled: Sequence[EventRecord]
    noise: Sequence[EventRecord]  # fired although nothing happened that should


def judge(truth: Sequence[Change], events: Sequence[EventRecord]) -> Verdict:
    """Compare what happened with what was noticed."""
    open_changes, seen = list(truth), list[Change]()
    doubled, noise = list[EventRecord](), list[EventRecord]()
    for event in events:
        fitting = next((change for change in open_changes if fits(change, event)), None)
        if fitting is not None:
            open_changes.remove(fitting)
            seen.append(fitting)
        elif any(fits(change, event) for change in seen):
            doubled.append(event)
        else:
            noise.append(event)
    return Verdict(open_changes, doubled, noise)


def fits(change: Change, event: EventRecord) -> bool:
    """Whether ``event`` tells of ``change``."""
    return (change.type, change.event_type) == (event.type, event.event_type) and change.key in event.key


def _plans(control: Control) -> list[Change]:
    meeting = control("create_meeting", user_id=HOST, topic="Roadmap for spring")
    webinar = control("create_webinar", user_id=HOST, topic="Ask us anything", duration=45)
    return [
        Change("zoom.new_meeting_created", "meeting_created", str(meeting["meeting_id"])),
        Change("zoom.new_webinar_created", "webinar_created", str(webinar["webinar_id"])),
    ]


def _edits(control: Control) -> list[Change]:
    control("update_meeting", meeting_id=CALL, topic="Customer call, second round", duration=30)
    control("update_webinar", webinar_id=WEBINAR, agenda="What is new, how to get it, and your questions")
    user = control("update_user", user_id=HOST, dept="Partnerships", job_title="Head of partnerships")
    return [
        Change("zoom.meeting_details_changed", "meeting_updated", str(CALL)),
        Change("zoom.webinar_details_changed", "webinar_updated", str(WEBINAR)),
        Change("zoom.user_information_changed", "user_updated", user["user_id"]),
    ]


def _settings(control: Control) -> list[Change]:
    before = next(each for each in control("state")["meetings"] if each["id"] == CALL)["settings"]
    control("update_meeting", meeting_id=CALL, settings={"waiting_room": not before["waiting_room"]})
    return [Change("zoom.meeting_details_changed", "settings_changed", str(CALL))]


def _noise(control: Control) -> list[Change]:
    control("switch", shuffle_lists=True, new_urls=True)
    for kind in ("user", "meeting", "meeting_row", "webinar", "webinar_row", "recording", "participant", "summary"):
        control("grow_schema", kind=kind, key="added_by_zoom_today", value=True)
    control("update_user", user_id=HOST, last_login_time=control("clock")["now"], pic_url="https://zoom.us/p/new")
    control("expire_tokens")
    control("faults", match="GET /v2/users/.*/meetings", kind="status", status=500, times=1)
    control("faults", match="GET /v2/users/.*/webinars", kind="empty_200", times=1)
    control("faults", match="GET /v2/past_webinars/", kind="cut_body", times=1)
    control("start_meeting", meeting_id=CALL)
    return []


def _call(control: Control) -> list[Change]:
    guests = [control("join", meeting_id=CALL, name=name) for name in ("Ari Guest", "Mika Guest")]
    session = control("end_meeting", meeting_id=CALL, recording=True)
    return [
        *(Change("zoom.new_meeting_participant", "new_participant", f"{g['uuid']}:{g['user_id']}") for g in guests),
        Change("zoom.meeting_recording_changed", "recording_added", session["uuid"]),
        Change("zoom.daily_usage_report_changed", "report_updated", ""),
    ]


def _video_ready(control: Control) -> list[Change]:
    session = control("complete_recording", meeting_id=CALL, transcript="processing")
    control("add_summary", meeting_id=CALL, content="## Key takeaways\n- They want to start in March\n")
    return [
        Change("zoom.meeting_recording_changed", "recording_added", session["uuid"]),
        Change("zoom.meeting_recording_changed", "recording_processing_completed", session["uuid"]),
        Change("zoom.new_cloud_recording", "new_recording", session["uuid"]),
        Change("zoom.meeting_summary_updated", "created", session["uuid"]),
    ]


def _transcript_ready(control: Control) -> list[Change]:
    session = control("complete_recording", meeting_id=CALL)
    control("edit_summary", meeting_id=CALL, content="## Key takeaways\n- They want to start in April\n")
    return [
        Change("zoom.meeting_recording_changed", "recording_processing_completed", session["uuid"]),
        Change("zoom.meeting_summary_updated", "updated", session["uuid"]),
    ]


def _webinar(control: Control) -> list[Change]:
    recording = control("update_recording", meeting_id=CALL, auto_delete=True, auto_delete_date="2030-01-31")
    control("start_webinar", webinar_id=WEBINAR)
    guest = control("add_webinar_participant", webinar_id=WEBINAR, name="Noor Visitor")
    control("end_webinar", webinar_id=WEBINAR)
    return [
        Change("zoom.meeting_recording_changed", "recording_updated", recording["uuid"]),
        Change("zoom.new_webinar_participant", "new_participant", guest["user_id"]),
        Change("zoom.daily_usage_report_changed", "report_updated", ""),
    ]


def _nothing(control: Control) -> list[Change]:
    return []


STORY = (
    Scene("Dana plans a meeting and a webinar", _plans),
    Scene("She renames the customer call, rewrites the webinar's agenda, and has a new job", _edits),
    Scene("She turns the waiting room of the call around", _settings),
    Scene(
        "Noise: lists in another order, new links, eight new fields, a sign-in, a call that starts, an expired token, "
        "an error 500, an empty answer, half an answer",
        _noise,
    ),
    Scene("The call ends; two guests were there, and it was recorded", _call),
    Scene("Zoom has the video ready, begins the transcript, and writes a summary", _video_ready),
    Scene("The transcript is ready, and Dana corrects the summary", _transcript_ready),
    Scene("She lets the recording expire, and holds the webinar", _webinar),
    Scene("Nothing more happens", _nothing),
)
