"""What an API, a file or a database holds is shown, and starts no line and steers no terminal."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from click.testing import Result

from changewire.cli.base import say
from changewire.cli.output import print_json, print_table, print_text, print_yaml
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.rig import changewire, lines, on_terminal, workflow
from tests.engine.rig import connection

ENDS = ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
STEERING = (
    "\x1b[2J",
    "\x1b]0;",
    "\x07",
    "\x9b31m",
    "\x90",
    "\x08",
    "\x7f",
    "\u202e",
    "\u2066",
    "\u200b",
    "\ufeff",
    "\u2060",
)
HOSTILE = f"a{''.join(f'{end}FORGED' for end in ENDS)}{''.join(STEERING)}[red][/x]\U000e0041"
SEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
Make = Callable[..., Path]


def check(words: object, text: str) -> None:
    """Nothing of `HOSTILE` begins a line or steers."""
    assert SEEN.search(text) is None, (words, text)
    for line in text.splitlines():
        assert not line.lstrip(" –│").startswith("FORGED"), (words, text)


def shown(words: tuple[str, ...], home: Path) -> str:
    """What a command shows, for people; with --json each line is still an object of its own."""
    result = changewire(*words, "--home", home)
    assert "a fault in" not in result.output, (words, result.output)
    check(words, result.stdout)
    check(words, result.stderr)
    data = changewire(*words, "--home", home, "--json")
    assert all(isinstance(json.loads(line), dict) for line in data.stdout.splitlines()), (words, data.stdout)
    check(words, data.stdout)
    return result.output


@pytest.mark.parametrize("text", [HOSTILE, *ENDS])
def test_each_way_to_print_keeps_a_line_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = f"x{text}FORGED"
    uses: list[Callable[[], None]] = [
        lambda: print_text(hostile, hostile),
        lambda: say(hostile, hostile),
        lambda: print_table([hostile, "b"], [[hostile, hostile]]),
        lambda: print_json({hostile: [hostile]}),
    ]
    for use in uses:
        use()
        out = "".join(capsys.readouterr())
        assert "FORGED" in out
        check(text, out)


@pytest.mark.parametrize("text", [HOSTILE, *ENDS])
def test_data_shown_as_yaml_are_the_same_data(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    data = {"b": [f"x{text}FORGED"], f"x{text}FORGED": 1}
    print_yaml(data, indent=2)
    out = capsys.readouterr().out
    assert SEEN.search(out) is None
    assert all(line.startswith("  ") for line in out.splitlines())
    assert yaml.safe_load(out) == data


def json_of(value: object) -> str:
    return json.dumps(value)


FIELDS = {
    "events.key": HOSTILE,
    "events.event_type": HOSTILE,
    "events.trigger": HOSTILE,
    "events.type": HOSTILE,
    "events.cause": HOSTILE,
    "events.chain": json_of([HOSTILE]),
    "events.payload": json_of({HOSTILE: HOSTILE}),
    "events.changes": json_of([{"path": HOSTILE, "old": HOSTILE, "new": {HOSTILE: [HOSTILE]}}]),
    "runs.reason": HOSTILE,
    "runs.workflow": HOSTILE,
    "runs.resumed_by": HOSTILE,
    "runs.waits_for": HOSTILE,
    "attempts.use": HOSTILE,
    "attempts.error": HOSTILE,
    "attempts.error_class": HOSTILE,
    "attempts.address": HOSTILE,
    "attempts.output": json_of({"topic": HOSTILE}),
    "attempts.evidence": json_of(
        {"input": {"a": HOSTILE}, "response": {"status": 500, "code": HOSTILE, "body": HOSTILE}}
    ),
    "triggers.error": HOSTILE,
    "triggers.delayed": HOSTILE,
    "triggers.type": HOSTILE,
    "triggers.verdicts": json_of(
        {
            "at": "2026-11-30T00:00:00.000000Z",
            "counts": {HOSTILE: 1},
            "held": [{"key": HOSTILE, "verdict": HOSTILE}],
            "ignored": [HOSTILE],
        }
    ),
    "pauses.reason": HOSTILE,
    "pauses.advice": HOSTILE,
    "pending_changes.reason": HOSTILE,
    "pending_changes.key": HOSTILE,
}
UNSEEN = {"pending_changes.key", "events.chain", "events.payload"}  # which no command shows by itself


@pytest.mark.parametrize("field", FIELDS)
def test_no_stored_text_starts_a_line(field: str, watched: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(watched, home)
    table, column = field.split(".")
    with closing(sqlite3.connect(home / "state/changewire.db")) as database:
        at = "2026-11-30T00:00:00.000000Z"
        given = ("connection", "work", "credential", at, "why", "what to do", 0, 0)
        columns = "kind, name, cause, since, reason, advice, by_request, tries"
        database.execute(f"INSERT INTO pauses ({columns}) VALUES ({', '.join('?' * len(given))})", given)
        database.execute(
            "INSERT INTO pending_changes (trigger_id, key, change, noticed_at, due_at, tries, reason) "
            "SELECT id, 'k', 'created', ?, ?, 1, 'why' FROM triggers",
            (at, at),
        )
        database.execute("UPDATE runs SET resumed_at = ?", (at,))
        if table == "attempts" and column != "output":
            database.execute("UPDATE attempts SET state = 'failed', error = 'an error'")
        database.execute(f"UPDATE {table} SET {column} = ?", (FIELDS[field],))
        database.commit()
        ((event,), *_) = database.execute("SELECT id FROM events").fetchall()
        ((run,), *_) = database.execute("SELECT id FROM runs WHERE event_id = ?", (event,)).fetchall()
    commands: list[tuple[str, ...]] = [("status",), ("events",), ("runs",), ("runs", run), ("explain", event)]
    commands += [("explain", run), ("explain", "Meetings"), ("explain", "Details"), ("explain", "Failing")]
    text = "".join(shown(words, home) for words in commands)
    assert ("FORGED" in text) is (field not in UNSEEN)


def test_no_answer_starts_a_line(make_home: Make) -> None:
    home = make_home(meetings=workflow("Meetings", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}"))
    with Sandbox(enforce_limits=False) as zoom:
        (home / "config" / "connections.yaml").write_text(connection(zoom.url))
        zoom.control("create_meeting", user_id=OWNER_EMAIL, topic=HOSTILE, agenda=HOSTILE)
        for words in (("test", "Meetings"), ("call", "zoom.list_meetings", f"userId={OWNER_EMAIL}")):
            assert "FORGED" in shown(words, home)
        table = on_terminal(60, "call", "zoom.list_meetings", f"userId={OWNER_EMAIL}", "--home", home)
        assert SEEN.search(table.replace("\r", "")) is None


def test_no_message_of_an_api_starts_a_line(make_home: Make) -> None:
    home = make_home(meetings=workflow("Meetings", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}"))
    with Sandbox(enforce_limits=False) as zoom:
        (home / "config" / "connections.yaml").write_text(connection(zoom.url))
        zoom.control("faults", match="GET /v2/users", kind="error_200", message=HOSTILE)
        for words in (("call", "zoom.list_meetings", f"userId={OWNER_EMAIL}"), ("test", "Meetings"), ("check",)):
            shown(words, home)


@pytest.mark.parametrize("name", ["a\nFORGED", "a\x1b[2J", "a\u202eFORGED", "a\u2028FORGED", "[red]a[x]"])
def test_no_name_of_a_file_or_in_a_file_starts_a_line(name: str, tmp_path: Path, make_home: Make) -> None:
    home = make_home(meetings=workflow("Meetings", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}"))
    folder = home / "config" / "workflows"
    (folder / f"{name}.yaml").write_text(
        f"name: {json.dumps(name)}\ntrigger: {{type: {json.dumps(name)}}}\nsteps: []\n"
    )
    (folder / f"{name}-2.yaml").write_text(f"{json.dumps(name)}: 1\nname: [\n")
    for words in (
        ("status",),
        ("validate",),
        ("plan",),
        ("test", name),
        ("explain", name),
        ("pause", name),
        ("catalog", name),
    ):
        shown(words, home)


def test_names_that_a_file_writes_are_shown_in_connections_and_types(make_home: Make) -> None:
    home = make_home()
    (home / "config" / "connections.yaml").write_text(
        f"{json.dumps(HOSTILE)}:\n  connector: http\n  auth: {{type: none}}\n"
    )
    own = home / "triggers" / "own"
    own.mkdir(parents=True)
    text = {"type": "http.own", "title": HOSTILE, "description": HOSTILE, "caveat": HOSTILE}
    (own / "own.yaml").write_text(json.dumps(text))
    for words in (
        ("validate",),
        ("check",),
        ("status",),
        ("catalog", "own"),
        ("catalog",),
        ("call", "core.log", "message=x"),
    ):
        shown(words, home)


def test_a_result_is_a_line(make_home: Make) -> None:
    result: Result = changewire("call", "core.emit", f"name={HOSTILE}", "--home", make_home())
    check("emit", result.output)
    assert lines(changewire("events", "--home", make_home(), "--json").stdout) == []
