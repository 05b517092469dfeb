"""The wall clock of this machine beside the clocks of the APIs that it asks."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from changewire.durations import format_duration
from changewire.log import Log

MAY_DIFFER = timedelta(minutes=15)  # what windows of dates allow for


class ApiClocks:
    """Warns once if the Date of an API's answers and the wall clock differ, and once when they agree. Thread-safe."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._wrong: set[str] = set()  # connections

    def compare(self, connection: str, theirs: datetime, ours: datetime) -> None:
        """Compare the Date of an answer with the wall clock when it was asked for."""
        apart = ours - theirs
        wrong = abs(apart) > MAY_DIFFER
        with self._lock:
            if wrong == (connection in self._wrong):
                return
            (self._wrong.add if wrong else self._wrong.discard)(connection)
        if not wrong:
            self._log("clock_agrees", f"this machine's clock and that of connection {connection!r} agree again")
            return
        way = "ahead of" if apart > timedelta() else "behind"
        shown = format_duration(timedelta(seconds=round(abs(apart).total_seconds())))
        words = f"this machine's clock is {shown} {way} that of connection {connection!r}"
        advice = "dates in requests, `cron` and `wait_until` may be wrong: set the clock (NTP), see `changewire check`"
        self._log("clock_differs", f"{words}: {advice}", connection=connection, seconds=round(apart.total_seconds()))
