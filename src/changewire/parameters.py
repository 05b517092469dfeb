"""What a trigger type or an action type wants to be told, and the check of what it was told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from changewire.errors import nearest
from changewire.kinds import WANTED, Kind, convert, ungrouped
from changewire.secret import Secret, masked_excerpt
from changewire.templates import has_expression
from changewire.values import Json

Place = tuple[str | int, ...]

_NESTED = re.compile(r"__|\.")


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
    fields: dict[str, Parameter] | None = None  # of an object: what is known to be in it; None: nobody says
    needs: tuple[str, ...] = ()  # of an object: fields that must be in it; dots lead further in
    entries: Parameter | None = None  # of a list: what each entry is; None: nobody says

    @model_validator(mode="after")
    def _default_fits(self) -> Parameter:
        if self.required and self.default is not None:
            raise ValueError("a required parameter cannot have a default")
        if self.fields is not None and self.type != "object":
            raise ValueError("only an object has fields: write type: object")
        if self.entries is not None and self.type != "list":
            raise ValueError("only a list has entries: write type: list")
        if self.default is not None:
            _, wrong = _check(self, self.default, (), templates=False)
            if wrong:
                raise ValueError(f"the default {wrong[0].message}")
        return self


@dataclass(frozen=True)
class ParameterProblem:
    """One thing wrong with the values given to a type."""

    path: Place  # the parameter's name as it was given, and where in its value
    code: str  # unknown_parameter, missing_parameter, wrong_type, wrong_value
    message: str
    suggestion: str | None = None  # the nearest valid word, None when nothing is near


_Found = tuple[Any, list[ParameterProblem]]  # a value in its type, and what is wrong with it


def check_values(
    parameters: Mapping[str, Parameter], given: Mapping[str, Json], *, allow_templates: bool = False
) -> tuple[dict[str, Json], list[ParameterProblem]]:
    """The values with defaults filled in and brought to their types (``"3"`` becomes 3), and what is wrong.

    None counts as not given. Spellings do not count: ``meeting_id`` is ``meetingId``, and ``settings__host_video``,
    ``settings__host__video`` or ``settings.host_video`` is ``host_video`` in ``settings``. With ``allow_templates`` a
    text with ``{{ }}`` or ``${ }`` in it may become anything and passes as it is. What is wrong, or has neither value
    nor default, is left out.
    """
    return _check_fields(parameters, given, (), templates=allow_templates)


def spread(parameters: Mapping[str, Parameter]) -> Iterator[tuple[str, Parameter]]:
    """Every parameter, each followed by what is known to be in it: ``settings.host_video``, ``invitees[].email``."""
    for name, one in parameters.items():
        yield name, one
        entries = (one.entries.fields if one.entries else None) or {}
        yield from ((f"{name}.{inner}", each) for inner, each in spread(one.fields or {}))
        yield from ((f"{name}[].{inner}", each) for inner, each in spread(entries))


def canonical(name: str, known: Iterable[str]) -> str:
    """The known name that ``name`` is another spelling of, else ``name`` itself.

    >>> canonical("meeting_id", ["meetingId"]), canonical("startTime", ["start_time"])
    ('meetingId', 'start_time')
    """
    plain = _squashed(name)
    return next((one for one in known if one == name), None) or next((k for k in known if _squashed(k) == plain), name)


def _squashed(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _check_fields(
    parameters: Mapping[str, Parameter], given: Mapping[str, Json], at: Place, *, templates: bool, open_: bool = False
) -> tuple[dict[str, Json], list[ParameterProblem]]:
    """``open_``: a name that is like none of those known is let through, as APIs get new fields."""
    values, written, problems = _sorted_out(parameters, given, at)
    misspelt = {problem.suggestion for problem in problems}  # missing as well, but that is one mistake and not two
    checked: dict[str, Json] = {}
    if open_:
        checked = {p.path[-1]: given[str(p.path[-1])] for p in problems if p.suggestion is None}  # type: ignore[misc]
        problems = [problem for problem in problems if problem.suggestion is not None]
    for name, parameter in parameters.items():
        path, value = written.get(name, (*at, name)), values.get(name)
        if value is None and name in misspelt:
            continue
        if value is None and parameter.required:
            problems.append(ParameterProblem(path, "missing_parameter", _missing(_named(path), parameter)))
        elif value is None and parameter.default is not None:
            checked[name] = parameter.default
        elif value is not None:
            found, wrong = _check(parameter, value, path, templates=templates)
            problems += wrong
            if not wrong:
                checked[name] = found
    return checked, problems


def _sorted_out(
    parameters: Mapping[str, Parameter], given: Mapping[str, Json], at: Place
) -> tuple[dict[str, Json], dict[str, Place], list[ParameterProblem]]:
    """What was given by proper name, where each was written, and the names that nobody knows."""
    values: dict[str, Json] = {}
    written: dict[str, Place] = {}
    problems: list[ParameterProblem] = []
    for name, value in given.items():
        meant = canonical(name, parameters)
        head, _, tail = _nested(meant, parameters)
        if meant in parameters:
            if meant != name and meant in given:
                problems.append(ParameterProblem((*at, name), "unknown_parameter", f"{name} and {meant} are the same"))
                continue
            inner = values.get(meant)
            values[meant] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, dict) else value
            written[meant] = (*at, name)
        elif tail:
            outer = values.get(head)
            way = _spelt(_squashed(tail.replace(".", "")), parameters[head].fields) or _NESTED.split(tail)
            values[head] = _put(outer if isinstance(outer, dict) else {}, way, value)
            written.setdefault(head, (*at, name))
        else:
            problems.append(_unknown(name, parameters, at))
    return values, written, problems


def _nested(name: str, parameters: Mapping[str, Parameter]) -> tuple[str, str, str]:
    """``settings__host_video`` as ``settings`` and ``host_video``; nothing behind it where that is no object."""
    found = _NESTED.search(name)
    if found is None:
        return name, "", ""
    head = canonical(name[: found.start()], parameters)
    is_object = head in parameters and parameters[head].type in ("object", "any")
    return head, found[0], name[found.end() :] if is_object else ""


def _spelt(plain: str, fields: Mapping[str, Parameter] | None) -> list[str] | None:
    """The fields that lead to what is spelt ``plain``: ``settings__host__video`` parts words as it parts objects."""
    for name, field in (fields or {}).items():
        head = _squashed(name)
        if plain == head:
            return [name]
        if plain.startswith(head) and (inner := _spelt(plain.removeprefix(head), field.fields)):
            return [name, *inner]
    return None


def _put(outer: Mapping[str, Json], path: Sequence[str], value: Json) -> dict[str, Json]:
    """``outer`` with ``value`` in it at ``path``."""
    if len(path) == 1:
        return {**outer, path[0]: value}
    inner = outer.get(path[0])
    return {**outer, path[0]: _put(inner if isinstance(inner, dict) else {}, path[1:], value)}


def _unknown(name: str, parameters: Mapping[str, Parameter], at: Place) -> ParameterProblem:
    near = nearest(name, parameters) or (None if at else _deeper(name, parameters))
    listed = "" if near or not parameters else f"; known are {', '.join(parameters)}"
    body = parameters.get("body")
    if listed and body is not None and body.type == "object" and not at:
        listed += f"; a field of the body is written body.{name}"
    what = "field" if at else "parameter"
    inside = f" in {_NESTED.split(str(at[0]))[0]}{_named(('', *at[1:]))}" if at else ""
    return ParameterProblem((*at, name), "unknown_parameter", f"there is no {what} {name!r}{inside}{listed}", near)


def _deeper(name: str, parameters: Mapping[str, Parameter]) -> str | None:
    """The one field of an object that is called ``name``, with the object's name before it."""
    found = [
        f"{head}.{canonical(name, parameter.fields)}"
        for head, parameter in parameters.items()
        if parameter.fields and canonical(name, parameter.fields) in parameter.fields
    ]
    return found[0] if len(found) == 1 else None


