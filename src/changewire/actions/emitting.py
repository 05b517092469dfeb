"""Events that workflows raise for others: what is handed over, and the bound that keeps them from going in circles.

The seam to the engine is `Emit`, given to the `Runner`. It stores one event and its runs for each active trigger of
type ``core.emitted`` that listens to the name, in one transaction, and ignores those that are there already: an
emission brings its step's idempotency key, from which `Emission.event` makes the id, so a step that is done again
raises nothing a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from changewire.errors import ChangewireError
from changewire.state.records import EventRecord
from changewire.values import Json, make_id

TYPE = "core.emitted"  # the trigger type that hears emitted events
MOST_HOPS = 8


class TooManyHopsError(ChangewireError):
    """Workflows raise events for each other in a circle."""


@dataclass(frozen=True)
class Emission:
    """An event on its way to the workflows that listen to its name."""

    name: str
    data: Json
    key: str  # what it is about, for order_by; the same key may come again
    hops: int  # how many emitted events led here, this one included; 1 to 8
    workflow: str | None  # who raised it; None: called by hand
    run_id: str | None
    idempotency_key: str  # of the step: the same emission has the same one

    @property
    def payload(self) -> dict[str, Json]:
        """The payload of the event."""
        source = {"workflow": self.workflow, "run": self.run_id}
        return {"event_type": self.name, "name": self.name, "data": self.data, "source": source, "hops": self.hops}

    def event(self, *, trigger_id: str, trigger: str, workflow: str, now: datetime) -> EventRecord:
        """The event as one trigger gets it. ``trigger`` is how that is shown: ``workflow/trigger``."""
        return EventRecord(
            id=make_id("evt", trigger_id, "emitted", self.idempotency_key),
            trigger_id=trigger_id,
            trigger=trigger,
            workflow=workflow,
            type=TYPE,
            kind="created",
            event_type=self.name,
            key=self.key,
            detected_at=now,
            payload=self.payload,
            changes=[],
            backfill=False,
        )


Emit: TypeAlias = Callable[[Emission], list[str]]
"""Stores an emission and gives the names of the workflows that it starts; called again, it gives the same."""


def hops_of(type_name: str, payload: Json) -> int:
    """How many emitted events led to an event of this type and payload; 0 for one that was noticed at a source."""
    if type_name != TYPE:
        return 0
    hops = payload.get("hops") if isinstance(payload, Mapping) else None
    return hops if isinstance(hops, int) else MOST_HOPS


def next_hop(hops: int, name: str) -> int:
    """The hops of an event raised by a run that ``hops`` events led to. Raises TooManyHopsError after the eighth."""
    if hops >= MOST_HOPS:
        raise TooManyHopsError(
            f"the event {name!r} was not raised: {MOST_HOPS} emitted events led to this run, one by the other, so the "
            "workflows very likely raise events for each other in a circle; break it with a 'when'"
        )
    return hops + 1
