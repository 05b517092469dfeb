"""What is written behind ``changewire call ACTION``: parameters as a shell can say them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from changewire.cli.spoken import is_spoken
from changewire.errors import ConfigError, UsageError
from changewire.parameters import Parameter, canonical
from changewire.secret import masked_excerpt
from changewire.templates import has_expression
from changewire.values import Json, json_trouble, loads

_WORD = re.compile(r"([^=:]+)(:=|=)(.*)", re.DOTALL)
_LEVELS = re.compile(r"__|\.")
LARGEST_FILE = 1 << 20
Dates = Callable[[str, str], str]  # what a date or date-time parameter, its kind, means


def read_given(words: Sequence[str], parameters: Mapping[str, Parameter], dates: Dates) -> dict[str, Json]:
    """Parameters by the name that was written.

    ``name=text`` is read by the type of the parameter: text stays text, so 0123 keeps its zero; where that is open, as
    in a workflow. ``name:=json`` is JSON whatever the type. ``=@file`` takes the text of a file. A name that is given
    several times is a list, where the parameter is one. Raises UsageError.
    """
    found: dict[str, Json] = {}
    for word in words:
        name, sign, text = _split(word, parameters)
        parameter = parameter_of(name, parameters)
        if text.startswith("@"):
            text = _file(name, text[1:])
        elif has_expression(text) and sign == "=":
            raise UsageError(f"{name}: {text!r} is an expression, and only a run fills it in: write its value")
        value = _json(name, text) if sign == ":=" else _value(name, text, parameter, dates)
        if name in found:
            if parameter is None or parameter.type != "list":
                raise UsageError(f"{name} is given twice")
            value = [*found[name], *value] if isinstance(value, list) else [*found[name], value]
        elif parameter is not None and parameter.type == "list" and sign == "=" and not isinstance(value, list):
            value = [value]
        found[name] = value
    return found


def _split(word: str, parameters: Mapping[str, Parameter]) -> tuple[str, str, str]:
    found = _WORD.fullmatch(word)
    if found is not None:
        return found[1], found[2], found[3]
    name = canonical(word, parameters)
    if name in parameters:
        raise UsageError(f"{word!r} has no value: write {word}=VALUE")
    needed = [name for name, parameter in parameters.items() if parameter.required]
    hint = f": write {needed[0]}={word}" if len(needed) == 1 and "=" not in word else ""
    raise UsageError(f"{word!r} is not NAME=VALUE{hint}")


def parameter_of(name: str, parameters: Mapping[str, Parameter]) -> Parameter | None:
    """The parameter, or the field in one, that a name means; None where nobody knows."""
    proper = canonical(name, parameters)
    if proper in parameters:
        return parameters[proper]
    known: Mapping[str, Parameter] | None = parameters
    one: Parameter | None = None
    for level in _LEVELS.split(name):
        proper = canonical(level, known or {})
        one = (known or {}).get(proper)
        if one is None:
            return None
        known = one.fields
    return one


def _value(name: str, text: str, parameter: Parameter | None, dates: Dates) -> Json:
    kind = parameter.type if parameter is not None else "any"
    if kind == "object" and text.startswith("{") and not text.startswith("{{"):
        return open_value(name, text)
    if "${" in text:
        return text
    if kind in ("date", "date-time"):
        return dates(text, kind)
    if kind == "string" and _is_time(name) and is_spoken(text):  # APIs call some dates plain text
        return dates(text, "date-time" if name.endswith("time") else "date")
    if kind in ("string", "integer", "number", "boolean"):
        return text  # what it is of that type, and whether, is checked with all the rest
    if kind == "object" or (kind == "list" and text.startswith("[")):
        return _json(name, text)
    if kind == "list" and parameter is not None and parameter.entries is not None:
        return _value(name, text, parameter.entries, dates)
    return text if kind == "list" else open_value(name, text)


def _is_time(name: str) -> bool:
    return name in ("from", "to") or name.lower().endswith(("_time", "_date"))


def open_value(name: str, text: str) -> Json:
    """A value whose type nobody knows: 3 is a number, true is true, 0123 is text, lists and mappings are JSON.

    >>> [open_value("a", text) for text in ("3", "0123", "true", '["x"]', "x: y")]
    [3, '0123', True, ['x'], 'x: y']
    """
    from changewire.config.yaml_reader import load

    structured = text[:1] in ("{", "[", '"') and not text.startswith("{{")
    try:
        value = load(text, name)
    except ConfigError as error:
        if structured:
            raise UsageError(f"{name}: {text!r} is no JSON: {error.problems[0].message}") from None
        return text
    plain = text.strip() and not text.startswith("#") and not isinstance(value, dict | list | str)
    return value if structured or plain else text


def _json(name: str, text: str) -> Json:
    try:
        return loads(text)
    except ValueError as error:
        raise UsageError(f"{name}: {masked_excerpt(text, 60)!r} is no JSON: {json_trouble(error)}") from None


def _file(name: str, path: str) -> str:
    """The text of a file without a line break at its end."""
    try:
        with Path(path).expanduser().open("rb") as file:  # a pipe, too: the person who names it can interrupt this
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        why = (error.strerror or "cannot be read").lower()
        raise UsageError(f"{name}: {path}: {why}; for text that begins with @ write {name}:='\"@…\"'") from None
    if len(data) > LARGEST_FILE:
        raise UsageError(f"{name}: {path} is larger than {LARGEST_FILE >> 20} MiB")
    try:
        return data.decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{name}: {path} is no text in UTF-8") from None
