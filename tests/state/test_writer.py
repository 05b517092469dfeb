"""Many threads write at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.errors import StateError
from changewire.state.database import connect
from changewire.state.writer import Transaction, Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    connection = connect(tmp_path / "a.db")
    connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    writer = Writer(tmp_path / "a.db", connection, SystemClock())
    yield writer
    writer.close()


def stored(writer: Writer) -> list[int]:
    return writer.run(lambda t: [row[0] for row in t.execute("read", "SELECT number FROM numbers ORDER BY 1")])


def test_a_unit_that_fails_takes_nothing_of_its_neighbours_with_it(writer: Writer) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(transaction: Transaction) -> None:
        begun.set()
        assert go_on.wait(5)

    def put(number: int) -> int:
        def unit(transaction: Transaction) -> int:
            transaction.execute("put", "INSERT INTO numbers VALUES (?)", (number,))
            if number == 3:
                raise ValueError("three")
            if number == 5:
                transaction.execute("put", "INSERT INTO numbers VALUES (?)", (number,))
            return number

        return writer.run(unit)

    with ThreadPoolExecutor(10) as pool:
        held = pool.submit(writer.run, hold)
        assert begun.wait(5)
        puts = [pool.submit(put, number) for number in range(8)]
        while writer.waiting < 8:
            threading.Event().wait(0.001)
        go_on.set()
        held.result(5)
        outcomes = [one.exception(5) or one.result() for one in puts]

    assert [outcome for outcome in outcomes if isinstance(outcome, int)] == [0, 1, 2, 4, 6, 7]
    assert str(outcomes[3]) == "three"
    assert isinstance(outcomes[5], StateError)
    assert stored(writer) == [0, 1, 2, 4, 6, 7]


def test_units_that_wait_are_committed_as_one(writer: Writer) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hold(transaction: Transaction) -> None:
        begun.set()
        assert go_on.wait(5)

    with ThreadPoolExecutor(10) as pool:
        held = pool.submit(writer.run, hold)
        assert begun.wait(5)
        puts = [
            pool.submit(writer.run, lambda t, n=n: t.execute("put", "INSERT INTO numbers VALUES (?)", (n,)))
            for n in range(8)
        ]
        while writer.waiting < 8:
            threading.Event().wait(0.001)
        go_on.set()
        for one in (held, *puts):
            one.result(5)

    assert (writer.groups, writer.units, writer.largest) == (2, 9, 8)
    assert stored(writer) == list(range(8))
