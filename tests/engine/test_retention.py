"""History is deleted once daemons have witnessed that it is old, whatever the wall clock shows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from changewire.testing import ManualClock
from tests.engine.inside import kick, watching, write, write_home
from tests.support.turning import Turned

DAY, YEAR = 86_400, 365 * 86_400


class Kept:
    """A home whose history is kept for 90 days, and a clock."""

    def __init__(self, path: Path) -> None:
        self.path, self.clock = path, ManualClock()
        write_home(path, w=watching("go", write("done")))
        self.start()

    def start(self) -> None:
        """A daemon, while none runs."""
        self.turned = Turned(self.path, self.clock)
        self.turned.daemon._start_housekeeping = lambda: None  # type: ignore[method-assign]
        self.turned.start()

    def fire(self, name: str) -> None:
        """An event with a run that finishes."""
        kick(self.turned, "go", name)
        self.turned.on(0)

    def days(self, count: int) -> None:
        """So many days, and what is done each day."""
        for _ in range(count):
            self.clock.advance(DAY)
            self.prune()

    def prune(self) -> None:
        self.turned.daemon._beat()
        self.turned.daemon._retention.prune()

    @property
    def left(self) -> tuple[int, int]:
        """How many events and runs there are."""
        return len(self.turned.store.events()), len(self.turned.store.runs())

    def close(self) -> None:
        """End the daemon."""
        self.turned.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.close()


def test_history_is_deleted_when_it_is_old(kept: Kept) -> None:
    kept.fire("a")
    kept.days(50)
    kept.fire("b")
    kept.days(45)
    assert kept.left == (1, 1)
    kept.days(50)
    assert kept.left == (0, 0)


def test_time_over_restarts_counts(kept: Kept) -> None:
    kept.fire("a")
    for _ in range(92):
        kept.close()
        kept.clock.advance(DAY)
        kept.start()
        kept.prune()
    assert kept.left == (0, 0)


@pytest.mark.parametrize("restart", [False, True])
def test_a_clock_that_jumps_ahead_by_more_than_the_retention_deletes_nothing(kept: Kept, restart: bool) -> None:
    kept.fire("a")
    kept.days(30)
    kept.fire("b")
    if restart:
        kept.close()
    kept.clock.set_wall(YEAR)
    if restart:
        kept.start()
    kept.fire("c")
    kept.days(30)
    assert kept.left == (3, 3)
    if restart:
        kept.close()
    kept.clock.set_wall(-YEAR)
    if restart:
        kept.start()
    kept.days(10)
    assert kept.left == (3, 3)


def test_what_happened_while_the_clock_was_a_year_old_is_kept_as_long_as_all_else(kept: Kept) -> None:
    kept.days(100)
    kept.close()
    kept.clock.set_wall(-YEAR)
    kept.start()
    kept.fire("a")
    kept.clock.set_wall(YEAR)
    kept.days(85)
    assert kept.left == (1, 1)
    kept.days(10)
    assert kept.left == (0, 0)


def test_a_long_time_without_a_daemon_counts_as_a_day(kept: Kept) -> None:
    kept.fire("a")
    kept.days(80)
    kept.close()
    kept.clock.advance(YEAR)
    kept.start()
    kept.prune()
    assert kept.left == (1, 1)
    kept.days(15)
    assert kept.left == (0, 0)


def test_a_person_deletes_by_the_wall_clock(kept: Kept) -> None:
    kept.fire("a")
    kept.clock.advance(91 * DAY)
    store, kept_for = kept.turned.store, timedelta(days=90)
    assert store.prune(kept.clock.now(), kept_for, kept_for) == {"events": 1, "runs": 1}
