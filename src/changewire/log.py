"""What the daemon says: a sentence for people, and a stable word with facts for machines."""

from __future__ import annotations

import sys
import threading
from typing import Protocol, TextIO

from changewire.clock import Clock, to_text
from changewire.secret import mask, mask_data
from changewire.values import Json, dumps_text


class Log(Protocol):
    """Say that something happened: ``log("event_stored", "2 meetings are new", trigger="a/b", count=2)``."""

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        """``event`` is the stable word, ``message`` the sentence, ``facts`` plain data."""


class ConsoleLog:
    """One line for each thing that happened. Secrets are masked here, whoever let them slip in."""

    def __init__(self, clock: Clock, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._json = as_json
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        """Write one line; a stream that is gone is no reason to stop working."""
        now = self._clock.now()
        if self._json:
            told = {"v": 1, "at": to_text(now), "action": event, "message": mask(message)}
            line = dumps_text({**mask_data(facts), **told})
        else:
            line = f"{now.astimezone():%H:%M:%S}  {mask(message)}"
        with self._lock:
            try:
                print(line, file=self._stream or sys.stderr, flush=True)
            except (OSError, ValueError):
                return


def silent(event: str, message: str, /, **facts: Json) -> None:
    """A log that says nothing."""
