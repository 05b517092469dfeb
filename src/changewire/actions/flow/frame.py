"""Where a walk stands in a workflow: what its expressions see, and how its steps are to be taken."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from changewire.actions.context import Origin
from changewire.actions.flow.ledger import Ledger
from changewire.actions.flow.scope import Outputs, build_scope
from changewire.state.records import AttemptRecord, EventRecord, RunRecord
from changewire.values import Json


@dataclass(frozen=True)
class Frame:
    """One level of a workflow on its way: its top, one iteration of a loop, a called workflow, or ``on_failure``."""

    run: RunRecord
    event: EventRecord
    connection: str | None  # the one that steps work on where they name none
    ledger: Ledger
    payload: Json
    root: str = "steps"  # address of the workflow's own steps, which expressions may call by number
    variables: dict[str, Json] = field(default_factory=dict)  # what `set` gave; iterations in turn share them
    names: Mapping[str, Json] = field(default_factory=dict)  # of the loops around
    outputs: Outputs = field(default_factory=Outputs)
    failed: AttemptRecord | None = None  # in ``on_failure``: what it is about
    called: tuple[str, ...] = ()  # names of the workflows around, the run's own first
    events: tuple[EventRecord, ...] = ()  # of a batch, oldest first; none: ``event`` alone
    halts: tuple[threading.Event, ...] = ()  # set where a parallel iteration ended the run

    @property
    def handling(self) -> bool:
        """Whether these are steps of ``on_failure``, which cannot hold each other up."""
        return self.failed is not None

    def latest(self, address: str) -> AttemptRecord | None:
        """Return the latest attempt there, or None. In ``on_failure`` only the present series counts: the steps of
        an earlier one handled another failure.
        """
        attempt = self.ledger.progress.latest(address)
        return attempt if attempt is None or not self.handling or self.ledger.progress.stands(attempt) else None

    def scope(self, address: str) -> dict[str, Any]:
        """What the expressions of a step see."""
        scope = build_scope(
            self.run,
            self.event,
            connection=self.connection,
            steps=self.outputs,
            address=address,
            failed=self.failed,
            events=self.events,
        )
        return {**self.variables, **self.names, **scope, "payload": self.payload}

    def origin(self, address: str) -> Origin:
        """Where a step stands, for what it does to be told from the same of others."""
        longest = max((event.chain for event in (*self.events, self.event)), key=len)
        return Origin(self.run.id, self.run.workflow, address, (*longest, self.run.workflow))

    def note(self, place: str, number: int, step_id: str | None, output: Json) -> None:
        """Keep the output of a step for those after it."""
        if place == self.root:
            self.outputs.by_number[number] = output
        if step_id is not None:
            self.outputs[step_id] = output

    def inside(self, names: Mapping[str, Json]) -> Frame:
        """One iteration of a loop: it sees everything here, and what its steps give is its own."""
        return replace(self, names={**self.names, **names}, outputs=Outputs(self.outputs))

    def beside(self, names: Mapping[str, Json], halt: threading.Event) -> Frame:
        """One of several iterations at once: what it sets is its own, too."""
        own = replace(self.inside(names), ledger=self.ledger.fork(), variables=dict(self.variables))
        return replace(own, halts=(*self.halts, halt))

    def calling(self, workflow: str, root: str, payload: Json) -> Frame:
        """The steps of another workflow: they see its payload, and nothing of the steps around."""
        called = (*self.called, workflow)
        return replace(self, payload=payload, root=root, variables={}, names={}, outputs=Outputs(), called=called)

    def after(self, failed: AttemptRecord) -> Frame:
        """The steps of ``on_failure``, which see what the run came to."""
        return replace(self, failed=failed, halts=())
