"""Signals as messages."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
