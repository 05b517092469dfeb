"""``call``: any action by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from changewire.cli.calling import parse_values
from changewire.errors import UsageError
from changewire.sandbox import Sandbox
from changewire.values import Json
from tests.cli.conftest import MEETING, MEETINGS
from tests.cli.rig import changewire, lines
from tests.engine.rig import connection

Make = Callable[..., Path]

VALUES: list[tuple[str, Json]] = [
    ("3", 3),
    ("-1.5", -1.5),
    ("true", True),
    ("null", None),
    ("", ""),
    ("no", "no"),
    ("0123", "0123"),
    ("12:30", "12:30"),
    ("2026-11-21", "2026-11-21"),
    ("a: b", "a: b"),
    ("- a", "- a"),
    ("# not a comment", "# not a comment"),
    ("x=y", "x=y"),
    ('"3"', "3"),
    ('{"a": [1, "2"]}', {"a": [1, "2"]}),
    ("[1, 2]", [1, 2]),
    ("{{ payload.id }}", "{{ payload.id }}"),
    ("https://example.com/?a=1#b", "https://example.com/?a=1#b"),
    ("@tab\t", "@tab\t"),
]


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text or "empty" for text, _ in VALUES])
def test_a_value_is_read_as_in_a_workflow_but_text_needs_no_quotes(text: str, value: Json) -> None:
    found = parse_values([f"name={text}"])["name"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["topic"], "'topic' is not NAME=VALUE"),
        (["=3"], "'=3' is not NAME=VALUE"),
        (["a=1", "a=2"], "a is given twice"),
        (["a={"], "a: '{' is no JSON: "),
    ],
)
def test_what_is_no_value_is_wrong_use(words: list[str], told: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_values(words)
    assert str(error.value).startswith(told)


def test_the_output_is_data_and_json_has_exactly_its_keys(make_home: Make) -> None:
    home = make_home()
    plain = changewire("call", "zoom.get_meeting", f"meeting_id={MEETING}", "--home", home)
    assert plain.exit_code == 0
    assert json.loads(plain.stdout)["id"] == MEETING
    (view,) = lines(changewire("call", "zoom.get_meeting", f"meeting_id={MEETING}", "--home", home, "--json").stdout)
    assert view.keys() == {"v", "action", "connection", "output"}
    assert (view["v"], view["action"], view["connection"]) == (1, "zoom.get_meeting", "work")
    assert view["output"]["id"] == MEETING


def test_a_dry_run_shows_the_request_and_sends_nothing(make_home: Make) -> None:
    with Sandbox() as unasked:
        home = make_home()
        (home / "config" / "connections.yaml").write_text(connection(unasked.url))
        unasked.close()
        words = ("call", "zoom.list_meetings", "user_id=a/b@example.com", "type=live", "--dry-run", "--home", home)
        result = changewire(*words, "--json")
        (view,) = lines(result.stdout)
        assert result.stderr == "nothing was sent\n"
        assert view.keys() == {"v", "action", "connection", "with", "request"}
        assert view["request"] == {
            "method": "GET",
            "url": f"{unasked.url}/v2/users/a%2Fb%40example.com/meetings",
            "query": {"type": "live", "page_size": "300"},
            "body": None,
        }
        assert changewire(*words).exit_code == 0


def test_a_dry_run_of_an_action_that_is_code_shows_what_it_would_get(make_home: Make) -> None:
    result = changewire("call", "core.log", "message=hi", "--dry-run", "--json", "--home", make_home())
    (view,) = lines(result.stdout)
    assert (view["connection"], view["request"], view["with"]["message"]) == (None, None, "hi")


def test_what_an_action_logs_is_talk(make_home: Make) -> None:
    result = changewire("call", "core.log", "message=Good morning", "--home", make_home(), "--json")
    assert [line["output"] for line in lines(result.stdout)] == [{"message": "Good morning"}]
    assert "Good morning" in result.stderr


def test_variables_are_filled_in_and_masked(make_home: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREETING", "a-secret-greeting")
    result = changewire("call", "core.log", "message=${GREETING}", "--home", make_home())
    assert result.exit_code == 0
    assert "a-secret-greeting" not in result.output
    unset = changewire("call", "core.log", "message=${GREETIN}", "--home", make_home())
    assert unset.exit_code == 2
    assert unset.stderr.startswith("the variable GREETIN is not set: export it")


WRONG = [
    (("zoom.get_meetin",), 2, "there is no action 'zoom.get_meetin'; did you mean 'zoom.get_meeting'?"),
    (
        ("zoom.new_meeting_created",),
        2,
        "zoom.new_meeting_created is a trigger type, not an action: `changewire test WORKFLOW` polls it once",
    ),
    (("zoom.get_meeting",), 2, "zoom.get_meeting: meetingId is missing: number of the meeting"),
    (
        ("zoom.get_meeting", "meeting_i=3"),
        2,
        "zoom.get_meeting: there is no parameter 'meeting_i' (did you mean 'meetingId'?)",
    ),
    (
        ("zoom.get_meeting", "meeting_id=3", "--connection", "wrk"),
        2,
        "there is no connection 'wrk'; did you mean 'work'?",
    ),
    (("zoom.get_meeting", "meeting_id=3", "--connection", "bad"), 1, "config/connections.yaml:"),
    (("zoom.get_meeting", "meeting_id=3"), 1, "Zoom (work) answered 404, code 3001 to /meetings/3: "),
]


@pytest.mark.parametrize(("words", "code", "told"), WRONG, ids=[" ".join(words) for words, *_ in WRONG])
def test_errors_are_for_the_person_who_called(words: tuple[str, ...], code: int, told: str, make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    with (home / "config" / "connections.yaml").open("a") as file:
        file.write("bad: {connector: zoom, base_url: nowhere, auth: {type: bearer, token: abcdef}}\n")
    result = changewire("call", *words, "--home", home)
    assert (result.exit_code, result.stdout) == (code, "")
    assert " ".join(result.stderr.split()).startswith(told)


def test_the_connection_must_be_named_where_several_fit(make_home: Make, sandbox: Sandbox) -> None:
    home = make_home()
    (home / "config" / "connections.yaml").write_text(connection(sandbox.url, "one") + connection(sandbox.url, "two"))
    words = ("call", "zoom.get_meeting", f"meeting_id={MEETING}", "--home", home)
    assert "write connection: with one of one, two" in changewire(*words).stderr
    assert changewire(*words, "--connection", "two").exit_code == 0
    assert changewire(*words, "connection=one").exit_code == 0
