"""The language of trigger types: one YAML file says what to ask, where the items are, and what makes an event.

`docs/reference/trigger-types.md` explains each key with an example. Templates may use ``parameters``, ``now``
(RFC 3339 text, UTC, whole seconds) and, where it makes sense, ``lookup``, ``item``, ``entry``, ``old``, ``changes``
and ``detail``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from changewire.connectors.definition import Paging
from changewire.durations import format_duration, parse_duration
from changewire.parameters import Parameter
from changewire.paths import EACH, parse_path
from changewire.triggers.expressions import EXPRESSIONS
from changewire.values import Json

SHAPE = ("items", "key", "status", "created_at", "ready", "paging", "new_items", "absences")
"""Keys whose value, and those of `compare`, may as a whole be one template on ``parameters``, worked out once."""


_POLLED: tuple[str, ...] = (
    "lookup",
    "window",
    "paging",
    "items",
    "empty_when",
    "new_items",
    "created_at",
    "happened_at",
    "status",
)
_POLLED += ("absences", "compare", "detail")
INTERVAL = {
    "type": "number",
    "min": 0.01,
    "tuning": True,
    "description": "Minutes between two polls; the workflow's own `every` goes before it.",
}
"""A parameter that every type has."""


def shaped(data: dict[str, Any], shape: dict[str, Any], parameters: dict[str, Json]) -> dict[str, Any]:
    """``data`` with the templates in ``shape`` worked out for ``parameters``. Raises TemplateError."""
    found = EXPRESSIONS.render(shape, {"parameters": parameters})
    if isinstance(found.get("paging"), dict) and found["paging"].get("kind") == "none":
        found["paging"] = None
    if "compare" in found:
        found["compare"] = {**data["compare"], **found["compare"]}
    return {**data, **found}


def _is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value and "parameters." in value


def _defaults(data: dict[str, Any]) -> dict[str, Json]:
    given = data.get("parameters")
    return {k: v.get("default") for k, v in given.items() if isinstance(v, dict)} if isinstance(given, dict) else {}


class _Part(BaseModel):
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


def _type_name(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", value):
        raise ValueError(f"{value!r} is not a type's name: write connector.what_is_noticed in small letters")
    return value


def _plain_path(value: object) -> object:
    if isinstance(value, str) and EACH in value:
        raise ValueError(f"{value!r} must name one field: {EACH} cannot stand in it")
    return _path(value)


def _expression(value: object) -> object:
    for _, message in EXPRESSIONS.expression_problems(value):
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
Kind = Literal["created", "updated", "status", "deleted"]


class Scopes(_Part):
    """OAuth scopes that allow the requests; one of each list is enough."""

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = ()


class Needs(_Part):
    """What the account must have."""

    plan: str | None = None  # the smallest plan that will do; None: any
    scopes: Scopes = Scopes()
    notes: tuple[str, ...] = ()  # anything else a person must switch on first


class FailureMatch(_Part):
    """An error answer, by HTTP status and the API's own code."""

    status: int
    code: str | int | None = None  # None: any code
    message: str | None = None  # text that the message contains; None: any message


class RequestSpec(_Part):
    """One GET request. In the path, ``{name}`` is a parameter and ``{lookup.uuid}`` a field of the lookup, encoded."""

    path: str
    query: dict[str, Any] | str = Field(default_factory=dict)  # may be templates; empty values are left out
    headers: dict[str, Any] | str = Field(default_factory=dict)
    label: str | None = None  # rate label; None: the connector has none


class Lookup(RequestSpec):
    """A request made first whose records tell what to ask: the main request is sent once for each of them."""

    when: Expression = "{{ true }}"  # False: no lookup, `otherwise` is the only record
    items: PathText = ""  # where its records are; empty: the whole answer is the one record
    newest_by: FieldPath | None = None  # take the records with the greatest values here first; None: as listed
    take: int = Field(1, ge=1, le=50)  # how many records at most
    otherwise: dict[str, Any] = Field(default_factory=dict)


class Window(_Part):
    """Query parameters that bound the listing in time; sent on each poll, in steps that the API accepts."""

    start: str  # name of the query parameter
    end: str
    format: Literal["date", "datetime"] = "date"
    lookback: Duration  # how far back every poll looks; further after a downtime
    longest: Duration  # the longest span that the API serves in one request
    reach: Duration  # the API knows nothing older than this

    @model_validator(mode="after")
    def _spans_have_a_length(self) -> Window:
        least = timedelta(days=2) if self.format == "date" else timedelta(minutes=1)
        if self.longest < least:
            raise ValueError(f"`longest` must be at least {format_duration(least)} with format: {self.format}")
        if self.reach < self.lookback:
            raise ValueError("`reach` must not be shorter than `lookback`")
        return self


class Records(_Part):
    """A list inside an item whose entries are records with an identity."""

    key: KeyPaths  # fields that identify an entry; alternatives are tried in order
    keep: Expression | None = None  # template; entries for which it is false do not count
    slides_by: FieldPath | None = None  # entries beyond the greatest known value here are not new, the window moved


