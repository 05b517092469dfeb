"""The statements of ``queries.sql`` by name."""

from __future__ import annotations

import re
from importlib.resources import files

_TEXT = files(__package__).joinpath("queries.sql").read_text(encoding="utf-8")
_NAMED = re.split(r"^-- name: (\w+)\n", _TEXT, flags=re.MULTILINE)[1:]
_QUERIES = {name: text.strip() for name, text in zip(_NAMED[::2], _NAMED[1::2], strict=True)}


def sql(name: str) -> str:
    """The text of a statement. KeyError where there is none of this name."""
    return _QUERIES[name]
