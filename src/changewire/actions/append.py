"""Appending to a file: once for each key, whatever crashes come between.

Beside each file lie its notes: one line for each piece, with its key and its place, written before the piece is. They
are put aside with the file, so a key is known for as long as what it wrote is there, however many others came after it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from changewire.actions.files import write_whole
from changewire.private_files import make_folder, open_to_append
from changewire.values import loads

_RECENT = 65_536  # bytes of the notes that are searched for a key each time, which is about a thousand keys


@dataclass(frozen=True)
class Rotation:
    """When an appended file is put aside, and how many of those stay: ``x.log.1`` is the latest."""

    size: int  # bytes; a file that would grow larger is put aside first
    keep: int  # at least 1; older ones are deleted


@dataclass(frozen=True)
class _Note:
    key: str
    start: int  # byte in the file at which its piece begins
    size: int  # bytes

    @property
    def line(self) -> bytes:
        return f"{self.key}\t{self.start}\t{self.size}\n".encode()


def append_once(
    path: Path,
    data: bytes | Callable[[Path], bytes],
    key: str,
    notes: Path,
    rotation: Rotation | None = None,
    *,
    search: bool = True,
) -> bool:
    """Append ``data`` to ``path`` unless the same ``key`` did so before. True if it was written now.

    ``data`` may be a function of ``path``, called while no other append is under way. ``notes`` is where the keys are
    kept. ``search`` False: this is the first attempt, so only recent keys are searched. An append that a crash cut off
    is taken back first. Other programs may append as well, but not at the same moment.
    """
    make_folder(path.parent)
    make_folder(notes.parent)
    with _alone(notes.with_name(f"{notes.name}.lock")):
        _convert(notes)
        last = _take_back(path, notes)
        if _remembers(notes, key, search):
            return False
        piece = data if isinstance(data, bytes) else data(path)
        if rotation is not None and 0 < _size(path) > rotation.size - len(piece):
            _put_aside(notes, rotation.keep)  # first: notes of a file that is gone would look like a crash
            _put_aside(path, rotation.keep)
            piece = data if isinstance(data, bytes) else data(path)
        elif last is not None and _size(path) < last.start + last.size:  # another program put it aside or emptied it
            _put_aside(notes, 1)
        _append(notes, _Note(key, _size(path), len(piece)).line)
        _append(path, piece)
    return True


def _append(path: Path, data: bytes) -> None:
    with open_to_append(path) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _take_back(path: Path, notes: Path) -> _Note | None:
    """Cut off what the latest append left behind if it did not come to its end. Returns the note before; None: none."""
    found = _tail(notes)
    if not found:
        return None
    last, end = found[-1], _size(path)
    if not last.start <= end < last.start + last.size:
        return last
    if end > last.start:
        os.truncate(path, last.start)
    os.truncate(notes, notes.stat().st_size - len(last.line))
    return found[-2] if len(found) > 1 else None


def _tail(notes: Path) -> list[_Note]:
    """The latest notes. A line that a crash cut off is removed: its piece was not begun."""
    try:
        with notes.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _RECENT)
            file.seek(start)
            read = file.read()
            whole = read[: read.rfind(b"\n") + 1]
            if len(whole) < len(read):
                file.truncate(start + len(whole))
    except FileNotFoundError:
        return []
    lines = whole.splitlines()
    return [_parsed(line) for line in (lines if start == 0 else lines[1:])]


def _parsed(line: bytes) -> _Note:
    key, start, size = line.decode().split("\t")
    return _Note(key, int(start), int(size))


def _remembers(notes: Path, key: str, search: bool) -> bool:
    if any(note.key == key for note in _tail(notes)):
        return True
    beginning = f"{key}\t".encode()
    for file in [notes, *notes.parent.glob(f"{notes.name}.[0-9]*")] if search else ():
        if file.exists() and _has_line(file, beginning):
            return True
    return False


def _has_line(notes: Path, beginning: bytes) -> bool:
    with notes.open("rb") as file:
        return any(line.startswith(beginning) for line in file)


def _convert(notes: Path) -> None:
    """Rewrite notes of an earlier version, which were one JSON list. There, -1 is the place of what was put aside."""
    try:
        with notes.open("rb") as file:
            if file.read(1) != b"[":
                return
    except FileNotFoundError:
        return
    known = [_Note(key, max(0, start), size).line for key, start, size in loads(notes.read_bytes())]
    write_whole(notes, lambda target: target.write(b"".join(known)))


def _put_aside(path: Path, keep: int) -> None:
    """``path`` becomes ``path.1``, that ``path.2`` and so on up to the first number that is free, at most ``keep``."""
    if not path.exists():
        return
    places = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
    last = next((number for number, place in enumerate(places) if number and not place.exists()), keep)
    for number in range(last, 0, -1):
        places[number - 1].replace(places[number])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """No other thread or process is in here with the same ``lock``."""
    with open_to_append(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
