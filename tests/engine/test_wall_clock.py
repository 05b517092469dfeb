"""A wall clock that is set, or wrong from the start, moves nothing but what waits for a moment on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock, from_text, to_text
from changewire.daemon import DATABASE
from changewire.engine.chores import Chores
from changewire.state.records import RunRecord, RunState
from changewire.state.store import SqliteStore
from changewire.testing import START, ManualClock
from changewire.values import dumps_text
from tests.engine.inside import kick, out, watching, write, write_home
from tests.support.json_api import JsonApi
from tests.support.processes import DaemonProcess, ask, wait_for
from tests.support.recorder import Recorder
from tests.support.turning import Turned

DAY, YEAR = 86_400.0, 365 * 86_400.0
WAIT = watching("go", {"wait": "21d"}, write("done"))


class Site:
    """A home with one clock, and a daemon on it that may be started again."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        self.logged: list[str] = []
        self.turned: Turned | None = None

    def start(self, on_write: Callable[[str], None] | None = None) -> Turned:
        """End the daemon that runs, and begin another."""
        self.close()
        self.turned = Turned(self.path, self.clock, log=self._log, on_write=on_write).start()
        self.turned.turn()
        return self.turned

    def on(self, seconds: float) -> None:
        """Let time elapse, and do all that is due then."""
        assert self.turned is not None
        self.turned.on(seconds)

    def set(self, seconds: float) -> None:
        """Set the wall clock, which the daemon notices or not."""
        self.clock.set_wall(seconds)

    def close(self) -> None:
        if self.turned is not None:
            self.turned.close()
            self.turned = None

    def _log(self, event: str, message: str, /, **_: Any) -> None:
        self.logged.append(event)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "home")
    yield made
    made.close()


def write_list_home(site: Site, api: JsonApi, **workflows: dict[str, Any]) -> None:
    """A home with a connection to ``api``."""
    write_home(site.path, **workflows)
    made = {"list": {"connector": "http", "base_url": api.url, "allow_private": True, "auth": {"type": "none"}}}
    (site.path / "config" / "connections.yaml").write_text(dumps_text(made))


def rows(site: Site, query: str) -> list[Any]:
    return ask(site.path, query)


# durations are elapsed time


@pytest.mark.parametrize("steps", [(5, -5, 5), (-5, 5, -5), (YEAR / DAY, -2 * YEAR / DAY), (-YEAR / DAY, 3)])
def test_a_wait_is_as_long_as_it_is_however_often_the_clock_is_set(site: Site, steps: tuple[float, ...]) -> None:
    write_home(site.path, w=WAIT)
    kick(site.start(), "go", {})
    site.on(60)
    for days in steps:
        site.set(days * DAY)
        site.on(DAY)
    site.on((21 - len(steps)) * DAY - 120)
    assert out(site.path) == []
    site.on(180)
    assert out(site.path) == ["done"]


def test_a_wait_is_elapsed_time_also_where_its_beginning_is_stored_before_the_run_is_left(site: Site) -> None:
    class Slow(ManualClock):
        """Between two readings pass 15 ms, so the second row after a step is stored at once."""

        def monotonic(self) -> float:
            self.advance(0.015)
            return super().monotonic()

    write_home(site.path, w=watching("go", write("before"), {"wait": "1h"}, write("done")))
    site.clock = Slow()
    turned = site.start()
    site.set(DAY)
    kick(turned, "go", {})
    site.on(60)
    site.on(3600)
    site.on(60)
    assert out(site.path) == ["before", "done"]


@pytest.mark.parametrize("restarts", [1, 2])
def test_a_wait_is_as_long_as_it_is_after_a_start_with_a_clock_a_year_old_that_is_set_right(
    site: Site, restarts: int
) -> None:
    write_home(site.path, w=WAIT)
    kick(site.start(), "go", {})
    site.on(60)
    for _ in range(restarts):
        site.close()
        site.set(-YEAR)
        site.start()
        site.on(60)
        site.set(YEAR)
        site.on(DAY)
    site.on((21 - restarts) * DAY - 300)
    assert out(site.path) == []
    site.on(300)
    assert out(site.path) == ["done"]


def test_a_process_that_ends_before_its_first_chore_passes_its_timeline_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Chores, "start", lambda *_: None)
    write_home(site.path, w=WAIT)
    assert site.start().store.daemon_info() is not None


