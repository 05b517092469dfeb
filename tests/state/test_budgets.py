from __future__ import annotations

import signal
import sqlite3
import stat
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from changewire.clock import SystemClock
from changewire.connectors.budget import Budget
from changewire.connectors.budget_store import Counts
from changewire.connectors.definition import load_connector
from changewire.errors import DelayedError
from changewire.state.budgets import FILE, NOTE_TIME_S, SqliteBudgetStore
from changewire.testing import ManualClock

DAY = 86400
SENDER = """
import sys, time
from pathlib import Path
from changewire.clock import SystemClock
from changewire.connectors.budget import Budget
from changewire.connectors.definition import load_connector
from changewire.state.budgets import SqliteBudgetStore

clock = SystemClock()
budget = Budget(load_connector("zoom"), "work", "business", 1.0, clock, SqliteBudgetStore(Path(sys.argv[1]), clock))
end = clock.monotonic() + float(sys.argv[2])
while clock.monotonic() < end:
    turn = budget.take("MEDIUM", clock.now())
    while turn.wait_s:
        time.sleep(turn.wait_s)
        turn = budget.take("MEDIUM", clock.now(), place=turn.place)
    print(clock.monotonic(), flush=True)
    budget.landed("MEDIUM", turn.place)
"""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / FILE


@pytest.fixture
def store(path: Path, clock: ManualClock) -> Iterator[SqliteBudgetStore]:
    with closing(SqliteBudgetStore(path, clock)) as made:
        yield made


def put(part: str, count: int, keep_s: float = DAY) -> Callable[[Counts], None]:
    return lambda counts: counts.put(part, {"count": count}, keep_s)


def get(part: str) -> Callable[[Counts], Any]:
    return lambda counts: counts.get(part).get("count")


def elapsed(counts: Counts) -> float:
    return counts.elapsed


def budget(store: SqliteBudgetStore, clock: ManualClock) -> Budget:
    return Budget(load_connector("zoom"), "work", "free", 1.0, clock, store)


