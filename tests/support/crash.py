"""The proof that a killed daemon loses nothing and does nothing twice."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow.scope import step_key
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.support.actor import Actor, Truth
from tests.support.homes import GROUP, connection, eleven, make_cast, make_home
from tests.support.processes import DaemonProcess, ask, baselines, wait_for
from tests.support.recorder import Recorder

FILLERS = 12  # meetings of before the watch, so that lists have several pages
QUIET_POLLS = 3
AT_WORK = 0.85  # share of the kills that hit a daemon at work
EVENTS = "SELECT workflow, event_type, key, changes FROM events ORDER BY seq"
PAGE = 20  # of some hundred in the end: the account's request budget must do for a poll a second


def steps(recorder: str) -> list[dict[str, Any]]:
    """Steps that leave a trace outside."""
    retry = {"attempts": 100, "delay": "1s", "backoff": "constant"}
    call = {"use": "http.request", "retry": retry}
    body = {"event": "{{ event.id }}"}
    return [
        {**call, "with": {"method": "POST", "url": f"{recorder}/0", "json": body}},
        {"use": "core.write_file", "with": {"path": "ran.txt", "content": "{{ event.id }}\n"}, "retry": retry},
        {**call, "with": {"method": "POST", "url": f"{recorder}/2", "json": body}},
    ]


@dataclass
class Outcome:
    """What happened, for the reader of the proof."""

    kills: int
    changes: int
    events: int
    repeated: int  # steps that were cut off and done again


def prove(folder: Path, kills: int, seed: int = 1, longest_s: float = 1.4) -> Outcome:
    """Kill a daemon on a busy sandbox ``kills`` times and hold what it stored against what happened."""
    with Sandbox() as sandbox, Recorder() as recorder:
        cast = make_cast(sandbox)
        for number in range(FILLERS):
            sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic=f"Filler {number}")
        home = make_home(folder / "home", connection(sandbox.url), eleven(cast, steps=steps(recorder.url), page=PAGE))
        with DaemonProcess(home):
            assert wait_for(lambda: baselines(home) == 11), "no baseline"
        figures = _figures(sandbox)
        actor = Actor(sandbox, cast, lambda: _counts(home), seed)
        actor.start()
        chance = random.Random(seed)
        for _ in range(kills):
            daemon = DaemonProcess(home)
            if chance.random() < AT_WORK:  # the others are killed while they start
                assert wait_for(daemon.at_work), daemon.log.read_text()[-3000:]
            time.sleep(chance.uniform(0, longest_s))
            daemon.kill()
        actor.stop()
        with DaemonProcess(home) as daemon:
            _let_it_end(daemon, actor.truth)
            assert daemon.terminate() == 0
        check_events(ask(home, EVENTS), actor.truth)
        _check_report(home, figures, _figures(sandbox))
        repeated = check_runs(home, ((path, key) for path, key, _ in recorder.calls))
        return Outcome(kills, actor.changes, len(ask(home, "SELECT id FROM events")), repeated)


def _counts(home: Path) -> Counter[str]:
    return Counter(dict(ask(home, "SELECT workflow, count(*) FROM events GROUP BY workflow")))


def _let_it_end(daemon: DaemonProcess, truth: Truth) -> None:
    """Wait until all that must come is there, then for some more polls of each trigger, and for all runs."""
    home, workflows = daemon.home, [*truth.ordered, *truth.keys]
    wait_for(lambda: all(_counts(home)[name] >= truth.count(name) for name in workflows), 240)
    before = dict(ask(home, "SELECT id, polls FROM triggers"))

    def quiet() -> bool:
        now = dict(ask(home, "SELECT id, polls FROM triggers"))
        open_runs = ask(home, "SELECT id FROM runs WHERE finished_at IS NULL")
        return all(now[i] >= polls + QUIET_POLLS for i, polls in before.items()) and not open_runs

    if not wait_for(quiet, 240):
        unfinished = ask(home, "SELECT state, reason FROM runs WHERE finished_at IS NULL")
        pytest.fail(f"no end: {daemon.alive()=} {unfinished}\n{daemon.log.read_text()[-3000:]}")


def check_events(events: list[tuple[Any, ...]], truth: Truth) -> None:
    """Hold ``events``, as `EVENTS` gives them, against what happened."""
    for workflow, wanted in truth.ordered.items():
        found = [(kind, key, json.loads(changes)) for name, kind, key, changes in events if name == workflow]
        if workflow in ("recording", "summary"):
            assert [(kind, _plain(key)) for kind, key, _ in found] == wanted, workflow
        else:
            told = [[(c["path"], c["new"]) for c in changes] for _, _, changes in found]
            assert told == [[(path, new)] for path, _, new in wanted], workflow
            # what an event says was there before is what the one before it said
            for (_, old, _), (_, _, changes) in zip(wanted, found, strict=True):
                assert old is None or changes[0]["old"] == old, (workflow, changes)
    for workflow, keys in truth.keys.items():
        got = Counter(_plain(key) for name, _, key, _ in events if name == workflow)
        if workflow == "audience":  # its key holds the moment of joining as well
            got = Counter(key.partition(":")[0] for key in got.elements())
        wanted_keys = Counter(keys)
        assert got == wanted_keys, (workflow, "missing", wanted_keys - got, "too many", got - wanted_keys)


def _plain(key: str) -> str:
    return key.replace("%3A", ":").replace("%25", "%")


def _figures(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return {day: dict(row) for day, row in sandbox.world.reports[GROUP].items()}


def _check_report(home: Path, first: dict[str, Any], last: dict[str, Any]) -> None:
    """Figures add up, so several bumps may be one event; but the events form a chain from the first to the last."""
    now = {f"dates[{day}].{name}": value for day, row in first.items() for name, value in row.items() if name != "date"}
    for (changes,) in ask(home, "SELECT changes FROM events WHERE workflow = 'report' ORDER BY seq"):
        for change in json.loads(changes):
            assert now.get(change["path"], 0) == (change["old"] or 0), change
            now[change["path"]] = change["new"]
    wanted = {f"dates[{d}].{name}": v for d, row in last.items() for name, v in row.items() if name != "date"}
    assert now == wanted


def check_runs(home: Path, received: Iterable[tuple[str, str]], steps: int = 3) -> int:
    """One run of each event, each step done once; one cut off may have been done again under the same key.

    ``received`` is what the recorder got: path, which is the step's number, and key.
    """
    events = [row[0] for row in ask(home, "SELECT id FROM events")]
    runs = ask(home, "SELECT id, event_id, state FROM runs")
    assert Counter(event for _, event, _ in runs) == Counter(events)
    assert {state for _, _, state in runs} <= {"succeeded"}
    lines = (home / "state" / "files" / "ran.txt").read_text().split() if events else []
    assert Counter(lines) == Counter(events)
    calls, repeated = Counter(received), 0
    for run, _, _ in runs:
        for number in range(steps):
            address = f"steps/{number}"
            query = "SELECT state FROM attempts WHERE run_id = ? AND address = ? ORDER BY attempt"
            states = [row[0] for row in ask(home, query, run, address)]
            assert states[-1] == "succeeded", (run, address, states)
            assert set(states[:-1]) <= {"unknown"}, (run, address, states)
            times = calls.pop((f"/{number}", step_key(run, address)), 0)
            assert number == 1 or 1 <= times <= len(states), (run, address, states, times)
            repeated += max(0, times - 1)
    assert not calls, calls
    return repeated
