"""``resume``, ``cancel``, ``replay``, ``reset`` and ``prune``: beside a daemon and without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock, to_text
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.conftest import FAILING, MEETINGS
from tests.cli.rig import changewire, finished, lines, watch
from tests.cli.test_run import running
from tests.support.processes import wait_for

Make = Callable[..., Path]
WAITS = "no daemon is at work here, so it waits for the next `changewire run`\n"
PAUSING = FAILING.replace(
    "[{use: zoom.get_meeting", '[{use: core.log, with: {message: "{{ run.idempotency_key }}"}}, {use: zoom.get_meeting'
)


@pytest.fixture
def home(make_home: Make, sandbox: Sandbox) -> Path:
    """A home in which one run is paused in its second step, and one has succeeded."""
    made = make_home(failing=PAUSING, meetings=MEETINGS)
    watch(
        made,
        lambda: sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen"),
        until=lambda daemon: finished(daemon, 2),
    )
    return made


def runs(home: Path, *words: str) -> list[dict[str, Any]]:
    return lines(changewire("runs", "--home", home, "--json", *words).stdout)


def work(home: Path, count: int) -> None:
    watch(home, until=lambda daemon: finished(daemon, count))


def test_a_resumed_run_goes_on_from_the_failed_step_with_new_attempts(home: Path) -> None:
    (paused,) = runs(home, "--failed")
    assert f"`changewire resume {paused['id']}` goes on" in changewire("runs", paused["id"], "--home", home).stdout
    result = changewire("resume", paused["id"][:14], "--home", home)
    assert (result.exit_code, result.stdout) == (0, f"{paused['id']}  Failing  goes on\n")
    assert result.stderr in ("", WAITS), "the daemon of the test was in this very process, and may seem to live on"
    work(home, 2)
    (again,) = runs(home, "--failed")
    assert [(s["address"], s["state"], s["attempts"]) for s in again["steps"]] == [
        ("steps/0", "succeeded", 1),
        ("steps/1", "failed", 2),
    ]


def test_all_paused_runs_or_those_of_one_workflow_go_on(home: Path) -> None:
    result = changewire("resume", "--all", "--workflow", "Meetings", "--home", home)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no paused run fits\n")
    (resumed,) = lines(changewire("resume", "--all", "--workflow", "Failing", "--home", home, "--json").stdout)
    assert (resumed["workflow"], resumed["state"], resumed["reason"]) == ("Failing", "pending", None)
    work(home, 2)
    (again,) = lines(changewire("resume", "--all", "--home", home, "--json").stdout)
    assert again["id"] == resumed["id"]


def test_a_cancelled_run_is_done_with(home: Path) -> None:
    (paused,) = runs(home, "--failed")
    assert changewire("cancel", paused["id"], "--home", home).stdout == f"{paused['id']}  Failing  is cancelled\n"
    (run,) = runs(home, "--state", "cancelled")
    assert (run["id"], run["reason"]) == (paused["id"], "cancelled by a person")
    again = changewire("cancel", paused["id"], "--home", home)
    assert (again.exit_code, again.stderr) == (1, f"{paused['id']} is cancelled already\n")
    resumed = changewire("resume", paused["id"], "--home", home)
    assert (resumed.exit_code, resumed.stdout) == (1, "")
    assert "is cancelled, and only a paused run can go on" in resumed.stderr


def test_a_replay_is_a_marked_run_with_keys_of_its_own(home: Path) -> None:
    (first,) = runs(home, "--failed")
    result = changewire("replay", first["event"], "--home", home)
    second = next(run for run in runs(home) if run["replay"])
    assert result.stdout == f"{second['id']}  Failing  is to run (replay 1)\n"
    assert (second["event"], second["id"] != first["id"], second["state"]) == (first["event"], True, "pending")
    work(home, 3)
    done = next(run for run in runs(home, "--failed") if run["replay"])
    assert done["steps"][0]["output"] != first["steps"][0]["output"], "they were the keys of the steps"
    assert "replay 1 of its event" in changewire("runs", second["id"], "--home", home).stdout


def test_an_event_can_start_another_workflow_and_many_events_can_be_played_again(home: Path) -> None:
    (paused,) = runs(home, "--failed")
    (other,) = lines(changewire("replay", paused["event"], "--workflow", "Meetings", "--home", home, "--json").stdout)
    assert (other["workflow"], other["event"], other["replay"]) == ("Meetings", paused["event"], 1)
    every = lines(changewire("replay", "--since", "1h", "--home", home, "--json").stdout)
    assert sorted((run["workflow"], run["replay"]) for run in every) == [("Failing", 2), ("Meetings", 1)]
    (one,) = lines(changewire("replay", "--since", "1h", "--workflow", "Meetings", "--home", home, "--json").stdout)
    assert (one["workflow"], one["replay"]) == ("Meetings", 2)
    (home / "config" / "workflows" / "failing.yaml").unlink()
    left = changewire("replay", "--since", "1h", "--home", home)
    assert left.stderr.startswith("events of 'Failing' are left out: there is no such workflow that can be used\n")
    assert len(left.stdout.splitlines()) == 1


def test_a_reset_says_what_it_forgets_and_the_next_poll_is_silent(home: Path) -> None:
    asked = changewire("reset", "Meetings", "--home", home)
    assert (asked.exit_code, asked.stdout) == (2, "")
    what, no = asked.stderr.splitlines()
    assert what.startswith("Meetings/trigger (zoom.new_meeting_created): ")
    assert what.endswith("and what changed after the last poll would be forgotten")
    assert no == "nothing was forgotten: say --yes to do it"
    (done,) = lines(changewire("reset", "meetings.yaml", "--yes", "--home", home, "--json").stdout)
    assert (done["trigger"], done["items"] > 0) == ("Meetings/trigger", True)
    (again,) = lines(changewire("reset", "Meetings", "--yes", "--home", home, "--json").stdout)
    assert again["items"] == 0
    before = len(runs(home))
    watch(home, until=lambda daemon: all(record.baseline_at for record in daemon.store.triggers()))
    assert len(runs(home)) == before


def test_pruning_keeps_what_is_young_and_says_so(home: Path) -> None:
    assert changewire("prune", "--home", home).stdout == "deleted 0 events and 0 runs\n"
    (home / "config" / "changewire.yaml").write_text("retention: {events: 1s, runs: 1s}\n")
    deleted = {"events": 0, "runs": 0}

    def old_enough() -> bool:
        (told,) = lines(changewire("prune", "--home", home, "--json").stdout)
        for what in deleted:
            deleted[what] += told[what]
        return deleted == {"events": 1, "runs": 1}

    assert wait_for(old_enough)
    assert [run["state"] for run in runs(home)] == ["paused"]


WRONG = [
    (("resume",), "say either RUN or --all"),
    (("resume", "run_1", "--all"), "say either RUN or --all, not both"),
    (("resume", "run_1", "--workflow", "w"), "--workflow goes with --all"),
    (("resume", "run_x"), "there is no run 'run_x'; `changewire runs` lists them"),
    (
        ("resume", "Meetings"),
        "workflow 'Meetings' is neither paused nor put off; `changewire status` shows when it is polled",
    ),
    (("resume", "--all", "--workflow", "Meeting"), "there is no workflow 'Meeting'; did you mean 'Meetings'?"),
    (("cancel", "run_x"), "there is no run 'run_x'; `changewire runs` lists them"),
    (("replay",), "say either EVENT or --since"),
    (("replay", "evt_x"), "there is no event 'evt_x'; `changewire events --json` lists them"),
    (("replay", "evt_"), "3 events begin with 'evt_': write more of the id"),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_use_is_one_sentence(words: tuple[str, ...], told: str, watched: Path) -> None:
    result = changewire(*words, "--home", watched)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{told}\n")


def test_a_workflow_that_is_not_known_cannot_be_reset(watched: Path) -> None:
    result = changewire("reset", "Meeting", "--yes", "--home", watched)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith("did you mean 'Meetings'?\n")


@pytest.mark.parametrize(
    "words", [("resume", "--all"), ("replay", "--since", "1h"), ("reset", "Meetings"), ("runs",), ("runs", "--failed")]
)
def test_a_home_that_never_ran_says_so(words: tuple[str, ...], make_home: Make) -> None:
    result = changewire(*words, "--home", make_home(a=MEETINGS))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "nothing was recorded in this home so far: start watching with `changewire run`\n"


NOT_THERE = [
    (("resume", "run_1"), "run 'run_1'"),
    (("resume", "run_1", "--done"), "run 'run_1'"),
    (("resume", "--connection", "work"), "paused connection 'work'"),
    (("cancel", "run_1"), "run 'run_1'"),
    (("replay", "evt_1"), "event 'evt_1'"),
    (("runs", "run_1"), "run 'run_1'"),
    (("explain", "run_1"), "run 'run_1'"),
    (("explain", "evt_1"), "event 'evt_1'"),
]


@pytest.mark.parametrize(("words", "what"), NOT_THERE, ids=[" ".join(words) for words, _ in NOT_THERE])
def test_what_is_named_in_a_home_that_never_ran_is_not_there(
    words: tuple[str, ...], what: str, make_home: Make
) -> None:
    result = changewire(*words, "--home", make_home(a=MEETINGS))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"there is no {what}: nothing was recorded in this home so far\n"


def test_beside_a_daemon_a_run_goes_on_at_once(make_home: Make, sandbox: Sandbox) -> None:
    home = make_home(failing=PAUSING)
    with running(home) as daemon:
        daemon.wait_for("watching, ")
        sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Seen")
        run = daemon.wait_for("is paused").partition("run run_")[2].split()[0]
        resumed = changewire("resume", f"run_{run}", "--home", home)
        assert (resumed.exit_code, resumed.stderr) == (0, "")
        daemon.wait_for("is paused")
        assert [step["attempts"] for step in runs(home)[0]["steps"]] == [1, 2]
        changewire("replay", runs(home)[0]["event"], "--home", home)
        daemon.wait_for("is paused")
        assert [one["replay"] for one in runs(home)] == [0, 1]
        assert changewire("reset", "Failing", "--yes", "--home", home).exit_code == 0
        daemon.wait_for("watching, ")
        assert daemon.end() == 0


def test_nothing_is_pruned_by_a_clock_that_is_behind_the_history(home: Path) -> None:
    later = SystemClock().now() + timedelta(days=2)
    with closing(sqlite3.connect(home / "state" / "changewire.db")) as database, database:
        database.execute("UPDATE daemon SET at = ?", (to_text(later),))
    refused = changewire("prune", "--home", home)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.startswith("nothing was deleted: this machine's clock shows 20")
    assert refused.stderr.endswith(
        f", and the history goes up to {to_text(later)}; set the clock (NTP), then run `changewire prune` again\n"
    )
