"""Files that a person or another program put there: a pipe or device in the place of one holds nothing back."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from changewire.file_reader import TooLargeFileError, UnfitFileError, read_file, read_text_file, unreadable_reason


def make_socket(path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(path))


def make_linked_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "named pipe": (os.mkfifo, "it is a named pipe, not a file"),
    "socket": (make_socket, "it is a socket, not a file"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, not a file"),
    "terminal": (lambda path: path.symlink_to("/dev/ptmx"), "it is a device, not a file"),
    "link to a pipe": (make_linked_pipe, "it is a named pipe, not a file"),
    "folder": (Path.mkdir, "is a directory"),
    "link to itself": (lambda path: path.symlink_to(path), "too many levels of symbolic links"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "no such file or directory"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    make, reason = STRANGE[kind]
    make(tmp_path / "x")
    with pytest.raises(OSError) as caught:  # its words are compared below
        read_file(tmp_path / "x")
    assert unreadable_reason(caught.value) == reason


def test_a_file_without_permission_says_so(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "x").chmod(0)
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    with pytest.raises(PermissionError):
        read_file(tmp_path / "x")


def test_a_file_is_read_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 10)
    assert read_file(tmp_path / "x", 10) == b"x" * 10
    with pytest.raises(TooLargeFileError, match="larger than the 9 bytes allowed"):
        read_file(tmp_path / "x", 9)


def test_a_huge_file_takes_no_memory(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnfitFileError):
        read_file(tmp_path / "x")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("ä".encode("utf-16"), "it is UTF-16 text, not UTF-8"),
        ("ä".encode("utf-16-be"), "it is not UTF-8 text"),
        (b"\xfe\xff\x00a", "it is UTF-16 text, not UTF-8"),
        (b"\xe4", "it is not UTF-8 text"),
    ],
)
def test_text_that_is_not_utf_8_says_what_it_is(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        read_text_file(tmp_path / "x")


def test_text_is_read_without_a_byte_order_mark_and_with_one_kind_of_line_end(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbfa\r\nb\rc\n")
    assert read_text_file(tmp_path / "x") == "a\nb\nc\n"


HOME_FILES = (
    "config/.env",
    "config/changewire.yaml",
    "config/connections.yaml",
    "config/workflows/x.yaml",
    "triggers/own/x.yaml",
    "actions/own/x.yaml",
    "actions/own/x.py",
    "config/secret",
)
CONNECTION = """\
work:
  connector: http
  base_url: "http://127.0.0.1:9"
  auth: {type: bearer, token: "${file:config/secret}"}
"""
ACTIONS = "connector: own\nactions:\n  x:\n    title: X\n    code: x\n"


@pytest.mark.parametrize("kind", ["named pipe", "endless device", "socket", "link to itself", "folder"])
@pytest.mark.parametrize("file", HOME_FILES)
def test_no_file_of_a_home_holds_a_command_back(tmp_path: Path, file: str, kind: str) -> None:
    for name in ("config/workflows", "triggers/own", "actions/own", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "config" / "connections.yaml").write_text(CONNECTION)
    (tmp_path / "actions" / "own" / "x.yaml").write_text(ACTIONS)
    (tmp_path / "config" / "secret").write_text("s")
    (tmp_path / file).unlink(missing_ok=True)
    STRANGE[kind][0](tmp_path / file)
    command = [sys.executable, "-m", "changewire", "validate", "--home", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr
    if file not in {"actions/own/x.py", "config/changewire.yaml"} and kind != "folder":
        assert Path(file).name in done.stdout + done.stderr
