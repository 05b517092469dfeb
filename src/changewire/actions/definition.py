"""The language of action files, and an action type as the rest of the program sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from changewire.actions.code import CodePlace
from changewire.connectors.operations import Method, Operation, Paging
from changewire.durations import parse_duration
from changewire.parameters import Parameter, ParameterProblem, canonical, check_values
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext

Idempotency = Literal["pure", "natural", "header", "probe", "none"]
Where = Literal["path", "query", "body", "header", "none"]
Code = Callable[["ActionContext", Mapping[str, Json]], Json]

_CONNECTION = Parameter(description="name of the connection; may be left out where only one fits")
_ALL_PAGES = Parameter(type="boolean", default=True, description="read all pages and join them")
_MORE_PAGES = _ALL_PAGES.model_copy(update={"default": False})
_ACCOUNT = Parameter(description="id of the sub account that is meant; for master accounts only")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Scopes(_Part):
    """OAuth scopes that allow the action; one of each list is enough."""

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = ()


class ActionParameter(Parameter):
    """A parameter of an action, which says where it is sent."""

    place: Where | None = Field(default=None, alias="in")  # none: not sent; None: where the operation has it
    sent_as: str | None = Field(
        default=None, alias="as"
    )  # the API's name; dots lead into objects of a body; None: its own

    encode: bool = False  # it is an address: what expressions put into it is percent-encoded, and is no list


def _from_root(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("a path begins with /")
    return path


class RequestSpec(_Part):
    """One request; ``{name}`` in its path is a parameter.

    Parameters are sent by themselves; ``query`` and ``body`` say what is sent besides or otherwise.
    """

    method: Method | None = None  # None: the operation's, else GET
    path: Annotated[str, AfterValidator(_from_root)] | None = None  # below the API prefix; None: the operation's
    query: dict[str, Any] = Field(default_factory=dict)  # with expressions; what comes out empty is left out
    body: Any = None  # with expressions, sent as JSON; fields that come out as None are left out


class ProbeSpec(_Part):
    """How to find out whether an attempt whose answer never came did its work. See `changewire.actions.probing`."""

    operation: str | None = None  # what to read; or `request`. It must change nothing
    given: dict[str, Any] = Field(default_factory=dict, alias="with")  # the operation's parameters, with expressions
    request: RequestSpec | None = None
    items: str | None = None  # the field with the list of a list answer, of which all pages are read; None: no list
    found: str = Field(min_length=1)  # expression on ``answer``: the thing itself; nothing or false: it is not there
    output: Any = None  # expressions that make the action's output of ``found``; None: the found thing is the output

    @model_validator(mode="after")
    def _one_way(self) -> ProbeSpec:
        if (self.request is None) == (self.operation is None):
            raise ValueError("a probe has either an operation or a request")
        return self


class ActionSpec(_Part):
    """One entry of an action file."""

    title: str
    description: str
    parameters: dict[str, ActionParameter] = Field(default_factory=dict)
    operation: str | None = None  # what of the API it does: gives method, path, label, scopes, types of parameters
    request: RequestSpec | None = None  # what is sent besides the parameters; where to, for APIs without a table
    code: str | None = None  # name of a function in the .py of the same name beside the file; may have an operation too
    run_in: Literal["process", "thread"] = "process"  # where code runs: only a process of its own can be killed
    label: str | None = None  # rate label such as "LIGHT"; None: the operation's
    scopes: Scopes = Scopes()  # none: the operation's
    plan: str | None = None  # the smallest plan that will do; None: the operation's, else any
    idempotency: Idempotency = "none"  # may it be done again when nobody knows whether it was? Left out: by the method
    probe: ProbeSpec | None = None  # with idempotency probe: how to look first
    items: str | None = None  # the field that holds the list of a list answer; None: the operation's, else no list
    paging: Paging | None = None  # how a list comes in pages; None: the operation's, else the connector's
    timeout: Annotated[timedelta, BeforeValidator(parse_duration)] = timedelta(minutes=1)  # of one attempt
    output: dict[str, str] = Field(default_factory=dict)  # documented fields: name → meaning
    complete: bool = False  # whether `output` names every field that there can be
    sample: Any = None  # an output as it may look
    example: dict[str, Any] | None = None  # what a step may say under `with`, to paste; None: made of what is required

    @model_validator(mode="after")
    def _one_way(self) -> ActionSpec:
        if self.operation is None and (self.request is None) == (self.code is None):
            raise ValueError("an action has an operation, a request or code")
        if self.operation is None and self.request is not None and self.request.path is None:
            raise ValueError("a request without an operation needs a path")
        if self.code is not None and "idempotency" not in self.model_fields_set:
            raise ValueError("what code does cannot be seen from outside: write idempotency")
        if self.code is None and "run_in" in self.model_fields_set:
            raise ValueError("run_in says where code runs, and this action has no code: leave it out")
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
    spec: ActionSpec  # with everything in it that its operation gives
    file: str  # where it is written, as shown to people
    run: Code | None = None  # the code of a code action; None: `spec.request` is sent
    operation: Operation | None = None  # what of the API it does; None: it says everything itself
    place: CodePlace | None = None  # where that code stands; None: it has none
    whole: bool = False  # it is an operation as it stands: one request, and all pages only where that is asked for

    @property
    def on_connection(self) -> bool:
        """Whether it always works on a connection. Code for any API, as `http.request`, does where one is named."""
        return self.connector != "core" and (self.connector != "http" or self.run is None)

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """What the action wants to be told, with what every action of its kind understands."""
        known: dict[str, Parameter] = dict(self.spec.parameters)
        if self.operation is not None and self.operation.for_sub_accounts:
            known.setdefault("account", _ACCOUNT)
        if self.connector != "core":
            known.setdefault("connection", _CONNECTION)
        if self.pages:
            known.setdefault("all_pages", _MORE_PAGES if self.whole else _ALL_PAGES)
        return known

    @property
    def pages(self) -> bool:
        """Whether its answer is a list that comes in pages."""
        if self.spec.paging == "unknown":
            return self.operation is not None and self.operation.method == "GET"
        return self.spec.items is not None and self.spec.paging != "none"


def encoded_names(action: ActionType, written: Mapping[str, Json]) -> list[str]:
    """The names in ``written``, in whatever spelling, of the parameters that are addresses."""
    encoded = {name for name, one in action.spec.parameters.items() if one.encode}
    return [name for name in written if canonical(name, action.parameters) in encoded] if encoded else []


def check_parameters(action: ActionType, given: Mapping[str, Json]) -> list[ParameterProblem]:
    """What is wrong with a step's ``with`` as it is written; expressions and variables may become anything."""
    return check_values(action.parameters, given, allow_templates=True)[1]
