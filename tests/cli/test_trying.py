"""``test``: what would fire, and nothing that stays."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from changewire.cli.base import database_of
from changewire.clock import SystemClock
from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.state.store import SqliteStore
from tests.cli.conftest import DETAILS, MEETING, MEETINGS, TYPO
from tests.cli.rig import changewire, lines, watch, workflow

Make = Callable[..., Path]
FORM = {"v", "id", "trigger", "type", "event_type", "key", "detected_at", "payload", "changes", "backfill"}
FORM |= {"hops", "cause", "steps"}
STEPS = """
  - {id: meeting, use: zoom.get_meeting, with: {meeting_id: "{{ event.key }}"}}
  - use: core.notify
    with: {to: "${NOTIFY_URL}", title: "{{ steps.meeting.topic }}", body: "{{ payload.meeting.id }}"}
  - {use: core.log, when: "{{ steps.meeting.type == 2 }}", with: {message: "{{ connection.name }}"}}
  - {use: core.log, when: "{{ payload.meeting.id == 0 }}", with: {message: never}}
  - {use: core.log, with: {message: "{{ payload.meeting.nothing_like_it }}"}}
"""
RICH = workflow("Rich", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}", steps=STEPS)


def test_a_first_poll_shows_samples_and_says_so(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    result = changewire("test", "Meetings", "--home", home)
    assert result.exit_code == 0
    assert "Meetings/trigger never polled, and its first poll is silent; shown: " in result.stderr
    shown = re.search(r"(?m)^Meetings/trigger  meeting_created  (\d{10,})$", result.stdout)
    assert shown is not None
    assert f"  steps/0  core.log\n    message: '{shown[1]}'\n" in result.stdout
    assert not (home / "state").exists()


def test_a_first_poll_of_a_type_that_compares_shows_samples_too(make_home: Make) -> None:
    result = changewire("test", "Details", "--home", make_home(a=DETAILS), "--json")
    (event,) = lines(result.stdout)
    assert (event["key"], event["backfill"]) == (str(MEETING), True)
    assert event["payload"]["meeting_details"]["id"] == MEETING


def test_json_is_the_form_of_events_with_steps(make_home: Make) -> None:
    result = changewire("test", "Meetings", "--home", make_home(a=MEETINGS), "--json")
    found = lines(result.stdout)
    assert found
    assert all(event.keys() == FORM for event in found)
    assert found[0]["steps"] == [{"address": "steps/0", "use": "core.log", "with": {"message": found[0]["key"]}}]


def test_after_a_poll_only_what_changed_since_would_fire_and_nothing_is_stored(make_home: Make) -> None:
    with Sandbox(enforce_limits=False) as own:
        home = make_home(a=MEETINGS.replace("every: 1s", "every: 1h"))
        config = home / "config" / "connections.yaml"
        config.write_text(
            "\n".join(f"  base_url: {own.url}" if "base_url" in x else x for x in config.read_text().splitlines())
        )
        watch(home, until=lambda daemon: True)
        quiet = changewire("test", "Meetings", "--home", home)
        assert (quiet.stdout, quiet.stderr) == ("", "Meetings/trigger: 0 events would fire now\n")
        made = own.control("create_meeting", user_id=OWNER_EMAIL, topic="Later")
        for _ in range(2):
            (event,) = lines(changewire("test", "a.yaml", "--home", home, "--json").stdout)
            assert (event["key"], event["backfill"]) == (str(made["meeting_id"]), False)
        with SqliteStore(database_of(home), clock=SystemClock()) as store:
            assert store.events() == []
            assert [record.polls for record in store.triggers()] == [1]


def test_steps_are_filled_in_as_far_as_can_be_known_and_secrets_are_masked(
    make_home: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URL", "slack://very-secret-place")
    home = make_home(a=RICH)
    result = changewire("test", "Rich", "--home", home, "--json")
    event = lines(result.stdout)[0]
    assert event["steps"] == [
        {"address": "steps/0", "use": "zoom.get_meeting", "with": {"meeting_id": event["key"]}},
        {
            "address": "steps/1",
            "use": "core.notify",
            "with": {"to": "***", "title": "{{ steps.meeting.topic }}", "body": int(event["key"])},
        },
        {"address": "steps/2", "use": "core.log", "with": {"message": "work"}},
        {"address": "steps/4", "use": "core.log", "with": {"message": "{{ payload.meeting.nothing_like_it }}"}},
    ]
    shown = changewire("test", "Rich", "--home", home)
    assert "very-secret-place" not in shown.output
    assert (
        "steps/3  core.log  skipped: when: {{ payload.meeting.id == 0 }} is false; payload.meeting.id is"
        in shown.stdout
    )


def test_a_filtered_event_has_no_steps_and_says_why(make_home: Make) -> None:
    when = "when: \"{{ payload.meeting.topic == 'Nobody calls it so' }}\""
    text = workflow("Some", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}", extra=[when])
    home = make_home(a=text)
    assert all(event["steps"] == [] for event in lines(changewire("test", "Some", "--home", home, "--json").stdout))
    assert "  filtered: when: {{ payload.meeting.topic ==" in changewire("test", "Some", "--home", home).stdout


def test_an_unknown_workflow_is_wrong_use_with_the_nearest(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    result = changewire("test", "Meeting", "--home", home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"there is no workflow 'Meeting' in {home}/config/workflows; did you mean 'Meetings'?\n"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MEETINGS", "; did you mean 'Meetings of all'?"),
        ("meet", "; known are 'Meetings of all'"),
        ("xyz", "; known are 'Details', 'Meetings of all'"),
    ],
)
def test_the_beginning_of_a_name_is_enough_to_be_told_the_rest(name: str, hint: str, make_home: Make) -> None:
    home = make_home(a=DETAILS, b=MEETINGS.replace("name: Meetings", "name: Meetings of all"))
    told = changewire("test", name, "--home", home).stderr
    assert told == f"there is no workflow {name!r} in {home}/config/workflows{hint}\n"


def test_a_broken_workflow_tells_its_problems(make_home: Make) -> None:
    result = changewire("test", "Typo", "--home", make_home(typo=TYPO))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("config/workflows/typo.yaml:2:17: there is no trigger type")


def test_wrong_credentials_are_one_sentence_for_a_person(make_home: Make) -> None:
    result = changewire("test", "Meetings", "--home", make_home(secret="wrong-secret", a=MEETINGS))
    assert (result.exit_code, result.stdout) == (3, "")
    assert len(result.stderr.splitlines()) == 1
    assert "wrong-secret" not in result.stderr


NESTED = """
  - {set: {x: 1}}
  - if: "{{ payload.meeting.id == 0 }}"
    then: [{use: core.log, with: {message: never}}]
    else: [{wait: 15m}, {use: core.log, with: {message: "{{ event.key }}"}}]
  - id: a
    for_each: "{{ [payload.meeting.id] }}"
    do: [{use: core.log, with: {message: "{{ item }}"}}]
  - choose: [{when: "{{ steps.a.count }}", do: [{stop: early}]}]
    else: [{call: Meetings}]
