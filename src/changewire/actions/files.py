"""Files that actions write: names that are safe whatever they come from, and writing that is whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from changewire.errors import UsageError
from changewire.values import dumps, loads

T = TypeVar("T")

_LONGEST_NAME = 180  # bytes; most file systems end at 255, and a temporary name must fit as well
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*/]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_REMEMBERED = 1000  # appended pieces that a file remembers


def safe_name(text: str, otherwise: str = "unnamed") -> str:
    """``text`` as the name of one file or folder: no separators, no control characters, not hidden, not too long."""
    name = unicodedata.normalize("NFC", text)
    name = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
    name = _UNSAFE.sub("_", name).strip(" .")
    if not name or not name.strip("_"):
        return otherwise
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        stem, dot, ending = name, "", ""
    room = _LONGEST_NAME - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(" .") + dot + ending


def place_below(root: Path, folder: str, name: str | None = None) -> Path:
    """The path of ``folder`` (parts between slashes) and ``name`` below ``root``; never outside, whatever they say."""
    parts = [safe_name(part) for part in PurePosixPath(folder).parts if part.strip("/. ")]
    path = root.joinpath(*parts, *([safe_name(name)] if name is not None else []))
    if not path.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{folder!r} leads out of {root}: a link there points elsewhere")
    return path


def strict_place(root: Path, path: str) -> Path:
    """``path`` below ``root`` as it is written. Raises UsageError where it leads outside or is a folder."""
    given = PurePosixPath(path)
    if given.is_absolute() or ".." in given.parts or "\0" in path or not given.name:
        raise UsageError(f"{path!r} must be the path of a file below {root}, without .. and not beginning with /")
    found = root / given
    if not found.resolve().is_relative_to(root.resolve()):
        raise UsageError(f"{path!r} leads out of {root}: a link there points elsewhere")
    if found.is_dir():
        raise UsageError(f"{path!r} is a folder: give the name of a file")
    return found


def stored_file(home: Path, path: str) -> Path:
    """A file that is there: ``state/files/…`` or ``state/downloads/…`` as outputs name it, or below state/files.

    Raises UsageError where it is none of these or not there.
    """
    for folder in ("state/files", "state/downloads"):
        if path.startswith(f"{folder}/"):
            found = strict_place(home / folder, path.removeprefix(f"{folder}/"))
            break
    else:
        found = strict_place(home / "state" / "files", path)
    if not found.is_file():
        raise UsageError(f"there is no file {str(found.relative_to(home))!r} in this home")
    return found


def write_whole(path: Path, write: Callable[[BinaryIO], T]) -> T:
    """Let ``write`` fill a temporary file, then put it in ``path``'s place at once; a failure leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            result = write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return result


def digest_file(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Rotation:
    """When an appended file is put aside, and how many of those stay: ``x.log.1`` is the latest."""

    size: int  # bytes; a file that would grow larger is put aside first
    keep: int  # at least 1; older ones are deleted


def append_once(
    path: Path,
    data: bytes | Callable[[Path], bytes],
    key: str,
    notes: Path,
    rotation: Rotation | None = None,
) -> bool:
    """Append ``data`` to ``path`` unless the same ``key`` did so before. True when it was written now.

    ``data`` may be a function of ``path`` that is called while nobody else of us writes. ``notes`` is the file in which
    the last thousand keys are kept with the place of what they wrote, so that an append that a crash cut off is taken
    back and done again. Other programs may append as well, but not in the same moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    notes.parent.mkdir(parents=True, exist_ok=True)
    with _alone(notes.with_name(f"{notes.name}.lock")):
        known = _notes(notes)
        _take_back(path, known)
        if any(one[0] == key for one in known):
            return False
        piece = data if isinstance(data, bytes) else data(path)
        if rotation is not None and 0 < _size(path) > rotation.size - len(piece):
            known = [[one[0], -1, 0] for one in known]  # what they wrote is in another file from now on
            _note(notes, known)
            _put_aside(path, rotation.keep)
            piece = data if isinstance(data, bytes) else data(path)
        _note(notes, [*known, [key, _size(path), len(piece)]])
        with path.open("ab") as file:
            file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    return True


def _take_back(path: Path, known: list[Any]) -> None:
    """Cut off what the latest append left behind when it did not come to its end."""
    if known and known[-1][1] <= (end := _size(path)) < known[-1][1] + known[-1][2]:
        start = known.pop()[1]
        if end > start:
            os.truncate(path, start)


def _put_aside(path: Path, keep: int) -> None:
    """``path`` becomes ``path.1``, that ``path.2`` and so on up to the first number that is free, at most ``keep``."""
    places = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1))]
    last = next((number for number, place in enumerate(places) if number and not place.exists()), keep)
    for number in range(last, 0, -1):
        places[number - 1].replace(places[number])


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _note(notes: Path, known: list[Any]) -> None:
    noted = dumps(known[-_REMEMBERED:])
    write_whole(notes, lambda target: target.write(noted))


def _notes(notes: Path) -> list[Any]:
    try:
        found: list[Any] = loads(notes.read_bytes())
    except FileNotFoundError:
        return []
    return found


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """No other thread or process is in here with the same ``lock``."""
    with lock.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
