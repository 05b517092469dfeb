"""The SQLite file of a store: opened, written to and read from, with nothing known of what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Self, TypeVar

from changewire.clock import Clock
from changewire.errors import StateError
from changewire.state.database import (
    WRITE_CACHE_KIB,
    Readers,
    companions,
    connect,
    connect_to_read,
    explain,
    make_private,
    make_whole,
    refuse_replaced,
)
from changewire.state.schema import is_older, migrate, refuse_foreign
from changewire.state.writer import OnWrite, Transaction, Writer

T = TypeVar("T")


class DatabaseFile:
    """One writer and many readers of the file ``path``. ``on_write`` is called around every write."""

    def __init__(self, path: Path, *, clock: Clock, on_write: OnWrite | None = None) -> None:
        self.path = path
        self._clock = clock
        self._on_write = on_write
        self._writer: Writer | None = None
        self._readers: Readers | None = None

    def open(self) -> None:
        """Make the file and its folder where there are none, and bring an older one up to date. Raises StateError.

        One that is empty, of another program, or beside the log of another one is left as it is.
        """
        try:
            if not self.path.exists():
                make_whole(self.path, lambda connection: migrate(connection, self.path))
            refuse_replaced(self.path)
            make_private(self.path)
            connection = connect(self.path, lambda connection: refuse_foreign(connection, self.path))
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise explain(self.path, error) from error
        try:
            connection.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KIB}")
            migrate(connection, self.path)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            connection.close()
            raise explain(self.path, error) from error
        except BaseException:
            connection.close()
            raise
        self._writer = Writer(self.path, connection, self._clock, self._on_write)
        self._readers = Readers(self.path)

    def open_to_read(self) -> None:
        """Open for reading alone: nothing is written, and the file and its folder need not be writable.

        One of an earlier version is brought up to date first, which does write. Raises StateError, also where there is
        no file.
        """
        try:
            refuse_replaced(self.path)
            with closing(connect_to_read(self.path)) as connection:
                refuse_foreign(connection, self.path)
                older = is_older(connection, self.path)
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise explain(self.path, error) from error
        if older:
            with closing(self):
                DatabaseFile.open(self)
        self._readers = Readers(self.path, connect_to_read)

    def close(self) -> None:
        """Finish what was handed in, then end. Closing twice is fine."""
        if self._readers is not None:
            self._readers.close()
        if self._writer is not None:
            self._writer.close()
        self._writer = self._readers = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, unit: Callable[[Transaction], T]) -> T:
        writer = self._writer
        if writer is None:
            raise StateError(f"The database {self.path} is not open.")
        try:
            return writer.run(unit)
        except UnicodeEncodeError:  # of what was to be written
            raise
        except ValueError as error:  # of what is stored: a unit also reads
            raise explain(self.path, error) from error

    def _read(self, reading: Callable[[sqlite3.Connection], T]) -> T:
        readers = self._readers
        if readers is None:
            raise StateError(f"The database {self.path} is not open.")
        with readers.snapshot() as connection:
            return reading(connection)

    @property
    def size(self) -> int:
        """Bytes on disk, those not yet moved from the write-ahead log included."""
        files = (self.path, companions(self.path)[0])
        return sum(file.stat().st_size for file in files if file.exists())

    def stats(self) -> dict[str, float]:
        """``bytes``, units ``waiting``; since `open` ``groups``, ``units``, ``largest``, ``slowest_ms``."""
        writer = self._writer
        if writer is None:
            raise StateError(f"The database {self.path} is not open.")
        done = {"groups": writer.groups, "units": writer.units, "largest": writer.largest}
        return {"bytes": self.size, "waiting": writer.waiting, **done, "slowest_ms": writer.slowest_ms}
