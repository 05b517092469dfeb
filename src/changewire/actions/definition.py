"""The language of action files, and an action type as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from changewire.durations import parse_duration
from changewire.parameters import Parameter, ParameterProblem, check_values
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext

Idempotency = Literal["pure", "natural", "header", "probe", "none"]
Code = Callable[["ActionContext", Mapping[str, Json]], Json]

_CONNECTION = Parameter(description="name of the connection; may be left out where only one fits")
_ALL_PAGES = Parameter(type="boolean", default=True, description="read all pages and join them")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scopes(_Part):
    """OAuth scopes that allow the action; one of each list is enough."""

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = ()


class RequestSpec(_Part):
    """One request. In the path, ``{name}`` is a parameter, encoded; elsewhere ``{{ parameters.name }}``."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    path: str = Field(pattern="^/")  # below the connector's API prefix
    query: dict[str, Any] = Field(default_factory=dict)  # what comes out empty is left out
    body: Any = None  # sent as JSON, fields that come out as None are left out; None: no body


class ProbeSpec(_Part):
    """How to find out whether an attempt whose answer never came did its work. See `changewire.actions.probing`."""

    request: RequestSpec  # what to read; it must change nothing
    items: str | None = (
        None  # the field that holds the list of a list answer, of which all pages are read; None: no list
    )
    found: str = Field(
        min_length=1
    )  # expression on ``answer``: the thing itself; nothing or false where it is not there
    output: Any = None  # expressions that make the action's output of ``found``; None: the found thing is the output


class ActionSpec(_Part):
    """One entry of an action file."""

    title: str
    description: str
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    request: RequestSpec | None = None  # what to send; or `code`
    code: str | None = None  # name of a function in the .py of the same name beside the file
    label: str | None = None  # rate label such as "LIGHT"; None: the connector has none
    scopes: Scopes = Scopes()
    plan: str | None = None  # the smallest plan that will do; None: any
    idempotency: Idempotency  # may it be done again when nobody knows whether it was done?
    probe: ProbeSpec | None = None  # with idempotency probe: how to look first
    items: str | None = None  # the field that holds the list of a list answer; None: no list
    timeout: Annotated[timedelta, BeforeValidator(parse_duration)] = timedelta(minutes=1)  # of one attempt
    output: dict[str, str] = Field(default_factory=dict)  # documented fields: name → meaning
    complete: bool = False  # whether `output` names every field that there can be
    sample: Any = None  # an output as it may look

    @model_validator(mode="after")
    def _one_way(self) -> ActionSpec:
        if (self.request is None) == (self.code is None):
            raise ValueError("an action has either a request or code")
        if (self.probe is not None) is not (self.idempotency == "probe"):
            raise ValueError("'idempotency: probe' and 'probe' belong together: the one needs the other")
        return self


class ActionFile(_Part):
    """One file below ``actions/``."""

    connector: str
    actions: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ActionSpec] = Field(min_length=1)


@dataclass(frozen=True)
class ActionType:
    """Something that can be done."""

    name: str  # as `use` names it, such as "zoom.get_meeting"
    connector: str
    spec: ActionSpec
    file: str  # where it is written, as shown to people
    run: Code | None = None  # the code of a code action; None: `spec.request` is sent

    @property
    def parameters(self) -> dict[str, Parameter]:
        """What the action wants to be told, with what every action of its kind understands."""
        known = dict(self.spec.parameters)
        if self.connector != "core":
            known.setdefault("connection", _CONNECTION)
        if self.spec.items is not None:
            known.setdefault("all_pages", _ALL_PAGES)
        return known


def check_parameters(action: ActionType, given: Mapping[str, Json]) -> list[ParameterProblem]:
    """What is wrong with a step's ``with`` as it is written; expressions and variables may become anything."""
    return check_values(action.parameters, given, allow_templates=True)[1]
