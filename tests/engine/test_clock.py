"""A clock on the wall that is set back lets nothing wait for the old time to come again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.sandbox import Sandbox
from changewire.state.records import RunState
from tests.engine.rig import USER, connection, sandbox_clock, workflow, write_home
from tests.state.samples import end_stale
from tests.support.processes import ask
from tests.support.turning import Turned

NEW = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
HEAD = NEW.partition("steps:")[0]
WAITING = HEAD + "steps: [{wait: 10h}, {use: core.log, with: {message: done}}]\n"
UNTIL = HEAD + "steps: [{wait_until: '2126-12-24T18:00:00Z'}]\n"
LOOP = HEAD + "steps: [{for_each: [1, 2], do: [{wait: 10h}]}]\n"
RETRY = (
    HEAD
    + "steps: [{use: http.request, with: {url: 'http://127.0.0.1:1/', method: GET}, retry: {attempts: 2, delay: 1h}}]\n"
)
BATCH = (
    HEAD.replace("trigger:", "batch: {every: 1h}\ntrigger:", 1) + "steps: [{use: core.log, with: {message: done}}]\n"
)
HOURS = 5 * 3600


@pytest.fixture
def logged() -> list[str]:
    return []


@pytest.fixture
def turned(sandbox: Sandbox, tmp_path: Path, logged: list[str]) -> Iterator[Turned]:
    def log(event: str, message: str, /, **_: Any) -> None:
        logged.append(event)

    home = write_home(tmp_path, connection(sandbox.url), new=WAITING)
    made = Turned(home, sandbox_clock(sandbox), log=log).start()
    made.turn()
    yield made
    made.close()


def polls(turned: Turned) -> int:
    return turned.store.triggers()[0].polls


def on(turned: Turned, seconds: float) -> None:
    turned.clock.advance(seconds)
    turned.daemon.turn(turned.steady.now())
    turned.turn()


def test_polls_go_on_in_their_rhythm(turned: Turned, logged: list[str]) -> None:
    on(turned, 60)
    before = polls(turned)
    turned.clock.set_back(HOURS)
    for _ in range(3):
        on(turned, 60)
    assert polls(turned) == before + 3
    assert logged.count("clock_set_back") == 1


def test_small_steps_and_steps_forward_are_left_alone(turned: Turned, logged: list[str]) -> None:
    turned.clock.set_back(50)
    on(turned, 1)
    turned.clock.set_back(-HOURS)
    on(turned, 1)
    assert "clock_set_back" not in logged


def begin(sandbox: Sandbox, path: Path, text: str) -> Turned:
    """A daemon with a run that waits."""
    home = write_home(path / "other", connection(sandbox.url), new=text)
    (home / "config" / "changewire.yaml").write_text("http: {allow_private: true}\n")
    made = Turned(home, sandbox_clock(sandbox)).start()
    made.turn()
    sandbox.control("create_meeting", user_id=USER)
    on(made, 60)
    return made


def test_a_moment_on_the_wall_is_waited_for(sandbox: Sandbox, tmp_path: Path) -> None:
    with closing(begin(sandbox, tmp_path, UNTIL)) as made:
        due = made.store.runs()[0].run.due_at
        made.clock.set_back(HOURS)
        on(made, 60)
        assert (made.store.runs()[0].run.due_at, made.store.runs()[0].run.state) == (due, RunState.WAITING)


WAITS = {"wait": (WAITING, 10), "loop": (LOOP, 10), "retry": (RETRY, 1), "batch": (BATCH, 1)}


@pytest.mark.parametrize("kind", WAITS)
def test_a_time_to_wait_is_as_long_as_it_is(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    text, hours = WAITS[kind]
    with closing(begin(sandbox, tmp_path, text)) as made:
        (history,) = made.store.runs()
        assert (history.run.state, history.run.due_at) != (RunState.SUCCEEDED, None)
        attempts = len(history.attempts)
        made.clock.set_back(HOURS)
        on(made, 1)
        on(made, hours * 3600 - 120)
        (history,) = made.store.runs()
        assert (history.run.state in (RunState.WAITING, RunState.PENDING), len(history.attempts)) == (True, attempts)
        on(made, 180)
        (history,) = made.store.runs()
        assert history.run.state.finished or len(history.attempts) > attempts, history.run


def test_what_was_to_wait_before_the_clock_went_ahead_waits_as_long_as_it_should(
    turned: Turned, sandbox: Sandbox
) -> None:
    sandbox.control("create_meeting", user_id=USER)
    on(turned, 60)
    due = turned.store.runs()[0].run.due_at
    turned.clock.set_back(-HOURS)
    on(turned, 60)
    turned.clock.set_back(HOURS)
    on(turned, 60)
    assert turned.store.runs()[0].run.due_at == due


def test_a_lease_does_not_last_for_hours(turned: Turned) -> None:
    turned.clock.advance(60)
    assert len(turned.store.claim_due(turned.steady.now(), 1, timedelta(minutes=2))) == 1
    turned.daemon.turn(turned.steady.now())
    turned.clock.set_back(HOURS)
    on(turned, 180)
    end_stale(turned.store, turned.steady.now())  # unless a chore was quicker
    assert ask(turned.daemon.path, "SELECT claim FROM triggers WHERE claim <> 0") == []


def test_what_is_under_way_when_the_clock_goes_on_at_once_is_not_begun_again(turned: Turned, logged: list[str]) -> None:
    turned.clock.advance(60)
    assert len(turned.store.claim_due(turned.steady.now(), 1, timedelta(minutes=2))) == 1
    turned.daemon.turn(turned.steady.now())
    turned.clock.set_back(-HOURS)
    turned.daemon._reap()
    assert ("claims_freed" in logged, "clock_set_forward" in logged) == (False, True)
    turned.clock.advance(121)
    turned.daemon._reap()
    assert "claims_freed" in logged


def test_what_a_budget_waits_for_does_not_last_for_hours(turned: Turned) -> None:
    client = turned.daemon._clients.get("work")
    client.budget.forbid("MEDIUM", turned.clock.now() + timedelta(seconds=30))
    turned.clock.set_back(HOURS)
    before = polls(turned)
    for _ in range(2):
        on(turned, 60)
    assert polls(turned) == before + 2


def test_a_clock_that_was_set_back_while_nothing_ran_is_noticed_at_the_start(
    turned: Turned, tmp_path: Path, logged: list[str]
) -> None:
    def log(event: str, message: str, /, **_: Any) -> None:
        logged.append(event)

    turned.close()
    turned.clock.set_back(HOURS)
    again = Turned(tmp_path, turned.clock, log=log).start()
    try:
        on(again, 61)
        assert polls(again) == 2
    finally:
        again.close()
    assert logged.count("clock_set_back") == 1
