"""Run as a program: does the same work again and again, and is killed at one write point further each time.

Arguments: a database to start from, a folder for the outcomes, which work. Prints one line for each point: its number
and name.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from itertools import count
from pathlib import Path

from changewire.clock import SystemClock
from changewire.state.records import AttemptState, ItemRecord, RunState
from changewire.state.store import SqliteStore
from tests.state.samples import DAY, NOW, attempt, claim, event, item, poll, run


def work(store: SqliteStore) -> None:
    """One poll that changes everything, and the run that follows from it."""
    commit = poll(
        claim(store), upserts=[item("a", "2"), item("c")], touches=[ItemRecord("b", "", absences=1)],
        deletes=["d"], events=[event("e1"), event("e2")], runs=[run("r1", "e1"), run("r2", "e2")],
        cursor={"n": 2}, body_hash="new",
    )  # fmt: skip
    assert store.commit_poll(commit)
    claimed = store.claim_runs(NOW, 1, DAY)[0]
    assert store.start_attempt(claimed.claim, attempt(state=AttemptState.RUNNING))
    assert store.commit_step(claimed.claim, attempt(), state=RunState.SUCCEEDED, finished_at=NOW)


def mend(store: SqliteStore) -> None:
    """What a person does: a paused run goes on, one that is under way is cancelled, two events are played again."""
    assert store.resume(NOW, by="ann") == ["r1"]
    assert store.cancel("r2", NOW, "enough")
    assert len(store.replay([run("", "e1"), run("", "e2")])) == 2


def begin(store: SqliteStore) -> None:
    """A run that begins ends the one before it and filters the one behind it."""
    assert [one.id for one in store.claim_runs(NOW, 9, DAY)] == ["r2", "r3"]


def gather(store: SqliteStore) -> None:
    """Three events that gather two by two, and one that does not join them."""
    runs = [run(f"r{n}", f"e{n}", batch_max=2, due_at=NOW + DAY) for n in (1, 2, 3)]
    assert len(store.feed([event(f"e{n}") for n in (1, 2, 3, 4)], [*runs, run("r4", "e4")])) == 4


WORK = {"gather": gather, "work": work, "mend": mend, "begin": begin}


def work_until(path: Path, last: int, name: str) -> None:
    """Do the work, and die at the write point of this number."""
    numbers = count()

    def on_write(point: str) -> None:
        if next(numbers) == last:
            os.write(1, f"{last} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    store = SqliteStore(path, clock=SystemClock(), on_write=on_write)
    store.open(take_over=name == "work")
    WORK[name](store)
    store.close()


def main(template: Path, folder: Path, name: str) -> None:
    """Fork a process for each point, until one comes to its end."""
    for number in count():
        path = folder / f"{number}.db"
        shutil.copy(template, path)
        child = os.fork()
        if child == 0:
            work_until(path, number, name)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(os.WEXITSTATUS(status))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
