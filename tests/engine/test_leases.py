"""Leases that live as long as the work: time moves while servers answer, and the reaper looks at every chance."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.daemon import DATABASE, Daemon
from changewire.engine.dispatcher import Handlers
from changewire.engine.leases import LEASE, LeaseKeeper
from changewire.errors import StateError
from changewire.log import silent
from changewire.state.records import Claim, Claimed, RunRecord, RunState
from changewire.state.store import SqliteStore
from changewire.testing import ManualClock
from tests.state.samples import MINUTE, NOW, event, run, with_events
from tests.support.json_api import JsonApi
from tests.support.processes import ask
from tests.support.recorder import Recorder
from tests.support.turning import Turned

SETTINGS = "http: {allow_private: true, timeout: 1h}\npoll: {time: 1h}\n"
DETAILED = """
type: http.order
title: New order
description: An order with its details.
request: {path: /rows}
items: data
key: id
kind: created
detail: {path: /document, query: {id: "{{ item.id }}"}}
payload: "{{ {'id': item.id, 'detail': detail} }}"
sample: {id: 1}
"""
HUGE = """
type: http.huge
title: New order
description: An order whose payload makes numbers longer.
request: {path: /rows}
items: data
key: id
kind: created
payload: "{{ {'id': item.id, 'size': item.power * 4} }}"
sample: {id: 1, power: 1}
"""
CODE = """
connector: core
actions:
  charge:
    title: Charge
    description: Charges.
    parameters: {url: {required: true}}
    code: charge
    timeout: 5s
    idempotency: IDEMPOTENCY
"""
SLOW = """
connector: http
actions:
  slow:
    title: Read
    description: Reads what takes minutes.
    parameters: {connection: {default: shop}}
    request: {method: GET, path: /slow}
    idempotency: pure
    timeout: 1h
"""
CHARGE = """
import urllib.request


def charge(context, values):
    urllib.request.urlopen(urllib.request.Request(values["url"], b"{}", method="POST"))
    return {"charged": True}