def test_nothing_sleeps_after_a_start_with_a_clock_a_year_ahead_that_is_set_right(site: Site) -> None:
    with JsonApi() as api:
        api.rows = [{"id": 1}]
        write_list_home(site, api, w=polling(), v=WAIT)
        kick(site.start(), "go", {})
        site.on(60)
        site.close()
        site.set(YEAR)
        site.start()
        site.on(60)
        site.set(-YEAR)
        before = polls(site)
        api.rows.append({"id": 2})
        for _ in range(5):
            site.on(60)
        assert polls(site) == before + 5
        assert out(site.path).count("event 2") == 1
        site.on(22 * DAY)
        assert out(site.path).count("done") == 1


def polling(every: str = "60s") -> dict[str, Any]:
    """A workflow that watches a list and leaves a line for each event."""
    watched = {"type": "http.new_item", "every": every, "with": {"path": "/rows", "items": "data"}}
    return {"trigger": watched, "steps": [write("event {{ event.key }}")]}


def polls(site: Site) -> int:
    return sum(count for (count,) in rows(site, "SELECT polls FROM triggers"))


def test_polls_keep_their_rhythm_over_every_step_of_the_clock(site: Site) -> None:
    with JsonApi() as api:
        write_list_home(site, api, w=polling())
        site.start()
        for seconds in (YEAR, -5 * 3600, 50, -50, -YEAR, 3600):
            before = polls(site)
            site.set(seconds)
            for _ in range(3):
                site.on(60)
            assert polls(site) == before + 3
        assert site.logged.count("trigger_stalled") == 0


@pytest.mark.parametrize("seconds", [YEAR, -YEAR, 5 * 3600.0])
def test_a_step_that_fails_while_the_clock_is_set_is_tried_again_after_its_delay(site: Site, seconds: float) -> None:
    def answer(path: str) -> None:
        site.set(seconds)
        raise ConnectionError("the answer is lost")

    with Recorder() as recorder:
        recorder.before_answer = answer
        write_home(site.path, w=watching("go", request(recorder, "/set")))
        allow_private(site)
        kick(site.start(), "go", {})
        site.on(0)
        assert attempts(site) == 1
        site.on(3500)
        assert attempts(site) == 1
        site.on(160)
        assert attempts(site) == 2


def request(recorder: Recorder, path: str) -> dict[str, Any]:
    """A step whose answer is lost, and that is tried again after an hour."""
    given = {"url": f"{recorder.url}{path}", "method": "GET"}
    return {"use": "http.request", "with": given, "retry": {"attempts": 2, "delay": "1h"}}


def allow_private(site: Site) -> None:
    (site.path / "config" / "changewire.yaml").write_text("http: {allow_private: true}\n")


def attempts(site: Site) -> int:
    return int(rows(site, "SELECT count(*) FROM attempts WHERE use = 'http.request'")[0][0])


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_an_iteration_that_waits_inside_a_running_loop_waits_as_long_as_it_should(site: Site, seconds: float) -> None:
    """The first iteration parks its `wait` while the second is under way, and then the clock is set."""
    with Recorder() as recorder:

        def answer(path: str) -> None:
            while not rows(site, "SELECT 1 FROM attempts WHERE use = 'wait'"):
                pass
            site.set(seconds)

        recorder.before_answer = answer
        recorder.pages["/slow"] = {}
        slow = {"use": "http.request", "with": {"url": f"{recorder.url}/slow", "method": "GET"}}
        either = {"if": "{{ n == 1 }}", "then": [{"wait": "1h"}, write("waited")], "else": [slow]}
        write_home(site.path, w=watching("go", {"for_each": [1, 2], "as": "n", "max_parallel": 2, "do": [either]}))
        allow_private(site)
        kick(site.start(), "go", {})
        site.on(0)
        site.on(3500)
        assert out(site.path) == []
        site.on(160)
        assert out(site.path) == ["waited"]


def test_a_batch_gathers_for_its_time(site: Site) -> None:
    write_home(site.path, w={**watching("go", write("{{ events | length }}")), "batch": {"every": "1h"}})
    turned = site.start()
    kick(turned, "go", {"n": 1})
    site.on(0)
    site.set(YEAR)
    site.on(1800)
    kick(turned, "go", {"n": 2})
    site.set(-2 * YEAR)
    site.on(1500)
    assert out(site.path) == []
    site.on(400)
    assert len(out(site.path)) == 1


