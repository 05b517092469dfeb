"""The write-ahead log while it is read without a gap."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.state.checkpoint import LOG_BYTES, SHORTEST_MS, STEP_BYTES, LogBound
from changewire.state.database import BUSY_TIMEOUT_S, Readers, companions, connect
from changewire.state.store import SqliteStore
from changewire.state.writer import Transaction
from tests.state.overlapping import read_without_a_gap
from tests.support.processes import ROOT

MEGABYTE = b"x" * 1_000_000


@contextmanager
def this_process(path: Path) -> Iterator[None]:
    stop, begun = threading.Event(), threading.Event()
    readers = Readers(path)
    thread = threading.Thread(target=read_without_a_gap, args=(readers.snapshot, stop, begun.set))
    thread.start()
    assert begun.wait(30)
    yield
    stop.set()
    thread.join()
    readers.close()


@contextmanager
def another_process(path: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.state.overlapping", str(path)]
    with (
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        process,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "read\n"
        reader = threading.Thread(target=process.stdout.read)
        reader.start()
        yield
        assert process.stdin is not None
        process.stdin.close()
        reader.join()
        assert process.wait(30) == 0


def put(number: int) -> Callable[[Transaction], object]:
    statement = "INSERT OR REPLACE INTO items VALUES ('t', ?, '', ?, 1, NULL, 0, 0)"
    return lambda transaction: transaction.execute("put", statement, (str(number % 3), MEGABYTE))


@pytest.mark.parametrize("reading", [this_process, another_process])
def test_the_log_stays_short_while_readers_overlap(
    path: Path, reading: Callable[[Path], AbstractContextManager[None]]
) -> None:
    with SqliteStore(path, clock=SystemClock()) as store:
        store._write(put(0))
        with reading(path):
            sizes = []
            for number in range(100):
                store._write(put(number))
                sizes.append(companions(path)[0].stat().st_size)
        assert max(sizes) < 2 * LOG_BYTES


class TestLogBound:
    @pytest.fixture
    def connection(self, path: Path) -> Iterator[sqlite3.Connection]:
        path.parent.mkdir()
        with closing(connect(path)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("CREATE TABLE bodies (body BLOB)")
            yield connection

    @staticmethod
    def grow(path: Path, connection: sqlite3.Connection, size: int) -> int:
        while (found := companions(path)[0].stat().st_size) <= size:
            connection.execute("INSERT INTO bodies VALUES (?)", (MEGABYTE,))
        return found

    def test_leaves_a_short_log_alone(self, path: Path, connection: sqlite3.Connection) -> None:
        size = self.grow(path, connection, 1_000_000)
        LogBound(path, connection).keep()
        assert companions(path)[0].stat().st_size == size

    def test_empties_a_long_one_once_the_reader_of_before_is_gone(
        self, path: Path, connection: sqlite3.Connection
    ) -> None:
        bound = LogBound(path, connection)
        readers = Readers(path)
        with readers.snapshot() as reader:
            reader.execute("SELECT count(*) FROM bodies").fetchone()
            size = self.grow(path, connection, LOG_BYTES)
            bound.keep()
            assert companions(path)[0].stat().st_size == size
        bound.keep()
        assert companions(path)[0].stat().st_size == size, "the next try is due after some growth"
        self.grow(path, connection, size + STEP_BYTES)
        bound.keep()
        assert companions(path)[0].stat().st_size == 0
        readers.close()

    def test_waits_longer_each_time_that_it_waited_in_vain(self, path: Path, connection: sqlite3.Connection) -> None:
        bound, readers, statements = LogBound(path, connection), Readers(path), list[str]()
        connection.set_trace_callback(statements.append)
        with readers.snapshot() as reader:
            reader.execute("SELECT count(*) FROM bodies").fetchone()
            size = LOG_BYTES
            for _ in range(3):
                size = self.grow(path, connection, size) + STEP_BYTES
                bound.keep()
        waits = [int(statement.split()[-1]) for statement in statements if "busy_timeout" in statement]
        assert waits[::2] == [SHORTEST_MS, 2 * SHORTEST_MS, 4 * SHORTEST_MS]
        assert set(waits[1::2]) == {BUSY_TIMEOUT_S * 1000}
        readers.close()

    def test_survives_a_checkpoint_that_fails(self, path: Path, connection: sqlite3.Connection) -> None:
        size = self.grow(path, connection, LOG_BYTES)
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM bodies").fetchone()
        LogBound(path, connection).keep()
        connection.execute("ROLLBACK")
        assert companions(path)[0].stat().st_size == size
