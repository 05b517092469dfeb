"""Files that actions write: names that are safe whatever they come from, and writing that is whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

from changewire.errors import UsageError
from changewire.private_files import make_folder
from changewire.secret import masked_excerpt
from changewire.values import one_line, valid_text

T = TypeVar("T")

_LONGEST_NAME = 180  # bytes; most file systems end at 255, and a temporary name must fit as well
_LONGEST_PART = 230  # bytes of a name that is written as it is; notes and what is put aside have endings
_MOST_READ = 4096  # characters that can matter to a name; normalising a long run of accents takes quadratic time
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*/]+')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def safe_name(text: str, otherwise: str = "unnamed") -> str:
    """``text`` as the name of one file or folder: no separators, no control characters, not hidden, not too long."""
    name = unicodedata.normalize("NFC", text[:_MOST_READ])
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
    _refuse_outside(root, path, folder)
    return path


def strict_place(root: Path, path: str) -> Path:
    """``path`` below ``root`` as it is written. Raises UsageError where it leads outside or is no file."""
    given = PurePosixPath(path)
    if given.is_absolute() or ".." in given.parts or "\0" in path or not given.name:
        raise UsageError(f"{path!r} must be the path of a file below {root}, without .. and not beginning with /")
    if one_line(valid_text(path)) != path:
        raise UsageError(f"{path!r} has characters that a file name must not have: remove those that cannot be seen")
    if any(len(part.encode()) > _LONGEST_PART for part in given.parts):
        start = masked_excerpt(path, 60)
        raise UsageError(f"{start!r}… is too long: a name has at most {_LONGEST_PART} bytes, shorten it with truncate")
    found = root / given
    _refuse_outside(root, found, path)
    if found.is_dir():
        raise UsageError(f"{path!r} is a folder: give the name of a file")
    if found.exists() and not found.is_file():  # opening a pipe or a device may wait for ever
        raise UsageError(f"{path!r} is a pipe, a socket or a device: give the name of a file")
    return found


def _refuse_outside(root: Path, path: Path, shown: str) -> None:
    """Raise UsageError if ``path``, with its links followed, is not below ``root``, or if its links form a circle."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(root)):
        raise UsageError(f"{shown!r} leads out of {root}: a link there points elsewhere")
    if any(one.is_symlink() for one in (real, *real.parents)):
        raise UsageError(f"{shown!r} leads in a circle: a link there points back to itself")


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
    """Let ``write`` fill a temporary file, then put it in ``path``'s place at once; a failure leaves nothing.

    A new file has mode 0600, one that is replaced keeps its mode.
    """
    make_folder(path.parent)
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        if path.exists():
            os.fchmod(handle, stat.S_IMODE(path.stat().st_mode))
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
