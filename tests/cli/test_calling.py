"""``call``: any action by hand."""

from __future__ import annotations

import csv
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result

from changewire.sandbox import CLIENT_SECRET, OWNER_EMAIL, Sandbox
from tests.cli.conftest import MEETING, MEETINGS
from tests.cli.rig import background, changewire, lines, workflow
from tests.engine.rig import connection
from tests.support.processes import wait_for

Make = Callable[..., Path]


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
            "headers": view["request"]["headers"],
            "body": None,
        }
        assert view["request"]["headers"]["Authorization"] == "Bearer ***"
        shown = changewire(*words)
        assert shown.exit_code == 0
        assert shown.stdout.splitlines()[0] == (
            f"GET {unasked.url}/v2/users/a%2Fb%40example.com/meetings?type=live&page_size=300"
        )
        assert "Authorization: Bearer ***" in shown.stdout.splitlines()


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
    (("zoom.",), 2, "zoom. is an API: `changewire catalog zoom` lists what it can do"),
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
    assert changewire(*words).stderr == (
        "zoom.get_meeting needs a connection of zoom: add --connection with one of one, two\n"
    )
    assert changewire(*words, "--connection", "two").exit_code == 0
    assert changewire(*words, "connection=one").exit_code == 0


def users(make_home: Make, *words: str) -> Result:
    return changewire("call", "zoom.users", *words, "--home", make_home())


def test_a_list_is_a_table_with_the_columns_that_tell_records_apart(make_home: Make) -> None:
    result = users(make_home)
    head, *rows = result.stdout.splitlines()
    assert head.split()[0] == "id"
    assert "email" in head.split()
    assert len(rows) > 1
    chosen = users(make_home, "--columns", "email, type").stdout.splitlines()
    assert chosen[0].split() == ["email", "type"]


def test_a_page_says_that_there_are_more_and_all_pages_and_limit_read_on(make_home: Make) -> None:
    one = users(make_home, "page_size=1")
    assert len(one.stdout.splitlines()) == 2
    assert one.stderr == "1 shown, and there are more: --all-pages or --limit N reads on\n"
    everyone = users(make_home, "page_size=1", "--all-pages")
    assert len(everyone.stdout.splitlines()) == 3
    assert everyone.stderr == ""
    assert len(users(make_home, "page_size=1", "--limit", "1").stdout.splitlines()) == 2


def test_a_list_of_which_something_is_missing_is_told(make_home: Make, tmp_path: Path) -> None:
    home = make_home()
    with Sandbox(enforce_limits=False) as zoom:
        (home / "config" / "connections.yaml").write_text(connection(zoom.url))
        for number in range(4):
            zoom.control("create_user", email=f"u{number}@example.com")
        words = ("call", "zoom.users", "page_size=2", "--all-pages", "--home", home)
        assert changewire(*words).stderr == ""
        zoom.control("faults", match="GET /v2/users", kind="page_shift", shift=-1)
        back = changewire(*words)
        assert (len(back.stdout.splitlines()), back.stderr) == (7, "")
        zoom.control("clear_faults")
        zoom.control("faults", match="GET /v2/users", kind="page_shift", shift=1)
        for more in ((), ("--json",), ("--out", str(tmp_path / "users.csv"))):
            assert changewire(*words, *more).stderr.splitlines()[-1] == (
                "4 were read, and the API speaks of 6: the list may have changed while it was read; "
                "the same command again reads it anew"
            )


def test_what_gives_no_pages_refuses_to_read_them(make_home: Make) -> None:
    result = changewire("call", "core.log", "message=x", "--all-pages", "--home", make_home())
    assert (result.exit_code, result.stderr) == (2, "--all-pages: core.log gives no list that comes in pages\n")


