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


def append_once(path: Path, data: bytes, key: str, notes: Path) -> bool:
    """Append ``data`` to ``path`` unless the same ``key`` did so before. True when it was written now.

    ``notes`` is the file in which the last thousand keys are kept with the place of what they wrote, so that an append
    that a crash cut off is taken back and done again. Other programs may append as well, but not in the same moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    notes.parent.mkdir(parents=True, exist_ok=True)
    with _alone(notes.with_name(f"{notes.name}.lock")), path.open("ab") as file:
        known = _notes(notes)
        end = file.seek(0, os.SEEK_END)
        if known and known[-1][1] <= end < known[-1][1] + known[-1][2]:
            end = file.truncate(known.pop()[1])
        if any(one[0] == key for one in known):
            return False
        noted = dumps([*known, [key, end, len(data)]][-_REMEMBERED:])
        write_whole(notes, lambda target: target.write(noted))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return True


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