"""


def test_steps_inside_steps_are_shown_as_far_as_it_can_be_told_which(make_home: Make) -> None:
    nested = workflow("Nested", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}", steps=NESTED)
    result = changewire("test", "Nested", "--home", make_home(a=MEETINGS, b=nested), "--json")
    event = lines(result.stdout)[0]
    assert [(step["address"], step["use"], step["with"]) for step in event["steps"]] == [
        ("steps/0", "set", {"set": {"x": 1}}),
        ("steps/1", "if", {"if": False}),
        ("steps/1/else/0", "wait", {"wait": "15m"}),
        ("steps/1/else/1", "core.log", {"message": event["key"]}),
        ("steps/2", "for_each", {"for_each": [int(event["key"])]}),
        ("steps/2[0]/do/0", "core.log", {"message": "{{ item }}"}),
        ("steps/3", "choose", {"choose/0/when": "{{ steps.a.count }}"}),
        ("steps/3/choose/0/do/0", "stop", {"stop": "early"}),
        ("steps/3/else/0", "call", {"with": {}}),
    ]


def test_a_trigger_that_is_fed_shows_the_sample_of_its_type(make_home: Make) -> None:
    watching = """
name: Paid
trigger: {type: core.emitted, with: {name: invoice_paid}}
steps: [{use: core.log, with: {message: "{{ payload.invoice }} {{ event.event_type }}"}}]
"""
    home = make_home(a=watching)
    result = changewire("test", "Paid", "--home", home, "--json")
    (event,) = lines(result.stdout)
    assert event["steps"][0]["with"] == {"message": "4711 invoice_paid"}
    assert "Paid/trigger is not polled, core.emitted is raised inside; shown: the sample" in result.stderr

    called = changewire("call", "core.emit", "name=invoice_paid", 'payload={"invoice": 7}', "--home", home, "--json")
    (line,) = lines(called.stdout)
    (stored,) = lines(changewire("events", "--home", home, "--json").stdout)
    assert line["output"]["events"] == [stored["id"]]
    assert (stored["payload"], stored["hops"], stored["cause"]) == ({"invoice": 7}, 0, None)
