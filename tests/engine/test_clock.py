"""A clock on the wall that is set back lets nothing wait for the old time to come again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.sandbox import Sandbox
from changewire.state.records import RunState
from tests.engine.rig import USER, connection, sandbox_clock, workflow, write_home
from tests.support.turning import Turned

NEW = workflow("New", "zoom.new_meeting_created", f"{{user_id: {USER}}}")
WAITING = NEW.partition("steps:")[0] + "steps: [{wait: 10h}, {use: core.log, with: {message: done}}]\n"
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
    turned.daemon.turn(turned.clock.now())
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


def test_what_a_run_waits_for_is_a_moment_on_the_wall(turned: Turned, sandbox: Sandbox) -> None:
    sandbox.control("create_meeting", user_id=USER)
    on(turned, 60)
    (history,) = turned.store.runs()
    assert history.run.state is RunState.WAITING
    due = history.run.due_at
    turned.clock.set_back(HOURS)
    on(turned, 60)
    assert turned.store.runs()[0].run.due_at == due


def test_a_lease_does_not_last_for_hours(turned: Turned) -> None:
    turned.clock.advance(60)
    assert len(turned.store.claim_due(turned.clock.now(), 1, timedelta(minutes=2))) == 1
    turned.daemon.turn(turned.clock.now())
    turned.clock.set_back(HOURS)
    on(turned, 180)
    assert turned.store.free_stale(turned.clock.now()) == (1, 0)


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
