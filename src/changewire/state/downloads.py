"""Which files were downloaded before, and where they lie: a small database of its own beside the large one.

It is written by whoever downloads, the daemon or a command, and losing it costs nothing but downloading again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from changewire.clock import to_text
from changewire.state.database import connect, explain, make_private

FILE = Path("state") / "downloads.db"
_TABLE = """
CREATE TABLE IF NOT EXISTS downloads (
    id TEXT PRIMARY KEY,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    content_type TEXT NOT NULL,
    changed_ns INTEGER NOT NULL,
    downloaded_at TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class KnownFile:
    """A file as it was when it had been downloaded."""

    path: str  # below the home
    size: int  # bytes
    sha256: str  # hexadecimal
    content_type: str  # as the server said, "" where it said nothing
    changed_ns: int  # when the file was last changed, in nanoseconds since 1970, as the file system says


class KnownFiles:
    """The downloads of the home at ``home`` by id. Safe for several threads and processes. Raises StateError."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def get(self, file_id: str) -> KnownFile | None:
        """The file of that id; None where it was never downloaded."""
        query = "SELECT path, size, sha256, content_type, changed_ns FROM downloads WHERE id = ?"
        with self._open() as connection:
            found = connection.execute(query, (file_id,)).fetchone()
        return KnownFile(*found) if found else None

    def put(self, file_id: str, file: KnownFile, now: datetime) -> None:
        """Remember ``file``; it is on the disk afterwards."""
        with self._open() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO downloads VALUES (?, ?, ?, ?, ?, ?, ?)",
                (file_id, *astuple(file), to_text(now)),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            make_private(self._path)
            with closing(connect(self._path)) as connection:
                connection.execute(_TABLE)
                yield connection
        except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
            raise explain(self._path, error) from error