"""


@pytest.fixture
def api() -> Iterator[JsonApi]:
    with JsonApi() as served:
        yield served


@pytest.fixture
def shop() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


class Watching:
    """A home that watches ``rows`` of ``api``, its daemon, and what it logs."""

    def __init__(self, home: Path, api: JsonApi) -> None:
        self.home, self.api = home, api
        self.logged: list[tuple[str, str]] = []
        self.clock = ManualClock()
        for folder in ("config/workflows", "triggers", "actions"):
            (home / folder).mkdir(parents=True)
        (home / "config/changewire.yaml").write_text(SETTINGS)
        self.connect("api", api.url)

    def connect(self, name: str, url: str) -> None:
        text = f"{name}: {{connector: http, base_url: '{url}', auth: {{type: none}}}}\n"
        with (self.home / "config/connections.yaml").open("a") as file:
            file.write(text)

    def workflow(self, kind: str, *steps: str) -> None:
        trigger = f"{{type: {kind}, connection: api, every: 60s}}"
        (self.home / "config/workflows/w.yaml").write_text(f"trigger: {trigger}\nsteps: [{', '.join(steps)}]\n")

    def log(self, event: str, message: str, /, **_: Any) -> None:
        self.logged.append((event, message))

    def start(self, on_write: Callable[[str], None] | None = None) -> Turned:
        return Turned(self.home, self.clock, log=self.log, on_write=on_write).start()

    def words(self, event: str) -> list[str]:
        return [message for name, message in self.logged if name == event]


@pytest.fixture
def watching(tmp_path: Path, api: JsonApi) -> Watching:
    return Watching(tmp_path, api)


@pytest.fixture
def start(watching: Watching) -> Iterator[Callable[..., Turned]]:
    made: list[Turned] = []

    def begin(**more: Any) -> Turned:
        made.append(watching.start(**more))
        return made[-1]

    yield begin
    for each in made:
        each.close()


LOG = '{use: core.log, with: {message: "{{ payload.id }}"}}'


def takes(turned: Turned, seconds: float) -> Callable[[str], None]:
    """Each answer takes so long, and the reaper and another turn look for work in between."""

    def pass_time(path: str) -> None:
        turned.clock.advance(seconds)
        turned.daemon._reap()
        turned.daemon.turn(turned.clock.now())

    return pass_time


def test_a_poll_that_outlives_its_lease_is_not_begun_again(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": number} for number in range(40)]
    answered: list[str] = []
    pass_time = takes(turned, 2.5)
    api.before_answer = lambda path: (answered.append(path), pass_time(path))[1]  # type: ignore[func-returns-value]
    turned.on(60)
    assert answered.count("/rows") == 1
    assert sum(path.startswith("/document") for path in answered) == 40
    assert len(turned.store.events()) == 40
    assert ask(watching.home, "SELECT polls, failures, claim FROM triggers") == [(2, 0, 0)]
    assert watching.words("claims_freed") == []


@pytest.mark.parametrize("idempotency", ["natural", "none", "header"])
def test_an_action_that_overruns_its_timeout_and_its_lease_is_done_once(
    idempotency: str, watching: Watching, api: JsonApi, shop: Recorder, start: Callable[..., Turned]
) -> None:
    (watching.home / "actions/core.yaml").write_text(CODE.replace("IDEMPOTENCY", idempotency))
    (watching.home / "actions/core.py").write_text(CHARGE)
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", f"{{use: core.charge, with: {{url: '{shop.url}/charge'}}}}")
    turned = start()
    turned.turn()
    api.rows = [{"id": 1}]
    shop.before_answer = takes(turned, 600)
    turned.on(60)
    assert [path for path, *_ in shop.calls] == ["/charge"]
    (found,) = turned.store.runs()
    assert (found.run.state, [(a.state, a.output) for a in found.attempts]) == (
        RunState.SUCCEEDED, [("succeeded", {"charged": True})],
    )  # fmt: skip


def test_a_pure_request_that_takes_minutes_is_sent_once(
    watching: Watching, api: JsonApi, shop: Recorder, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    (watching.home / "actions/http.yaml").write_text(SLOW)
    watching.connect("shop", shop.url)
    shop.pages["/slow?connection=shop"] = {"ok": True}
    watching.workflow("http.order", "{use: http.slow}")
    turned = start()
    turned.turn()
    api.rows = [{"id": 1}]
    asked: list[str] = []
    pass_time = takes(turned, 170)
    shop.before_answer = lambda path: (asked.append(path), pass_time(path))[1]  # type: ignore[func-returns-value]
    turned.on(60)
    assert len(asked) == 1
    assert [(found.run.state, found.run.reason) for found in turned.store.runs()] == [(RunState.SUCCEEDED, None)]


class Queue:
    """Takes all work, and does it when the test says so."""

    def __init__(self) -> None:
        self.polls: list[Claimed] = []
        self.runs: list[RunRecord] = []
        self.handlers: Handlers | None = None

    def start(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def submit_poll(self, claimed: Claimed) -> None:
        self.polls.append(claimed)

    def submit_run(self, run: RunRecord) -> None:
        self.runs.append(run)

    def free(self) -> tuple[int, int]:
        return 8, 8

    def reserve_runs(self, most: int) -> int:
        return 0

    def give_back(self, places: int) -> None:
        """None were reserved."""

    def stop(self, timeout_s: float) -> bool:
        return True

    def work(self) -> None:
        assert self.handlers is not None
        while self.polls:
            self.handlers.poll(self.polls.pop(0))
        while self.runs:
            self.handlers.run(self.runs.pop(0))


def test_work_that_waits_for_a_worker_longer_than_its_lease_is_not_claimed_again(
    watching: Watching, api: JsonApi
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    line = Queue()
    daemon = Daemon(watching.home, watching.clock, watching.log, dispatcher=line)
    daemon.start(watch_files=False)
    try:
        for rows in ([], [{"id": 1}]):
            api.rows = rows
            watching.clock.advance(60)
            for _ in range(10):
                daemon.turn(watching.clock.now())
                watching.clock.advance(45)
                daemon._reap()
            assert len(line.polls) == 1
            line.work()
        for _ in range(10):
            daemon.turn(watching.clock.now())
            watching.clock.advance(45)
            daemon._reap()
        assert [each.event_id for each in line.runs] == [each.id for each in daemon.store.events()]
        line.work()
        assert [found.run.state for found in daemon.store.runs()] == [RunState.SUCCEEDED]
        assert watching.words("claims_freed") == []
    finally:
        daemon.close()


def test_a_number_that_the_payload_makes_too_long_is_stored_as_text(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/huge.yaml").write_text(HUGE)
    watching.workflow("http.huge", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": "small", "power": 3}, {"id": "large", "power": 9000000000000000000}]
    turned.on(60)
    sizes = {event.key: event.payload["size"] for event in turned.store.events()}
    assert sizes == {"small": 12, "large": "36000000000000000000"}
    assert turned.dispatcher.failures == []


def test_a_poll_whose_outcome_cannot_be_stored_fails_with_a_reason(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    points: list[str] = []

    def refuse(point: str) -> None:
        if point in points:
            points.remove(point)
            raise OverflowError("Python int too large to convert to SQLite INTEGER")

    turned = start(on_write=refuse)
    turned.turn()
    api.rows = [{"id": 1}]
    points.append("commit_poll.put_item:before")
    turned.on(60)
    (record,) = turned.store.triggers()
    assert (record.failures, str(record.state)) == (1, "failing")
    assert "cannot be stored (OverflowError: Python int too large" in (record.error or "")
    assert turned.store.events() == []
    turned.on(600)
    assert [each.key for each in turned.store.events()] == ["1"]


class Trouble:
    """Breaks the disk at a write point, as often as it is told."""

    def __init__(self) -> None:
        self.at, self.times = "", 0

    def __call__(self, point: str) -> None:
        if point == self.at and self.times:
            self.times -= 1
            raise sqlite3.OperationalError("disk I/O error")


def test_a_poll_whose_worker_raised_is_a_failed_one_with_its_reason_at_once(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    trouble = Trouble()
    turned = start(on_write=trouble)
    turned.turn()
    api.rows = [{"id": 1}]
    trouble.at, trouble.times = "commit_poll.event:before", 1
    turned.clock.advance(60)
    turned.daemon.turn(turned.clock.now())
    (record,) = turned.store.triggers()
    assert (record.state, record.failures, record.error_class) == ("failing", 1, "transient")
    assert "disk I/O error" in (record.error or "")
    assert ask(watching.home, "SELECT claim FROM triggers") == [(0,)]
    turned.on(600)
    assert len(turned.store.events()) == 1
    assert turned.store.triggers()[0].state == "ok"


def test_an_end_that_cannot_be_stored_now_is_stored_when_the_database_works_again(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    trouble = Trouble()
    turned = start(on_write=trouble)
    turned.turn()
    trouble.at, trouble.times = "commit_poll.trigger:before", 2
    turned.clock.advance(60)
    turned.daemon.turn(turned.clock.now())
    assert ask(watching.home, "SELECT claim <> 0, failures FROM triggers") == [(1, 0)]
    turned.clock.advance(600)
    turned.daemon._reap()
    assert ask(watching.home, "SELECT claim <> 0, failures FROM triggers") == [(1, 0)], "the keeper has it"
    turned.daemon._leases.renew()
    assert ask(watching.home, "SELECT claim, failures FROM triggers") == [(0, 1)]
    assert turned.daemon._leases.held() == set()


def test_a_claim_that_no_worker_has_any_more_is_a_failed_poll_and_a_run_that_begins_again(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", "{wait: 1h}", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": 1}]
    turned.on(60)
    turned.clock.advance(3600)
    assert len(turned.store.claim_runs(turned.clock.now(), 9, LEASE)) == 1
    assert len(turned.store.claim_due(turned.clock.now(), 9, LEASE)) == 1
    turned.clock.advance(LEASE.total_seconds())
    turned.daemon._reap()
    (record,) = turned.store.triggers()
    assert (record.state, record.failures) == ("failing", 1)
    assert record.error == "the poll came to no end, and no worker has it any more"
    (found,) = turned.store.runs()
    assert (found.run.state, found.run.reason) == (RunState.PENDING, "no worker has it any more")
    turned.turn()
    assert [each.run.state for each in turned.store.runs()] == [RunState.SUCCEEDED]


def test_a_poll_that_lost_its_claim_sends_no_more_requests(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": number} for number in range(40)]
    details: list[str] = []

    def reset(path: str) -> None:
        if path.startswith("/document"):
            details.append(path)
            turned.store.forget(turned.store.triggers()[0].id, turned.clock.now())
            turned.clock.advance(LEASE.total_seconds())

    api.before_answer = reset
    turned.clock.advance(60)
    turned.daemon.turn(turned.clock.now())
    assert len(details) == 1
    assert turned.store.events() == []
    assert watching.words("poll_failed") == [], "it is no failure that the trigger was reset"
    assert watching.words("poll_fenced") == ["w/trigger was changed while it was polled; it is polled again"]


@pytest.mark.parametrize("stops_at", [1, 2, 5])
def test_a_poll_ends_between_two_requests_when_the_daemon_stops_and_keeps_what_is_complete(
    stops_at: int, watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": number} for number in range(40)]
    asked: list[str] = []

    def stop(path: str) -> None:
        asked.append(path)
        if len(asked) == stops_at:
            turned.daemon.stop()

    api.before_answer = stop
    turned.clock.advance(60)
    turned.daemon.turn(turned.clock.now())
    assert len(asked) == stops_at, "what was under way is answered"
    assert [each.payload["id"] for each in turned.store.events()] == list(range(stops_at - 1))
    assert ask(watching.home, "SELECT claim FROM triggers") == [(0,)]
    turned.close()
    api.before_answer = lambda path: None
    again = start()
    for _ in range(5):
        again.on(60)
    assert sorted(each.payload["id"] for each in again.store.events()) == list(range(40))


# the keeper by itself


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / DATABASE, clock=SystemClock(), on_write=lambda point: BROKEN(point))
    made.open()
    yield made
    BROKEN.times = 0
    made.close()


BROKEN = Trouble()


def held(store: SqliteStore, keeper: LeaseKeeper) -> Claim:
    """The claim on a run, held."""
    with_events(store, [event()], [run()])
    claim = store.claim_runs(NOW, 1, MINUTE)[0].claimed_as
    keeper.hold(claim)
    return claim


def test_a_claim_stands_as_long_as_it_can_be_renewed(store: SqliteStore) -> None:
    clock = ManualClock()
    keeper = LeaseKeeper(store, clock, silent)
    claim = held(store, keeper)
    for _ in range(3):
        clock.advance(10 * LEASE.total_seconds())
        assert keeper.stands(claim)
    assert store.stale_claims(clock.now())[1] == []
    clock.set_wall(-86_400)
    clock.advance(LEASE.total_seconds())
    assert keeper.stands(claim), "by elapsed time, whatever the clock on the wall says"


def test_a_claim_that_was_lost_does_not_stand_from_the_next_renewal_on(store: SqliteStore) -> None:
    clock = ManualClock()
    keeper = LeaseKeeper(store, clock, silent)
    claim = held(store, keeper)
    store.cancel("r1", NOW, "by hand")
    clock.advance(LEASE.total_seconds())
    assert not keeper.stands(claim)
    keeper.drop(claim)
    assert keeper.held() == set()


def test_work_whose_lease_ended_while_the_database_failed_does_not_go_on(store: SqliteStore) -> None:
    clock = ManualClock()
    keeper = LeaseKeeper(store, clock, silent)
    claim = held(store, keeper)
    BROKEN.at, BROKEN.times = "renew.runs:before", 1
    clock.advance(LEASE.total_seconds() - 1)
    assert keeper.stands(claim)
    clock.advance(1)
    with pytest.raises(StateError, match="disk I/O error"):
        keeper.stands(claim)
    assert keeper.stands(claim), "it can be renewed again"


def test_the_lease_of_a_run_that_a_poll_hands_over_is_renewed_as_well(
    watching: Watching, api: JsonApi, shop: Recorder, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    body = f"{{use: http.request, timeout: 1h, with: {{method: POST, url: '{shop.url}/one'}}}}"
    watching.workflow("http.order", body, body.replace("/one", "/two"))
    turned = start()
    turned.turn()
    api.rows = [{"id": 1}]
    pass_time = takes(turned, LEASE / timedelta(seconds=1) - 1)
    shop.before_answer = pass_time
    turned.on(60)
    assert [path for path, *_ in shop.calls] == ["/one", "/two"]


def test_a_run_that_a_fault_stops_again_and_again_waits_for_a_person_with_the_reason(
    watching: Watching, api: JsonApi, start: Callable[..., Turned]
) -> None:
    (watching.home / "triggers/order.yaml").write_text(DETAILED)
    watching.workflow("http.order", "{wait: 1h}", LOG)
    turned = start()
    turned.turn()
    api.rows = [{"id": 1}]
    turned.on(60)
    with closing(sqlite3.connect(watching.home / DATABASE)) as connection, connection:
        connection.execute("DELETE FROM events")  # by hand: no code of ours expects that
    for _ in range(20):
        turned.on(600)
    ((state, reason),) = ask(watching.home, "SELECT state, reason FROM runs")
    assert state == "paused"
    assert reason.startswith("it was begun 5 times in a row and came to no end: The event ")
    assert len(watching.words("run_abandoned")) == 5


def test_an_end_that_cannot_be_stored_holds_back_neither_other_ends_nor_renewals(store: SqliteStore) -> None:
    clock, stored = ManualClock(), []
    keeper = LeaseKeeper(store, clock, silent)
    claim = held(store, keeper)

    def fail() -> None:
        raise StateError("this one cannot be stored")

    def fail_once() -> None:
        stored.append("tried")
        if len(stored) == 1:
            raise StateError("not now")

    keeper.give_up(Claim("runs", "first", 1), fail)
    keeper.give_up(Claim("runs", "second", 2), fail_once)
    clock.advance(LEASE.total_seconds())
    keeper.renew()
    assert stored == ["tried", "tried"]
    assert keeper.stands(claim)
