"""One daemon for each home, between real processes."""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from changewire.errors import HomeLockedError, StateError
from changewire.state.lock import HomeLock, holder

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


def test_a_command_that_looks_at_the_lock_keeps_no_daemon_from_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with HomeLock(path):
        assert holder(path) == str(os.getpid())
    assert holder(path) is None
    looking = "import sys; from pathlib import Path; from changewire.state.lock import holder\n"
    looking += "print('looking', flush=True)\nwhile True: holder(Path(sys.argv[1]))"
    with subprocess.Popen([sys.executable, "-c", looking, path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "looking\n"
        try:
            for _ in range(100):
                with HomeLock(path):
                    pass
        finally:
            process.kill()


def test_a_lock_that_is_shared_for_good_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("no number\x1b[2J")
    with path.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        with pytest.raises(HomeLockedError, match=r"process no number\\u001b\[2J\)"):
            HomeLock(path).acquire()


@pytest.mark.parametrize("kind", ["pipe", "link to a device", "folder", "link to itself", "socket"])
def test_what_is_no_file_in_the_place_of_a_lock_holds_up_nobody(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with socket.socket(socket.AF_UNIX) as listening:
        if kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
        elif kind == "socket":
            listening.bind(str(path))
        else:
            path.symlink_to("/dev/zero" if kind == "link to a device" else path)
        assert holder(path) is None
        with pytest.raises(StateError, match=r"is not a file: remove it|cannot be (opened|used)"):
            HomeLock(path).acquire()
