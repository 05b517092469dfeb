"""A file on its way: the bytes so far, and a note beside them that says which version of the file they belong to.

A note is there only while the rest of exactly this version can be asked for. It is taken away before the bytes of
another version come, so whatever ends the process in between, two versions are never joined.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from changewire.file_reader import read_file
from changewire.private_files import make_folder, open_to_append
from changewire.values import dumps, loads

SPARE = 16 * 1024 * 1024  # bytes of the disk that stay free: the database must be able to go on
LOOK_EVERY = 8 * 1024 * 1024  # bytes between two looks at the free space
_SETTLED = timedelta(seconds=60)  # a file may change twice in the second that Last-Modified names
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are and how many there will be, None where nobody knows."""


@dataclass(frozen=True)
class Held:
    """What an earlier attempt left, of a version that can be asked for again."""

    size: int  # bytes that are there
    total: int  # bytes of the whole file
    validator: str  # as If-Range wants it: an entity tag or a date

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What asks for the rest of this version, and for the whole file where there is another one by now."""
        return ("Range", f"bytes={self.size}-"), ("If-Range", self.validator)


class Part:
    """The part of a file that has arrived, at ``path``. Not for two attempts at once: lock it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(f"{path.name}.note")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def held(self) -> Held | None:
        """What can be gone on with; None where there is nothing.

        A file that is there in full lacks its last byte here, so that asking for that shows whether it still is so.
        """
        try:
            held = Held(**{**loads(read_file(self._note)), "size": self.size})
            size = min(held.size, held.total - 1)
        except (OSError, TypeError, ValueError):
            return None
        return Held(size, held.total, held.validator) if size > 0 else None

    def begin(self, headers: Mapping[str, str], total: int | None) -> None:
        """A version from its first byte: ``headers`` are those of its answer, ``total`` None: its length is unknown."""
        self.clear()
        make_folder(self.path.parent)
        self.path.touch(0o600)
        validator = strong_validator(headers)
        if validator is not None and total is not None:
            fresh = self._note.with_name(f"{self._note.name}.new")
            with open_to_append(fresh) as file:
                file.truncate(0)
                file.write(dumps(asdict(Held(0, total, validator))))
            fresh.replace(self._note)

    def write(self, chunks: Iterable[bytes], at: int, total: int | None, progress: Progress | None) -> None:
        """Put ``chunks`` behind the first ``at`` bytes, and have all of it on the disk in the end.

        Raises OSError in words where the disk has no room, and what ``chunks`` raises; what was written stays.
        """
        with self.path.open("r+b") as file:
            file.truncate(at)
            file.seek(at)
            done, look_at = at, at
            for chunk in chunks:
                if done >= look_at:
                    self._look(done, total)
                    look_at = done + LOOK_EVERY
                with self._room_told(done, total):
                    file.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
            with self._room_told(done, total):
                file.flush()
                os.fsync(file.fileno())

    def clear(self) -> None:
        """Forget everything; the file itself stays, empty, for the sake of whoever holds a lock on it."""
        self._note.unlink(missing_ok=True)
        if self.path.exists():
            os.truncate(self.path, 0)

    def take(self, place: Path) -> None:
        """Put the finished file at ``place``, over what may be there, and have that on the disk."""
        self._note.unlink(missing_ok=True)
        self.path.replace(place)
        folder = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _look(self, done: int, total: int | None) -> None:
        free = free_space(self.path.parent)
        if free < SPARE + max(0, (total or done) - done):
            raise self._full(total, done, free)

    @contextmanager
    def _room_told(self, done: int, total: int | None) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._full(total, done) if error.errno in _FULL else error from error

    def _full(self, total: int | None, done: int, free: int | None = None) -> OSError:
        free = free_space(self.path.parent) if free is None else free
        needs = f"{in_words((total or done) - done)} more" if total else "an unknown size"
        message = (
            f"no room for a file that needs {needs}: {in_words(free)} are free, and {in_words(SPARE)} stay so; "
            "clear the disk or raise the quota, then go on"
        )
        return OSError(errno.ENOSPC, message, str(self.path.parent))


def strong_validator(headers: Mapping[str, str]) -> str | None:
    """What names exactly this version of a file, byte by byte; None where the server gives nothing of the kind."""
    tag = headers.get("ETag", "").strip()
    if tag:
        return tag if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 else None  # W/"…" is a weak one
    text = headers.get("Last-Modified", "").strip()
    try:
        changed, now = parsedate_to_datetime(text), parsedate_to_datetime(headers.get("Date", ""))
        return text if now - changed >= _SETTLED else None
    except (TypeError, ValueError):
        return None


def free_space(folder: Path) -> int:
    """Bytes that we may still write to the disk of ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def in_words(size: int) -> str:
    """A number of bytes for people.

    >>> in_words(48_213_344)
    '48.2 MB'
    """
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"
