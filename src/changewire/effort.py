"""What working out one expression may cost: processor time and the size of what it makes on the way."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError

from changewire.value_size import Sizes, TooLargeValueError

LONGEST_S = 5.0  # seconds of processor time that one text may take
LARGEST = 1 << 20  # characters a rendered value may have in all
MOST = 4 * LARGEST  # characters and entries of what is made on the way to it
_SOME = 256  # small steps that are counted as one


class Effort(threading.local):
    """What this thread's rendering has cost. Processor time and no clock: it is a limit on work, not a deadline."""

    def __init__(self) -> None:
        self.until = math.inf
        self.most = MOST
        self.sizes = Sizes()
        self._steps = 0

    def begin(self, largest: int = LARGEST) -> None:
        """Begin to count, before each text whose value may have ``largest`` characters."""
        self.until = time.thread_time() + LONGEST_S
        self.most = max(MOST, largest)

    def end(self) -> None:
        """Stop counting: what this thread does outside of an expression has no limit here."""
        self.until = math.inf
        self.most = MOST
        self.sizes.clear()

    def count(self) -> None:
        """Raise SecurityError if the time is over. Called on each turn of a loop, call and match."""
        if time.thread_time() > self.until:
            raise SecurityError(f"more than {LONGEST_S:g} seconds of work; loop over less")

    def step(self) -> None:
        """As `count`, for what is done very often and costs less than looking at the time."""
        self._steps += 1
        if self._steps % _SOME == 0:
            self.count()

    def check(self, value: Any) -> None:
        """Raise SecurityError if ``value`` is larger, with everything in it, than may be made on the way."""
        try:
            self.sizes.of(value, self.most)
        except TooLargeValueError as error:
            raise SecurityError(str(error)) from None

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """Return the values of a loop, of which loops inside it may make very many turns."""
        for value in values:
            self.count()
            yield value


EFFORT = Effort()
