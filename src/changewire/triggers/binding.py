"""A trigger type together with the parameters of one workflow: what is watched, ready to be polled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from pydantic import ValidationError

from changewire.config.wording import words
from changewire.connectors.transport.messages import Request
from changewire.paths import parse_path
from changewire.triggers.definition import TriggerType, shaped
from changewire.triggers.noticed import Watch
from changewire.triggers.rules import make_rules
from changewire.values import Json, digest, dumps, dumps_text

_PARAMETER = re.compile(r"\bparameters\b(?:\.(\w+))?")


def bind(kind: TriggerType, parameters: Mapping[str, Json]) -> TriggerType:
    """The type with the parts worked out that parameters decide. Raises ValueError or TemplateError in words for
    whoever gave the parameters.
    """
    if not kind.shape:
        return kind
    data = shaped(kind.model_dump(), kind.shape, dict(parameters))
    try:
        return TriggerType.model_validate(data)
    except ValidationError as error:
        (detail, *_) = error.errors(include_url=False)
        told = words(TriggerType, data, detail, whole="the trigger")
        hint = f" (did you mean {told.suggestion!r}?)" if told.suggestion else ""
        raise ValueError(told.message + hint) from None


def watch_for(kind: TriggerType, ignore: tuple[str, ...], settle: int) -> Watch:
    """How a trigger of the bound type ``kind`` decides."""
    for path in ignore:
        parse_path(path)
    return Watch(kind, make_rules(kind, ignore), settle)


class Bindings:
    """Bound types and how they decide, each made once: thousands of triggers ask different things, but hardly differ
    in how they compare.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, bytes], TriggerType] = {}
        self._watches: dict[tuple[int, tuple[str, ...], int], Watch] = {}  # each holds the type whose id is its key
        self._deciding: dict[str, frozenset[str]] = {}

    def bind(self, kind: TriggerType, parameters: Mapping[str, Json]) -> TriggerType:
        """As `bind`, for the types of one catalog."""
        if not kind.shape:
            return kind
        names = self._deciding.get(kind.type)
        if names is None:
            names = self._deciding[kind.type] = _deciding(kind)
        mark = (kind.type, dumps({name: value for name, value in parameters.items() if name in names}))
        known = self._kinds.get(mark)
        if known is None:
            known = self._kinds[mark] = bind(kind, parameters)
        return known

    def watch(self, kind: TriggerType, ignore: tuple[str, ...], settle: int) -> Watch:
        """As `watch_for`."""
        mark = (id(kind), ignore, settle)
        known = self._watches.get(mark)
        if known is None:
            known = self._watches[mark] = watch_for(kind, ignore, settle)
        return known


def _deciding(kind: TriggerType) -> frozenset[str]:
    """The parameters that decide about parts of the type; all of them where it cannot be told."""
    used = frozenset(_PARAMETER.findall(dumps_text(kind.shape)))
    return used if used <= kind.parameters.keys() else frozenset(kind.parameters)


def fingerprint(kind: TriggerType, parameters: Mapping[str, Json]) -> str:
    """Follows from what is watched: the type, what identifies its items, and all parameters but those that only
    tune how. With another key nothing that is remembered would be found again, so that is another watch.
    """
    watched = {
        name: value
        for name, value in parameters.items()
        if value is not None and not (name in kind.parameters and kind.parameters[name].tuning)
    }
    return digest(dumps([kind.type, kind.key, watched]), 16)


@dataclass(frozen=True)
class Reader:
    """What is needed to ask: the bound type and its parameters."""

    kind: TriggerType
    parameters: Mapping[str, Json]
    kept: list[Request] = field(default_factory=list, compare=False, repr=False)  # see `asking.main_request`

    @cached_property
    def listing(self) -> str:
        """Follows from how a long list goes on: another word means that other parts of it may be seen."""
        return digest(
            dumps(None if self.kind.paging is None else self.kind.paging.model_dump(exclude_defaults=True)), 8
        )

    def scope(self, now: datetime) -> dict[str, Json]:
        """The names that every template of the type may use."""
        return {
            "parameters": dict(self.parameters),
            "now": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lookup": {},
            "outer": {},
        }
