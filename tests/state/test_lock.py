"""One daemon for each home, between real processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from changewire.errors import HomeLockedError, StateError
from changewire.state.lock import HomeLock

HOLDER = """
import sys
from pathlib import Path
from changewire.state.lock import HomeLock
with HomeLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_with_the_number_of_the_first_until_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "state" / "changewire.lock"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(HomeLockedError) as caught:
            HomeLock(path).acquire()
        words = f"Another Changewire (process {holder.pid}) works in {tmp_path}: end it first."
        assert str(caught.value) == words
        holder.kill()
    with HomeLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_lock_given_back_can_be_taken_again(tmp_path: Path) -> None:
    lock, other = HomeLock(tmp_path / "lock"), HomeLock(tmp_path / "lock")
    with lock, pytest.raises(HomeLockedError):
        other.acquire()
    lock.release()
    with other:
        assert stat.S_IMODE(lock.path.stat().st_mode) == 0o600


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match="cannot be opened"):
        HomeLock(tmp_path / "state" / "changewire.lock").acquire()
