"""What pydantic finds wrong, in words for the person who wrote the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from changewire.errors import MOST_PROBLEMS, nearest
from changewire.secret import masked_excerpt
from changewire.values import Json


@dataclass(frozen=True)
class Words:
    """One finding, ready to be placed."""

    path: tuple[str | int, ...]  # as the file writes it
    code: str
    message: str
    suggestion: str | None = None
    at_key: bool = False  # the key is meant, not its value


_MAPPING = ("wrong_type", "{name} must be a mapping: lines of `key: value`")
_LIST = ("wrong_type", "{name} must be a list: lines that begin with '- '")
_WHOLE = ("wrong_type", "{name} must be a whole number, not {input}")
_NUMBER = ("wrong_type", "{name} must be a number, not {input}")
_BOOL = ("wrong_type", "{name} must be true or false, not {input}")
_TOLD = {
    "missing": ("missing", "{name} is missing"),
    "missing_argument": ("missing", "{name} is missing"),
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dict_type": _MAPPING,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "greater_than_equal": ("out_of_range", "{name} must be at least {ge}, not {input}"),
    "less_than_equal": ("out_of_range", "{name} must be at most {le}, not {input}"),
    "greater_than": ("out_of_range", "{name} must be more than {gt}, not {input}"),
    "less_than": ("out_of_range", "{name} must be less than {lt}, not {input}"),
    "string_too_short": ("wrong_value", "{name} must not be empty"),
    "too_short": ("wrong_value", "{name} must not be empty"),
    "string_pattern_mismatch": ("wrong_value", "{name} cannot be {input}: it must fit the pattern {pattern}"),
    "value_error": ("wrong_value", "{name}: {error}"),
}


def told(model: type[BaseModel], data: Json, error: ValidationError, whole: str = "the file") -> list[Words]:
    """Return what pydantic finds wrong, up to `MOST_PROBLEMS`.

    A key that is misspelt is missing as well, which is left out.
    """
    details = error.errors(include_url=False)[:MOST_PROBLEMS]
    found = [words(model, data, detail, whole) for detail in details]
    misspelt = {(*w.path[:-1], w.suggestion) for w in found if w.code == "unknown_key"}
    return [w for w in found if w.code != "missing" or w.path not in misspelt]


def words(model: type[BaseModel], data: Json, detail: ErrorDetails, whole: str = "the file") -> Words:
    """One of pydantic's findings about ``data`` as a ``model``. ``whole`` is how ``data`` itself is called."""
    kind, location, context = detail["type"], detail["loc"], detail.get("ctx", {})
    path = _path(data, location, missing=kind == "missing")
    name = _name(path) if path else whole
    if kind == "extra_forbidden":
        return _unknown(path, _owners(model, location[:-1]))
    if kind in {"literal_error", "enum"}:
        return _wrong_word(path, detail["input"], re.findall(r"'([^']*)'", context["expected"]))
    if kind == "union_tag_invalid":
        return _wrong_word((*path, "type"), context["tag"], re.findall(r"'([^']*)'", context["expected_tags"]))
    if kind == "union_tag_not_found":
        return Words(path, "missing", "'type' is missing")
    if kind == "string_type":
        return Words(path, "wrong_type", _text_wanted(name, detail["input"]))
    if kind in _TOLD:
        code, form = _TOLD[kind]
        facts = {fact: f"{value:g}" if isinstance(value, float) else value for fact, value in context.items()}
        return Words(path, code, form.format(**facts, name=name, input=_shown(detail["input"])))
    deeper = tuple(context.get("at", ()))  # from errors that our own validators raise
    return Words((*path, *deeper), kind, detail["msg"], context.get("suggestion"), bool(deeper))


def one_of(known: list[str]) -> str:
    """``a, b or c``."""
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} or {known[-1]}"


def _unknown(path: tuple[str | int, ...], owners: list[type[BaseModel]]) -> Words:
    key = str(path[-1])
    known = list(dict.fromkeys(name for owner in owners for name in _fields(owner)))
    near = nearest(key, known)
    message = f"unknown key {key!r}" if near else f"unknown key {key!r}: possible are {', '.join(known)}"
    return Words(path, "unknown_key", message, near, at_key=True)


def _wrong_word(path: tuple[str | int, ...], given: object, known: list[str]) -> Words:
    message = f"{_name(path)} cannot be {_shown(given)}: write {one_of(known)}"
    return Words(path, "wrong_value", message, nearest(str(given), known))


def _text_wanted(name: str, given: object) -> str:
    if isinstance(given, bool | int | float):
        return f"{name} must be text: write it in quotes"
    return f"{name} must be text, not {_shown(given)}"


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if len(str(value)) <= 60 else repr(masked_excerpt(str(value), 58, "…"))


def _name(path: tuple[str | int, ...]) -> str:
    if isinstance(path[-1], str):
        return repr(path[-1])
    owner = next((part for part in reversed(path) if isinstance(part, str)), None)
    return f"item {path[-1] + 1}" + (f" of {owner!r}" if owner else "")


def _path(data: Json, location: tuple[str | int, ...], missing: bool) -> tuple[str | int, ...]:
    """The location without what only the model knows: the chosen member of a union, short forms made long."""
    path: list[str | int] = []
    for part in location:
        item = isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)
        if item or (isinstance(data, dict) and part in data):
            data = data[part]
            path.append(part)
        elif isinstance(data, dict) and len(data) == 1:  # a short form such as {backfill: {max: 5}}
            [(short, inner)] = data.items()
            if isinstance(inner, dict) and part in inner:
                data = inner[part]
                path += [short, part]
    if missing:
        path.append(location[-1])
    return tuple(path)


def _owners(model: type[BaseModel], location: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The models that can be meant at ``location``."""
    owners = [model]
    for part in location:
        if isinstance(part, str):
            inner = [found for owner in owners for found in _inner(owner, part)]
            owners = inner or [owner for owner in owners if part in _tags(owner)] or owners
    return owners


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {str(field.validation_alias or name): field.annotation for name, field in model.model_fields.items()}


def _inner(model: type[BaseModel], key: str) -> list[type[BaseModel]]:
    return list(_models(_fields(model).get(key)))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _tags(model: type[BaseModel]) -> tuple[object, ...]:
    if hasattr(model, "tag"):
        return (model.tag,)
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()
