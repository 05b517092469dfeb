"""The code of the core action that runs programs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from typing import IO

from changewire.actions.context import ActionContext
from changewire.actions.files import place_below
from changewire.actions.inputs import revealed
from changewire.config.fields import parse_size
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.private_files import make_folder
from changewire.secret import mask
from changewire.templates import has_expression, text_of
from changewire.values import Json, loads

_PATIENCE_S = 2.0  # between asking a program to end and ending it
_CHUNK = 65536


def run_command(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Run a program to its end, or to the end of the step's time."""
    if not context.settings.allow.run_command:
        raise UsageError("programs may not be run here: set `allow: {run_command: true}` in config/changewire.yaml")
    given = revealed(dict(values))
    written = context.written.get("command")
    if isinstance(written, str) or (written and has_expression(text_of(written[0]))):
        raise UsageError("which program runs must stand in the workflow: write it as the first entry of command")
    environment = {"PATH": os.defpath} | {name: text_of(value) for name, value in (given.get("env") or {}).items()}
    command = _command(given["command"], environment["PATH"])
    folder = place_below(context.home / "state" / "files", given["folder"])
    make_folder(folder)
    stdin, most, expected = text_of(given.get("stdin")).encode(), parse_size(given["max_output"]), _expected(given)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"{command[0]} cannot be started: {getattr(error, 'strerror', None) or error}") from None
    with process:
        out, err = _followed(context, process, stdin, most)
    if process.returncode not in expected:
        raise _refused(command[0], process.returncode, err.text.strip() or out.text.strip())
    return {
        "exit_code": process.returncode,
        "stdout": out.text,
        "stderr": err.text,
        "json": _data(out.text),
        "truncated": out.truncated or err.truncated,
    }


def _expected(given: Mapping[str, Json]) -> set[int]:
    try:
        return {int(code) for code in given.get("expect") or (0,)}
    except (TypeError, ValueError):
        raise UsageError("expect must be a list of exit codes, such as [0, 1]") from None


def _command(given: list[Json], path: str) -> list[str]:
    command = [text_of(part) for part in given]
    if not command:
        raise UsageError("command names no program")
    program = shutil.which(command[0], path=path)
    if program is None:
        raise UsageError(f"there is no program {command[0]!r} in {path}: write its whole path, or give PATH in env")
    return [program, *command[1:]]


class _Output(threading.Thread):
    """Reads a pipe to its end and keeps the beginning."""

    def __init__(self, pipe: IO[bytes], most: int) -> None:
        super().__init__(daemon=True)
        self._pipe, self._most = pipe, most
        self._kept = bytearray()
        self.truncated = False

    def run(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._pipe.fileno(), _CHUNK):
                room = self._most - len(self._kept)
                self.truncated |= len(chunk) > room
                self._kept += chunk[: max(room, 0)]

    @property
    def text(self) -> str:
        return bytes(self._kept).decode("utf-8", "replace")


def _followed(
    context: ActionContext, process: subprocess.Popen[bytes], stdin: bytes, most: int
) -> tuple[_Output, _Output]:
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    readers = (_Output(process.stdout, most), _Output(process.stderr, most))
    writer = threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True)
    for thread in (*readers, writer):
        thread.start()
    left = max(0.0, context.deadline - context.clock.monotonic())
    try:
        process.wait(left)
    except subprocess.TimeoutExpired as late:
        message = "the program did not end in time and was ended: give the step more timeout, or the program less to do"
        raise ApiError(message, FailureClass.TRANSIENT) from late
    finally:
        _end(process)
        for thread in (*readers, writer):
            thread.join(_PATIENCE_S)
    return readers


def _feed(pipe: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(OSError, ValueError):
        pipe.write(data)
    with contextlib.suppress(OSError, ValueError):
        pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it started and that stayed in its group."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _refused(program: str, code: int, output: str) -> ApiError:
    last = f": {output.splitlines()[-1][:300]}" if output else ""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return ApiError(mask(f"{program} {how}{last}"), FailureClass.TRANSIENT)


def _data(text: str) -> Json:
    try:
        return loads(text) if text.lstrip()[:1] in {"{", "["} else None
    except ValueError:
        return None