def test_an_output_is_written_into_a_file_by_its_ending(make_home: Make, tmp_path: Path) -> None:
    for name in ("users.csv", "users.jsonl", "users.json"):
        result = users(make_home, "--all-pages", "--out", str(tmp_path / name))
        assert (result.exit_code, result.stdout) == (0, "")
        assert " records\n" in result.stderr
    whole = json.loads((tmp_path / "users.json").read_text())["users"]
    assert [json.loads(line) for line in (tmp_path / "users.jsonl").read_text().splitlines()] == whole
    with (tmp_path / "users.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [user["id"] for user in whole]


def test_a_csv_file_holds_neither_formulas_nor_rows_that_the_api_wrote(make_home: Make, tmp_path: Path) -> None:
    hostile = ["=HYPERLINK(1)", "a\r=1+1", "\uff0bcmd", "a\u2028b", "\t@x", "-5"]
    home = make_home()
    with Sandbox(enforce_limits=False) as zoom:
        (home / "config" / "connections.yaml").write_text(connection(zoom.url))
        for topic in hostile:
            zoom.control("create_user", email=f"u{hostile.index(topic)}@example.com", first_name=topic)
        words = ("call", "zoom.users", "--all-pages", "--home", home, "--out")
        for name in ("users.csv", "users.json"):
            assert changewire(*words, str(tmp_path / name)).exit_code == 0
    whole = json.loads((tmp_path / "users.json").read_text())["users"]
    text = (tmp_path / "users.csv").read_bytes().decode()
    assert [row["id"] for row in csv.DictReader(text.splitlines())] == [user["id"] for user in whole]
    with (tmp_path / "users.csv").open(newline="") as file:
        names = [row["first_name"] for row in csv.DictReader(file)]
    assert names[-6:] == ["'=HYPERLINK(1)", "a\r=1+1", "'\uff0bcmd", "a\u2028b", "'\t@x", "-5"]


def test_an_output_that_cannot_be_written_is_printed_for_the_action_is_done(make_home: Make, tmp_path: Path) -> None:
    home, path = make_home(), tmp_path / "x.csv"
    words = ("zoom.create_meeting", "userId=me", "topic=Kept", "--out", str(path), "--home", home)
    result = changewire("call", *words)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["topic"] == "Kept"
    assert result.stderr == (
        f"zoom.create_meeting is done and its output printed, but {path} was not written: "
        "it is no list of records, as .csv needs one; write it to a .json file\n"
    )
    (line,) = lines(changewire("call", *words, "--json").stdout)
    assert line["output"]["topic"] == "Kept"


def test_a_folder_that_is_not_there_is_told_before_anything_is_done(make_home: Make, tmp_path: Path) -> None:
    home, path = make_home(), tmp_path / "nowhere" / "x.json"
    result = changewire("call", "zoom.create_meeting", "userId=me", "topic=Unmade", "--out", str(path), "--home", home)
    assert (result.exit_code, result.stderr) == (2, f"there is no folder {str(path.parent)!r}\n")
    assert "Unmade" not in changewire("call", "zoom.list_meetings", "userId=me", "--home", home).stdout


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("users.xlsx", "--out: .xlsx is not written; spreadsheets open .csv: users.csv\n"),
        ("-", "--out writes a file: leave it out, and the output is printed\n"),
    ],
)
def test_a_file_that_would_not_be_what_its_name_says_is_not_written(name: str, told: str, make_home: Make) -> None:
    result = users(make_home, "--out", name)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", told)
    assert not Path(name).exists()


def test_columns_that_no_record_has_are_told(make_home: Make) -> None:
    result = users(make_home, "--columns", "emial,email,custom_attributes.x")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == "--columns: no record has 'emial'; did you mean 'email'?"
    assert "'email';" not in result.stderr
    assert result.stdout.splitlines()[0].split()[0] == "email"
    assert users(make_home, "--columns", "emial").stdout.split()[0] == "id"
    made = changewire(
        "call", "zoom.create_meeting", "userId=me", "topic=Kept", "--columns", "id", "--home", make_home()
    )
    assert (made.exit_code, json.loads(made.stdout)["topic"]) == (0, "Kept")
    assert made.stderr == "--columns: this output is no list of records\n"


def test_what_an_api_answers_does_not_steer_the_terminal(make_home: Make) -> None:
    home, topic = make_home(), "Hi\x1b]0;owned\x07\x1b[31m \u202ered"
    shown = r"Hi\u001b]0;owned\u0007\u001b[31m \u202ered"
    given = ("userId=me", f"topic={topic}", "type=2", "start_time=tomorrow 10:00")
    made = changewire("call", "zoom.create_meeting", *given, "--home", home)
    assert shown in made.stdout
    assert json.loads(made.stdout)["topic"] == topic
    table = changewire("call", "zoom.list_meetings", "userId=me", "--columns", "topic,id", "--home", home)
    assert shown in table.stdout
    lost = changewire("call", "zoom.get_user", f"userId={topic}", "--home", home)
    assert "\x1b" not in lost.stderr


def test_dates_are_said_as_people_say_them(make_home: Make) -> None:
    words = ("call", "zoom.recordingsList", "userId=me", "from=2026-11-01", "to=today", "--dry-run", "--json")
    (view,) = lines(changewire(*words, "--home", make_home()).stdout)
    assert view["request"]["query"]["from"] == "2026-11-01"
    assert view["request"]["query"]["to"] == f"{datetime.now(UTC):%Y-%m-%d}"
    wrong = changewire("call", "zoom.recordingsList", "userId=me", "from=tody", "--home", make_home())
    assert wrong.exit_code == 2
    assert "did you mean 'today'?" in wrong.stderr


def test_what_is_planned_lies_ahead_and_is_told_as_it_was_understood(make_home: Make) -> None:
    words = ("call", "zoom.create_meeting", "topic=A", "start_time=monday 10:00", "timezone=Asia/Tokyo", "--dry-run")
    result = changewire(*words, "--json", "--home", make_home())
    (view,) = lines(result.stdout)
    start = datetime.fromisoformat(view["request"]["body"]["start_time"])
    assert start > datetime.now(UTC)
    here = start.astimezone(ZoneInfo("Asia/Tokyo"))
    assert (here.weekday(), here.hour) == (0, 10)
    assert result.stderr.splitlines() == [
        f"'monday 10:00' is Monday, {here:%Y-%m-%d} 10:00 in Asia/Tokyo", "nothing was sent",
    ]  # fmt: skip


