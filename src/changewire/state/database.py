"""The SQLite file: made private, opened the same way everywhere, and its errors told in one sentence."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from changewire.errors import StateError

BUSY_TIMEOUT_S = 30.0
CHECKPOINT_PAGES = 4000  # of 4 KiB; SQLite's own 1000 would stall all commits more often
WRITE_CACHE_KIB = 8192  # of the only writer: ids lie anywhere, and with SQLite's own 2000 pages push each other out

_RESTORE = "move it away with its -wal and -shm, and put a backup in its place"
DAMAGED = f"is damaged: {_RESTORE}"
_ADVICE = {
    sqlite3.SQLITE_NOTADB: f"is damaged or no database: {_RESTORE}",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
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


UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)
"""Errors of reading stored values that are not what was written, and of sqlite3 if its own message is not UTF-8."""


def explain(path: Path, error: Exception) -> StateError:
    """What an error of the database, or one of `UNREADABLE` while it was read, means for the person who must act."""
    words = str(error).partition(" with text ")[0]  # what follows would be what is stored
    if isinstance(error, OSError):
        code = _SYSTEM.get(error.errno or 0, sqlite3.SQLITE_CANTOPEN)
    elif isinstance(error, sqlite3.Error):
        # an error of Python's own has no code: text that cannot be read as such comes from a damaged page
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT if "decode" in words else 0) & 0xFF
    else:
        code, words = sqlite3.SQLITE_CORRUPT, "a stored value cannot be read"  # its text may be what is stored
    return StateError(f"The database {path} {_ADVICE.get(code, 'cannot be used')} ({words}).")


class OpenFile:
    """The file that was opened at ``path``. A database that is moved away would take all further writes with it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._found()

    def check(self) -> None:
        """Raise StateError unless the same file is still at its path."""
        if self._identity != self._found():
            raise StateError(
                f"The database {self._path} was moved, removed or replaced while it was open, and nothing is written "
                "to it any more: stop the daemon, put the database back or a backup in its place, and start again."
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def refuse_replaced(path: Path) -> None:
    """Raises StateError for a file that SQLite would open and spoil. Nothing is written.

    It takes an empty file for a new database, and writes the log of an earlier database over a backup that was put in
    its place. A backup is not in WAL mode, so that no log can be its own.
    """
    if path.stat().st_size == 0:
        raise StateError(told_empty(path))
    log, index = companions(path)
    if path.is_file() and log.exists() and log.stat().st_size and _has_no_log(path):
        raise StateError(
            f"The database {path} is a copy, and {log.name} belongs to the database that was in its place before. "
            f"Nothing was written. Remove {log.name} and {index.name}, and keep the copy."
        )


_WRITE_VERSION = 18  # byte of the header: 1 with a rollback journal, 2 with a write-ahead log


def _has_no_log(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(_WRITE_VERSION + 1)
    return header.startswith(b"SQLite format 3\0") and header[_WRITE_VERSION:] == b"\1"


def told_empty(path: Path) -> str:
    """What is said of a database that is there and holds nothing; no start leaves one behind."""
    return (
        f"The database {path} is empty, so what was seen is not known any more. Nothing was written. Remove it with "
        "its -wal and -shm, then put a backup in its place, or begin anew with a silent first poll."
    )


def make_whole(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a database (mode 0600) that ``fill`` gives its tables, and its folder (0700) where there is none.

    It gets its name once it is whole, so that an empty file of that name never comes from a start that was killed.
    Where another process was quicker, its database stays. Raises OSError, sqlite3.Error.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    lock = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            new.unlink(missing_ok=True)
            return
        with closing(connect(new)) as connection:
            fill(connection)
        for left in companions(path):  # of one that was removed: SQLite would write it over the new one
            left.unlink(missing_ok=True)
        new.rename(path)
    finally:
        os.close(lock)


def companions(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database: what is not yet moved into it, and the index of that."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def make_private(path: Path) -> None:
    """Make the file (mode 0600), and its folder (0700) where there is none. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for file in (path, *companions(path)):
        with suppress(FileNotFoundError, PermissionError):  # another owner's file: SQLite says what it may do
            if file.stat().st_mode & 0o077:
                file.chmod(0o600)


def connect(path: Path, check: Callable[[sqlite3.Connection], None] | None = None) -> sqlite3.Connection:
    """A connection in autocommit mode that may be handed from thread to thread. Raises sqlite3.Error.

    ``check`` looks at the database before anything is changed in it; what it raises is passed on.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        if check is not None:
            check(connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except BaseException:
        connection.close()
        raise
    return connection


def not_readable(path: Path) -> str:
    """What is said of a database that belongs to another user."""
    return f"The database {path} cannot be read by this user: do it as the user who runs the daemon."


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing, to a file that may lie where nothing can be written.

    Raises sqlite3.Error, and StateError where SQLite could only read it after writing beside it.
    """
    if not os.access(path, os.R_OK):
        raise StateError(not_readable(path))
    try:
        return _read_by(path, "mode=rw")  # so that the last one out clears up; SQLite takes less where it must
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise
        log, _ = companions(path)
        if log.exists() and log.stat().st_size:
            raise StateError(
                f"The database {path} cannot be read where nothing can be written, for its latest changes are still in "
                f"{log.name}: copy both to a folder that can be written, or let this user write their folder."
            ) from error
    return _read_by(path, "immutable=1")  # nobody writes there: SQLite need not guard against it


def _read_by(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?{how}",
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        uri=True,
    )
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


class Readers:
    """Connections for reading: one for each thread that reads at this moment, kept for the next one."""

    def __init__(self, path: Path, opened: Callable[[Path], sqlite3.Connection] = connect) -> None:
        self._path = path
        self._file = OpenFile(path)
        self._opened = opened
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
        except (sqlite3.Error, *UNREADABLE) as error:
            raise explain(self._path, error) from error

    def close(self) -> None:
        """Close all; those in use are closed when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> sqlite3.Connection:
        self._file.check()
        with self._lock:
            if self._closed:
                raise StateError(f"The database {self._path} has been closed.")
            if self._idle:
                return self._idle.pop()
        connection = self._opened(self._path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()