# moments on the wall clock


@pytest.mark.parametrize("offset", [0.0, -YEAR, YEAR])
def test_wait_until_ends_when_the_wall_clock_shows_its_moment(site: Site, offset: float) -> None:
    site.set(-offset)
    moment = to_text(START + timedelta(hours=5))
    write_home(site.path, w=watching("go", {"wait_until": moment}, write("done")))
    turned = site.start()
    site.set(offset)
    kick(turned, "go", {})
    site.on(60)
    site.set(-3600)
    site.on(5 * 3600)
    assert out(site.path) == []
    site.set(3600)
    site.on(0)
    assert out(site.path) == ["done"]


@pytest.mark.parametrize("seconds", [-5 * 3600, 5 * 3600, -YEAR, YEAR])
def test_cron_follows_the_wall_clock(site: Site, seconds: float) -> None:
    with JsonApi() as api:
        trigger = polling()["trigger"]
        del trigger["every"]
        write_list_home(site, api, w={**polling(), "trigger": {**trigger, "cron": "30 * * * *"}})
        turned = site.start()
        site.on(60)
        site.set(seconds)
        site.on(60)
        (record,) = turned.store.triggers()
        shown = turned.clock.now()
        due = record.next_due + turned.steady.offset() if record.next_due else None
        assert due == shown.replace(minute=30, second=0, microsecond=0) + timedelta(hours=shown.minute >= 30)


def test_a_cron_moment_that_was_stored_by_the_old_time_is_put_right_by_the_reaper(site: Site) -> None:
    with JsonApi() as api:
        trigger = polling()["trigger"]
        del trigger["every"]
        write_list_home(site, api, w={**polling(), "trigger": {**trigger, "cron": "30 * * * *"}})
        turned = site.start()
        (record,) = turned.store.triggers()
        assert record.next_due is not None
        turned.store.move_due({record.id: (record.next_due, record.next_due + timedelta(days=365))})
        turned.daemon._reap()
        assert turned.store.triggers()[0].next_due == record.next_due


@pytest.mark.parametrize("seconds", [-3600, 3600.0, -YEAR])
def test_a_retry_of_a_trigger_with_cron_comes_after_its_delay(site: Site, seconds: float) -> None:
    with JsonApi() as api:
        trigger = polling()["trigger"]
        del trigger["every"]
        write_list_home(site, api, w={**polling(), "trigger": {**trigger, "cron": "* * * * *"}})
        api.bad.extend(["html"] * 10)
        turned = site.start()
        due = [record.next_due for record in turned.store.triggers()]
        site.set(seconds)
        turned.daemon._reap()
        assert [record.next_due for record in turned.store.triggers()] == due


def test_a_run_whose_time_is_over_is_not_woken_for_what_it_waited_for(site: Site) -> None:
    """A `wait_until` is cut off by the run's timeout, and then `on_failure` waits for a time."""
    moment = to_text(START + timedelta(hours=2))
    steps = {"steps": [{"wait_until": moment}], "on_failure": [{"wait": "10h"}, write("failed")], "timeout": "1h"}
    write_home(site.path, w={**watching("go"), **steps})
    turned = site.start()
    kick(turned, "go", {})
    site.on(0)
    site.on(3700)
    (run,) = (history.run for history in turned.store.runs())
    assert run.state is RunState.WAITING
    site.clock.advance(2 * 3600)
    assert turned.store.wake_runs(turned.steady.now(), turned.clock.now()) == 0
    site.on(9 * 3600)
    assert out(site.path) == ["failed"]


# what people see


def test_events_and_runs_carry_the_time_that_the_wall_clock_showed(site: Site) -> None:
    write_home(site.path, w=watching("go", write("{{ event.detected_at }}")))
    turned = site.start()
    site.set(YEAR)
    kick(turned, "go", {})
    site.on(0)
    shown = site.clock.now()
    (event,), (history,) = turned.store.events(), turned.store.runs()
    assert [event.detected_at, history.run.created_at, history.run.finished_at] == [shown] * 3
    assert from_text(out(site.path)[0]) == shown


# commands beside the daemon


