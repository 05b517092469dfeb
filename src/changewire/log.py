"""What the daemon says: a sentence for people, and a stable word with facts for machines."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Literal, Protocol, TextIO, TypeAlias

from changewire.clock import Clock, to_text
from changewire.secret import mask_evidence, mask_message
from changewire.values import Json, dumps_text, harmless, valid_text


class Log(Protocol):
    """Say that something happened: ``log("event_stored", "2 meetings are new", trigger="a/b", count=2)``."""

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        """``event`` is the stable word, ``message`` the sentence, ``facts`` plain data."""


Level: TypeAlias = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")
_WORDS: dict[str, Level] = {
    **dict.fromkeys(("poll_fenced", "run_fenced"), "debug"),
    **dict.fromkeys(
        ("problem", "warning", "poll_failed", "trigger_failing", "trigger_stalled", "workflow_failing"), "warning"
    ),
    **dict.fromkeys(
        ("connection_paused", "reload_failed", "claims_freed", "run_abandoned", "serving_failed"), "warning"
    ),
    **dict.fromkeys(("state_failed", "turn_failed", "worker_failed", "chore_failed", "watch_failed"), "error"),
    **dict.fromkeys(("code_killed", "code_lost", "work_stalled"), "warning"),
    "budget_not_shared": "warning",
    "clock_differs": "warning",
}


CONTINUED = "\n" + 10 * " "  # further lines of a message stand below its words, not below its time
_FORGED = re.compile(r"\r?\n(?! )|\r(?!\n)|[\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What data could begin a line of its own with, that looks as if we had written it."""


def level_of(event: str, facts: Mapping[str, Json]) -> Level:
    """How much a thing matters; a step that writes to the log says it itself."""
    own = facts.get("level")
    return own if own in LEVELS else _WORDS.get(event, "info")


class ConsoleLog:
    """One line for each thing that happened. Secrets are masked here, whoever let them slip in.

    ``level`` gives the least level that is written, asked for each time, so that a changed setting counts at once.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        as_json: bool = False,
        stream: TextIO | None = None,
        level: Callable[[], Level] = lambda: "info",
    ) -> None:
        self._clock, self._level = clock, level
        self._json = as_json
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: str, message: str, /, **facts: Json) -> None:
        """Write one line; a stream that is gone is no reason to stop working."""
        if LEVELS.index(level_of(event, facts)) < LEVELS.index(self._level()):
            return
        now, message = self._clock.now(), valid_text(mask_message(message))
        if self._json:
            line = harmless(_as_json(facts, {"v": 1, "at": to_text(now), "action": event, "message": message}))
        else:
            line = f"{now.astimezone():%H:%M:%S}  {harmless(_FORGED.sub(CONTINUED, message))}"
        with self._lock:
            try:
                print(line, file=self._stream or sys.stderr, flush=True)
            except (OSError, ValueError):
                return


def _as_json(facts: Mapping[str, Json], line: Mapping[str, Json]) -> str:
    """A line with the facts of a message, or without them if JSON cannot hold them: a log raises no errors."""
    try:
        return dumps_text({**mask_evidence(dict(facts)), **line})
    except TypeError:
        return dumps_text(line)


def silent(event: str, message: str, /, **facts: Json) -> None:
    """A log that says nothing."""
