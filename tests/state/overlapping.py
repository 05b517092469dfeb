"""Read a database without a moment in which nothing is read. As a program, of the database named, until stdin ends."""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from changewire.state.database import Readers, connect_to_read

Snapshot = Callable[[], AbstractContextManager[sqlite3.Connection]]


def read_without_a_gap(snapshot: Snapshot, stop: threading.Event, begun: Callable[[], object]) -> None:
    """Begin each snapshot before the one before it ends."""
    held = ExitStack()
    while not stop.is_set():
        following = ExitStack()
        following.enter_context(snapshot()).execute("SELECT sum(length(body)) FROM items").fetchone()
        held.close()
        held = following
        begun()
    held.close()


def main(path: Path) -> None:
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    def say() -> None:
        sys.stdout.write("read\n")
        sys.stdout.flush()

    threading.Thread(target=wait).start()
    readers = Readers(path, connect_to_read)
    read_without_a_gap(readers.snapshot, stop, say)
    readers.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
