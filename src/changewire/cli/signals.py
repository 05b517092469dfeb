"""Signals as messages."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NoReturn

from changewire.clock import SystemClock

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_EVERY_S = 0.25


@contextmanager
def caught_signals(*, end_within_s: float | None = None) -> Iterator[SimpleQueue[int | None]]:
    """The signals that arrive, in a queue; afterwards they do what they did before.

    The process ends at once if that is more than ``end_within_s`` after SIGTERM or Ctrl-C, whatever it does then; None:
    never. A handler that did more than queueing could deadlock on a lock that the interrupted thread holds.
    """
    incoming: SimpleQueue[int | None] = SimpleQueue()
    ends: SimpleQueue[bool] = SimpleQueue()

    def catch(got: int, _frame: FrameType | None) -> None:
        incoming.put(got)
        if got != signal.SIGHUP:
            ends.put(True)

    before = {number: signal.signal(number, catch) for number in SIGNALS}
    if end_within_s is not None:
        threading.Thread(target=_end_in_time, args=(ends, end_within_s), daemon=True).start()
    try:
        yield incoming
    finally:
        ends.put(False)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_in_time(ends: SimpleQueue[bool], within_s: float) -> None:
    """End the process so long after the first signal to end, unless what caught the signals is over by then."""
    clock = SystemClock()
    if not ends.get():
        return
    until = clock.monotonic() + within_s
    with suppress(Empty):
        while ends.get(timeout=max(0.0, until - clock.monotonic())):
            pass  # one more signal, by a person who is impatient
        return
    end_process()


def end_process() -> NoReturn:
    """End the process whatever its threads do; nothing that it holds outlives it, such as locks of files."""
    os._exit(0)  # what was said is flushed line by line


def next_message(incoming: SimpleQueue[int | None]) -> int | None:
    """The next thing in the queue, waiting for it.

    Python runs a handler only between two of its own steps: a signal that comes just before a wait without end would
    be noticed never, so the wait is cut into pieces.
    """
    while True:
        try:
            return incoming.get(timeout=LOOK_EVERY_S)
        except Empty:
            continue
