"""The secrets of a home, which are masked from the moment on when its files are read and before anything is stored.

Found in the text of the files, not in what they mean: so a broken file gives its secrets away as little as a good one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from changewire.config.environment import ENV_FILE, Environment, UnsetError, env_lines
from changewire.secret import learn
from changewire.secret_values import is_secret, looks_random, names_secret, secret_parts, url_parts
from changewire.values import Json

_LARGEST = 4 << 20  # bytes of a file
_FILES = ("config/*.y*ml", "config/workflows/**/*.y*ml")
_FILE_REFERENCE = re.compile(r"\$\{file:[^}]*\}")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")
_FIELD = re.compile(
    r"""(?:^|[\s{,])["']?([\w-]{3,60})["']?[ \t]*:[ \t]*"""
    r"""(?:"([^"\n]{4,4096})"|'([^'\n]{4,4096})'|([^\s"'{}\[\],][^\n,{}]{3,4095}))""",
    re.MULTILINE,
)
_MADE = re.compile(r"\$\{|\{\{|\}")
_ADDRESS = re.compile(r"""[A-Za-z][\w+.-]{0,40}://[^\s"'{}]+""")  # bounded: a long word is searched once


def learn_secrets(home: Path, variables: Mapping[str, str] | None = None) -> None:
    """Have `mask` hide the secrets of a home: in ``config/.env``, in the files that it refers to, and in its YAML.

    Of variables of the process (``variables``; None: its environment) those that the home refers to. Files that cannot
    be read are left to those who need them.
    """
    given = os.environ if variables is None else variables
    lines = {name: value for _, name, value in env_lines(_content(home / ENV_FILE)) if name and value}
    environment = Environment({**lines, **given}, home)
    found = list(lines.items())
    for path in sorted(file for pattern in _FILES for file in home.glob(pattern)):
        text = _content(path)
        _learn_literals(text, guess=path.stem == "connections")
        names = set(_REFERENCE.findall(text)) & environment.variables.keys()
        found += [(name, environment.variables[name]) for name in names]
        for reference in _FILE_REFERENCE.findall(text):
            _learn_file(environment, reference)
    for name, value in found:
        if is_secret(name, value):
            learn(value)


def learn_step_values(environment: Environment, parameters: Iterable[Json]) -> None:
    """Have `mask` hide from the start what steps take from outside, so that it is not shown before they first run."""
    for values in parameters:
        with suppress(UnsetError):
            environment.expand_data(values, secret=True)


def _content(path: Path) -> str:
    """The text of a file; "" for one that is none, is too large, or cannot be read."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > _LARGEST:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return ""


def _learn_file(environment: Environment, reference: str) -> None:
    path = environment.files_root / reference.removeprefix("${file:").removesuffix("}").strip()
    if _content(path):
        with suppress(UnsetError):
            environment.expand(reference)


def _learn_literals(text: str, guess: bool) -> None:
    """Learn what is written in a file as it is: values of fields with such names, and parts of addresses."""
    for found in _FIELD.finditer(text):
        value = (found[2] or found[3] or found[4]).strip()
        if names_secret(found[1]) and not _MADE.search(value) and (looks_random(value) or secret_parts(value)):
            learn(value)
    for found in _ADDRESS.finditer(text):
        for part in url_parts(found[0], guess=guess):
            if not _MADE.search(part):
                learn(part)
