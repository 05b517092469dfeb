"""The demo: the whole program against the stand-in, and its own judgement."""

import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest

from changewire.demo import run_demo
from changewire.demo.show import make_home
from changewire.demo.story import Change, judge
from changewire.demo.telling import Summary, TextTeller, change_line
from changewire.home.loading import load_home
from changewire.state.records import EventRecord, RunHistory, RunRecord, RunState
from changewire.values import Json

NAMED_ON_THE_SHEET = {
    "zoom.daily_usage_report_changed": {"report_updated"},
    "zoom.meeting_details_changed": {"meeting_updated", "settings_changed"},
    "zoom.meeting_recording_changed": {"recording_added", "recording_updated", "recording_processing_completed"},
    "zoom.meeting_summary_updated": {"created", "updated"},
    "zoom.new_cloud_recording": {"new_recording"},
    "zoom.new_meeting_created": {"meeting_created"},
    "zoom.new_meeting_participant": {"new_participant"},
    "zoom.new_webinar_created": {"webinar_created"},
    "zoom.new_webinar_participant": {"new_participant"},
    "zoom.user_information_changed": {"user_updated"},
    "zoom.webinar_details_changed": {"webinar_updated"},
}
NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
WELL = Summary(143, 18, 18, 0, 181, 0, 0, 0, 11.9, ())


def event(
    key: str = "1", event_type: str = "meeting_created", changes: list[dict[str, Json]] | None = None
) -> EventRecord:
    kind = "zoom.new_meeting_created"
    return EventRecord("e", "t", "W/trigger", "W", kind, "created", event_type, key, NOW, {}, changes or [])


def test_the_demo_fires_every_event_type_of_the_sheet_exactly_once_for_each_change(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = run_demo(json_output=True)
    *events, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (code, last["v"]) == (0, 1), last
    found: dict[str, set[str]] = {}
    for each in events:
        found.setdefault(each["type"], set()).add(each["event_type"])
    assert found == NAMED_ON_THE_SHEET
    assert {each["run"]["state"] for each in events} == {"succeeded"}
    summary = last["summary"]
    assert (summary["lost"], summary["doubled"], summary["noise"], summary["unfinished"]) == (0, 0, 0, 0)
    assert summary["events"] == summary["runs"] == len(events) == 19
    assert summary["polls"] > 100
    assert summary["seconds"] < 25


def test_the_home_of_the_demo_is_sound_and_watches_with_every_type_of_the_sheet(tmp_path: Path) -> None:
    home = load_home(make_home(tmp_path, "http://127.0.0.1:1"), variables={})
    assert home.problems == []
    types = [trigger.config.type for trigger in home.triggers.values()]
    assert sorted(types) == sorted(NAMED_ON_THE_SHEET)


CREATED = Change("zoom.new_meeting_created", "meeting_created", "1")


@pytest.mark.parametrize(
    ("truth", "events", "expected"),
    [
        ([CREATED], [event()], (0, 0, 0)),
        ([CREATED], [], (1, 0, 0)),
        ([CREATED], [event(), event()], (0, 1, 0)),
        ([CREATED, CREATED], [event(), event()], (0, 0, 0)),
        ([CREATED], [event("2")], (1, 0, 1)),
        ([CREATED], [event(), event(event_type="meeting_updated")], (0, 0, 1)),
        ([], [event()], (0, 0, 1)),
    ],
    ids=["as it was", "lost", "twice", "two alike", "of another item", "of another kind", "nothing happened"],
)
def test_what_is_noticed_is_held_against_what_happened(
    truth: list[Change], events: list[EventRecord], expected: tuple[int, int, int]
) -> None:
    verdict = judge(truth, events)
    assert (len(verdict.lost), len(verdict.doubled), len(verdict.noise)) == expected


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"path": "topic", "old": "Weekly", "new": "Monthly"}, "topic: Weekly → Monthly"),
        ({"path": "duration", "old": 60, "new": None}, "duration: 60 → null"),
        ({"path": "agenda", "old": "", "new": "two\nlines"}, 'agenda: "" → two lines'),
        ({"path": "files[1]", "old": None, "new": {"id": "1"}}, "files[1]: new"),
        ({"path": "files[1]", "old": {"id": "1"}, "new": None}, "files[1]: gone"),
        ({"path": "agenda", "old": "a" * 99, "new": "b"}, f"agenda: {'a' * 47}… → b"),
    ],
)
def test_a_change_is_told_in_one_line(change: dict[str, object], line: str) -> None:
    assert change_line(change) == line


def test_people_are_told_type_event_workflow_and_change_without_colour_where_there_is_no_terminal() -> None:
    stream = StringIO()
    changes: list[dict[str, Json]] = [{"path": f"settings.s{number}", "old": 1, "new": 2} for number in range(6)]
    run = RunRecord("r", "W", "v", "e", NOW, RunState.SUCCEEDED)
    TextTeller(stream).event(event(changes=changes), RunHistory(run, []))
    assert stream.getvalue().splitlines() == [
        "  zoom.new_meeting_created  meeting_created  ran 'W': succeeded",
        *(f"      settings.s{number}: 1 → 2" for number in range(4)),
        "      and 2 more",
    ]


def test_the_end_tells_the_figures_what_is_wrong_and_how_to_go_on() -> None:
    stream = StringIO()
    bad = Summary(143, 17, 17, 0, 181, 1, 0, 0, 11.9, ("lost: zoom.new_meeting_created meeting_created 1",))
    TextTeller(stream).end(bad)
    text = stream.getvalue()
    assert not bad.well
    assert WELL.well
    assert "143 polls, 181 requests, 17 events, 17 runs in 12 seconds\nlost 1, doubled 0, fired by noise 0\n" in text
    assert "  lost: zoom.new_meeting_created meeting_created 1\n" in text
    for name in ("ZOOM_ACCOUNT_ID", "ZOOM_CLIENT_ID", "ZOOM_CLIENT_SECRET", "ZOOM_USER", "changewire run"):
        assert name in text
