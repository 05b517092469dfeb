"""What is known about the data that expressions see: which names there are, and whether there can be others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType


@dataclass(frozen=True)
class Anything:
    """Nothing is known: every name may be there."""


@dataclass(frozen=True)
class Fields:
    """A mapping with these fields."""

    of: Mapping[str, Shape]
    complete: bool = False  # whether there can be no other field; False: a sample says only what is likely


@dataclass(frozen=True)
class Entries:
    """A list of such entries."""

    of: Shape


@dataclass(frozen=True)
class Steps:
    """The outputs of steps by id."""

    before: Mapping[str, Shape]
    later: frozenset[str] = field(default=frozenset())  # ids of steps that are not done yet


Shape: TypeAlias = Anything | Fields | Entries | Steps

ANYTHING: Final = Anything()


def _all(names: str) -> Fields:
    return Fields(dict.fromkeys(names.split(), ANYTHING), complete=True)


LOOP: Final = _all("index first last length")
"""``loop`` in the body of a loop."""
LOOP_OUTPUT: Final = Fields({"count": ANYTHING, "results": Entries(ANYTHING)}, complete=True)
"""``steps.<id>`` of a loop that is over."""
FAILURE: Final = _all("message class step use attempt")
"""``failure`` in the steps of on_failure."""
_EVENT: Final = _all("id type event_type key detected_at changes backfill hops")
_RUN: Final = _all("id workflow idempotency_key")
_CONNECTION: Final = _all("name")


def shape_of(sample: Json, *, complete: bool = False) -> Shape:
    """The shape that a sample has. ``complete`` counts for the fields of the sample itself, not for those below."""
    if isinstance(sample, dict) and (sample or complete):
        return Fields({name: shape_of(value) for name, value in sample.items()}, complete)
    if isinstance(sample, list) and sample:
        return Entries(merged([shape_of(entry) for entry in sample]))
    return ANYTHING


def merged(shapes: Iterable[Shape]) -> Shape:
    """The shape of what has one of these shapes: a name that one of them knows is known."""
    found: Shape | None = None
    for shape in shapes:
        found = shape if found is None else _both(found, shape)
    return ANYTHING if found is None else found


def _both(one: Shape, other: Shape) -> Shape:
    if isinstance(one, Fields) and isinstance(other, Fields):
        names = {**one.of, **other.of}
        fields = {n: merged([each.of[n] for each in (one, other) if n in each.of]) for n in names}
        return Fields(fields, one.complete and other.complete)
    if isinstance(one, Entries) and isinstance(other, Entries):
        return Entries(_both(one.of, other.of))
    return ANYTHING


def payload_shape(payload: Mapping[str, Json], *, sampled: bool = True) -> Shape:
    """The shape of the payload that a trigger type makes of its sample.

    Its own fields are all there are. What they hold has the shape of the sample; with ``sampled`` False it may be
    anything, as with types that watch any API.
    """
    return Fields({name: shape_of(value) if sampled else ANYTHING for name, value in payload.items()}, complete=True)


def output_shape(action: ActionType) -> Shape:
    """The shape of an action's output: what it documents, and what its sample shows."""
    sample = action.spec.sample if isinstance(action.spec.sample, dict) else {}
    known: dict[str, Shape] = dict.fromkeys(action.spec.output, ANYTHING)
    if action.connector != "http":
        known |= {name: shape_of(value) for name, value in sample.items()}
    elif sample:
        known |= dict.fromkeys(sample, ANYTHING)
    return Fields(known, action.spec.complete) if known else ANYTHING


def names_of(payload: Shape, steps: Steps, **further: Shape) -> dict[str, Shape]:
    """What the expressions of a step see, by name. ``further``: ``failure``, loop names and variables."""
    known: dict[str, Shape] = {"payload": payload, "event": _EVENT, "steps": steps, "run": _RUN}
    known["events"] = Entries(Fields({**_EVENT.of, "payload": payload}, complete=True))
    return {**known, "connection": _CONNECTION, **further}
