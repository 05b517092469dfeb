"""Which differences of an item count: the key `compare` of a trigger type, and the kinds of values in type files."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from changewire.durations import parse_duration
from changewire.paths import EACH, parse_path
from changewire.triggers.expressions import EXPRESSIONS


class Part(BaseModel):
    """A piece of a type file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _path(value: object) -> object:
    if isinstance(value, str) and "{{" not in value:
        parse_path(value)
    return value


def _path_keys(value: object) -> object:
    if isinstance(value, dict):
        for key in value:
            _path(key)
    return value


def _plain_path(value: object) -> object:
    if isinstance(value, str) and EACH in value:
        raise ValueError(f"{value!r} must name one field: {EACH} cannot stand in it")
    return _path(value)


def _expression(value: object) -> object:
    for _, message, _ in EXPRESSIONS.expression_problems(value):
        raise ValueError(message)
    return value


def _alternatives(value: object) -> object:
    """``id`` → ``[[id]]`` and ``[a, b]`` → ``[[a, b]]``: behind this door there is only the long form."""
    if value == "" or (isinstance(value, list | tuple) and not all([value, *value])):
        raise ValueError("name a field, or several as in [a, b]")
    if isinstance(value, str):
        return [[value]]
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return [value]
    return value


PathText = Annotated[str, BeforeValidator(_path)]
FieldPath = Annotated[str, BeforeValidator(_plain_path)]  # of one field, without [*]
Expression = Annotated[str, BeforeValidator(_expression)]
KeyPaths = Annotated[tuple[tuple[FieldPath, ...], ...], BeforeValidator(_alternatives)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


Separator = Annotated[str, Field(min_length=1)]


class Records(Part):
    """A list inside an item whose entries are records with an identity."""

    key: KeyPaths  # fields that identify an entry; alternatives are tried in order
    only_if: Expression | None = None  # on ``entry``; entries for which it is false do not count
    window_by: FieldPath | None = None  # entries beyond the greatest known value here are not new, the window moved


class Volatile(Part):
    """A path that never counts, or only for some items."""

    path: PathText
    when: Expression | None = None  # None: always


def _volatile(value: object) -> object:
    """``[a]`` → ``[{path: a}]``."""
    short = isinstance(value, list | tuple)
    return [{"path": one} if isinstance(one, str) else one for one in value] if short else value  # type: ignore[attr-defined]


class Compare(Part):
    """Which differences count."""

    volatile: Annotated[tuple[Volatile, ...], BeforeValidator(_volatile)] = ()  # never count
    secret: tuple[PathText, ...] = ()  # carry a token: never count, and are not remembered
    only: tuple[FieldPath, ...] = ()  # nothing else counts; empty: everything does
    lists: Annotated[dict[str, Records], BeforeValidator(_path_keys)] = Field(default_factory=dict)
    ordered: tuple[PathText, ...] = ()  # lists whose order is a value; the order of all others never counts
    text_sets: Annotated[dict[str, Separator], BeforeValidator(_path_keys)] = Field(
        default_factory=dict
    )  # path: separator
    without_query: tuple[PathText, ...] = ()  # URLs compared up to the "?"
    may_vanish: tuple[PathText, ...] = ()  # going away is no change
    also_possible: tuple[PathText, ...] = ()  # fields that an item may have although the sample has not
    new_fields: Literal["quiet", "count"] = "quiet"  # fields that the type does not know and that appear
