"""What working out one expression may cost: processor time and the size of what it makes on the way."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from jinja2.exceptions import SecurityError

LONGEST_S = 5.0  # seconds of processor time that one text may take
LARGEST = 1 << 20  # characters a rendered value may have in all


class Effort(threading.local):
    """What this thread's rendering has cost. Processor time and no clock: it is a limit on work, not a deadline."""

    until = math.inf

    def begin(self) -> None:
        """Begin to count, before each text."""
        self.until = time.thread_time() + LONGEST_S

    def end(self) -> None:
        """Stop counting: what this thread does outside of an expression has no limit here."""
        self.until = math.inf

    def count(self) -> None:
        """Raise SecurityError if the time is over. Called on each turn of a loop, call and match."""
        if time.thread_time() > self.until:
            raise SecurityError(f"more than {LONGEST_S:g} seconds of work; loop over less")

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """Return the values of a loop, of which loops inside it may make very many turns."""
        for value in values:
            self.count()
            yield value


EFFORT = Effort()
