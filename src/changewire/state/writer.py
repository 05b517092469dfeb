"""The one thread that writes: it takes all units that wait, and commits them as one group.

Writing to disk costs per commit, not per unit, so thirty-two threads that wait for one commit are as quick
as one. Where a unit fails, its whole group is taken back and each gets a transaction of its own, so it takes
nothing of its neighbours with it: that is rare, and savepoints for all would triple the statements.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from changewire.clock import Clock
from changewire.errors import StateError
from changewire.state.checkpoint import LogBound
from changewire.state.database import OpenFile, explain

LARGEST_GROUP = 256  # units; bounds how long the first of a group waits for the last

T = TypeVar("T")
OnWrite = Callable[[str], None]
"""Called with ``<point>:before`` and ``<point>:after`` around everything that is written."""


class Transaction:
    """What a unit writes through, so that every write has a name and can be interrupted in a test."""

    def __init__(self, connection: sqlite3.Connection, on_write: OnWrite | None) -> None:
        self.connection = connection
        self._on_write = on_write

    def execute(self, point: str, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        """One statement."""
        if self._on_write is None:
            return self.connection.execute(statement, parameters)
        self._on_write(f"{point}:before")
        cursor = self.connection.execute(statement, parameters)
        self._on_write(f"{point}:after")
        return cursor

    def execute_many(self, point: str, statement: str, rows: Sequence[tuple[Any, ...] | Mapping[str, Any]]) -> None:
        """One statement for many rows; nothing at all for none."""
        if not rows:
            return
        if self._on_write is None:
            self.connection.executemany(statement, rows)
            return
        self._on_write(f"{point}:before")
        self.connection.executemany(statement, rows)
        self._on_write(f"{point}:after")


Unit = Callable[[Transaction], T]
Job = tuple[Unit[Any], "Future[Any]"]


class Writer:
    """Owns the writing connection of an open store."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, clock: Clock, on_write: OnWrite | None = None
    ) -> None:
        self.groups = 0  # committed so far
        self.units = 0  # committed so far
        self.largest = 0  # units in one group
        self.slowest_ms = 0.0  # from the beginning of a group to the end of its commit
        self._path = path
        self._connection = connection
        self._clock = clock
        self._file = OpenFile(path)
        self._log = LogBound(path, connection)
        self._transaction = Transaction(connection, on_write)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="changewire-writer", daemon=True)
        self._thread.start()

    def run(self, unit: Unit[T]) -> T:
        """Have ``unit`` written and wait until it is on disk. Raises what it raised, or StateError.

        A unit may be run again from the start when its group could not be committed.
        """
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StateError(f"The database {self._path} has been closed.")
            self._jobs.put((unit, future))
        try:
            return future.result()
        except sqlite3.Error as error:
            raise explain(self._path, error) from error

    @property
    def waiting(self) -> int:
        """Units handed in and not yet taken."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Write what was handed in, then end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        ended = False
        while not ended:
            group, ended = self._take()
            if group:
                self._write(group)
                self._log.keep()

    def _take(self) -> tuple[list[Job], bool]:
        """All units that wait, at least one unless this was the end; and whether it was."""
        group: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            if len(group) == LARGEST_GROUP or self._jobs.empty():
                return group, False
            job = self._jobs.get()
        return group, True

    def _write(self, group: list[Job]) -> None:
        began = self._clock.monotonic()
        try:
            self._file.check()
            self._transaction.execute("begin", "BEGIN IMMEDIATE")
        except BaseException as error:
            self._roll_back()
            for _, future in group:
                future.set_exception(error)
            return
        try:
            results = [unit(self._transaction) for unit, _ in group]
            self._transaction.execute("commit", "COMMIT")
        except BaseException as error:
            self._roll_back()
            self._write_apart(group, error)
            return
        self._count(len(group), self._clock.monotonic() - began)
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)

    def _count(self, units: int, elapsed_s: float) -> None:
        self.groups += 1
        self.units += units
        self.largest = max(self.largest, units)
        self.slowest_ms = max(self.slowest_ms, elapsed_s * 1000)

    def _write_apart(self, group: list[Job], error: BaseException) -> None:
        """Each unit gets a transaction of its own, so that only those fail that have to."""
        if len(group) == 1:
            group[0][1].set_exception(error)
            return
        for job in group:
            self._write([job])

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # SQLite may have rolled back by itself
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
