"""Chores on threads of their own."""

from __future__ import annotations

import threading

from changewire.engine.chores import Chores
from changewire.log import silent
from tests.support.processes import wait_for


def test_a_chore_that_takes_long_holds_up_no_other() -> None:
    chores, released, done = Chores(silent), threading.Event(), threading.Event()

    def wait() -> None:
        released.wait(10)

    chores.start({wait: 3600, done.set: 3600}, {})
    try:
        assert done.wait(10)
    finally:
        released.set()
        chores.stop()


def test_a_chore_that_fails_comes_again() -> None:
    logged: list[str] = []
    chores, again, times = Chores(lambda event, message, /, **_: logged.append(event)), threading.Event(), iter((1, 2))

    def fail() -> None:
        if next(times, 0) == 1:
            raise OSError("no disk")
        again.set()

    chores.start({fail: 0}, {})
    try:
        assert again.wait(10)
        assert logged == ["chore_failed"]
    finally:
        chores.stop()


def test_a_chore_that_hangs_or_fails_is_late_until_it_succeeds() -> None:
    chores, released, fails, done = Chores(silent), threading.Event(), threading.Event(), threading.Event()

    def hang() -> None:
        released.wait(10)

    def fail() -> None:
        fails.set()
        raise OSError("no disk")

    chores.start({hang: 3600, fail: 3600, done.set: 3600}, {done.clear: 3600})
    try:
        assert done.wait(10)
        assert fails.wait(10)
        assert wait_for(
            lambda: [(each.name, bool(each.error)) for each in chores.late()] == [("hang", False), ("fail", True)]
        )
        released.set()
        assert wait_for(lambda: [each.name for each in chores.late()] == ["fail"])
    finally:
        released.set()
        chores.stop()
