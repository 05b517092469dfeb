"""The request budgets of a home, in a small database of its own beside the large one.

The daemon and commands change it twice for each request that a limit counts, so changes are not forced to the disk: a
killed process loses nothing, and a power cut costs the counts of the last half minute.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from changewire.clock import Clock, wall
from changewire.connectors.budget_store import Counts, MemoryBudgetStore
from changewire.state.database import UNREADABLE, make_private, make_whole
from changewire.values import Json, dumps_text, loads

FILE = Path("state") / "budget.db"
BUSY_TIMEOUT_S = 5.0  # a change takes a tenth of a millisecond
TRY_AGAIN_S = 10.0  # after the file could not be used
NOTE_TIME_S = 10.0  # how often the time is stored: only a reboot needs it
DIGITS = 6  # of a second
_TABLE = """
CREATE TABLE IF NOT EXISTS budgets (
    connection TEXT NOT NULL,
    part TEXT NOT NULL,
    expires REAL NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (connection, part)
) WITHOUT ROWID
"""
_GET = "SELECT body FROM budgets WHERE connection = ? AND part = ?"
_PARTS = "SELECT part FROM budgets WHERE connection = ?"
_PUT = "INSERT OR REPLACE INTO budgets (connection, part, expires, body) VALUES (?, ?, ?, ?)"
_EXPIRE = "DELETE FROM budgets WHERE expires < ?"
_NEVER = 1e15
_TIME = ("", "time")  # the row that turns seconds since a boot into seconds that also grow over reboots
T = TypeVar("T")


class SqliteBudgetStore:
    """`BudgetStore` in the file ``path``, made when something is counted first. See there what each method means.

    The counts of this process hold alone while the file cannot be used, and ``warn`` is called with the reason, once;
    also without the folder of the file, which the first daemon makes: no word is said about that.
    """

    def __init__(self, path: Path, clock: Clock, warn: Callable[[str], None] | None = None) -> None:
        self._path, self._clock, self._warn = path, clock, warn
        self._lock = threading.Lock()
        self._alone = MemoryBudgetStore(clock)
        self._database: sqlite3.Connection | None = None
        self._try_again: float | None = None  # by `Clock.monotonic`; None: the file can be used
        self._closed = False

    def change(self, connection: str, unit: Callable[[Counts], T]) -> T:
        """See `BudgetStore.change`."""
        with self._lock:
            if self._usable():
                try:
                    return self._change(connection, unit)
                except (OSError, sqlite3.Error, *UNREADABLE) as error:
                    self._failed(error)
            return self._alone.change(connection, unit)

    def read(self, connection: str, unit: Callable[[Counts], T]) -> T:
        """See `BudgetStore.read`."""
        with self._lock:
            if self._usable():
                try:
                    if self._database is not None or self._path.exists():
                        counts = _StoredCounts(self._open(), connection, self._clock)
                        return self._change(connection, unit) if counts.booted else unit(counts)
                except (OSError, sqlite3.Error, *UNREADABLE) as error:
                    self._failed(error)
            return self._alone.change(connection, unit)

    def close(self) -> None:
        """Close the file. What is counted afterwards is not shared any more."""
        with self._lock:
            self._closed = True
            self._drop()

    def _usable(self) -> bool:
        if self._closed or (self._try_again is not None and self._clock.monotonic() < self._try_again):
            return False
        return self._database is not None or self._path.parent.is_dir()

    def _change(self, connection: str, unit: Callable[[Counts], T]) -> T:
        database = self._open()
        database.execute("BEGIN IMMEDIATE")
        try:
            counts = _StoredCounts(database, connection, self._clock)
            result = unit(counts)
            counts.store()
            database.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise
        self._try_again = None
        return result

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            if not self._path.exists():
                make_whole(self._path, _fill)
            make_private(self._path)
            self._database = sqlite3.connect(
                self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            self._database.execute("PRAGMA synchronous = NORMAL")
        return self._database

    def _failed(self, error: Exception) -> None:
        self._drop()
        known, self._try_again = self._try_again is not None, self._clock.monotonic() + TRY_AGAIN_S
        if self._warn is not None and not known:
            unreadable = isinstance(error, UNREADABLE)
            why = "a stored value cannot be read" if unreadable else getattr(error, "strerror", None) or str(error)
            advice = "let this user write it, or remove it with its -wal and -shm if it is damaged"
            self._warn(f"the request budget is not shared with other processes: {self._path}: {why.lower()}: {advice}")

    def _drop(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def _fill(database: sqlite3.Connection) -> None:
    database.execute(_TABLE)


class _StoredCounts:
    """`Counts` during one transaction."""

    def __init__(self, database: sqlite3.Connection, connection: str, clock: Clock) -> None:
        self._database, self._connection = database, connection
        self._stored: dict[str, str] = {}  # bodies as they were read
        self._changed: dict[str, tuple[float, str]] = {}
        self._time: dict[str, Json] | None = None  # to be stored; None: what is stored will do
        self.booted = False  # nothing was noted since the machine booted: no time passes before something is
        self.elapsed = self._elapsed(clock)

    def parts(self) -> list[str]:
        """See `Counts.parts`."""
        return [part for (part,) in self._database.execute(_PARTS, (self._connection,))]

    def get(self, part: str) -> Mapping[str, Json]:
        """See `Counts.get`."""
        body = self._read(self._connection, part)
        if body is None:
            return {}
        self._stored[part] = body
        found: dict[str, Json] = loads(body)
        return found

    def put(self, part: str, body: Mapping[str, Json], keep_s: float) -> None:
        """See `Counts.put`."""
        self._changed[part] = self.elapsed + keep_s, dumps_text(dict(body))

    def store(self) -> None:
        """Write what was put; nothing if nothing is different."""
        rows = [
            (self._connection, part, expires, body)
            for part, (expires, body) in self._changed.items()
            if body != self._stored.get(part)
        ]
        if any(part not in self._stored for _, part, _, _ in rows):
            self._database.execute(_EXPIRE, (self.elapsed,))
        self._database.executemany(_PUT, rows)
        if (rows or self.booted) and self._time is not None:
            self._database.execute(_PUT, (*_TIME, _NEVER, dumps_text(self._time)))

    def _elapsed(self, clock: Clock) -> float:
        """Seconds since the file was made. Only over a reboot they depend on the wall clock, which may not be right."""
        boot, since, shown, body = clock.boot(), clock.monotonic(), wall(clock).timestamp(), self._read(*_TIME)
        noted: dict[str, Json] = loads(body) if body is not None else {"boot": None, "wall": shown, "elapsed": 0.0}
        same = noted["boot"] == boot and since >= noted["since"]
        passed = max(0.0, since - noted["since"] if same else shown - noted["wall"])
        elapsed: float = round(noted["elapsed"] + passed, DIGITS)
        self.booted = not same
        if not same or passed > NOTE_TIME_S:
            self._time = {"boot": boot, "since": since, "wall": shown, "elapsed": elapsed}
        return elapsed

    def _read(self, connection: str, part: str) -> str | None:
        found = self._database.execute(_GET, (connection, part)).fetchone()
        return None if found is None else str(found[0])
