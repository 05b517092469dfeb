"""Files and folders that only their owner can read, whatever the umask allows; a stricter umask holds as well."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, with mode 0700. Folders that are there keep their modes."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    path.mkdir(exist_ok=True)  # raises FileExistsError for a file in its place


def open_to_append(path: Path) -> BinaryIO:
    """A file, opened to be written at its end; made with mode 0600, one that is there keeps its mode."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600), "ab")