def sender(path: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SENDER, str(path), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def moments(process: subprocess.Popen[str]) -> list[float]:
    return [float(line) for line in process.communicate(timeout=60)[0].split()]


def test_what_one_process_puts_the_next_one_gets(path: Path, store: SqliteBudgetStore, clock: ManualClock) -> None:
    store.change("work", put("a", 1))
    with closing(SqliteBudgetStore(path, clock)) as other:
        assert (other.read("work", get("a")), other.read("home", get("a"))) == (1, None)
        other.change("work", put("a", 2))
    assert store.read("work", get("a")) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_that_breaks_off_changes_nothing(store: SqliteBudgetStore) -> None:
    def breaks_off(counts: Counts) -> None:
        counts.put("a", {"count": 2}, DAY)
        raise KeyboardInterrupt

    store.change("work", put("a", 1))
    with pytest.raises(KeyboardInterrupt):
        store.change("work", breaks_off)
    assert store.change("work", get("a")) == 1


def test_looking_makes_no_file_and_changing_makes_no_folder(tmp_path: Path, path: Path, clock: ManualClock) -> None:
    with closing(SqliteBudgetStore(path, clock)) as store:
        assert store.read("work", get("a")) is None
        assert not path.exists()
    with closing(SqliteBudgetStore(tmp_path / "none" / "budget.db", clock)) as store:
        store.change("work", put("a", 1))
        assert store.change("work", get("a")) == 1
        assert not (tmp_path / "none").exists()


def test_time_passes_while_nothing_runs_over_a_reboot_and_never_backwards(path: Path) -> None:
    first = ManualClock()
    with closing(SqliteBudgetStore(path, first)) as store:
        store.change("work", put("a", 1))
        first.advance(100)
        store.change("work", put("a", 2))
        first.set_wall(5000)
        assert store.read("work", elapsed) == 100
    for booted_later, seen in ((30.0, 130.0), (-1000.0, 130.0), (0.0, 130.0)):
        clock = ManualClock(first.now())
        clock.set_wall(booted_later - 5000)
        with closing(SqliteBudgetStore(path, clock)) as store:
            assert store.change("work", elapsed) == seen
            store.change("work", put("a", round(100 * seen + booted_later)))
            first = clock
            first.set_wall(5000)


@pytest.mark.parametrize("label", ["HEAVY", ""], ids=["with a limit", "without limits"])
def test_a_refusal_ends_also_after_a_boot_with_a_wall_clock_that_was_set_back(path: Path, label: str) -> None:
    before = ManualClock()
    with closing(SqliteBudgetStore(path, before)) as store:
        budget(store, before).take(label, before.now())
        budget(store, before).refused(label, before.now() + timedelta(seconds=20), before.now())
    clock = ManualClock(before.now() - timedelta(days=365))
    with closing(SqliteBudgetStore(path, clock)) as store:
        after = budget(store, clock)
        with pytest.raises(DelayedError):
            after.take(label, clock.now())
        clock.advance(25)
        assert after.take(label, clock.now()).wait_s == 0.0


def test_the_time_of_a_boot_is_told_from_what_was_noted_long_before(path: Path, clock: ManualClock) -> None:
    with closing(SqliteBudgetStore(path, clock)) as store:
        for count in range(5):
            store.change("work", put("a", count))
            clock.advance(NOTE_TIME_S - 1)
        assert store.change("work", elapsed) == 5 * (NOTE_TIME_S - 1)


def test_what_has_expired_is_deleted_when_something_new_comes(path: Path, clock: ManualClock) -> None:
    with closing(SqliteBudgetStore(path, clock)) as store:
        store.change("work", put("old", 1, keep_s=60))
        store.change("home", put("a", 1))
        clock.advance(61)
        store.change("home", put("b", 1))
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT connection, part FROM budgets ORDER BY 1, 2").fetchall()
    assert found == [("", "time"), ("home", "a"), ("home", "b")]


def test_a_file_that_cannot_be_used_is_said_once_and_the_process_counts_alone(path: Path, clock: ManualClock) -> None:
    path.write_bytes(b"no database" * 500)
    said: list[str] = []
    with closing(SqliteBudgetStore(path, clock, said.append)) as store:
        one = budget(store, clock)
        for _ in range(3):
            assert [one.take("HEAVY", clock.now()).wait_s for _ in range(2)] == [0.0, 1.0]
            clock.advance(60)
        assert said == [
            f"the request budget is not shared with other processes: {path}: file is not a database: "
            "let this user write it, or remove it with its -wal and -shm if it is damaged"
        ]
        path.unlink()
        one.take("HEAVY", clock.now())
        with closing(SqliteBudgetStore(path, clock)) as other:
            assert budget(other, clock).take("HEAVY", clock.now()).wait_s == 1.0


@pytest.mark.parametrize("body", ["{", "[]", "7", '"x"', '{"boot": 1}', "\ud7ff\x00"])
def test_counts_that_are_damaged_are_said_once_and_the_process_counts_alone(
    body: str, path: Path, clock: ManualClock
) -> None:
    with closing(SqliteBudgetStore(path, clock)) as store:
        budget(store, clock).take("HEAVY", clock.now())
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE budgets SET body = ?", (body,))
        database.commit()
    said: list[str] = []
    with closing(SqliteBudgetStore(path, clock, said.append)) as store:
        one = budget(store, clock)
        assert [one.take("HEAVY", clock.now()).wait_s for _ in range(2)] == [0.0, 1.0]
    assert said == [
        f"the request budget is not shared with other processes: {path}: a stored value cannot be read: "
        "let this user write it, or remove it with its -wal and -shm if it is damaged"
    ]


def test_what_comes_after_the_end_is_counted_alone(path: Path, clock: ManualClock) -> None:
    store = SqliteBudgetStore(path, clock)
    store.close()
    assert [budget(store, clock).take("HEAVY", clock.now()).wait_s for _ in range(2)] == [0.0, 1.0]
    assert not path.exists()


def test_a_place_in_line_that_a_killed_process_had_costs_one_window(path: Path, clock: ManualClock) -> None:
    killed = SqliteBudgetStore(path, clock)
    assert [budget(killed, clock).take("HEAVY", clock.now()).wait_s for _ in range(3)] == [0.0, 1.0, 2.0]
    with closing(SqliteBudgetStore(path, clock)) as store:
        clock.advance(3)
        assert budget(store, clock).take("HEAVY", clock.now()).wait_s == 0.0
    killed.close()


def test_three_processes_share_a_window_and_leave_little_of_it_unused(path: Path) -> None:
    processes = [sender(path, 3.0) for _ in range(3)]
    found = [moments(process) for process in processes]
    sent = sorted(moment for each in found for moment in each)
    for number, moment in enumerate(sent):
        assert bisect_left(sent, moment + 0.99) - number <= 60
    assert len(sent) >= 0.9 * 60 * (sent[-1] - sent[0])
    assert min(map(len, found)) > 5, "each gets its turn, however late it began"


def test_a_process_that_is_killed_while_it_counts_leaves_the_counts_whole(path: Path) -> None:
    clock = SystemClock()
    for _ in range(5):
        process = sender(path, 60.0)
        assert process.stdout is not None
        before = [float(process.stdout.readline()) for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        moments(process)
        with closing(SqliteBudgetStore(path, clock)) as store:
            one = Budget(load_connector("zoom"), "work", "business", 1.0, clock, store)
            taken = 0
            while one.take("MEDIUM", clock.now(), patience_s=10.0).wait_s == 0.0:
                taken += 1
        passed = clock.monotonic() - before[0]
        assert taken <= 20 or passed > 1.0
