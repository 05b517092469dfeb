"""The SQLite file: made private, opened the same way everywhere, and its errors told in one sentence."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from changewire.errors import StateError

BUSY_TIMEOUT_S = 30.0
CHECKPOINT_PAGES = 4000  # of 4 KiB; SQLite's own 1000 would stall all commits more often
READ_CACHE_KIB = 2000  # of each reader, as many as there are threads: SQLite's own measure
WRITE_CACHE_KIB = 8192  # of the only writer: ids lie anywhere, and a large transaction would push its own pages out

_ADVICE = {
    sqlite3.SQLITE_NOTADB: "is damaged or no database: move it away and put a backup in its place",
    sqlite3.SQLITE_CORRUPT: "is damaged: move it away and put a backup in its place",
    sqlite3.SQLITE_READONLY: "cannot be written: let this user write the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be written: let this user write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check its folder and who may write there",
    sqlite3.SQLITE_FULL: "cannot grow, the disk or quota is full: make room, nothing stored is lost",
    sqlite3.SQLITE_IOERR: "cannot be read or written: check the disk and the free space on it",
    sqlite3.SQLITE_BUSY: f"has been locked by another program for {BUSY_TIMEOUT_S:.0f} seconds: end it",
}
_SYSTEM = {
    errno.EACCES: sqlite3.SQLITE_READONLY,
    errno.EPERM: sqlite3.SQLITE_READONLY,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
}


def explain(path: Path, error: sqlite3.Error | OSError) -> StateError:
    """What an error of the database means for the person who must act."""
    if isinstance(error, OSError):
        code = _SYSTEM.get(error.errno or 0, sqlite3.SQLITE_CANTOPEN)
    else:  # an error of Python's own has no code: text that cannot be read as such comes from a damaged page
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT if "decode" in str(error) else 0) & 0xFF
    advice = _ADVICE.get(code, "cannot be used")
    words = str(error).partition(" with text ")[0]  # what follows would be what is stored
    return StateError(f"The database {path} {advice} ({words}).")


def make_private(path: Path) -> None:
    """Make the file (mode 0600), and its folder (0700) where there is none. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        with suppress(FileNotFoundError, PermissionError):  # another owner's file: SQLite says what it may do
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def connect(path: Path, cache_kib: int = READ_CACHE_KIB) -> sqlite3.Connection:
    """A connection in autocommit mode that may be handed from thread to thread. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size = -{cache_kib}")
    except BaseException:
        connection.close()
        raise
    return connection


class Readers:
    """Connections for reading: one for each thread that reads at this moment, kept for the next one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one moment of the database. Raises StateError."""
        try:
            connection = self._take()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._give_back(connection)
        except sqlite3.Error as error:
            raise explain(self._path, error) from error

    def close(self) -> None:
        """Close all; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise StateError(f"The database {self._path} has been closed.")
            if self._idle:
                return self._idle.pop()
        connection = connect(self._path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
