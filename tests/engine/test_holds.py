"""No run is held for ever: whoever holds one looks for the pause in the same write, and the reaper finds the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from changewire.cli import root
from changewire.clock import Clock
from changewire.daemon import DATABASE
from changewire.state.records import PauseCause, PauseKind, PauseRecord, RunRecord, RunState
from changewire.state.store import SqliteStore
from tests.connectors.server import Reply, Seen, Server
from tests.engine.rig import workflow
from tests.support.turning import Turned

Make = Callable[..., Turned]
LIST = workflow("List", "http.new_item", "{path: /list}", "connection: free").partition("steps:")[0]
STEP = "{use: http.request, with: {method: POST, url: '/{{ item }}', connection: api}, idempotency: none}"
PARALLEL = f"{LIST}steps: [{{for_each: [refused, slow], max_parallel: 2, do: [{STEP}]}}]\n"
WAITS = f"{LIST}steps: [{{wait: 1m}}, {{use: core.log, with: {{message: done}}}}]\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as one:
        yield one


@pytest.fixture
def begin(server: Server, make: Make) -> Callable[..., Turned]:
    """Makes a daemon whose workflow ``List`` has one run that is due."""

    def start(text: str, on_write: Callable[[str], None] | None = None) -> Turned:
        connections = (
            f"free: {{connector: http, base_url: '{server.url}'}}\n"
            f"api: {{connector: http, base_url: '{server.url}', auth: {{type: bearer, token: the-token}}}}\n"
        )
        server.on("/list", Reply(200, [{"id": 0}]), Reply(200, [{"id": 0}, {"id": 1}]))
        daemon = make(connections, on_write, list=text)
        daemon.turn()
        daemon.clock.advance(70)
        return daemon

    return start


def the_run(daemon: Turned) -> RunRecord:
    """The only run."""
    (history,) = daemon.store.runs()
    return history.run


class Person:
    """Lifts the pause of a connection from another store, as soon as it is there."""

    def __init__(self, path: Path) -> None:
        self._path, self._is_paused = path, threading.Event()

    def on_write(self, point: str) -> None:
        """Notice the pause. Its transaction is not over yet; whoever lifts it waits for that."""
        if point == "pause.put:after":
            self._is_paused.set()

    def lift(self, clock: Clock) -> None:
        """Wait for the pause, and end it."""
        assert self._is_paused.wait(30)
        store = SqliteStore(self._path, clock=clock)
        store.open(take_over=False)
        with closing(store):
            assert store.lift(PauseKind.CONNECTION, "api", clock.now()) is not None


def test_a_run_whose_connection_is_resumed_while_another_iteration_is_under_way_continues(
    begin: Callable[..., Turned], server: Server, tmp_path: Path
) -> None:
    person, slow_began = Person(tmp_path / DATABASE), threading.Event()
    daemon = begin(PARALLEL, person.on_write)

    def refuse(seen: Seen) -> Reply:
        slow_began.wait(30)
        return Reply(401, {"message": "Bad token"})

    def slow(seen: Seen) -> Reply:
        slow_began.set()
        person.lift(daemon.clock)
        return Reply(200, {})

    server.on("/refused", refuse, Reply(200, {}))
    server.on("/slow", slow)
    daemon.turn()
    run = the_run(daemon)
    assert (run.state, run.held_by) == (RunState.SUCCEEDED, None)
    assert sorted(seen.path for seen in server.seen if seen.method == "POST") == ["/refused", "/refused", "/slow"]


def forget_pauses(daemon: Turned) -> None:
    """What a rename by an earlier version left: runs held by a pause that is gone."""
    daemon.store._write(lambda transaction: transaction.execute("forget", "DELETE FROM pauses"))


def test_the_reaper_wakes_a_run_held_by_a_pause_that_does_not_exist(
    begin: Callable[..., Turned], logged: list[tuple[str, str]]
) -> None:
    daemon = begin(WAITS)
    daemon.turn()
    now = daemon.clock.now()
    daemon.store.pause(PauseRecord(PauseKind.WORKFLOW, "List", PauseCause.PERSON, now, "by hand"), now)
    daemon.on(61)
    run = the_run(daemon)
    assert (run.state, run.held_by) == (RunState.PAUSED, "workflow/List")
    daemon.daemon._reap()
    assert the_run(daemon).state is RunState.PAUSED, "its pause exists"
    forget_pauses(daemon)
    daemon.daemon._reap()
    daemon.turn()
    assert the_run(daemon).state is RunState.SUCCEEDED
    assert ("runs_woken", f"1 runs waited for nothing and continue: {run.id}") in logged


def test_status_calls_a_person_for_a_run_that_nothing_would_wake(begin: Callable[..., Turned], tmp_path: Path) -> None:
    daemon = begin(WAITS)
    daemon.turn()
    now = daemon.clock.now()
    daemon.store.pause(PauseRecord(PauseKind.WORKFLOW, "List", PauseCause.PERSON, now, "by hand"), now)
    daemon.on(61)
    forget_pauses(daemon)
    found = [each for each in daemon.daemon._serving._checkup.attention() if each.state == "asleep"]
    assert [(each.kind, each.name) for each in found] == [("workflow", "List")]
    daemon.close()
    result = CliRunner().invoke(root, ["status", "--home", str(tmp_path)])
    assert result.exit_code == 3
    assert "List: 1 run held by nothing that exists; a daemon wakes them within a minute; next: `changewire run`" in (
        result.stderr
    )
