"""``catalog``: everything there is, with something to paste that works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import yaml

from changewire.actions.definition import Idempotency
from changewire.catalog import builtin_folder, load_catalog
from changewire.cli.showing import IDEMPOTENCY
from changewire.config.home_folder import is_home
from changewire.home.loading import load_home
from tests.cli.rig import changewire, lines

Make = Callable[..., Path]
CATALOG = load_catalog(builtin_folder("triggers").parent)
COMMON = {"v", "kind", "name", "title", "description", "connector", "parameters", "needs", "snippet"}
OWN = {
    "trigger": {"event_types", "payload", "caveat"},
    "action": {"idempotency", "output", "sample", "label", "operation"},
}
PARAMETER = {"type", "required", "default", "enum", "min", "max", "description"}
INSIDE = {"fields", "entries"}
HTTP = "web: {connector: http, base_url: https://api.example.com}\n"


def test_the_list_has_every_type_and_action_on_one_line() -> None:
    shown = changewire("catalog").stdout.splitlines()
    for name in (*CATALOG.triggers, *CATALOG.actions):
        assert sum(line.split()[:1] == [name] for line in shown) == 1


def test_json_has_exactly_its_keys() -> None:
    found = lines(changewire("catalog", "--json").stdout)
    assert [view["name"] for view in found] == sorted([*CATALOG.triggers, *CATALOG.actions])
    for view in found:
        assert view.keys() == COMMON | OWN[view["kind"]]
        assert view["needs"].keys() == {"plan", "scopes", "notes"}
        assert all(parameter.keys() - INSIDE == PARAMETER for parameter in view["parameters"].values())


@pytest.mark.parametrize("name", [*CATALOG.triggers, *CATALOG.actions])
def test_each_is_shown_with_its_parameters_and_is_the_same_for_programs(name: str) -> None:
    result = changewire("catalog", name)
    assert result.exit_code == 0
    (view,) = lines(changewire("catalog", name, "--json").stdout)
    for parameter, about in view["parameters"].items():
        assert any(line.split()[:2] == [parameter, about["type"]] for line in result.stdout.splitlines())
    assert "To paste" in result.stdout


@pytest.mark.parametrize("name", CATALOG.triggers)
def test_what_is_to_be_pasted_for_a_trigger_type_is_a_valid_workflow(name: str, make_home: Make) -> None:
    (view,) = lines(changewire("catalog", name, "--json").stdout)
    home = make_home(pasted=view["snippet"])
    with (home / "config" / "connections.yaml").open("a") as file:
        file.write(HTTP)
    assert load_home(home).problems == []


@pytest.mark.parametrize("name", CATALOG.actions)
def test_what_is_to_be_pasted_for_an_action_is_a_valid_step(name: str, make_home: Make) -> None:
    (view,) = lines(changewire("catalog", name, "--json").stdout)
    trigger = {"type": "zoom.new_meeting_created"}
    steps = yaml.safe_load(view["snippet"])
    home = make_home(pasted=yaml.safe_dump({"name": "Pasted", "trigger": trigger, "steps": steps}))
    variables = {"NOTIFY_URL": "json://localhost", "SMTP_USER": "me", "SMTP_PASSWORD": "word"}
    assert load_home(home, variables).problems == []


def test_a_zoom_trigger_tells_parameters_limits_needs_events_and_payload() -> None:
    shown = changewire("catalog", "zoom.new_meeting_created").stdout
    assert "page_size" in shown
    assert "1 to 300" in shown
    assert "scheduled, live, upcoming" in shown
    assert "scope (granular): meeting:read:list_meetings or" in shown
    assert "  - meeting_created" in shown
    assert "  event_type: meeting_created\n  meeting:\n" in shown
    assert "type: zoom.new_meeting_created" in shown


def test_what_is_inside_a_parameter_is_told_by_the_names_that_lead_there() -> None:
    shown = {line.split()[0]: line for line in changewire("catalog", "zoom.create_meeting").stdout.splitlines() if line}
    assert shown["settings.waiting_room"].endswith("whether guests wait until they are let in")
    assert shown["settings.meeting_invitees[].email"].endswith("their address")
    (view,) = lines(changewire("catalog", "zoom.create_meeting", "--json").stdout)
    settings = view["parameters"]["settings"]["fields"]
    assert settings["auto_recording"]["enum"] == ["local", "cloud", "none"]
    assert settings["meeting_invitees"]["entries"]["fields"].keys() == {"email"}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("zoom.new_cloud_recording", "message: '{{ event.event_type }}: {{ payload.meeting.topic }}'"),
        ("zoom.new_meeting_participant", "message: '{{ event.event_type }}: {{ payload.name }}'"),
        ("http.new_item", "message: '{{ event.event_type }} {{ event.key }}'"),
        ("core.csv", "path: reports/meetings.csv"),
        ("zoom.assign_role", "- email: someone@example.com"),
    ],
)
def test_what_is_to_be_pasted_does_something_useful(name: str, line: str) -> None:
    assert line in [each.strip() for each in changewire("catalog", name).stdout.splitlines()]


def test_the_name_of_an_api_lists_what_is_there_for_it() -> None:
    found = lines(changewire("catalog", "http", "--json").stdout)
    assert found
    assert {view["connector"] for view in found} == {"http"}


def test_an_unknown_name_is_wrong_use_with_the_nearest() -> None:
    result = changewire("catalog", "zoom.new_meting_created")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "there is no trigger type or action 'zoom.new_meting_created'; did you mean 'zoom.new_meeting_created'?\n"
    )


def test_own_types_are_listed_and_broken_ones_told(make_home: Make) -> None:
    home = make_home()
    own = home / "triggers"
    own.mkdir()
    text = (builtin_folder("triggers") / "zoom" / "new_meeting_created.yaml").read_text()
    (own / "mine.yaml").write_text(text.replace("zoom.new_meeting_created", "zoom.my_own_meeting"))
    (own / "broken.yaml").write_text("type: 3\n")
    result = changewire("catalog", "--home", home)
    assert "zoom.my_own_meeting" in result.stdout
    assert "problems in own types: `changewire validate` tells them" in result.stderr


def test_a_home_that_was_named_must_be_one(tmp_path: Path) -> None:
    assert not is_home(tmp_path)
    assert changewire("catalog", "--home", tmp_path).exit_code == 2


def test_words_search_everything_that_the_api_can_do() -> None:
    result = changewire("catalog", "zoom", "recording", "meeting")
    names = [line.split()[0] for line in result.stdout.splitlines() if line.startswith("zoom.")]
    assert {"zoom.meeting_recording_changed", "zoom.get_meeting_recordings", "zoom.recordingGet"} <= set(names)
    assert "zoom.getPhoneRecordings" not in names
    assert any("GET /meetings/{meetingId}/recordings" in line for line in result.stdout.splitlines())
    found = lines(changewire("catalog", "zoom", "recording", "meeting", "--json").stdout)
    assert {view["name"] for view in found} == set(names)


def test_a_word_that_is_no_name_is_searched_for() -> None:
    names = [view["name"] for view in lines(changewire("catalog", "graphql", "--json").stdout)]
    assert names == ["zoom.graphql"]
    nothing = changewire("catalog", "zoom", "no-such-thing-at-all")
    assert (nothing.exit_code, nothing.stdout) == (2, "")
    assert nothing.stderr == (
        "nothing has no-such-thing-at-all in its name, title or path: "
        "try another word; `changewire catalog` lists what there is\n"
    )


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ("who attended", "zoom.get_past_meeting_participants"),
        ("attendance meeting", "zoom.list_meeting_participants_report"),
        ("cancel a meeting", "zoom.delete_meeting"),
        ("downloading recordings", "zoom.download_recordings"),
        ("download video", "zoom.download_recording"),
        ("when a meeting starts", "zoom.meeting_started"),
        ("slack", "core.notify"),
        ("edit meeting", "zoom.update_meeting"),
        ("phone call", "zoom.list_phone_calls"),
        ("Zoom transcript", "zoom.new_transcript"),
        ("sms", "zoom.new_sms"),
    ],
)
def test_things_are_found_by_the_words_that_people_have_for_them(words: str, some: str) -> None:
    result = changewire("catalog", *words.split())
    assert result.exit_code == 0
    assert some in [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    assert "nothing has" not in result.stderr


def test_where_nothing_has_all_words_what_has_most_of_them_is_shown() -> None:
    result = changewire("catalog", "recordings", "trash", "yesterday")
    assert "zoom.recording_trashed" in result.stdout
    assert result.stderr.splitlines()[0] == (
        "nothing has all of recordings, trash, yesterday; shown is what has most of them"
    )


def test_the_name_of_an_api_may_be_written_large_or_nearly_right() -> None:
    assert changewire("catalog", "HTTP").stdout == changewire("catalog", "http").stdout
    assert changewire("catalog", "zom").stderr == "there is no trigger type or action 'zom'; did you mean 'zoom'?\n"


def test_an_operation_names_the_action_that_does_the_same() -> None:
    easier = (
        "zoom.create_meeting does the same with parameters that are explained: `changewire catalog zoom.create_meeting`"
    )
    assert changewire("catalog", "zoom.meetingCreate").stderr.strip() == easier
    assert changewire("catalog", "zoom.create_meeting").stderr == ""
    assert changewire("catalog", "zoom.groupCreate", "--json").stderr.startswith("\nzoom.create_group does")


def test_an_operation_is_shown_with_request_label_and_scopes() -> None:
    shown = changewire("catalog", "zoom.recording_get").stdout
    assert shown.startswith("zoom.recordingGet  (action)\n")
    assert "  GET /meetings/{meetingId}/recordings, rate label LIGHT" in shown
    assert "scope (granular): cloud_recording:read:list_recording_files or" in shown
    (view,) = lines(changewire("catalog", "zoom.accountCallLogs", "--json").stdout)
    assert view["label"] == "PHONE-HEAVY"
    assert (view["operation"]["status"], view["operation"]["successor"]) == ("deprecated", "accountCallHistory")
    assert "deprecated: use accountCallHistory" in changewire("catalog", "zoom.accountCallLogs").stdout


def test_the_list_of_an_api_says_how_much_more_it_can_do() -> None:
    assert "searches all 1," in changewire("catalog", "zoom").stderr
    assert "searches" not in changewire("catalog", "http").stderr


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("core.log", "Done twice\n  it changes nothing outside, so it is simply done again (idempotency: pure)\n"),
        ("zoom.get_meeting", "(idempotency: natural)\n"),
        ("http.request", "(idempotency: header)\n"),
    ],
)
def test_an_action_says_whether_it_may_be_done_twice(action: str, words: str) -> None:
    assert words in changewire("catalog", action).stdout


def test_every_kind_of_idempotency_has_words() -> None:
    assert set(IDEMPOTENCY) == set(get_args(Idempotency))


def test_what_to_know_before_relying_on_a_type_is_shown() -> None:
    assert "Good to know\n  An edited message is not new." in changewire("catalog", "zoom.new_chat_message").stdout
    assert "Good to know" not in changewire("catalog", "zoom.new_chat_channel").stdout


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("zoom.new_meeting_participant", {"meeting_id": "85746065432"}),
        ("zoom.meeting_details_changed", {"meeting_id": 85746065432}),
        ("zoom.new_past_meeting", {"user_id": "someone@example.com"}),
        ("zoom.new_webinar_registrant", {"webinar_id": "95204914252"}),
        ("zoom.role_members_changed", {"role_id": "…"}),
    ],
)
def test_the_id_of_something_else_is_never_pasted(name: str, given: dict[str, object]) -> None:
    (view,) = lines(changewire("catalog", name, "--json").stdout)
    assert yaml.safe_load(view["snippet"])["trigger"]["with"] == given
