"""Signals as messages."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LOOK_EVERY_S = 0.25


@contextmanager
def caught_signals() -> Iterator[SimpleQueue[int | None]]:
    """The signals that arrive, in a queue; afterwards they do what they did before.

    A handler that did more than queueing could deadlock on a lock that the interrupted thread holds.
    """
    incoming: SimpleQueue[int | None] = SimpleQueue()
    before = {number: signal.signal(number, lambda got, _frame: incoming.put(got)) for number in SIGNALS}
    try:
        yield incoming
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
