"""Run as a program: ``changewire`` with the same arguments, on a machine whose wall clock is wrong.

The file that the variable OFFSET_FILE names holds by how many seconds the wall clock is ahead. It may change at any
time, as when somebody sets the clock; elapsed time goes on.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from changewire.clock import SystemClock

VARIABLE = "OFFSET_FILE"


def set_offset(file: Path, seconds: float) -> None:
    """Set the clock; no reader sees half of the file."""
    new = file.with_suffix(".new")
    new.write_text(str(seconds))
    new.replace(file)


def _now(self: SystemClock) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=float(Path(os.environ[VARIABLE]).read_text()))


if __name__ == "__main__":
    SystemClock.now = _now  # type: ignore[method-assign]
    from changewire.cli import main

    main()
