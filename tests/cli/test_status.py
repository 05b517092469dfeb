"""``status``: what it says, and when it calls a person."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from changewire.cli.base import database_of
from changewire.clock import SystemClock, to_text
from changewire.daemon import DATABASE, Daemon
from changewire.sandbox import OWNER_EMAIL
from changewire.state.lock import LOCK, HomeLock
from changewire.state.records import TriggerState
from changewire.state.store import SqliteStore
from tests.cli.conftest import DETAILS, MEETINGS, TYPO
from tests.cli.rig import background, changewire, finished, lines, watch, workflow

Make = Callable[..., Path]
SLOW = MEETINGS.replace("every: 1s", "every: 1h")


def told(home: Path) -> tuple[int, dict[str, dict[str, Any]], dict[str, Any]]:
    """Exit code, triggers by name, daemon."""
    result = changewire("status", "--home", home, "--json")
    (view,) = lines(result.stdout)
    assert view.keys() == {"v", "triggers", "pauses", "attention", "daemon"}
    assert view["v"] == 1
    assert (result.exit_code == 3) is bool(view["attention"])
    return result.exit_code, {trigger["name"]: trigger for trigger in view["triggers"]}, view["daemon"]


def test_a_home_that_never_ran_is_pending_and_calls_nobody(make_home: Make) -> None:
    code, triggers, daemon = told(make_home(a=MEETINGS))
    assert code == 0
    assert triggers == {
        "Meetings/trigger": {
            "name": "Meetings/trigger",
            "type": "zoom.new_meeting_created",
            "state": "baseline_pending",
            "next_due": None,
            "last_ok": None,
            "last_event": None,
            "lag_p99_ms": None,
            "error": None,
            "pending": 0,
        }
    }
    keys = ("pid", "started_at", "heartbeat_at", "polls", "listens", "stopped")
    assert daemon == {"alive": False, **dict.fromkeys(keys)}


def test_a_trigger_that_is_well_calls_nobody_after_the_daemon_too(make_home: Make) -> None:
    home = make_home(a=SLOW)
    watch(home, until=lambda daemon: True)
    code, triggers, _ = told(home)
    trigger = triggers["Meetings/trigger"]
    assert (code, trigger["state"]) == (0, "ok")
    assert trigger["last_ok"].endswith("Z")
    assert trigger["next_due"] > trigger["last_ok"]
    assert isinstance(trigger["lag_p99_ms"], float)


def test_what_is_late_by_three_intervals_is_stalled(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    watch(home, until=lambda daemon: True)
    with closing(sqlite3.connect(database_of(home))) as database, database:
        late = to_text(SystemClock().now() - timedelta(seconds=4))
        database.execute("UPDATE triggers SET next_due = ?", (late,))
    code, triggers, daemon = told(home)
    assert (code, triggers["Meetings/trigger"]["state"]) == (3, "stalled")
    result = changewire("status", "--home", home)
    assert "stalled" in result.stdout
    assert daemon["pid"] == os.getpid()


def test_a_broken_workflow_is_unavailable_with_place_and_reason(make_home: Make) -> None:
    code, triggers, _ = told(make_home(a=MEETINGS, typo=TYPO))
    assert code == 3
    assert triggers["Typo/trigger"]["state"] == "unavailable"
    assert triggers["Typo/trigger"]["error"].startswith("config/workflows/typo.yaml:2:17: there is no trigger type")


def test_a_workflow_that_broke_keeps_what_is_known_of_its_triggers(make_home: Make) -> None:
    home = make_home(a=SLOW)
    watch(home, until=lambda daemon: True)
    (home / "config" / "workflows" / "a.yaml").write_text(SLOW + "stepps: []\n")
    code, triggers, _ = told(home)
    assert code == 3
    assert list(triggers) == ["Meetings/trigger"]
    trigger = triggers["Meetings/trigger"]
    assert (trigger["state"], trigger["next_due"]) == ("unavailable", None)
    assert trigger["last_ok"] is not None
    assert "stepps" in trigger["error"]


@pytest.mark.parametrize(
    "broken", [SLOW + "stepps: []\n", "name: Meetings\ntrigger: {type: zoom.new_meeting_created\n", ": ["]
)
def test_a_workflow_that_breaks_while_it_is_polled_stands_there_once_and_is_still_polled(
    make_home: Make, broken: str
) -> None:
    home = make_home(a=SLOW)

    def spoil(daemon: Daemon) -> bool:
        (home / "config" / "workflows" / "a.yaml").write_text(broken)
        daemon.reload()
        seen.append(changewire("status", "--home", home, "--json"))
        return True

    seen: list[Result] = []
    watch(home, until=spoil)
    (view,) = lines(seen[0].stdout)
    (trigger,) = view["triggers"]
    assert seen[0].exit_code == 3
    assert (trigger["name"], trigger["type"]) == ("Meetings/trigger", "zoom.new_meeting_created")
    assert (trigger["state"], trigger["next_due"] is not None) == ("unavailable", True)
    assert trigger["error"].startswith("config/workflows/a.yaml:")
    assert trigger["error"].endswith("; the last good version is still polled")


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("name: 'Mine'\ntrigger: {type: zoom.new_item\n", "Mine/trigger", "zoom.new_item"),
        ("trigger: [{type: zoom.x}]\n", "a/trigger", "zoom.x"),
        ("[", "a/trigger", ""),
    ],
)
def test_what_can_be_read_of_a_broken_workflow_is_told(make_home: Make, text: str, name: str, kind: str) -> None:
    _, triggers, _ = told(make_home(a=text))
    assert [(each["name"], each["type"], each["state"]) for each in triggers.values()] == [(name, kind, "unavailable")]


def test_wrong_credentials_call_a_person(make_home: Make) -> None:
    home = make_home(secret="wrong-secret", a=SLOW)
    watch(home, until=lambda daemon: True)
    code, triggers, _ = told(home)
    assert (code, triggers["Meetings/trigger"]["state"]) == (3, "suspended")
    assert triggers["Meetings/trigger"]["error"]
    assert "wrong-secret" not in changewire("status", "--home", home).output


def test_a_paused_run_calls_a_person(make_home: Make) -> None:
    steps = '[{use: zoom.get_meeting, with: {meeting_id: "1"}}]'
    parameters = f"{{user_id: {OWNER_EMAIL}}}"
    text = workflow("Failing", "zoom.new_meeting_created", parameters, steps=steps)
    text = text.replace("every: 1s", "every: 1h, first_poll: {backfill: {max: 1}}")
    home = make_home(a=text)
    watch(home, until=lambda daemon: finished(daemon, 1))
    result = changewire("status", "--home", home)
    assert result.exit_code == 3
    assert "1 run paused, waiting for a person: `changewire runs --state paused`" in result.stderr
    assert told(home)[0] == 3


def test_a_daemon_is_alive_until_it_is_killed(make_home: Make) -> None:
    home = make_home(a=SLOW)
    with background("run", "--home", home) as process:
        assert process.stderr is not None
        while "watching, " not in process.stderr.readline():
            pass
        _, _, daemon = told(home)
        assert daemon["alive"] is True
        assert daemon["pid"] == process.pid
        assert daemon["started_at"] <= daemon["heartbeat_at"]
        assert daemon["polls"] >= 0
        assert f"a daemon is at work (process {process.pid}" in changewire("status", "--home", home).stderr
        process.send_signal(signal.SIGKILL)
    assert told(home)[2]["alive"] is False
    result = changewire("status", "--home", home)
    words = f"no daemon is at work here (process {process.pid} ended without having been asked to): start one"
    assert (result.exit_code, words in result.stderr) == (3, True)
    (view,) = lines(changewire("status", "--home", home, "--json").stdout)
    assert [(each["kind"], each["state"]) for each in view["attention"]] == [("daemon", "gone")]
    watch(home, until=lambda daemon: True)  # one that is asked to stop
    code, _, daemon = told(home)
    assert (code, daemon["stopped"]) == (0, True)


def test_a_daemon_that_says_nothing_any_more_is_not_alive(make_home: Make) -> None:
    home = make_home(a=SLOW)
    clock = SystemClock()
    with SqliteStore(database_of(home), clock=clock) as store:
        info = {"pid": os.getpid(), "started_at": to_text(clock.now()), "polls": 3}
        store.heartbeat(info, clock.now() - timedelta(seconds=60))
    assert told(home)[2]["alive"] is False


def test_a_trigger_that_left_the_files_is_no_longer_listed(make_home: Make) -> None:
    home = make_home(a=SLOW, b=DETAILS)
    watch(home, until=lambda daemon: True)
    (home / "config" / "workflows" / "b.yaml").unlink()
    assert list(told(home)[1]) == ["Meetings/trigger"]


def test_the_database_is_where_the_daemon_has_it() -> None:
    assert database_of(Path("home")) == Path("home") / DATABASE


def test_the_help_names_every_state() -> None:
    shown = changewire("status", "--help").stdout
    assert all(str(state) in shown for state in TriggerState)


def beat(home: Path, ago_s: float, **more: Any) -> None:
    """What a daemon, which is this process, said of itself so long ago."""
    with closing(SqliteStore(database_of(home), clock=SystemClock())) as store:
        store.open(take_over=False)
        now = SystemClock().now() - timedelta(seconds=ago_s)
        store.heartbeat({"pid": os.getpid(), "stopped": False, "polls": 1, **more}, now)


STUCK = {
    "kind": "daemon",
    "name": "run workers",
    "state": "busy",
    "message": "8 of 8 run workers have been busy without progress for 11m: run run_1 step pay since 10:02",
    "next": "look into the log",
}


def test_what_a_daemon_says_of_work_that_does_not_get_on_calls_a_person(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    beat(home, 1, stalled=[STUCK])
    result = changewire("status", "--home", home)
    assert result.exit_code == 3
    assert f"daemon, run workers: {STUCK['message']}; next: {STUCK['next']}" in result.stderr
    assert lines(changewire("status", "--home", home, "--json").stdout)[0]["attention"] == [STUCK]
    beat(home, 1, stalled=[])
    assert changewire("status", "--home", home).exit_code == 0


def test_a_daemon_that_lives_and_cannot_store_its_heartbeat_is_not_called_ended(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    beat(home, 60)
    with HomeLock(home / LOCK):
        result = changewire("status", "--home", home)
        assert result.exit_code == 3
        words = f"daemon, heartbeat: process {os.getpid()} is running, and its heartbeat could not be stored since 20"
        assert words in result.stderr
        assert f"a daemon is at work (process {os.getpid()}" in result.stderr
    result = changewire("status", "--home", home)
    assert result.exit_code == 3
    assert f"(process {os.getpid()} ended without having been asked to)" in result.stderr


def test_a_lock_that_another_process_took_since_is_no_sign_of_life(make_home: Make) -> None:
    home = make_home(a=MEETINGS)
    beat(home, 60, pid=2**22)
    with HomeLock(home / LOCK):
        assert told(home)[2]["alive"] is False
