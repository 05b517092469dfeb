"""The memory of this process, as Linux counts it for its present program: that of its parent is not in it."""

from __future__ import annotations

from pathlib import Path

_PROCESS = Path("/proc/self")


def resident_mib() -> float:
    """Return the memory in use now, in MiB."""
    return _status("VmRSS:")


def peak_mib() -> float:
    """Return the most memory in use since the program began or `forget_peak` was called, in MiB."""
    return _status("VmHWM:")


def forget_peak() -> None:
    """Let `peak_mib` begin with what is in use now."""
    (_PROCESS / "clear_refs").write_text("5")


def _status(name: str) -> float:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))
