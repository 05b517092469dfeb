"""``events`` and ``runs``: exact forms, filters, and blocks for people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import MEETING, MEETINGS
from tests.cli.rig import changewire, lines
from tests.support.processes import ask

Make = Callable[..., Path]
EVENT = {"v", "id", "trigger", "type", "event_type", "key", "detected_at", "payload", "changes", "backfill"} | {
    "hops",
    "cause",
}
RUN = {
    "v",
    "id",
    "workflow",
    "event",
    "replay",
    "state",
    "reason",
    "waits_for",
    "created_at",
    "finished_at",
    "waits_for_step",
    "resumes",
    "resumed_at",
    "resumed_by",
    "steps",
}
RUN |= {"events"}
STEP = {"address", "use", "state", "attempts", "output", "class", "error", "effect", "input", "response", "next"} | {
    "done_by"
}


def test_events_have_exactly_the_documented_form(watched: Path) -> None:
    found = lines(changewire("events", "--home", watched, "--json").stdout)
    assert [event.keys() for event in found] == [EVENT] * 3
    assert [(event["id"],) for event in found] == ask(watched, "SELECT id FROM events ORDER BY seq")
    (details,) = [event for event in found if event["trigger"] == "Details/trigger"]
    assert (details["v"], details["key"], details["backfill"]) == (1, str(MEETING), False)
    assert {"path": "topic", "old": "Quarterly planning", "new": "Changed"} in details["changes"]
    assert all(change.keys() == {"path", "old", "new"} for change in details["changes"])
    assert details["payload"]["event_type"] == details["event_type"]


def test_events_for_people_show_what_changed(watched: Path) -> None:
    shown = changewire("events", "--home", watched, "--workflow", "Details").stdout.splitlines()
    assert shown[0].split("  ")[1:] == ["Details/trigger", "meeting_updated", str(MEETING)]
    assert "    topic: Quarterly planning → Changed" in shown
    assert "    settings.mute_upon_entry: true → false" in shown


def test_runs_have_exactly_the_documented_form(watched: Path) -> None:
    found = lines(changewire("runs", "--home", watched, "--json").stdout)
    events = {event["id"] for event in lines(changewire("events", "--home", watched, "--json").stdout)}
    assert [run.keys() for run in found] == [RUN] * 3
    assert {run["event"] for run in found} == events
    (meetings,) = [run for run in found if run["workflow"] == "Meetings"]
    assert (meetings["v"], meetings["state"], meetings["reason"]) == (1, "succeeded", None)
    assert meetings["created_at"] <= meetings["finished_at"]
    (step,) = meetings["steps"]
    assert step.keys() == STEP
    assert (step["use"], step["state"], step["attempts"]) == ("core.log", "succeeded", 1)


def test_runs_for_people_are_a_table_that_a_pipe_leaves_whole(watched: Path) -> None:
    shown = changewire("runs", "--home", watched).stdout.splitlines()
    assert shown[0].split() == ["at", "run", "workflow", "state", "steps", "reason"]
    assert len(shown) == 4
    (failing,) = [line for line in shown if "Failing" in line]
    assert "paused" in failing
    assert "0/1" in failing


@pytest.mark.parametrize("words", [("--failed",), ("--state", "paused"), ("--state", "paused", "--state", "failed")])
def test_runs_are_chosen_by_state(words: tuple[str, ...], watched: Path) -> None:
    (run,) = lines(changewire("runs", "--home", watched, "--json", *words).stdout)
    assert (run["workflow"], run["state"], run["finished_at"]) == ("Failing", "paused", None)
    assert "1" in run["reason"]


NAMED: dict[str, Callable[[str], tuple[str, ...]]] = {
    "whole id": lambda run: (run,),
    "its beginning": lambda run: (run[:12],),
    "with a word more": lambda run: ("show", run),
}


@pytest.mark.parametrize("named", NAMED.values(), ids=NAMED)
def test_one_run_is_shown_in_detail(named: Callable[[str], tuple[str, ...]], watched: Path) -> None:
    (run,) = lines(changewire("runs", "--home", watched, "--json", "--failed").stdout)
    shown = changewire("runs", "--home", watched, *named(run["id"])).stdout
    assert shown.startswith(f"{run['id']}  Failing  paused\n")
    assert f"event {run['event']}" in shown
    assert "step steps/0  zoom.get_meeting  failed" in shown
    assert "Meeting does not exist: 1" in shown
    assert lines(changewire("runs", "--home", watched, run["id"], "--json").stdout) == [run]


def test_an_output_is_part_of_the_detail(watched: Path) -> None:
    found = lines(changewire("runs", "--home", watched, "--json", "--workflow", "Meetings").stdout)
    shown = changewire("runs", "--home", watched, found[0]["id"]).stdout
    assert f'output: {{"message":"{found[0]["steps"][0]["output"]["message"]}"}}' in shown


SINCE = [("1h", 3), ("2026-01-01", 3), ("2026-01-01T10:00:00Z", 3), ("2999-01-01", 0), ("2999-01-01T00:00:00+02:00", 0)]


@pytest.mark.parametrize(("since", "count"), SINCE, ids=[since for since, _ in SINCE])
@pytest.mark.parametrize("command", ["events", "runs"])
def test_since_takes_moments_dates_and_durations(command: str, since: str, count: int, watched: Path) -> None:
    result = changewire(command, "--home", watched, "--json", "--since", since)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, count)


@pytest.mark.parametrize("command", ["events", "runs"])
def test_the_limit_keeps_the_newest(command: str, watched: Path) -> None:
    everything = lines(changewire(command, "--home", watched, "--json").stdout)
    newest = lines(changewire(command, "--home", watched, "--json", "--limit", "1").stdout)
    assert newest == everything[-1:]
    assert lines(changewire(command, "--home", watched, "--json", "--limit", "0").stdout) == everything


WRONG = [
    (("events", "--workflow", "Detail"), "there is no workflow 'Detail'; did you mean 'Details'?"),
    (("runs", "run_x"), "there is no run 'run_x'; `changewire runs` lists them"),
    (("runs", "show"), "there is no run 'show'; `changewire runs` lists them"),
    (
        ("runs", "run_1", "run_2"),
        "one run at a time: 'run_2' is one too many (`changewire runs --help` tells how it is used)",
    ),
    (("runs", "run_"), "3 runs begin with 'run_': write more of the id"),
    (
        ("events", "--since", "yesterday"),
        "invalid value for '--since': 'yesterday' is no moment: write 2026-11-21, 2026-11-21T10:00:00Z, or how long "
        "ago, as 2h (`changewire events --help` tells how it is used)",
    ),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_wrong_use_is_one_sentence(words: tuple[str, ...], told: str, watched: Path) -> None:
    result = changewire(*words, "--home", watched)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{told}\n")


@pytest.mark.parametrize("command", ["events", "runs"])
def test_a_home_that_never_ran_has_nothing_and_says_so(command: str, make_home: Make) -> None:
    for words in ((command,), (command, "--json")):
        result = changewire(*words, "--home", make_home(a=MEETINGS))
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == "nothing was recorded in this home so far: start watching with `changewire run`\n"