@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_commands_show_moments_on_the_wall_clock(site: Site, seconds: float) -> None:
    with JsonApi() as api:
        write_list_home(site, api, w=polling(), v=WAIT)
        turned = site.start()
        kick(turned, "go", {})
        site.on(0)
        due = {record.id: record.next_due for record in turned.store.triggers()}
        run = turned.store.runs()[0].run
        site.set(seconds)
        site.on(0)
        step = timedelta(seconds=seconds)
        with closing(SqliteStore(site.path / DATABASE, clock=site.clock)) as store:
            store.open_to_read()
            moved = {name: None if moment is None else moment + step for name, moment in due.items()}
            assert {record.id: record.next_due for record in store.triggers()} == moved
            assert [history.run.due_at for history in store.runs()] == [run.due_at and run.due_at + step]
            assert store.suspects(site.clock.now()) == []


@pytest.mark.parametrize("noticed", [False, True])
@pytest.mark.parametrize("seconds", [YEAR, -YEAR])
def test_a_run_that_a_person_resumes_is_due_at_once(site: Site, seconds: float, noticed: bool) -> None:
    with Recorder() as recorder:
        given = {"url": f"{recorder.url}/page", "method": "GET"}
        write_home(site.path, w=watching("go", {"use": "http.request", "with": given}, write("done")))
        allow_private(site)
        turned = site.start()
        kick(turned, "go", {})
        site.on(0)
        (run,) = (history.run for history in turned.store.runs())
        assert run.state is RunState.PAUSED
        recorder.pages["/page"] = {}
        site.set(seconds)
        if noticed:
            site.on(0)
        with closing(SqliteStore(site.path / DATABASE, clock=site.clock)) as store:
            store.open(take_over=False)
            assert store.resume(site.clock.now(), by="a person", run_id=run.id) == [run.id]
        site.on(0)
        assert out(site.path) == ["done"]


@pytest.mark.parametrize("running", [False, True])
def test_a_process_after_one_whose_clock_was_a_year_ahead_sleeps_for_nothing(tmp_path: Path, running: bool) -> None:
    """The clock was set right while the earlier daemon ran, or after it."""
    with JsonApi() as api:
        site = Site(tmp_path / "home")
        write_list_home(site, api, p=polling(every="1s"), w=watching("go", {"wait": "2s"}, write("done")))
        site.clock = ManualClock(SystemClock().now() + timedelta(seconds=YEAR))
        kick(site.start(), "go", {})
        site.on(0)
        if running:
            site.set(-YEAR)
            site.on(0)
        site.close()
        with DaemonProcess(site.path):
            assert wait_for(lambda: out(site.path) == ["done"])
            before = polls(site)
            assert wait_for(lambda: polls(site) > before + 2)


def test_a_run_that_is_replayed_long_after_the_daemon_was_stopped_is_due_since_then_and_not_since_the_daemon(
    site: Site,
) -> None:
    write_home(site.path, w=watching("go", write("done")))
    turned = site.start()
    kick(turned, "go", {})
    site.on(0)
    (run,) = (history.run for history in turned.store.runs())
    site.close()
    site.clock.advance(YEAR)
    now = site.clock.now()
    with closing(SqliteStore(site.path / DATABASE, clock=site.clock)) as store:
        store.open(take_over=False)
        (again,) = store.replay([RunRecord("", run.workflow, run.version, run.event_id, now)])
        assert again.due_at == now


def test_what_a_command_made_due_by_a_clock_a_year_ahead_sleeps_for_nothing_once_it_is_set_right(site: Site) -> None:
    with JsonApi() as api:
        api.rows = [{"id": 1}]
        write_list_home(site, api, list=polling(), w=watching("go", write("done")))
        turned = site.start()
        kick(turned, "go", {})
        site.on(60)
        (run,) = (history.run for history in turned.store.runs())
        (polled,) = (record for record in turned.store.triggers() if record.interval_s)
        site.close()
        site.set(YEAR)
        now = site.clock.now()
        with closing(SqliteStore(site.path / DATABASE, clock=site.clock)) as store:
            store.open(take_over=False)
            store.replay([RunRecord("", run.workflow, run.version, run.event_id, now)])
            store.forget(polled.id, now)
        site.set(-YEAR)
        site.start()
        before = polls(site)
        for _ in range(3):
            site.on(60)
        assert polls(site) >= before + 3
        assert out(site.path).count("done") == 2
