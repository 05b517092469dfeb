"""``pause`` and ``resume`` of workflows, triggers and connections, and what ``status`` says of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.conftest import MEETINGS
from tests.cli.rig import changewire, finished, lines, watch, workflow
from tests.engine.rig import connection

Make = Callable[..., Path]
SLOW = MEETINGS.replace("every: 1s", "every: 1h")


@pytest.mark.parametrize(
    ("words", "shown", "resume"),
    [
        (["Meetings"], "workflow 'Meetings'", ["Meetings"]),
        (["a.yaml"], "workflow 'Meetings'", ["Meetings"]),
        (["Meetings/trigger"], "trigger 'Meetings/trigger'", ["Meetings/trigger"]),
        (["--connection", "work"], "connection 'work'", ["--connection", "work"]),
    ],
)
def test_what_is_paused_is_shown_and_goes_on(
    make_home: Make, sandbox: Sandbox, words: list[str], shown: str, resume: list[str]
) -> None:
    home = make_home(a=SLOW)
    watch(home, until=lambda daemon: True)
    command = f"changewire resume {' '.join(resume)}"
    result = changewire("pause", *words, "--reason", "the move", "--home", home)
    assert (result.exit_code, result.stdout) == (0, f"{shown} is paused; `{command}` lets it go on\n")
    again = changewire("pause", *words, "--home", home)
    assert (again.exit_code, again.stderr) == (1, f"{shown} is paused already; `{command}` ends that\n")
    status = changewire("status", "--home", home)
    assert status.exit_code == 0, "what was paused by hand needs nobody"
    assert f"{shown.replace(chr(39), '')} is paused since " in status.stdout
    assert ": the move\n" in status.stdout
    assert f"    next: `{command}`\n" in status.stdout
    sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Meanwhile")
    watch(home, until=lambda daemon: True)
    assert changewire("events", "--home", home).stdout == ""
    result = changewire("resume", *resume, "--home", home)
    assert (result.exit_code, result.stdout) == (0, f"{shown} goes on: 1 trigger and 0 runs go on\n")
    watch(home, until=lambda daemon: bool(daemon.store.events()))
    assert "meeting_created" in changewire("events", "--home", home).stdout


def test_it_may_be_paused_before_anything_ran(make_home: Make) -> None:
    home = make_home(a=SLOW)
    assert changewire("pause", "Meetings", "--home", home).exit_code == 0
    (view,) = lines(changewire("status", "--home", home, "--json").stdout)
    assert [(pause["kind"], pause["name"], pause["cause"]) for pause in view["pauses"]] == [
        ("workflow", "Meetings", "person")
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["pause", "Meetngs"], "there is no workflow 'Meetngs' in "),
        (["pause", "Meetings/triger"], "there is no trigger 'Meetings/triger'; did you mean 'Meetings/trigger'?\n"),
        (["pause", "--connection", "wrk"], "there is no connection 'wrk'; did you mean 'work'?\n"),
        (["pause"], "say either NAME or --connection\n"),
        (["pause", "Meetings", "--connection", "work"], "say either NAME or --connection, not both\n"),
        (
            ["resume", "--connection", "work"],
            "connection 'work' is neither paused nor put off; `changewire status` shows when it is polled\n",
        ),
        (["resume", "--connection", "work", "--all"], "--connection stands alone\n"),
    ],
)
def test_wrong_names_are_told(make_home: Make, words: list[str], error: str) -> None:
    home = make_home(a=SLOW)
    watch(home, until=lambda daemon: True)
    result = changewire(*words, "--home", home)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(error)


def test_a_refused_connection_is_told_once_with_the_next_step_and_calls_a_person(
    make_home: Make, sandbox: Sandbox
) -> None:
    home = make_home(secret="wrong-secret", a=SLOW, b=SLOW.replace("name: Meetings", "name: Others"))
    watch(home, until=lambda daemon: bool(daemon.store.pauses()))
    result = changewire("status", "--home", home)
    assert result.exit_code == 3
    assert result.stdout.count("failed (HTTP 400: Invalid client_id or client_secret)") == 1
    assert "    waiting for it: Meetings/trigger, Others/trigger\n" in result.stdout
    assert (
        "    next: check account_id, client_id and client_secret in connections.yaml, and that the app is activated, "
        "then `changewire resume --connection work`\n"
    ) in result.stdout
    assert "    tried again by itself at " in result.stdout
    refused = changewire("resume", "--connection", "work", "--home", home)
    assert refused.exit_code == 3
    assert refused.stderr.endswith("connection 'work' stays paused\n")
    (home / "config" / "connections.yaml").write_text(connection(sandbox.url))
    mended = changewire("resume", "--connection", "work", "--home", home)
    assert (mended.exit_code, mended.stdout) == (0, "connection 'work' goes on: 2 triggers and 0 runs go on\n")
    watch(home, until=lambda daemon: all(record.last_ok for record in daemon.store.triggers()))
    assert changewire("status", "--home", home).exit_code == 0


def test_a_run_that_waits_for_a_connection_is_not_said_to_go_on(make_home: Make, sandbox: Sandbox) -> None:
    steps = "[{use: zoom.list_meetings, with: {userId: me}}]"
    text = workflow("New", "zoom.new_meeting_created", f"{{user_id: {OWNER_EMAIL}}}", steps=steps)
    home = make_home(a=text)
    connections = home / "config" / "connections.yaml"
    connections.write_text(connections.read_text() + connection(sandbox.url, name="other"))
    (home / "config" / "workflows" / "a.yaml").write_text(
        text.replace("type: zoom", "connection: work, type: zoom").replace(
            "userId: me", "userId: me, connection: other"
        )
    )
    assert changewire("pause", "--connection", "other", "--home", home).exit_code == 0
    watch(
        home,
        lambda: sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen"),
        until=lambda daemon: finished(daemon, 1),
    )
    (run,) = lines(changewire("runs", "--home", home, "--json").stdout)
    assert (run["state"], run["waits_for"]) == ("paused", "connection/other")
    why = "the pause of connection/other to end: mend what is wrong, then `changewire resume --connection other`\n"
    one = changewire("resume", run["id"], "--home", home)
    assert (one.exit_code, one.stdout, one.stderr) == (1, "", f"{run['id']} waits for {why}")
    every = changewire("resume", "--all", "--home", home)
    assert (every.exit_code, every.stdout, every.stderr) == (0, "", f"1 run waits for {why}")
