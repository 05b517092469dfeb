"""What is known about the names that a workflow's expressions see, from the catalog."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from changewire.actions.checking.shapes import ANYTHING, Shape, merged, output_shape, payload_shape
from changewire.catalog import Catalog
from changewire.errors import ChangewireError
from changewire.triggers.definition import TriggerType
from changewire.triggers.loading import sample_events


@dataclass
class Known:
    """The shapes of payloads and outputs, each worked out once."""

    catalog: Catalog
    _payloads: dict[str, Shape] = field(default_factory=dict)
    _outputs: dict[str, Shape] = field(default_factory=dict)

    def payload(self, types: Iterable[str]) -> Shape:
        """The payload of a workflow whose triggers have these types; anything where one of them is unknown."""
        return merged([self._payload(name) for name in types])

    def output(self, use: str) -> Shape:
        """The output of an action; anything where there is no such action."""
        if use not in self._outputs:
            action = self.catalog.actions.get(use)
            self._outputs[use] = ANYTHING if action is None else output_shape(action)
        return self._outputs[use]

    def _payload(self, name: str) -> Shape:
        if name not in self._payloads:
            kind = self.catalog.triggers.get(name)
            self._payloads[name] = ANYTHING if kind is None else _payload_of(kind)
        return self._payloads[name]


def _payload_of(kind: TriggerType) -> Shape:
    try:
        events = sample_events(kind)
    except ChangewireError:
        return ANYTHING
    if isinstance(kind.payload, str):  # an expression: what it gives is not the type's to say
        return ANYTHING
    return merged([payload_shape(event.payload, sampled=kind.connector != "http") for event in events])
