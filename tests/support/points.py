"""Run as a program: a daemon does the same work again and again, and is killed at one write point further each time.

Arguments: a home to start from, a folder for the outcomes, the first point, how many to go on each time, and the moment
at which the work is done; default: in ten minutes. After each
kill another process takes up what was left and does the rest. Prints one line for each point: its number and name.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from changewire.clock import from_text
from changewire.testing import ManualClock
from tests.support.turning import Turned

LATER = timedelta(minutes=10)
"""The clocks of these processes are ahead by so much, so that every trigger is due."""


def work(home: Path, moment: datetime, on_write: Callable[[str], None] | None = None) -> None:
    """Do all that is due."""
    turned = Turned(home, ManualClock(moment), on_write=on_write).start()
    turned.turn()
    turned.close()
    if turned.dispatcher.failures:
        raise turned.dispatcher.failures[0]


def work_until(home: Path, moment: datetime, last: int) -> None:
    """Do it, and die at the write point of this number."""
    numbers = count()

    def on_write(point: str) -> None:
        if next(numbers) == last:
            os.write(1, f"{last} {point}\n".encode())
            os.kill(os.getpid(), signal.SIGKILL)

    work(home, moment, on_write)


def forked(task: Callable[[], None]) -> int:
    """Do ``task`` in a process of its own; how that ended."""
    child = os.fork()
    if child == 0:
        task()
        os._exit(0)
    return os.waitpid(child, 0)[1]


def main(template: Path, folder: Path, first: int, step: int, moment: datetime | None = None) -> None:
    """Go through the points until the work comes to its end. ``moment`` None: in ten minutes."""
    moment = moment or datetime.now(UTC) + LATER
    for number in count(first, step):
        home = folder / str(number)
        shutil.copytree(template, home)
        os.environ["POINT"] = str(number)
        status = forked(lambda home=home, number=number: work_until(home, moment, number))  # type: ignore[misc]
        if not os.WIFSIGNALED(status):
            sys.exit(os.waitstatus_to_exitcode(status))
        # at the same moment: what was not stored is due still
        if forked(lambda home=home: work(home, moment + timedelta(seconds=1))):  # type: ignore[misc]
            sys.exit(1)


if __name__ == "__main__":
    at = from_text(sys.argv[5]) if len(sys.argv) > 5 else None
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), at)
