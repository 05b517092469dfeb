"""Install what a chore needs: the locked releases in requirements/, each file checked by its hash.

``python scripts/install.py program test`` installs the program and its tests into the environment of this Python. If
the lock does not fit, or with LOCK=no, releases within the ranges of pyproject.toml are installed, and it says so.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAM, BUILD = "program", "build"
TESTED = ((3, 11), (3, 12))
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
NEWEST = "pip>=25.1"  # the first that knows --group
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def main(names: Sequence[str]) -> None:
    """Install the program or dependency groups by name. Raises CalledProcessError if pip fails."""
    reason = misfit(names)
    if reason is None:
        install_locked(names)
    else:
        print(f"the lock is not used, since {reason}: what is installed is within the ranges of pyproject.toml")
        install_ranges(names)


def misfit(names: Sequence[str]) -> str | None:
    """Return why the lock cannot be used here, or None if it can."""
    if os.environ.get("LOCK") == "no":
        return "LOCK=no says so"
    if sys.version_info[:2] not in TESTED or sys.implementation.name != "cpython":
        return (
            f"it was tried with CPython 3.11 and 3.12, and this is {sys.implementation.name} {sys.version.split()[0]}"
        )
    if not sys.platform.startswith("linux"):
        return f"it was tried on Linux, and this is {sys.platform}"
    missing = uncovered(names)
    return f"it has no {', '.join(missing)} (renew it: `make lock`)" if missing else None


def uncovered(names: Sequence[str]) -> list[str]:
    """Return the requirements in pyproject.toml that are in no lock file of these names."""
    locked = {normal(line) for name in files(names) for line in lock(name).read_text().splitlines() if "==" in line}
    wanted = {normal(text) for name in files(names) for text in requirements(name)}
    return sorted(wanted - locked)


def requirements(name: str) -> list[str]:
    """Return the requirements of the program or of a group, those of included groups too."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    if name == PROGRAM:
        return list(data["project"]["dependencies"])
    found: list[str] = []
    for entry in data["dependency-groups"][name]:
        found += requirements(entry["include-group"]) if isinstance(entry, dict) else [entry]
    return found


def files(names: Sequence[str]) -> list[str]:
    """Return the names of lock files: the program is installed in place, which needs its build system."""
    return [*names, BUILD] if PROGRAM in names else list(names)


def lock(name: str) -> Path:
    """Return the lock file of the program or of a group."""
    return ROOT / "requirements" / f"{name}.txt"


def normal(text: str) -> str:
    """Return the name in a requirement as registries compare it."""
    found = _NAME.match(text)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""


def install_locked(names: Sequence[str]) -> None:
    """Install exactly what is locked, and the program in place."""
    chosen = [word for name in files(names) for word in ("--requirement", str(lock(name)))]
    run(*PIP, "--require-hashes", "--no-deps", *chosen)
    if PROGRAM in names:
        run(*PIP, "--no-deps", "--no-build-isolation", "--editable", ".")


def install_ranges(names: Sequence[str]) -> None:
    """Install the newest releases within the ranges, and the program in place."""
    groups = [word for name in names if name != PROGRAM for word in ("--group", name)]
    run(*PIP, "--upgrade", NEWEST)
    run(*PIP, *(["--editable", "."] if PROGRAM in names else []), *groups)


def run(*command: str) -> None:
    """Run a command in the project's folder."""
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"pip failed (exit code {error.returncode}); its reason stands above. LOCK=no installs without the lock"
        )