class Volatile(_Part):
    """A path that never counts, or only for some items."""

    path: PathText
    when: Expression | None = None  # None: always


def _volatile(value: object) -> object:
    """``[a]`` → ``[{path: a}]``."""
    short = isinstance(value, list | tuple)
    return [{"path": one} if isinstance(one, str) else one for one in value] if short else value  # type: ignore[attr-defined]


class Compare(_Part):
    """Which differences count."""

    volatile: Annotated[tuple[Volatile, ...], BeforeValidator(_volatile)] = ()  # never count
    secret: tuple[PathText, ...] = ()  # carry a token: never count, and are not remembered
    only: tuple[FieldPath, ...] = ()  # nothing else counts; empty: everything does
    lists: Annotated[dict[str, Records], BeforeValidator(_path_keys)] = Field(default_factory=dict)
    ordered: tuple[PathText, ...] = ()  # lists whose order is a value; the order of all others never counts
    text_sets: Annotated[dict[str, str], BeforeValidator(_path_keys)] = Field(default_factory=dict)  # path: separator
    without_query: tuple[PathText, ...] = ()  # URLs compared up to the "?"
    may_vanish: tuple[PathText, ...] = ()  # going away is no change
    known: tuple[PathText, ...] = ()  # fields that an item may have although the sample does not
    new_fields: Literal["quiet", "count"] = "quiet"  # fields that the type does not know and that appear


class Detail(RequestSpec):
    """A follow-up request for each new item; ``{item.id}`` in the path. Its answer is ``detail`` in the payload."""


class TriggerType(_Part):
    """Something that can be noticed."""

    type: Annotated[str, BeforeValidator(_type_name)]
    title: str
    description: str
    connector: str = ""  # default: the part of `type` before the dot
    source: Literal["internal"] | None = None  # raised inside, see `changewire.feeding`; None: `request` polls
    needs: Needs = Needs()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    lookup: Lookup | None = None
    request: RequestSpec | None = None  # None only with `source`
    window: Window | None = None
    paging: Paging | None = None  # None: one request is the whole answer
    items: PathText = ""  # where the items are; empty: the whole answer is the one item
    empty_when: tuple[FailureMatch, ...] = ()  # errors that mean "nothing there yet"
    key: KeyPaths  # fields that identify an item, `lookup.uuid` and `parameters.x` included; alternatives in order
    kind: Kind
    new_items: Literal["baseline", "fire"] = "baseline"  # kinds updated, status: what an item never seen before is
    ready: Expression | None = None  # an item is not looked at while this is false; None: it always is
    created_at: FieldPath | None = None  # when the item was made; older than the watch itself is not new
    happened_at: FieldPath | None = None  # the moment an item is about, for backfill; None: `created_at`
    status: FieldPath | None = None  # kind status: the field that is watched
    absences: int = Field(2, ge=1, le=100)  # kind deleted: complete polls in a row without the item
    compare: Compare = Compare()
    detail: Detail | None = None
    event_type: str
    payload: dict[str, Any] | Expression
    sample: Json  # one item as the API answers it
    sample_lookup: dict[str, Any] = Field(default_factory=dict)
    sample_detail: dict[str, Any] | None = None

    shape: dict[str, Any] = Field(default_factory=dict)  # what parameters decide, see `bind`; not written in files

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "shape" in data:
            return data
        shape = {key: data[key] for key in SHAPE if _is_template(data.get(key)) and "source" not in data}
        inner = data.get("compare")
        if isinstance(inner, dict) and (templates := {k: v for k, v in inner.items() if _is_template(v)}):
            shape["compare"] = templates
        if "source" in data:
            data = {"key": "key", "kind": "created", **data}
        elif isinstance(parameters := data.get("parameters", {}), dict):
            data = {**data, "parameters": {**parameters, "interval": INTERVAL}}
        connector = data.get("connector", str(data.get("type", "")).partition(".")[0])
        return {**shaped(data, shape, _defaults(data)), "connector": connector, "shape": shape}

    @model_validator(mode="after")
    def _one_source(self) -> TriggerType:
        if (self.request is None) is (self.source is None):
            raise ValueError("write either `request`, what to ask, or `source: internal`: events are raised inside")
        fields = type(self).model_fields
        wrong = [name for name in _POLLED if getattr(self, name) != fields[name].get_default(call_default_factory=True)]
        if self.source is not None and wrong:
            raise ValueError(f"`{wrong[0]}` belongs to a `request`; with `source: internal` there is none")
        return self

    @model_validator(mode="after")
    def _status_has_a_field(self) -> TriggerType:
        if (self.kind == "status") is not (self.status is not None):
            raise ValueError("`status` names the watched field of kind: status, and of no other kind")
        return self

    @model_validator(mode="after")
    def _key_tells_items_apart(self) -> TriggerType:
        if self.items and any(all(part.startswith("parameters.") for part in parts) for parts in self.key):
            raise ValueError("`items` names a list, so `key` must say which field identifies an item in it")
        return self
