"""Finds the home: the folder that holds ``config/``, ``state/`` and the own triggers and actions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from changewire.errors import UsageError


def find_home(start: Path, given: str | None, env: Mapping[str, str]) -> Path:
    """The home: ``given`` (``--home``), else CHANGEWIRE_HOME, else ``start`` or the nearest folder above that is one.

    None or an empty text means not given. Raises UsageError that says what to do.
    """
    for name, folder in (("--home", given), ("CHANGEWIRE_HOME", env.get("CHANGEWIRE_HOME"))):
        if folder:
            return _named(name, Path(os.path.realpath(start / Path(folder).expanduser())))
    start = start.resolve()
    found = next((folder for folder in (start, *start.parents) if is_home(folder)), None)
    if found is None:
        raise UsageError(
            f"{start} is not in a changewire home: make one with `changewire init DIR`, "
            "or name one with --home DIR or CHANGEWIRE_HOME"
        )
    return found


def is_home(folder: Path) -> bool:
    """True for a folder with ``config/`` and one of ``triggers/``, ``actions/``, ``state/``, ``config/workflows/``."""
    others = ("triggers", "actions", "state", "config/workflows")
    return (folder / "config").is_dir() and any((folder / other).is_dir() for other in others)


def _named(name: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise UsageError(f"{name} names {folder}, which is not a folder: make one with `changewire init {folder}`")
    if not is_home(folder):
        raise UsageError(
            f"{name} names {folder}, which is not a changewire home (it has no config/ with workflows/, triggers/, "
            f"actions/ or state/): make it one with `changewire init {folder}`"
        )
    return folder
