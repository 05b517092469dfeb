"""Files of a home that change are noticed while the daemon works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from watchfiles import watch

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
                words = f"changed files may go unnoticed: {type(error).__name__}: {error}; looking again"
                self._log("watch_failed", words)
                self._stopping.wait(AGAIN_S)

    def _look(self) -> None:
        folders = [self._path / name for name in FOLDERS if (self._path / name).is_dir()]
        for changes in watch(*folders, stop_event=self._stopping, debounce=300, raise_interrupt=False):
            if any(name.endswith(SUFFIXES) for _, name in changes):
                self._changed()
