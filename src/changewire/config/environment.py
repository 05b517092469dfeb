"""``${NAME}`` in configuration: values from the environment, from ``config/.env`` and from files."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from changewire.errors import ConfigError, Problem, nearest
from changewire.file_reader import read_text_file, unreadable_reason
from changewire.secret import Secret, learn
from changewire.secret_values import is_common, is_secret
from changewire.values import Json

ENV_FILE = "config/.env"
EXPOSED = "exposed"  # the code of the warning that others can read it

# "$${" writes "${" itself; "${{" is a dollar sign in front of an expression
_MARK = re.compile(r"\$\$\{|\$\{(?!\{)([^}]*)(\}?)")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)\"""")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def has_variable(text: str) -> bool:
    """Whether ``text`` takes anything from the environment or a file."""
    return "${" in text and any(found[1] is not None for found in _MARK.finditer(text))


class UnsetError(ValueError):
    """A ``${…}`` has no value. The text says which one and how to give it one; ``suggestion`` is a name like it."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.suggestion = suggestion


@dataclass(frozen=True)
class Lifted:
    """A ``${…}`` that was taken out of a text."""

    written: str
    value: str


@dataclass(frozen=True)
class Environment:
    """Where ``${NAME}``, ``${NAME:-default}`` and ``${file:PATH}`` get their values."""

    variables: Mapping[str, str] = field(repr=False)
    files_root: Path  # relative paths in ``${file:PATH}`` begin here

    @classmethod
    def of_home(cls, home: Path, variables: Mapping[str, str] | None = None) -> Environment:
        """``variables`` (None: those of this process) over ``config/.env``. ConfigError when that is malformed."""
        given = os.environ if variables is None else variables
        return cls({**read_env_file(home / ENV_FILE, ENV_FILE), **given}, home)

    def expand(self, text: str) -> str:
        """``text`` with all values filled in; ``$${`` becomes ``${``. Raises UnsetError.

        A default counts where the variable is unset or empty. Values of secret files, and of variables that
        `changewire.secret_values.is_secret` takes for secrets, are masked from now on.
        """
        return self._expand(text, of_step=False)[0]

    def expand_data(self, data: Json, *, secret: bool) -> Json:
        """A copy of ``data`` with all its texts expanded. Raises UnsetError.

        With ``secret`` each text that took a value from the environment or a file becomes a `Secret`;
        one that only took defaults, which everybody can read in the file, stays text.
        """
        if isinstance(data, str):
            text, searched = self._expand(data, of_step=secret)
            return text if searched is None or not secret else Secret(text, searched=searched)
        if isinstance(data, dict):
            return {key: self.expand_data(value, secret=secret) for key, value in data.items()}
        if isinstance(data, list | tuple):
            return [self.expand_data(value, secret=secret) for value in data]
        return data

    def lift(self, text: str, prefix: str) -> tuple[str, dict[str, Lifted]]:
        """``text`` with the names ``prefix0``, ``prefix1``, … in place of its ``${…}``, and what they stand for.

        Values from outside of the text are masked from now on. Raises UnsetError.
        """
        parts: list[str] = []
        lifted: dict[str, Lifted] = {}
        for written, value, taken, looks_secret in self._pieces(text):
            if value is None:
                parts.append(written)
                continue
            if taken and (looks_secret or not is_common(value)):
                learn(value)
            name = f"{prefix}{len(lifted)}"
            lifted[name] = Lifted(written, value)
            parts.append(name)
        return "".join(parts), lifted

    def unset(self, data: Json) -> Iterator[tuple[tuple[str | int, ...], UnsetError]]:
        """The path and error of each text in ``data`` that cannot be expanded."""
        if isinstance(data, str):
            try:
                self.expand(data)
            except UnsetError as error:
                yield (), error
        elif isinstance(data, dict | list):
            for part, value in data.items() if isinstance(data, dict) else enumerate(data):
                yield from (((part, *path), unset) for path, unset in self.unset(value))

    def _expand(self, text: str, of_step: bool) -> tuple[str, bool | None]:
        """The expanded text, and whether a value in it is searched for; None if none came from outside of the text.

        ``of_step``: each value is a secret that is not a common one, such as a number or a path.
        """
        if "${" not in text:
            return text, None
        parts: list[str] = []
        searched: bool | None = None
        for written, value, taken, looks_secret in self._pieces(text):
            if value is not None and taken:
                secret = looks_secret or (of_step and not is_common(value))
                searched = bool(searched) or secret
                if secret:
                    learn(value)
            parts.append(written if value is None else value)
        return "".join(parts), searched

    def _pieces(self, text: str) -> Iterator[tuple[str, str | None, bool, bool]]:
        """The text piece by piece: as written, its value (None: it is only text), and what `_value` says of it."""
        end = 0
        for found in _MARK.finditer(text):
            yield text[end : found.start()], None, False, False
            end = found.end()
            if found[1] is None:
                yield "${", None, False, False
            else:
                yield (found[0], *self._value(found[1], closed=bool(found[2])))
        yield text[end:], None, False, False

    def _value(self, inside: str, closed: bool) -> tuple[str, bool, bool]:
        """The value, whether it came from outside of the text, and whether it is a secret wherever it is used."""
        if closed and inside.startswith("file:"):
            return self._file(inside.removeprefix("file:").strip()), True, True
        match = _VARIABLE.fullmatch(inside)
        if not closed or not match:
            raise UnsetError(f"${{{inside} is no variable: write ${{NAME}}, or $${{ for the characters themselves")
        name, default = match[1], match[2]
        value = self.variables.get(name)
        if default is not None and not value:
            return default, False, False
        if value is None:
            raise UnsetError(
                f"the variable {name} is not set: export it, write {name}=… into config/.env, "
                f"or give a default, ${{{name}:-…}}",
                nearest(name, self.variables),
            )
        return value, True, is_secret(name, value)

    def _file(self, path: str) -> str:
        try:
            return read_text_file(self.files_root / path).rstrip("\r\n")
        except OSError as error:
            reason = unreadable_reason(error)
        except ValueError as error:
            reason = str(error)
        raise UnsetError(f"the file of ${{file:{path}}} cannot be read: {reason}")


def exposed(home: Path) -> Problem | None:
    """A warning where other users of this machine can read values in ``config/.env``; None where all is well."""
    path = home / ENV_FILE
    try:
        mode = path.stat().st_mode & 0o777
        if not mode & 0o044 or not any(read_env_file(path, ENV_FILE).values()):
            return None
    except (OSError, ConfigError):  # one that is not there, or that is told as it is
        return None
    return Problem(ENV_FILE, 0, 0, EXPOSED, f"others can read it (mode {mode:04o}): chmod 600 {shlex.quote(str(path))}")


def read_env_file(path: Path, shown: str) -> dict[str, str]:
    """The variables of a file of ``NAME=value`` lines; none where there is no file. Raises ConfigError.

    ``export`` in front, comments, and values in single quotes (as they are) or double quotes (with ``\\n``) are fine.
    """
    try:
        text = read_text_file(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = unreadable_reason(error) if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(shown, 0, 0, "unreadable", f"cannot be read: {reason}")]) from None
    variables: dict[str, str] = {}
    problems = []
    for number, name, value in env_lines(text):
        if name is None or value is None:
            message = "this is not NAME=value" if name is None else "the quotation is never closed"
            problems.append(Problem(shown, number, 1, "env_line", message))
        else:
            variables[name] = value
    if problems:
        raise ConfigError(problems)
    return variables


def env_lines(text: str) -> Iterator[tuple[int, str | None, str | None]]:
    """The lines of such a file: number, name and value. None for the value if it is malformed, for both if all is."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            found = _LINE.fullmatch(line)
            yield number, found and found[1], _env_value(found[2].strip()) if found else None


def _env_value(raw: str) -> str | None:
    """The value written after the ``=``; None when its quotation does not end."""
    if raw[:1] not in ("'", '"'):
        value, *comment = re.split(r"(?:^|\s)#", raw, maxsplit=1)
        return value.rstrip() if comment else value
    found = _QUOTED.match(raw)
    rest = raw[found.end() :].strip() if found else "?"
    if found is None or (rest and not rest.startswith("#")):
        return None
    if found[1] is not None:
        return found[1]
    return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[1]), found[2])
