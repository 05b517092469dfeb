"""A bound on the write-ahead log, which SQLite alone cannot keep short while readers overlap.

SQLite starts the log anew only at a moment without any reader that uses it. A checkpoint that waits for the readers of
before makes that moment: those that begin meanwhile do not need the log.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from changewire.state.database import BUSY_TIMEOUT_S, companions

LOG_BYTES = 24 * 1024 * 1024  # longer than what SQLite's own checkpoints leave, see `database.CHECKPOINT_PAGES`
STEP_BYTES = 4 * 1024 * 1024  # growth between two tries
SHORTEST_MS, LONGEST_MS = 50, 5_000  # to wait for readers; nothing is committed meanwhile


class LogBound:
    """Empties the log of one database once it is longer than `LOG_BYTES`. For the connection that writes."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._log, _ = companions(path)
        self._connection = connection
        self._limit, self._patience_ms = LOG_BYTES, SHORTEST_MS

    def keep(self) -> None:
        """Empty the log if it is too long. If readers last longer than this waits, the next try waits longer."""
        try:
            size = self._log.stat().st_size
        except OSError:
            return
        if size <= self._limit:
            return
        if self._emptied():
            self._limit, self._patience_ms = LOG_BYTES, max(SHORTEST_MS, self._patience_ms // 2)
        else:
            self._limit, self._patience_ms = size + STEP_BYTES, min(LONGEST_MS, self._patience_ms * 2)

    def _emptied(self) -> bool:
        try:
            self._connection.execute(f"PRAGMA busy_timeout = {self._patience_ms}")
            ((busy, _, _),) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return not busy
        except sqlite3.Error:  # the next commit fails as well, and that is reported
            return False
        finally:
            with suppress(sqlite3.Error):
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000:.0f}")
