"""A run goes from the poll that starts it straight to a free worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.engine.dispatcher import Handlers, LocalDispatcher, ShortWay
from changewire.engine.leases import LEASE, LeaseKeeper
from changewire.log import silent
from changewire.state.records import RunRecord
from changewire.state.store import SqliteStore
from tests.state.samples import NOW, run

WORKERS = 2


class Work:
    """Runs as they begin; each goes on until it is let go."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.let_go = threading.Event()
        self._changed = threading.Condition()

    def __call__(self, record: RunRecord) -> None:
        with self._changed:
            self.begun.append(record.id)
            self._changed.notify_all()
        assert self.let_go.wait(10)

    def has_begun(self, count: int) -> list[str]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.begun) >= count, 10)
            return sorted(self.begun)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def dispatcher(work: Work) -> Iterator[LocalDispatcher]:
    made = LocalDispatcher(1, WORKERS, SystemClock())
    made.start(Handlers(lambda claimed: None, work, lambda error: None))
    yield made
    work.let_go.set()
    assert made.stop(10)


@pytest.fixture
def way(dispatcher: LocalDispatcher, tmp_path: Path) -> ShortWay:
    store = SqliteStore(tmp_path / "changewire.db", clock=SystemClock())
    made = ShortWay(dispatcher, LeaseKeeper(store, SystemClock(), silent))
    made.open = True
    return made


def test_there_is_room_for_as_many_runs_as_there_are_idle_workers(way: ShortWay, work: Work) -> None:
    room = way.begin(5, NOW)
    assert room is not None
    assert (room.most, room.now, room.lease_until) == (WORKERS, NOW, NOW + LEASE)
    assert way.begin(1, NOW) is None, "the other poll has it"
    room.taken = [run("r1")]
    assert way.end(room, True) == 1
    assert work.has_begun(1) == ["r1"]
    second = way.begin(5, NOW)
    assert second is not None
    assert second.most == WORKERS - 1, "what was not needed was given back"
    second.taken = [run("r2")]
    way.end(second, True)
    assert work.has_begun(2) == ["r1", "r2"]
    assert way.begin(1, NOW) is None


def test_runs_of_a_poll_that_was_not_stored_begin_nowhere(way: ShortWay, work: Work) -> None:
    room = way.begin(2, NOW)
    assert room is not None
    room.taken = [run("r1"), run("r2")]
    assert way.end(room, False) == 0
    again = way.begin(2, NOW)
    assert again is not None
    assert (again.most, work.begun) == (2, [])


def test_while_older_runs_wait_new_ones_wait_as_well(way: ShortWay) -> None:
    way.open = False
    assert way.begin(1, NOW) is None
    assert way.end(None, True) == 0


def test_a_poll_that_starts_nothing_takes_no_room(way: ShortWay) -> None:
    assert way.begin(0, NOW) is None
    room = way.begin(9, NOW)
    assert room is not None
    assert room.most == WORKERS


def test_a_dispatcher_that_ends_has_no_room(way: ShortWay, dispatcher: LocalDispatcher) -> None:
    assert dispatcher.stop(10)
    assert way.begin(1, NOW) is None