def _missing(name: str, parameter: Parameter) -> str:
    about = f": {parameter.description}" if parameter.description else ""
    return f"{name} is missing{about}"


def _named(path: Place) -> str:
    """A place in words: ``settings.alternative_hosts``, ``members[2].email``; one written flat by its object's name."""
    path = (_NESTED.split(str(path[0]))[0], *path[1:]) if len(path) > 1 else path
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _may_change(value: Json) -> bool:
    return isinstance(value, str) and (has_expression(value) or "${" in value)


def _check(parameter: Parameter, value: Json, path: Place, *, templates: bool) -> _Found:
    """The value in the parameter's type, and what is wrong with it. ``path`` is empty for a default."""
    if templates and _may_change(value):
        return value, []
    shown = "***" if parameter.secret or isinstance(value, Secret) else _shown(value)
    value = ungrouped(value) if parameter.uuid and isinstance(value, str) else value
    found = convert(parameter.type, value)
    if found is None:
        hint = "; put it in quotes" if parameter.type == "string" and isinstance(value, bool) else ""
        return None, [_wrong(path, "wrong_type", f"must be {WANTED[parameter.type]}, not {shown}{hint}")]
    if parameter.enum is not None:
        found = found.reveal() if isinstance(found, Secret) else found
        if found not in parameter.enum:
            words = [str(word) for word in parameter.enum]
            problem = _wrong(path, "wrong_value", f"must be one of {', '.join(words)}, not {shown}")
            return None, [replace(problem, suggestion=nearest(str(found), words))]
    return _inside(parameter, found, shown, path, templates)


