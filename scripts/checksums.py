"""Write SHA256SUMS for the files of a folder, to be checked with ``sha256sum --check SHA256SUMS``."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

NAME = "SHA256SUMS"


def write_checksums(folder: Path) -> Path:
    """Write the checksums of all files in a folder, in the order of their names. Return the file."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != NAME)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / NAME).write_text("".join(lines))
    return folder / NAME


if __name__ == "__main__":
    print(write_checksums(Path(sys.argv[1])).read_text(), end="")
