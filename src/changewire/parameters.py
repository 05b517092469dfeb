"""What a trigger type or an action type wants to be told, and the check of what it was told."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from changewire.errors import nearest
from changewire.secret import Secret
from changewire.templates import has_expression
from changewire.values import Json

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Kind = Literal["string", "integer", "number", "boolean", "object", "list", "any"]

_WANTED = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "list": "a list",
}


class Parameter(BaseModel):
    """One parameter as a type file declares it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Kind = "string"
    required: bool = False
    default: Json = None  # taken when nothing was given; None: there is no default
    enum: tuple[str | int | float, ...] | None = None  # the only values allowed; None: any
    min: float | None = None  # smallest number, or fewest characters or entries; None: no limit
    max: float | None = None  # largest number, or most characters or entries; None: no limit
    description: str = ""
    tuning: bool = False  # changes how something is read, not what: the memory of a trigger stays when it changes
    uuid: bool = False  # a Zoom UUID, which is encoded in a path by rules of its own
    secret: bool = False  # never shown

    @model_validator(mode="after")
    def _default_fits(self) -> Parameter:
        if self.required and self.default is not None:
            raise ValueError("a required parameter cannot have a default")
        if self.default is not None:
            found = _check(self, self.default)
            if isinstance(found, _Wrong):
                raise ValueError(f"the default {found.message}")
        return self


@dataclass(frozen=True)
class ParameterProblem:
    """One thing wrong with the values given to a type."""

    path: tuple[str, ...]  # the parameter's name as it was given
    code: str  # unknown_parameter, missing_parameter, wrong_type, wrong_value
    message: str
    suggestion: str | None = None  # the nearest valid word, None when nothing is near


@dataclass(frozen=True)
class _Wrong:
    code: str
    message: str
    suggestion: str | None = None


def check_values(
    parameters: Mapping[str, Parameter], given: Mapping[str, Json], *, allow_templates: bool = False
) -> tuple[dict[str, Json], list[ParameterProblem]]:
    """The values with defaults filled in and brought to their types (``"3"`` becomes 3), and what is wrong.

    None counts as not given, and ``meetingId`` as ``meeting_id``. With ``allow_templates`` a text with ``{{ }}`` or
    ``${ }`` in it may become anything and passes as it is. What is wrong, or has neither value nor default, is left
    out of the values.
    """
    written = {_meant(name, parameters, given): name for name in given}
    problems = [_unknown(name, parameters) for meant, name in written.items() if meant not in parameters]
    misspelt = {problem.suggestion for problem in problems}  # missing as well, but that is one mistake and not two
    values: dict[str, Json] = {}
    for name, parameter in parameters.items():
        path = (written.get(name, name),)
        value = given.get(path[0])
        if value is None and name in misspelt:
            continue
        if value is None and parameter.required:
            problems.append(ParameterProblem(path, "missing_parameter", _missing(name, parameter)))
        elif value is None and parameter.default is not None:
            values[name] = parameter.default
        elif value is not None and allow_templates and _may_change(value):
            values[name] = value
        elif value is not None:
            found = _check(parameter, value)
            if isinstance(found, _Wrong):
                problems.append(ParameterProblem(path, found.code, f"{path[0]} {found.message}", found.suggestion))
            else:
                values[name] = found
    return values, problems


def _meant(name: str, parameters: Mapping[str, Parameter], given: Mapping[str, Json]) -> str:
    """The parameter that a name stands for: ``meetingId``, as APIs spell it, is ``meeting_id``."""
    plain = _HUMP.sub("_", name).lower()
    return plain if name not in parameters and plain in parameters and plain not in given else name


def _unknown(name: str, parameters: Mapping[str, Parameter]) -> ParameterProblem:
    near = nearest(name, parameters)
    listed = "" if near or not parameters else f"; known are {', '.join(parameters)}"
    return ParameterProblem((name,), "unknown_parameter", f"there is no parameter {name!r}{listed}", near)


def _missing(name: str, parameter: Parameter) -> str:
    about = f": {parameter.description}" if parameter.description else ""
    return f"{name} is missing{about}"


def _may_change(value: Json) -> bool:
    return isinstance(value, str) and (has_expression(value) or "${" in value)


def _check(parameter: Parameter, value: Json) -> Json | _Wrong:
    """The value in the parameter's type, or what is wrong with it."""
    shown = "***" if parameter.secret or isinstance(value, Secret) else _shown(value)
    found = _convert(parameter.type, value)
    if found is None:
        hint = "; put it in quotes" if parameter.type == "string" and isinstance(value, bool) else ""
        return _Wrong("wrong_type", f"must be {_WANTED[parameter.type]}, not {shown}{hint}")
    if parameter.enum is not None:
        found = found.reveal() if isinstance(found, Secret) else found
        if found not in parameter.enum:
            words = [str(word) for word in parameter.enum]
            return _Wrong("wrong_value", f"must be one of {', '.join(words)}, not {shown}", nearest(str(found), words))
    return _sized(parameter, found, shown)


def _sized(parameter: Parameter, value: Json, shown: str) -> Json | _Wrong:
    if isinstance(value, bool) or not isinstance(value, int | float | str | list | Secret):
        return value
    if isinstance(value, int | float):
        size, what = float(value), f"not {shown}"
    else:
        size = len(value.reveal() if isinstance(value, Secret) else value)
        what = f"not {size:g}"
    unit = "" if isinstance(value, int | float) else " entries" if isinstance(value, list) else " characters"
    if parameter.min is not None and size < parameter.min:
        return _Wrong("wrong_value", f"must be at least {parameter.min:g}{unit}, {what}")
    if parameter.max is not None and size > parameter.max:
        return _Wrong("wrong_value", f"must be at most {parameter.max:g}{unit}, {what}")
    return value


def _shown(value: Json) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _convert(kind: Kind, value: Json) -> Json | None:
    """The value as ``kind``; None where it cannot be one."""
    if kind == "any":
        return value
    if kind == "object":
        return value if isinstance(value, dict) else None
    if kind == "list":
        return value if isinstance(value, list) else None
    if kind == "string":
        return _as_text(value)
    plain = value.reveal() if isinstance(value, Secret) else value
    if kind == "boolean":
        return _as_boolean(plain)
    return _as_number(plain, whole=kind == "integer")


def _as_text(value: Json) -> Any:
    if isinstance(value, str | Secret):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def _as_boolean(value: Json) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _as_number(value: Json, *, whole: bool) -> int | float | None:
    if isinstance(value, str):
        try:
            value = int(value) if whole or value.strip().lstrip("+-").isdigit() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if whole and isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value