def _wrong(path: Place, code: str, message: str) -> ParameterProblem:
    return ParameterProblem(path, code, f"{_named(path)} {message}" if path else message)


def _inside(parameter: Parameter, value: Json, shown: str, path: Place, templates: bool) -> _Found:
    """What the size of a value and the things in it are held against."""
    if parameter.needs and isinstance(value, dict):
        lacking = [need for need in parameter.needs if _lacks(value, need.split("."))]
        if lacking:
            return None, [_wrong(path, "missing_parameter", f"lacks {', '.join(lacking)}")]
    if parameter.fields is not None:
        return _check_fields(parameter.fields, value, path, templates=templates, open_=True)
    too = _sized(parameter, value, shown)
    if too is not None:
        return None, [_wrong(path, "wrong_value", too)]
    if parameter.entries is None or not isinstance(value, list):
        return value, []
    entries = [_check(parameter.entries, entry, (*path, n), templates=templates) for n, entry in enumerate(value)]
    return [entry for entry, _ in entries], [problem for _, wrong in entries for problem in wrong]


def _lacks(value: Json, path: Sequence[str]) -> bool:
    if not isinstance(value, dict):
        return False  # a list or an expression, which may hold it
    return path[0] not in value or (len(path) > 1 and _lacks(value[path[0]], path[1:]))


def _sized(parameter: Parameter, value: Json, shown: str) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | list | Secret):
        return None
    if isinstance(value, int | float):
        size, what = float(value), f"not {shown}"
    else:
        size = len(value.reveal() if isinstance(value, Secret) else value)
        what = f"not {size:g}"
    unit = "" if isinstance(value, int | float) else " entries" if isinstance(value, list) else " characters"
    if parameter.min is not None and size < parameter.min:
        return f"must be at least {parameter.min:g}{unit}, {what}"
    if parameter.max is not None and size > parameter.max:
        return f"must be at most {parameter.max:g}{unit}, {what}"
    return None


def _shown(value: Json) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    return masked_excerpt(text, 60, "...")
