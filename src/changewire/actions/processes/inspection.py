"""What a .py file beside an action file defines, found by a process of its own: it may hang, exit or crash on the way.

Run as a program with the path of the file, it prints the names as JSON.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from changewire.actions.code import load_module
from changewire.values import dumps, loads

LOAD_WITHIN_S = 30.0


class UnloadableError(Exception):
    """A file cannot be loaded; the text says why, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class Definitions:
    """The public names of a module."""

    functions: frozenset[str]  # what can be called
    names: tuple[str, ...]


@lru_cache(64)
def definitions_of(path: Path, _contents: str) -> Definitions:
    """Return what a file with these contents defines. Raises UnloadableError."""
    command = [sys.executable, "-P", "-m", "changewire.actions.processes.inspection", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            printed = process.communicate(timeout=LOAD_WITHIN_S)[0]
        except subprocess.TimeoutExpired:
            raise UnloadableError(f"was not loaded within {LOAD_WITHIN_S:.0f} seconds") from None
        finally:
            _end(process)
    try:
        found = loads(printed)
    except ValueError:
        raise UnloadableError(f"ended its process when it was loaded (exit code {process.returncode})") from None
    if "error" in found:
        raise UnloadableError(found["error"])
    return Definitions(frozenset(found["functions"]), tuple(found["names"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started and that stayed in its group."""
    if process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()  # what left the group may hold the other end


def why_unloaded(error: BaseException) -> str:
    """Return why a module cannot be loaded, as the end of a sentence that begins with the name of its file."""
    if isinstance(error, SyntaxError):
        return f"is no Python in line {error.lineno}: {error.msg}"
    if isinstance(error, ModuleNotFoundError):
        return f"imports {error.name!r}, which is not installed here"
    return f"fails when it is loaded ({type(error).__name__}: {error})"


def main() -> None:
    """Load the file that the argument names, and print what it defines."""
    answer = os.dup(1)
    os.dup2(2, 1)  # what the module prints is no answer
    try:
        module = load_module(Path(sys.argv[1]), "")
    except BaseException as error:
        found: dict[str, object] = {"error": why_unloaded(error)}
    else:
        names = [name for name in vars(module) if not name.startswith("_")]
        found = {"names": names, "functions": [name for name, value in vars(module).items() if callable(value)]}
    os.write(answer, dumps(found))
    os._exit(0)  # whatever threads the module left


if __name__ == "__main__":
    main()
