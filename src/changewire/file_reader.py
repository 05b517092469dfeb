"""The content of a file that a person or another program put there: regular files of a bounded size only.

A named pipe, a device or a socket in the place of a file could hold its reader back for ever, or never end.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import stat
from pathlib import Path

LARGEST_FILE = 1 << 20  # bytes; callers may allow another number
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnfitFileError(OSError):
    """There is something at the path that is not read as a file; ``strerror`` says what."""


class TooLargeFileError(UnfitFileError):
    """The file has more bytes than are allowed."""


def read_file(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """Return the content of a regular file of at most ``largest`` bytes; links are followed.

    Never waits. Raises OSError: UnfitFileError for everything that is not a regular file, TooLargeFileError.
    """
    _refuse_unfit(path.stat().st_mode)  # before it is opened, which does something to some devices
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        _refuse_unfit(os.fstat(file.fileno()).st_mode)
        data = file.read(largest + 1)
    if len(data) > largest:
        raise TooLargeFileError(errno.EFBIG, f"it is larger than the {largest} bytes allowed")
    return data


def read_text_file(path: Path, largest: int = LARGEST_FILE) -> str:
    r"""Return the UTF-8 text of a file as `read_file` reads it, without a byte order mark, with ``\n`` as line ends.

    Raises OSError, and ValueError that says why this is not UTF-8 text.
    """
    data = read_file(path, largest)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is UTF-16 text, not UTF-8" if is_utf16(data) else "it is not UTF-8 text") from None
    return io.StringIO(text, newline=None).read()


def is_utf16(data: bytes) -> bool:
    """Whether ``data`` begins as text in UTF-16 does that has a byte order mark."""
    return data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def unreadable_reason(error: OSError) -> str:
    """Return why a file cannot be read, in lower case."""
    return (error.strerror or str(error)).lower()


def _refuse_unfit(mode: int) -> None:
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # the system itself refuses to read a folder
        return
    kind = next((words for fits, words in _KINDS if fits(mode)), "something else")
    raise UnfitFileError(errno.EINVAL, f"it is {kind}, not a file")
