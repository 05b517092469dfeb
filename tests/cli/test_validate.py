"""``validate``: every problem in its place, and nothing but problems on stdout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import DETAILS, MEETINGS, TYPO
from tests.cli.rig import changewire, lines

Make = Callable[..., Path]
PROBLEM = (
    "config/workflows/typo.yaml:2:17: there is no trigger type 'zoom.new_meeting_creatd'; "
    "`changewire catalog` lists them (did you mean 'zoom.new_meeting_created'?)\n"
)


def test_a_good_home_is_told_as_talk(make_home: Make) -> None:
    result = changewire("validate", "--home", make_home(a=MEETINGS, b=DETAILS))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "2 workflows, 2 triggers: all good\n"


def test_a_typo_is_one_line_with_place_and_suggestion(make_home: Make) -> None:
    result = changewire("validate", "--home", make_home(a=MEETINGS, typo=TYPO))
    assert (result.exit_code, result.stdout) == (1, PROBLEM)
    assert result.stderr == "1 problem in 1 file; 1 workflow can be used\n"


def test_problems_stand_in_the_order_of_files_and_lines(make_home: Make) -> None:
    home = make_home(
        zz=TYPO, aa="name: Two\nstep: []\ntrigger: {type: zoom.new_meeting_created, with: {page_siz: 3}}\n"
    )
    (home / "config" / "connections.yaml").write_text(
        "zoom: {connector: zoom, auth: {type: bearer, token: t}}\nother: {conector: zoom}\n"
    )
    result = changewire("validate", "--home", home)
    places = [line.split(": ")[0].rsplit(":", 2) for line in result.stdout.splitlines()]
    assert len(places) >= 3
    assert places == sorted(places, key=lambda place: (place[0], int(place[1]), int(place[2])))


def test_json_is_the_problem_and_nothing_else(make_home: Make) -> None:
    result = changewire("validate", "--json", "--home", make_home(a=MEETINGS, typo=TYPO))
    assert result.exit_code == 1
    (problem,) = lines(result.stdout)
    assert problem == {
        "v": 1,
        "file": "config/workflows/typo.yaml",
        "line": 2,
        "column": 17,
        "code": "unknown_type",
        "message": "there is no trigger type 'zoom.new_meeting_creatd'; `changewire catalog` lists them",
        "suggestion": "zoom.new_meeting_created",
    }


def test_broken_settings_are_problems_like_others(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    (home / "config" / "changewire.yaml").write_text("alert_afer: 2\n")
    result = changewire("validate", "--json", "--home", home)
    assert result.exit_code == 1
    assert [(p["file"], p["line"], p["suggestion"]) for p in lines(result.stdout)] == [
        ("config/changewire.yaml", 1, "alert_after")
    ]


@pytest.mark.parametrize("name", ["home/config/workflows/typo.yaml", "config/workflows/typo.yaml"])
def test_files_may_be_named_from_here_or_from_the_home(name: str, make_home: Make) -> None:
    home = make_home(a=MEETINGS, typo=TYPO, other=TYPO.replace("Typo", "Other"))
    result = changewire("validate", "--home", home, name)
    assert (result.exit_code, result.stdout) == (1, PROBLEM)


def test_a_good_file_in_a_home_with_others_that_are_broken_is_good(make_home: Make) -> None:
    home = make_home(a=MEETINGS, typo=TYPO)
    assert changewire("validate", "--home", home, "config/workflows/a.yaml").exit_code == 0


def test_a_file_that_is_not_there_is_told_with_the_nearest(make_home: Make) -> None:
    result = changewire("validate", "--home", make_home(a=MEETINGS), "config/workflows/b.yaml")
    assert result.exit_code == 2
    assert result.stderr == "there is no file config/workflows/b.yaml; did you mean 'config/workflows/a.yaml'?\n"


def test_nothing_is_made_in_a_home_that_is_only_looked_at(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    before = sorted(home.rglob("*"))
    for command in ("validate", "status", "events", "runs"):
        changewire(command, "--home", home)
    assert sorted(home.rglob("*")) == before


def test_operations_are_checked_like_actions(make_home: Make) -> None:
    text = """
trigger: {type: zoom.new_meeting_created}
steps:
  - {use: zoom.meetingUpdate, with: {meeting_id: 1, body: {topic: "{{ payload.meeting.topic }}"}}}
  - {use: zoom.accountCallLogs}
  - {use: zoom.meetingCreate, with: {userId: me}, retry: {attempts: 3}}
"""
    result = changewire("validate", "--home", make_home(a=text))
    assert result.exit_code == 0
    assert result.stderr.splitlines()[:2] == [
        "warning: config/workflows/a.yaml:5:11: GET /phone/call_logs is deprecated and may go away: use "
        "zoom.accountCallHistory",
        "warning: config/workflows/a.yaml:6:58: zoom.meetingCreate cannot tell a repetition (idempotency: none), "
        "so with 'retry' it may be done twice when an answer is lost: leave 'retry' out, or make sure that twice "
        "does no harm",
    ]


def test_operations_that_are_gone_and_wrong_parameters_are_problems(make_home: Make) -> None:
    text = """
trigger: {type: zoom.new_meeting_created}
steps:
  - {use: zoom.imChatSessions}
  - {use: zoom.webhooks}
  - {use: zoom.users, with: {statu: active, page_size: 9999}}
  - {use: zoom.userz}
"""
    result = changewire("validate", "--home", make_home(a=text))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "config/workflows/a.yaml:4:11: GET /im/chat/sessions is not there any more: use zoom.reportChatSessions",
        "config/workflows/a.yaml:5:11: GET /webhooks is not there any more: nothing took its place",
        "config/workflows/a.yaml:6:30: there is no parameter 'statu' (did you mean 'status'?)",
        "config/workflows/a.yaml:6:56: page_size must be at most 2000, not 9999",
        "config/workflows/a.yaml:7:11: there is no action 'zoom.userz'; `changewire catalog` lists them "
        "(did you mean 'zoom.user'?)",
    ]