def test_headers_that_sign_in_are_not_shown(make_home: Make) -> None:
    headers = 'headers={"Authorization": "Bearer as-it-is", "x-api-key": "as-it-is", "Accept": "text/csv"}'
    result = changewire("call", "http.request", "url=https://example.com", headers, "--dry-run", "--home", make_home())
    assert json.loads(result.stdout)["with"]["headers"] == {
        "Authorization": "***", "x-api-key": "***", "Accept": "text/csv",
    }  # fmt: skip


def test_a_body_is_shown_as_it_would_be_sent(make_home: Make) -> None:
    words = ("call", "zoom.meetingCreate", "userId=me", 'body={"topic": "A"}', "body.settings.host_video:=true")
    result = changewire(*words, "--dry-run", "--home", make_home())
    request, body = result.stdout.split("\n\n")
    assert request.startswith("POST ")
    assert "Content-Type: application/json" in request
    assert json.loads(body) == {"topic": "A", "settings": {"host_video": True}}


WEBINARS = workflow("Webinars", "zoom.new_webinar_created", f"{{user_id: {OWNER_EMAIL}}}")
PEOPLE = workflow("People", "zoom.new_meeting_participant", f'{{meeting_id: "{MEETING}"}}')


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("zoom.users",), "give the same command again"),
        (
            ("zoom.create_meeting", "userId=me", "topic=Once"),
            "whether zoom.create_meeting was done is not known, so look before you do it again",
        ),
    ],
)
def test_after_a_failure_that_passes_it_is_told_what_to_do(words: tuple[str, ...], told: str, make_home: Make) -> None:
    home = make_home()
    with Sandbox(enforce_limits=False) as zoom:
        (home / "config" / "connections.yaml").write_text(connection(zoom.url))
        zoom.control("faults", match="/v2/", kind="status", status=503)
        result = changewire("call", *words, "--home", home)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[1:] == [told]


def test_who_sent_no_credentials_is_told_so(make_home: Make, sandbox: Sandbox) -> None:
    result = changewire("call", "http.request", f"url={sandbox.url}/v2/users", "--home", make_home())
    assert result.exit_code == 3
    assert result.stderr.endswith("no credentials were sent: name a connection that has some\n")


@pytest.mark.parametrize(
    ("command", "trouble"),
    [
        (command, trouble)
        for command in (("call", "zoom.webinars", "userId=me"), ("test", "Webinars"), ("check",))
        for trouble in ("credentials", "scope", "plan")
    ],
)
def test_what_only_a_person_can_mend_has_its_own_exit_code(
    make_home: Make, command: tuple[str, ...], trouble: str
) -> None:
    home = make_home(webinars=WEBINARS, people=PEOPLE)
    scopes = ["user:read:user:admin"] if trouble == "scope" else None
    with Sandbox(webinar_plan=trouble != "plan", scopes=scopes) as zoom:
        written = connection(zoom.url, secret="certainly-wrong" if trouble == "credentials" else CLIENT_SECRET)
        written = written.replace("plan: business", "plan: free") if trouble == "plan" else written
        (home / "config" / "connections.yaml").write_text(written)
        result = changewire(*command, "--home", home)
    assert result.exit_code == 3, result.output
    assert (result.stdout == "") is (command != ("check",))


def test_what_nobody_can_mend_has_the_usual_exit_code(make_home: Make) -> None:
    result = changewire("call", "zoom.get_meeting", "meetingId=1", "--home", make_home())
    assert (result.exit_code, result.stdout) == (1, "")


def test_what_is_gone_is_refused_and_what_is_deprecated_warned_of(make_home: Make) -> None:
    home = make_home()
    gone = changewire("call", "zoom.imChatSessions", "from=today", "to=today", "--home", home)
    assert (gone.exit_code, gone.stderr) == (
        2, "GET /im/chat/sessions is not there any more: use zoom.reportChatSessions\n",
    )  # fmt: skip
    old = changewire("call", "zoom.accountCallLogs", "--home", home)
    assert old.exit_code == 0
    assert old.stderr.splitlines() == [
        "warning: GET /phone/call_logs is deprecated and may go away: use zoom.accountCallHistory",
        "nothing there",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ("zoom.create_meeting", "userId=me", "topic=Slow"),
            "interrupted: whether zoom.create_meeting was done is not known, so look before you do it again",
        ),
        (("zoom.list_meetings", "userId=me"), "interrupted: give the same command again"),
    ],
    ids=["writing", "reading"],
)
def test_who_interrupts_a_call_is_told_what_that_means(words: tuple[str, ...], told: str, make_home: Make) -> None:
    home = make_home()
    with Sandbox(enforce_limits=False) as slow:
        (home / "config" / "connections.yaml").write_text(connection(slow.url))
        slow.control("faults", match="/v2/users/", kind="delay", delay_s=20.0)
        calling = background("call", *words, "--home", home)
        assert wait_for(lambda: slow.control("stats")["faults"][0]["fired"] > 0)
        calling.send_signal(signal.SIGINT)
        out, err = calling.communicate(timeout=30)
    assert (calling.returncode, out, err.strip()) == (130, "", told)
