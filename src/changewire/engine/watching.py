"""Files of a home that change are noticed while the daemon works."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import watch

from changewire.errors import fault_of_ours
from changewire.log import Log

AGAIN_S = 1.0
FOLDERS = ("config", "triggers", "actions")
SUFFIXES = (".yaml", ".yml", ".env", ".py")


class FileWatch:
    """Calls ``changed`` from a thread of its own when files of the home ``path`` did, until ``stopping`` is set."""

    def __init__(self, path: Path, changed: Callable[[], None], stopping: threading.Event, log: Log) -> None:
        self._path, self._changed, self._stopping, self._log = path, changed, stopping, log
        self._thread = threading.Thread(target=self._work, name="changewire-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for its end, which comes soon after ``stopping``."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except Exception as error:  # whatever it is: files that are no longer noticed would be a silent loss
                self._log("watch_failed", f"changed files may go unnoticed: {why_unwatched(error)}; looking again")
                self._stopping.wait(AGAIN_S)

    def _look(self) -> None:
        folders = [self._path / name for name in FOLDERS if (self._path / name).is_dir()]
        for changes in watch(*folders, stop_event=self._stopping, debounce=300, raise_interrupt=False):
            if any(name.endswith(SUFFIXES) for _, name in changes):
                self._changed()


def why_unwatched(error: Exception) -> str:
    """Why files cannot be watched, and what to do about it."""
    if "limit" in str(error).lower() or (isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EMFILE}):
        return "this machine watches as many files as it may: raise fs.inotify.max_user_watches and max_user_instances"
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return fault_of_ours(error)
