"""One daemon for each home: a lock that the system takes back when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from types import TracebackType

from changewire.clock import SystemClock
from changewire.errors import HomeLockedError, StateError
from changewire.state.database import explain
from changewire.values import one_line

LOCK = Path("state") / "changewire.lock"
_TRIES = 500  # to take a lock that only commands share
_BETWEEN_S = 0.004  # a command that the system interrupts while it looks continues within a few of these


def holder(path: Path) -> str | None:
    """Number of the process that holds the lock ``path`` at this moment, None if no process does."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        noted = os.read(file, 32).decode(errors="replace").strip()
        if not noted.isdecimal():  # a daemon that is about to start, whose lock a look must not take away
            return None
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return noted
    except OSError:
        return None
    finally:
        os.close(file)
    return None


def _locked(file: int) -> bool:
    """Whether the lock could be taken. Commands that look for its `holder` share it for a moment."""
    clock = SystemClock()
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            pass
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(file, fcntl.LOCK_UN)
        except BlockingIOError:
            return False
        clock.wait(_BETWEEN_S)
    return False


class HomeLock:
    """Holds ``state/changewire.lock`` (the path given) from `acquire`, or ``with``, until `release`.

    The file stays; it holds the number of the process that had the lock last.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock. HomeLockedError names the process that has it; StateError: it cannot be made."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise explain(self.path, error) from error
        try:
            self._take(file)
        except BaseException as error:
            os.close(file)
            if isinstance(error, OSError):
                raise explain(self.path, error) from error
            raise
        self._file = file

    def _take(self, file: int) -> None:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise StateError(f"{self.path} is not a file: remove it, and the next daemon makes a new one.")
        if not _locked(file):
            noted = one_line(os.read(file, 32).decode(errors="replace").strip()) or "unknown"
            raise HomeLockedError(
                f"Another Changewire (process {noted}) works in {self.path.parent.parent}: end it first."
            )
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())

    def release(self) -> None:
        """Give the lock back; does nothing where it is not held."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> HomeLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
