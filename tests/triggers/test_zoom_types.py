"""The eleven Zoom types, held against the sheet that names their parameters, event types and payloads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from changewire.catalog import builtin_folder
from changewire.sandbox import Sandbox
from changewire.state.records import EventRecord
from changewire.triggers.loading import load_trigger_types, sample_events
from changewire.values import loads
from tests.triggers.account import USER, Account
from tests.triggers.kinds import NOW

SCHEMAS = Path(__file__).parent / "schemas"
INTERVAL = {"interval": ("number", False, None)}
USER_ID = {"user_id": ("string", False, "me")}
PAGE_SIZE = {"page_size": ("integer", False, 30)}
PERSON = {"duration", "id", "join_time", "leave_time", "name", "registrant_id", "user_email", "user_id"}
# name: parameters with (type, required, default), event types, payload fields
SHEET: dict[str, tuple[dict[str, tuple[str, bool, Any]], set[str], set[str]]] = {
    "daily_usage_report_changed": (
        {
            **INTERVAL,
            "group_id": ("string", False, None),
            "month": ("integer", False, None),
            "year": ("integer", False, None),
        },
        {"report_updated"},
        {"changed_dates", "event_type", "report"},
    ),
    "meeting_details_changed": (
        {**INTERVAL, "meeting_id": ("integer", True, None)},
        {"meeting_updated", "settings_changed"},
        {"changed_fields", "event_type", "meeting_details"},
    ),
    "meeting_recording_changed": (
        {
            **INTERVAL,
            "include_download_token": ("boolean", False, False),
            "meeting_id": ("string", True, None),
            "token_ttl": ("integer", False, None),
        },
        {"recording_added", "recording_updated", "recording_processing_completed"},
        {"changes_detected", "event_type", "meeting_recording"},
    ),
    "meeting_summary_updated": (
        {**INTERVAL, "meeting_id": ("string", True, None)},
        {"created", "updated"},
        {"changed_fields", "event_type", "summary"},
    ),
    "new_cloud_recording": ({**INTERVAL, **PAGE_SIZE, **USER_ID}, {"new_recording"}, {"event_type", "meeting"}),
    "new_meeting_created": (
        {**INTERVAL, **PAGE_SIZE, **USER_ID, "meeting_type": ("string", False, "scheduled")},
        {"meeting_created"},
        {"event_type", "meeting"},
    ),
    "new_meeting_participant": (
        {**INTERVAL, **PAGE_SIZE, "meeting_id": ("string", True, None)},
        {"new_participant"},
        {*PERSON, "customer_key", "failover", "status"},
    ),
    "new_webinar_created": (
        {**INTERVAL, **PAGE_SIZE, **USER_ID},
        {"webinar_created"},
        {
            "agenda", "created_at", "duration", "host_id", "id", "join_url", "occurrences", "settings", "start_time",
            "start_url", "timezone", "topic", "type", "uuid",
        },
    ),
    "new_webinar_participant": (
        {**INTERVAL, **PAGE_SIZE, "webinar_id": ("string", True, None)},
        {"new_participant"},
        {*PERSON, "attentiveness_score", "bo_mtg_id"},
    ),
    "user_information_changed": (
        {**INTERVAL, "login_type": ("integer", False, None), "user_id": ("string", True, None)},
        {"user_updated"},
        {"changes_detected", "event_type", "user"},
    ),
    "webinar_details_changed": (
        {
            **INTERVAL,
            "occurrence_id": ("string", False, None),
            "show_previous_occurrences": ("boolean", False, False),
            "webinar_id": ("string", True, None),
        },
        {"webinar_updated"},
        {"changes_detected", "event_type", "webinar"},
    ),
}  # fmt: skip
CHOICES = {
    ("new_meeting_created", "meeting_type"): ("scheduled", "live", "upcoming", "upcoming_meetings", "previous_meetings")
}
RANGES = {"page_size": (1, 300), "month": (1, 12), "token_ttl": (0, 604800), "interval": (0.01, None)}

TYPES, PROBLEMS = load_trigger_types([builtin_folder("triggers")])
NAMES = sorted(SHEET)


def schema_of(name: str) -> Any:
    return loads((SCHEMAS / f"{name}.json").read_bytes())


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[EventRecord]]]:
    """What real polls of a busy account bring, by type."""
    with Sandbox(enforce_limits=False, start=NOW) as sandbox:
        account = Account(sandbox, tmp_path_factory.mktemp("home"))
        number, webinar = account.meeting(), account.webinar(type=9, recurrence={"type": 1, "end_times": 3})
        of = {"meeting_id": number}, {"meeting_id": str(number)}, {"user_id": USER}, {"webinar_id": str(webinar)}
        by_parameter: dict[str, dict[str, Any]] = {
            "daily_usage": {},
            "meeting_details": of[0],
            "webinar_": of[3],
            "new_webinar_p": of[3],
        }
        by_parameter |= {"meeting_": of[1], "new_meeting_p": of[1], "new_": of[2], "user_": of[2]}
        account.watch_all(
            **{name: (next(p for start, p in by_parameter.items() if name.startswith(start)), "") for name in NAMES}
        )
        found: list[EventRecord] = []
        for step in _steps(account, number, webinar):
            step()
            found += account.poll()
        yield {name: [event for event in found if event.type == f"zoom.{name}"] for name in NAMES}
        account.running.close()


def _steps(account: Account, number: int, webinar: int) -> list[Any]:
    def much() -> None:
        account.meeting(topic="Second", agenda="x" * 400)
        account.webinar(type=9, recurrence={"type": 1, "end_times": 3})
        account.webinar(type=6)
        account.do("update_meeting", meeting_id=number, topic="Other", settings={"waiting_room": False})
        account.do("update_user", user_id=USER, dept="Other", phone_numbers=[], login_types=[1, 100, 101])
        account.do("update_webinar", webinar_id=webinar, topic="Other", settings={"on_demand": True})
        account.do("start_meeting", meeting_id=number)
        account.do("start_recording", meeting_id=number)
        people = [{"id": USER}, {"name": "Guest", "registrant_id": "r", "customer_key": "c"}, {"name": "Guest"}]
        account.do("end_meeting", meeting_id=number, participants=people)
        account.do("end_webinar", webinar_id=webinar, participants=people)

    def details() -> None:
        account.do("update_meeting", meeting_id=number, settings={"waiting_room": True})
        account.do("complete_recording", meeting_id=number, transcript="processing")
        account.do("add_participant_audio", meeting_id=number)
        account.do("add_recording_file", meeting_id=number, file_type="TIMELINE")
        account.do("add_summary", meeting_id=number)

    return [
        much,
        details,
        lambda: account.do("complete_recording", meeting_id=number),
        lambda: account.do("update_recording", meeting_id=number, topic="Renamed"),
        lambda: account.do("edit_summary", meeting_id=number, content="More"),
        lambda: account.do("delete_webinar", webinar_id=webinar, occurrence_id=_last_occurrence(account, webinar)),
        lambda: account.do("bump_report", meetings=1),
    ]


def _last_occurrence(account: Account, webinar: int) -> str:
    events = account.running.events
    found = next(e for e in reversed(events) if e.type == "zoom.webinar_details_changed")
    assert found.payload["webinar"]["id"] == webinar
    return str(found.payload["webinar"]["occurrences"][-1]["occurrence_id"])


def test_all_built_in_types_can_be_used() -> None:
    assert PROBLEMS == []
    assert {f"zoom.{name}" for name in SHEET} <= TYPES.keys()


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_sheet(name: str) -> None:
    parameters = TYPES[f"zoom.{name}"].parameters
    assert {n: (p.type, p.required, p.default) for n, p in parameters.items()} == SHEET[name][0]
    for parameter in parameters.keys() & RANGES.keys():
        assert (parameters[parameter].min, parameters[parameter].max) == RANGES[parameter]
    assert all(parameter.description for parameter in parameters.values())
    for (of, parameter), choices in CHOICES.items():
        assert of != name or parameters[parameter].enum == choices


@pytest.mark.parametrize("name", NAMES)
def test_payload_fields_are_those_of_the_sheet(name: str) -> None:
    payload = TYPES[f"zoom.{name}"].payload
    assert isinstance(payload, dict)
    assert payload.keys() == SHEET[name][2] == schema_of(name)["properties"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_the_sample_makes_a_valid_payload(name: str) -> None:
    kind = TYPES[f"zoom.{name}"]
    for event in sample_events(kind):
        jsonschema.validate(event.payload, schema_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_events_of_a_real_poll_are_those_of_the_sheet(name: str, events: dict[str, list[EventRecord]]) -> None:
    _, event_types, fields = SHEET[name]
    assert set(TYPES[f"zoom.{name}"].event_types) == event_types
    assert {event.event_type for event in events[name]} == event_types
    for event in events[name]:
        jsonschema.validate(event.payload, schema_of(name))
        assert event.payload.keys() == fields
        assert event.payload.get("event_type", event.event_type) == event.event_type


def test_what_changed_is_told_field_by_field(events: dict[str, list[EventRecord]]) -> None:
    details = [event.payload["changed_fields"] for event in events["meeting_details_changed"]]
    assert details == [["settings.waiting_room", "topic"], ["settings.waiting_room"]]
    (user,) = events["user_information_changed"]
    assert user.payload["changes_detected"].keys() == {"dept", "login_types", "phone_numbers[Mobile/DE/301234567]"}
    webinars = [event.payload["changes_detected"] for event in events["webinar_details_changed"]]
    assert webinars[0].keys() == {"topic", "settings.on_demand"}
    assert [change["new"] for change in webinars[1].values()] == ["deleted"]
    summaries = [event.payload["changed_fields"] for event in events["meeting_summary_updated"]]
    assert summaries == [[], ["summary_content", "summary_last_modified_time"]]


def test_what_changed_in_a_recording_is_told_by_kind(events: dict[str, list[EventRecord]]) -> None:
    told = [
        (event.event_type, {kind for kind, found in event.payload["changes_detected"].items() if found})
        for event in events["meeting_recording_changed"]
    ]
    all_at_once = {"new_files", "status_changes", "changed_files", "new_participant_audio_files", "metadata"}
    assert told == [
        ("recording_added", {"new_files"}),
        ("recording_added", all_at_once),
        ("recording_processing_completed", all_at_once),
        ("recording_processing_completed", {"status_changes", "changed_files", "metadata"}),
        ("recording_updated", {"metadata"}),
    ]


def test_an_unfinished_recording_is_not_a_new_one(events: dict[str, list[EventRecord]]) -> None:
    (event,) = events["new_cloud_recording"]
    assert [file["status"] for file in event.payload["meeting"]["recording_files"][:2]] == ["completed", "completed"]


def test_a_new_webinar_comes_with_its_details(events: dict[str, list[EventRecord]]) -> None:
    recurring, unfixed = sorted((event.payload for event in events["new_webinar_created"]), key=lambda p: -p["type"])
    assert [recurring["type"], len(recurring["occurrences"]), unfixed["occurrences"]] == [9, 3, []]
    assert recurring["settings"]["audio"] == "both"
    assert "zak=" in recurring["start_url"]


def test_guests_are_people_of_their_own(events: dict[str, list[EventRecord]]) -> None:
    for name in ("new_meeting_participant", "new_webinar_participant"):
        people = [(event.payload["id"], event.payload["name"]) for event in events[name]]
        assert len(people) == 3
        assert people.count(("", "Guest")) == 2
