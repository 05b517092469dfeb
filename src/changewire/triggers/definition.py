"""The language of trigger types: one YAML file says what to ask, where the items are, and what makes an event.

`docs/reference/trigger-types.md` explains each key with an example. Templates may use ``parameters``, ``now``
(RFC 3339 text, UTC, whole seconds) and, where it makes sense, ``lookup``, ``outer``, ``item``, ``entry``, ``old``,
``changes``, ``kind`` and ``detail``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from changewire.connectors.definition import Paging
from changewire.durations import format_duration
from changewire.parameters import Parameter
from changewire.paths import EACH
from changewire.templates import TemplateError
from changewire.triggers.counting import Compare, Duration, Expression, FieldPath, KeyPaths, Part, PathText
from changewire.triggers.expressions import EXPRESSIONS
from changewire.triggers.shorthand import OTHERWISE, long_form, with_defaults
from changewire.values import Json

SHAPE = ("items", "key", "alike", "kind", "status", "created_at", "ready", "paging", "absences")
"""Keys whose value, and those of `compare`, may as a whole be one template on ``parameters``, worked out once."""


_POLLED: tuple[str, ...] = ("lookup", "window", "paging", "items", "empty_when", "created_at", "happened_at", "status")
_POLLED += ("absences", "evidence", "newest_by", "compare", "detail", "alike")

_UNCOUNTABLE = {
    "paging": "a page that shifts while a list is read brings a row twice",
    "window": "spans share a day, and rows come and go with the time",
    "status": "nobody can tell which of two rows that are alike has another status",
    "evidence": "one of several rows that are alike cannot be asked for",
}
"""What cannot stand beside `alike: count`, and why."""


def shaped(data: dict[str, Any], shape: dict[str, Any], parameters: dict[str, Json]) -> dict[str, Any]:
    """``data`` with the templates in ``shape`` worked out for ``parameters``. Raises TemplateError."""
    found = EXPRESSIONS.render(shape, {"parameters": parameters})
    if isinstance(found.get("paging"), dict) and found["paging"].get("kind") == "none":
        found["paging"] = None
    if "compare" in found:
        found["compare"] = {**data["compare"], **found["compare"]}
    return {**data, **found}


_OF_A_POLL = re.compile(r"\b(item|entry|lookup|outer|now)\b")


def _is_template(value: object) -> bool:
    """Whether a value follows from the parameters alone."""
    return isinstance(value, str) and "{{" in value and "parameters." in value and not _OF_A_POLL.search(value)


def _defaults(data: dict[str, Any]) -> dict[str, Json]:
    given = data.get("parameters")
    return {k: v.get("default") for k, v in given.items() if isinstance(v, dict)} if isinstance(given, dict) else {}


def _type_name(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", value):
        raise ValueError(f"{value!r} is not a type's name: write connector.what_is_noticed in small letters")
    return value


def _several(value: object) -> object:
    """``a`` → ``[a]``."""
    return value if isinstance(value, list | tuple) else [value]


Kind = Literal["created", "updated", "status", "deleted"]
KINDS = get_args(Kind)
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(_several)]


class Scopes(Part):
    """OAuth scopes that allow the requests; one of each list is enough."""

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = ()


class Needs(Part):
    """What the account must have."""

    plan: str | None = None  # the smallest plan that will do; None: any
    scopes: Scopes = Scopes()
    notes: tuple[str, ...] = ()  # anything else a person must switch on first


class FailureMatch(Part):
    """An error answer, by HTTP status and the API's own code."""

    status: int
    code: str | int | None = None  # None: any code
    message: str | None = None  # text that the message contains; None: any message


class RequestSpec(Part):
    """One GET request. In the path, ``{name}`` is a parameter and ``{lookup.uuid}`` a field of the lookup, encoded."""

    operation: str | None = None  # of the connector's table: path, label, pages and scopes come from there
    path: str
    query: dict[str, Any] | str = Field(default_factory=dict)  # may be templates; empty values are left out
    headers: dict[str, Any] | str = Field(default_factory=dict)
    label: str | None = None  # rate label; None: the connector has none


class Lookup(RequestSpec):
    """Records that tell what to ask, mostly got by a request made first: the main one is sent once for each."""

    path: str = ""  # empty: nothing is asked, the records are those given
    when: Expression = "{{ true }}"  # False: nothing is asked
    items: PathText = ""  # where its records are; empty: the whole answer is the one record
    newest_by: FieldPath | None = None  # take the records with the greatest values here first; None: as listed
    take: int = Field(1, ge=1, le=50)  # how many records of the answer at most
    records: Annotated[tuple[dict[str, Any], ...], BeforeValidator(_several)] = ({},)  # where nothing is asked


class Window(Part):
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
        if self.format == "datetime" and self.lookback < least:
            raise ValueError(f"`lookback` must be at least {format_duration(least)} with format: {self.format}")
        if self.reach < self.lookback:
            raise ValueError("`reach` must not be shorter than `lookback`")
        return self


class Detail(RequestSpec):
    """A follow-up request for each event of an item that is there; ``{item.id}`` in the path."""


class Evidence(RequestSpec):
    """A request for each item that is missing from the list; it is gone only when the answer says so."""

    errors: tuple[
        FailureMatch, ...
    ] = ()  # these prove it; empty: an answer does, and it is not proven until there is one


