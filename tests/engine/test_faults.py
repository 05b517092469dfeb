"""Faults that no code expects: the daemon says so and continues."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.engine.dispatcher import Handlers, LocalDispatcher
from changewire.health.checkup import Checkup
from changewire.state.records import RunRecord
from tests.engine.test_leases import Watching
from tests.state.samples import run
from tests.support.json_api import JsonApi

WATCH = "http.new_item, with: {path: /rows, items: data}"
LOG = "{use: core.log, with: {message: seen}}"


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    with JsonApi() as api:
        yield Watching(tmp_path, api)


class Fault:
    """Raises at a write point, so often."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times = error, times

    def __call__(self, point: str) -> None:
        if point == "claim_due:before" and self.times:
            self.times -= 1
            raise self.error


def test_the_loop_survives_any_error_in_a_turn_and_waits_longer_each_time(watching: Watching) -> None:
    watching.workflow(WATCH, LOG)
    fault = Fault(ZeroDivisionError("no code expects this"), 6)
    with closing(watching.start(on_write=fault)) as turned:
        loop = threading.Thread(target=turned.daemon.loop)
        loop.start()
        until = SystemClock().monotonic() + 20
        while not turned.daemon.polls and SystemClock().monotonic() < until:
            SystemClock().wait(0.01)
        turned.daemon.stop()
        loop.join()
        assert turned.daemon.polls > 0
    words = "a fault in Changewire itself, please report it: ZeroDivisionError: no code expects this; trying again in"
    assert watching.words("turn_failed") == [f"{words} {pause} seconds" for pause in (5, 10, 20, 30, 30, 30)]


def test_a_fault_in_one_part_of_the_reaper_keeps_none_of_the_others_back(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("no code expects this")

    watching.workflow(WATCH, LOG)
    with closing(watching.start()) as turned:
        turned.turn()
        turned.clock.advance(60)
        (claimed,) = turned.store.claim_due(turned.clock.now(), 1, timedelta(0))
        monkeypatch.setattr(turned.daemon._engine, "give_up", broken)
        monkeypatch.setattr(turned.daemon._clock_changes, "align", broken)
        looked: list[str] = []
        monkeypatch.setattr(turned.store, "wake_sleepers", lambda now: looked.append("wake_sleepers"))
        monkeypatch.setattr(turned.daemon._alerts, "look_for_stalled", lambda *_: looked.append("look_for_stalled"))
        turned.daemon._reap()
        assert looked == ["wake_sleepers", "look_for_stalled"]
        assert len(watching.words("chore_failed")) == 2
        assert [each.claim for each in turned.store.stale_claims(turned.clock.now())[0]] == [claimed.claim]


def test_a_fault_while_the_files_are_read_again_is_said_and_ends_nothing(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.workflow(WATCH, LOG)
    with closing(watching.start()) as turned:

        def broken(*_: Any, **__: Any) -> None:
            raise ZeroDivisionError("no code expects this")

        monkeypatch.setattr("changewire.daemon.load_home", broken)
        turned.daemon.reload()
        (said,) = watching.words("reload_failed")
        assert said.endswith("please report it: ZeroDivisionError: no code expects this")
        turned.turn()
        assert turned.daemon.polls == 1


def test_a_page_that_meets_a_fault_is_answered_and_logged(watching: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    watching.workflow(WATCH, LOG)
    with (watching.home / "config/changewire.yaml").open("a") as file:
        file.write("serve: {listen: '127.0.0.1:0'}\n")

    def broken(_: Checkup) -> None:
        raise ZeroDivisionError("no code expects this")

    monkeypatch.setattr(Checkup, "attention", broken)
    with closing(watching.start()) as turned:
        url = turned.daemon._serving.url
        for _ in range(2):
            with pytest.raises(urllib.error.HTTPError, match="500"):
                urllib.request.urlopen(f"{url}/health", timeout=10)
        with urllib.request.urlopen(f"{url}/live", timeout=10) as answer:
            assert answer.status == 200
    assert "/health could not be answered: a fault in Changewire itself" in watching.words("serving_failed")[0]


def test_a_worker_survives_whatever_its_work_raises() -> None:
    failed: list[BaseException] = []
    done = threading.Event()

    def work(record: RunRecord) -> None:
        if record.id == "last":
            done.set()
        else:
            raise SystemExit(3)

    dispatcher = LocalDispatcher(1, 2, SystemClock())
    dispatcher.start(Handlers(lambda claimed: None, work, failed.append))
    for number in range(5):
        dispatcher.submit_run(run(f"r{number}"))
    dispatcher.submit_run(run("last"))
    assert done.wait(10)
    assert dispatcher.stop(10)
    assert [type(error) for error in failed] == [SystemExit] * 5


EXIT = """
connector: core
actions:
  leave: {title: Leave, description: Calls sys.exit., code: leave, idempotency: natural}
"""


def test_code_of_an_action_that_calls_exit_is_a_failed_step(watching: Watching) -> None:
    watching.workflow(WATCH, "{use: core.leave, retry: {attempts: 1}}")
    (watching.home / "actions/core.yaml").write_text(EXIT)
    (watching.home / "actions/core.py").write_text("def leave(context, values):\n    raise SystemExit(3)\n")
    with closing(watching.start()) as turned:
        turned.turn()
        watching.api.rows = [{"id": 1}]
        turned.on(60)
        ((state, reason),) = [(each.run.state, each.run.reason) for each in turned.store.runs()]
    assert state == "paused"
    assert reason is not None
    assert reason.endswith("a fault in the code of the action (RuntimeError: it called sys.exit)")
