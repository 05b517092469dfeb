"""More is due than there is room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.daemon import LONGEST_NAP, Daemon
from changewire.engine.dispatcher import Handlers
from changewire.log import silent
from changewire.state.records import Claimed, RunRecord
from changewire.testing import ManualClock

WORKERS = 4


class Room:
    """Takes polls as long as there is room, and does them when told to."""

    def __init__(self) -> None:
        self.waiting: list[Claimed] = []
        self.handlers: Handlers | None = None

    def start(self, handlers: Handlers) -> None:
        self.handlers = handlers

    def submit_poll(self, claimed: Claimed) -> None:
        self.waiting.append(claimed)

    def submit_run(self, run: RunRecord) -> None:
        raise AssertionError("nothing was noticed, so nothing runs")

    def free(self) -> tuple[int, int]:
        return 2 * WORKERS - len(self.waiting), 1

    def reserve_runs(self, most: int) -> int:
        """None: runs wait until they are claimed."""
        return 0

    def give_back(self, places: int) -> None:
        """None were reserved."""

    def stop(self, timeout_s: float) -> bool:
        return True

    def work(self, polls: int) -> None:
        assert self.handlers is not None
        for _ in range(polls):
            self.handlers.poll(self.waiting.pop(0))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config" / "workflows").mkdir(parents=True)
    (tmp_path / "config" / "changewire.yaml").write_text(f"workers: {{polls: {WORKERS}}}")
    away = "away: {connector: http, base_url: 'http://127.0.0.1:9', auth: {type: none}}"
    (tmp_path / "config" / "connections.yaml").write_text(away)
    for number in range(20):
        trigger = f"{{type: http.document_changed, every: 1h, with: {{path: /{number}}}}}"
        steps = "[{use: core.log, with: {message: seen}}]"
        (tmp_path / f"config/workflows/w{number}.yaml").write_text(f"trigger: {trigger}\nsteps: {steps}\n")
    return tmp_path


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def daemon(home: Path, room: Room) -> Iterator[Daemon]:
    daemon = Daemon(home, ManualClock(), silent, dispatcher=room)
    daemon.start(watch_files=False)
    yield daemon
    daemon.close()


def test_what_there_is_no_room_for_is_claimed_in_batches(daemon: Daemon, room: Room) -> None:
    now = ManualClock().now()
    assert daemon.turn(now) == LONGEST_NAP
    assert len(room.waiting) == 2 * WORKERS

    room.work(1)
    daemon.turn(now)
    assert len(room.waiting) == 2 * WORKERS - 1

    room.work(1)
    daemon.turn(now)
    assert len(room.waiting) == 2 * WORKERS


def test_all_that_is_due_has_its_turn(daemon: Daemon, room: Room) -> None:
    now, polled = ManualClock().now(), 0
    while polled < 20:
        daemon.turn(now)
        assert room.waiting
        polled += len(room.waiting)
        room.work(len(room.waiting))

    daemon.turn(now)
    assert not room.waiting


def test_a_crowd_is_polled_without_naps_in_between(home: Path) -> None:
    daemon = Daemon(home, SystemClock(), silent)
    daemon.start(watch_files=False)
    loop = threading.Thread(target=daemon.loop)
    began = time.monotonic()
    loop.start()
    try:
        while daemon.polls < 20 and time.monotonic() - began < 10:
            time.sleep(0.01)
        # before, each batch of eight waited for half a second
        assert time.monotonic() - began < 2 * LONGEST_NAP
    finally:
        daemon.stop()
        loop.join()
        daemon.close()
