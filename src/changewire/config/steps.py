"""Steps of a workflow as they are written: one model for each kind, told apart by the key that names the kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from changewire.config.fields import Duration, Identifier, Interval, Name, Strict, Text, TypeName, Whole, refused
from changewire.config.step_fields import MOST_ITERATIONS, Condition, Items, OwnName, Pause, Times, Until
from changewire.errors import nearest

Place = tuple[str | int, ...]  # keys and positions from the top of the file


def _not_empty(value: Any) -> Any:
    if isinstance(value, list | tuple | dict) and not value:
        raise refused("nothing is in it: write what is to be done, or leave the step out")
    return value


class Retry(Strict):
    """How a step that failed is tried again."""

    attempts: Annotated[Whole, Field(ge=1, le=100)] = 3  # with the first one
    delay: Duration = timedelta(seconds=2)  # before the second attempt
    backoff: Literal["exponential", "linear", "constant"] = "exponential"  # how the delay grows
    max_delay: Duration = timedelta(hours=1)


class Common(Strict):
    """What every step can say."""

    kind: ClassVar[str]  # the key that makes a step one of this kind
    tag: ClassVar[str]  # how pydantic names the kind where it says what is wrong

    id: Identifier | None = None  # what expressions call it; None: by position only
    when: Condition | None = None  # skipped unless this expression is true; None: never skipped

    def blocks(self) -> Iterator[tuple[Place, Sequence[Step]]]:
        """The steps inside, with their places in the step."""
        yield from ()

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        """Everything that is worked out when the step is decided, with places; not the ``with`` of an action."""
        if self.when is not None:
            yield ("when",), self.when


class ActionStep(Common):
    """One action."""

    kind, tag = "use", "step:use"

    use: TypeName
    parameters: dict[str, Any] = Field(default_factory=dict, validation_alias="with")
    retry: Retry | None = None  # None: what suits the action
    timeout: Interval | None = None  # of one attempt; None: the action's
    continue_on_error: bool = False
    idempotency: Literal["natural", "none"] | None = None  # may it be done twice? None: as the action declares


class If(Common):
    """One of two ways."""

    kind, tag = "if", "step:if"

    condition: Condition = Field(validation_alias="if")
    then: tuple[Step, ...]
    otherwise: tuple[Step, ...] = Field(default=(), validation_alias="else")

    def blocks(self) -> Iterator[tuple[Place, Sequence[Step]]]:
        yield ("then",), self.then
        yield ("else",), self.otherwise

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("if",), self.condition


class Choice(Strict):
    """One way of a `Choose`."""

    when: Condition
    do: tuple[Step, ...]


class Choose(Common):
    """The first way whose condition holds."""

    kind, tag = "choose", "step:choose"

    choices: Annotated[tuple[Choice, ...], BeforeValidator(_not_empty)] = Field(validation_alias="choose")
    otherwise: tuple[Step, ...] = Field(default=(), validation_alias="else")

    def blocks(self) -> Iterator[tuple[Place, Sequence[Step]]]:
        yield from ((("choose", number, "do"), choice.do) for number, choice in enumerate(self.choices))
        yield ("else",), self.otherwise

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield from ((("choose", number, "when"), choice.when) for number, choice in enumerate(self.choices))


class ForEach(Common):
    """The same steps for each item of a list."""

    kind, tag = "for_each", "step:for_each"

    items: Items = Field(validation_alias="for_each")
    name: OwnName = Field(default="item", validation_alias="as")  # of the item in expressions
    max_parallel: Annotated[Whole, Field(ge=1, le=32)] = 1  # iterations under way at once
    do: Annotated[tuple[Step, ...], BeforeValidator(_not_empty)]

    def blocks(self) -> Iterator[tuple[Place, Sequence[Step]]]:
        yield ("do",), self.do

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("for_each",), self.items


class Rule(Strict):
    """How often a `Repeat` goes on. There is always a bound."""

    times: Times | None = None
    while_: Condition | None = Field(default=None, validation_alias="while")  # asked before each iteration
    until: Condition | None = None  # asked after each iteration
    max: Annotated[Whole, Field(ge=1, le=MOST_ITERATIONS)] = 100  # iterations of `while` and `until`

    @model_validator(mode="after")
    def _one(self) -> Rule:
        given = [name for name in ("times", "while", "until") if self.rule(name) is not None]
        if not given:
            raise refused("how often is missing: write times, while or until", code="no_rule")
        if len(given) > 1:
            message = f"{given[0]!r} and {given[1]!r} exclude each other: keep one"
            raise refused(message, code="conflict", at=(given[1],))
        if given == ["times"] and "max" in self.model_fields_set:
            raise refused("'max' is for while and until: 'times' is a bound already", code="conflict", at=("max",))
        return self

    def rule(self, name: str) -> int | str | None:
        """What is written under ``times``, ``while`` or ``until``."""
        given: int | str | None = {"times": self.times, "while": self.while_, "until": self.until}[name]
        return given


class Repeat(Common):
    """The same steps so many times, while something holds, or until it does."""

    kind, tag = "repeat", "step:repeat"

    rule: Rule = Field(validation_alias="repeat")
    do: Annotated[tuple[Step, ...], BeforeValidator(_not_empty)]

    def blocks(self) -> Iterator[tuple[Place, Sequence[Step]]]:
        yield ("do",), self.do

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        rules = ((name, self.rule.rule(name)) for name in ("times", "while", "until"))
        yield from ((("repeat", name), rule) for name, rule in rules if rule is not None)


class Wait(Common):
    """A pause of some length."""

    kind, tag = "wait", "step:wait"

    duration: Pause = Field(validation_alias="wait")

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("wait",), self.duration


class WaitUntil(Common):
    """A pause until some moment."""

    kind, tag = "wait_until", "step:wait_until"

    moment: Until = Field(validation_alias="wait_until")  # RFC 3339 text or a date; without an offset, UTC

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("wait_until",), self.moment


class SetNames(Common):
    """Values under names of their own, for all steps after it."""

    kind, tag = "set", "step:set"

    values: Annotated[dict[str, Any], BeforeValidator(_not_empty)] = Field(
        validation_alias="set"
    )  # each sees those above it

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("set",), self.values


class End(Strict):
    """How a `Stop` ends the run."""

    reason: Text | None = None  # None: none is told
    state: Literal["succeeded", "failed", "cancelled"] = "succeeded"


def _long_stop(value: Any) -> Any:
    return value if isinstance(value, dict | End) else {"reason": value}


class Stop(Common):
    """The end of the run, or of the called workflow that it stands in."""

    kind, tag = "stop", "step:stop"

    end: Annotated[End, BeforeValidator(_long_stop)] = Field(validation_alias="stop")

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("stop",), self.end.reason


class Call(Common):
    """The steps of another workflow."""

    kind, tag = "call", "step:call"

    workflow: Name = Field(validation_alias="call")
    parameters: dict[str, Any] = Field(default_factory=dict, validation_alias="with")  # its payload

    def expressions(self) -> Iterator[tuple[Place, Any]]:
        yield from super().expressions()
        yield ("with",), self.parameters


KINDS: dict[str, type[Common]] = {
    model.kind: model for model in (ActionStep, If, Choose, ForEach, Repeat, Wait, WaitUntil, SetNames, Stop, Call)
}


def _one_kind(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    found = [key for key in data if key in KINDS]
    if len(found) > 1:
        message = f"{found[0]!r} and {found[1]!r} cannot be in one step: make two steps of them"
        raise refused(message, code="conflict", at=(found[1],))
    if not found:
        raise _no_kind(data)
    return data


def _no_kind(data: dict[str, Any]) -> Exception:
    known = {key for model in KINDS.values() for key in keys_of(model)}
    for key in data:
        near = nearest(str(key), KINDS) if key not in known else None
        if near is not None:
            return refused(f"unknown key {key!r}", code="unknown_key", at=(key,), suggestion=near)
    return refused(f"what it does is missing: write one of {', '.join(KINDS)}", code="no_kind")


def keys_of(model: type[Common]) -> list[str]:
    """The keys that a step of this kind can have."""
    return [str(field.validation_alias or name) for name, field in model.model_fields.items()]


def _tag(data: Any) -> str:
    if isinstance(data, Common):
        return data.tag
    found = next((key for key in data if key in KINDS), "use") if isinstance(data, dict) else "use"
    return KINDS[found].tag


Step: TypeAlias = Annotated[
    Annotated[ActionStep, Tag("step:use")]
    | Annotated[If, Tag("step:if")]
    | Annotated[Choose, Tag("step:choose")]
    | Annotated[ForEach, Tag("step:for_each")]
    | Annotated[Repeat, Tag("step:repeat")]
    | Annotated[Wait, Tag("step:wait")]
    | Annotated[WaitUntil, Tag("step:wait_until")]
    | Annotated[SetNames, Tag("step:set")]
    | Annotated[Stop, Tag("step:stop")]
    | Annotated[Call, Tag("step:call")],
    Discriminator(_tag),
    BeforeValidator(_one_kind),
]

Choice.model_rebuild()
for _model in KINDS.values():
    _model.model_rebuild()
del _model


def placed(
    steps: Sequence[Step], place: Place, loops: tuple[str, ...] = ()
) -> Iterator[tuple[Place, Step, tuple[str, ...]]]:
    """All steps with their places in the file and the item names of the loops around them, outer ones first."""
    for number, step in enumerate(steps):
        at = (*place, number)
        yield at, step, loops
        names = (*loops, step.name) if isinstance(step, ForEach) else loops
        for inner, block in step.blocks():
            yield from placed(block, (*at, *inner), names)