class TriggerType(Part):
    """Something that can be noticed."""

    type: Annotated[str, BeforeValidator(_type_name)]
    title: str
    description: str
    caveat: str = ""  # what to know before relying on it
    connector: str = ""  # default: the part of `type` before the dot
    source: Literal["internal"] | None = None  # raised inside, see `changewire.engine.feeding`; None: `request` polls
    needs: Needs = Needs()
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    lookup: Lookup | None = None
    request: RequestSpec | None = None  # None only with `source`
    window: Window | None = None
    paging: Paging | None = None  # None: one request is the whole answer
    items: PathText = ""  # where the items are; empty: the whole answer is the one item
    empty_when: tuple[FailureMatch, ...] = ()  # errors that mean "nothing there yet"
    key: KeyPaths  # fields that identify an item, `lookup.uuid` and `parameters.x` included; alternatives in order
    alike: Literal["one", "count"] = (
        "one"  # what rows with one key in one answer are: one item, or as many as there are
    )
    kind: Kinds  # what is noticed
    ready: Expression | None = None  # an item is not looked at while this is false; None: it always is
    created_at: FieldPath | None = None  # when the item was made; older than the watch itself is not new
    happened_at: FieldPath | None = None  # the moment an item is about, for backfill; None: `created_at`
    status: FieldPath | None = None  # kind status: the field that is watched
    absences: int = Field(2, ge=1, le=100)  # kind deleted: complete polls in a row without the item
    evidence: Evidence | None = None  # kind deleted: how to make sure; None: its absence is enough
    newest_by: FieldPath | None = None  # kind deleted: one item takes the place of another; only the newest is missed
    compare: Compare = Compare()
    detail: Detail | None = None
    event_type: str | dict[str, str] = ""  # words with their conditions; default: the part of `type` behind the dot
    fields: dict[str, Json] = Field(default_factory=dict)  # of the item, in the payload; what stands for an empty one
    payload: dict[str, Any] | Expression = Field(default_factory=dict)  # default: see `shorthand.long_form`
    sample: Json  # one item as the API answers it
    sample_outer: dict[str, Any] = Field(default_factory=dict)
    sample_lookup: dict[str, Any] = Field(default_factory=dict)
    sample_detail: dict[str, Any] | None = None

    shape: dict[str, Any] = Field(default_factory=dict)  # what parameters decide, see `bind`; not written in files

    @model_validator(mode="before")
    @classmethod
    def _long_form(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "shape" in data:
            return data
        data = with_defaults(data)
        shape = {key: data[key] for key in SHAPE if _is_template(data.get(key)) and "source" not in data}
        inner = data.get("compare")
        if isinstance(inner, dict) and (templates := {k: v for k, v in inner.items() if _is_template(v)}):
            shape["compare"] = templates
        try:
            made = shaped(data, shape, _defaults(data))
        except TemplateError as error:  # which stands in no file of its own, so it must be one of the file's problems
            raise ValueError(str(error)) from None
        return {**long_form(made), "shape": shape}

    @field_validator("kind")
    @classmethod
    def _kinds_go_together(cls, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        if not kinds or len(set(kinds)) < len(kinds) or {"updated", "status"} <= set(kinds):
            raise ValueError("name created, deleted, and one of updated and status, each at most once")
        return kinds

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
        if ("status" in self.kind) is not (self.status is not None):
            raise ValueError("`status` names the watched field of kind: status, and of no other kind")
        if self.evidence is not None and "deleted" not in self.kind:
            raise ValueError("`evidence` belongs to kind: deleted, and to no other kind")
        if self.newest_by is not None and ("deleted" not in self.kind or self.items):
            raise ValueError("`newest_by` belongs to kind: deleted of a single item, without `items`")
        return self

    @model_validator(mode="after")
    def _words_have_a_kind(self) -> TriggerType:
        conditions = self.event_type.values() if isinstance(self.event_type, dict) else ()
        for condition in conditions:
            if "{{" not in condition and condition not in (*KINDS, OTHERWISE):
                known = ", ".join((*KINDS, OTHERWISE))
                raise ValueError(f"`event_type`: {condition!r} is no condition: write {known} or an expression")
        return self

    @field_validator("items")
    @classmethod
    def _one_list_inside(cls, items: str) -> str:
        if items != EACH and (items.endswith(EACH) or items.count(EACH) > 1):
            raise ValueError(f"{items!r} is no place of a list: write a, {EACH}, a{EACH}.b or {EACH}.b")
        return items

    @model_validator(mode="after")
    def _key_tells_items_apart(self) -> TriggerType:
        if self.items and any(all(part.startswith("parameters.") for part in parts) for parts in self.key):
            raise ValueError("`items` names a list, so `key` must say which field identifies an item in it")
        return self

    @model_validator(mode="after")
    def _alike_can_be_counted(self) -> TriggerType:
        if self.counts_alike:
            for name, why in _UNCOUNTABLE.items():
                if getattr(self, name) not in (None, Paging(kind="none")):
                    raise ValueError(f"`{name}` cannot stand beside `alike: count`: {why}")
            if not self.items:
                raise ValueError("`alike: count` counts rows in a list, so `items` must say where the list is")
        return self

    @property
    def counts_alike(self) -> bool:
        """Whether rows with one key are items of their own, by number."""
        return self.alike == "count"

    @property
    def event_types(self) -> tuple[str, ...]:
        """The event types that there can be; an expression where the data decides."""
        return tuple(self.event_type) if isinstance(self.event_type, dict) else (self.event_type,)

    @property
    def only_new(self) -> bool:
        """Whether nothing but new items is noticed: then only their keys are remembered, and a backfill can be had."""
        return self.kind == ("created",)
