"""Checks of what an answer holds, written without expressions: ``{ok: true, "data.state": [done, ready]}``.

A value must be equal, one of a list must be, ``null`` means nothing there. A mapping says more: ``exists`` (true or
false), ``not`` (a value, or a list of values), ``min`` and ``max`` (of a number, or of how many entries a list has).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from changewire.errors import ApiError, FailureClass, UsageError, nearest
from changewire.secret import masked_excerpt
from changewire.texts import plain_text
from changewire.values import Json

_WORDS = ("exists", "not", "min", "max")
_NOTHING = object()


@dataclass(frozen=True)
class Check:
    """What must hold of one place."""

    path: str
    wanted: Json  # a value, a list of values, or a mapping of words


Checks: TypeAlias = tuple[Check, ...]


def make_checks(given: Mapping[str, Json]) -> Checks:
    """The checks that ``expect_json`` writes. Raises UsageError for a word that is not known."""
    for path, wanted in given.items():
        if isinstance(wanted, dict):
            for word in wanted:
                if word not in _WORDS:
                    hint = f"; did you mean {near!r}?" if (near := nearest(word, _WORDS)) else ""
                    raise UsageError(f"expect_json: {path}: {word!r} is not known; use {', '.join(_WORDS)}{hint}")
    return tuple(Check(path, wanted) for path, wanted in given.items())


def check_answer(checks: Checks, data: Json) -> None:
    """Raises ApiError naming the first place where an answer is not as it must be."""
    for check in checks:
        found = _at(data, check.path)
        if not _holds(check.wanted, found):
            shown = "nothing" if found is _NOTHING else repr(masked_excerpt(plain_text(found), 100))
            wanted = plain_text(check.wanted) if check.wanted is not None else "nothing"
            message = f"the answer is not as expected: {check.path} is {shown}, expected {wanted}"
            raise ApiError(message, FailureClass.BROKEN)


def _at(data: Json, path: str) -> Any:
    """What is at a dotted path, `_NOTHING` where there is nothing; numbers are places in a list."""
    for part in path.split("."):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdecimal() and int(part) < len(data):
            data = data[int(part)]
        else:
            return _NOTHING
    return data


def _holds(wanted: Json, found: Any) -> bool:
    if isinstance(wanted, dict):
        return all(_word_holds(word, value, found) for word, value in wanted.items())
    if isinstance(wanted, list):
        return any(_equal(one, found) for one in wanted)
    return _equal(wanted, found)


def _word_holds(word: str, value: Json, found: Any) -> bool:
    if word == "exists":
        return (found is not _NOTHING and found is not None) is bool(value)
    if word == "not":
        return not _holds(value, found)
    size = len(found) if isinstance(found, list) else found
    if isinstance(size, bool) or not isinstance(size, int | float) or not isinstance(value, int | float):
        return False
    return size >= value if word == "min" else size <= value


def _equal(wanted: Json, found: Any) -> bool:
    if wanted is None:
        return found is None or found is _NOTHING
    return isinstance(wanted, bool) is isinstance(found, bool) and wanted == found
