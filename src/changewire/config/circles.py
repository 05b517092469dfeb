"""Workflows whose events set each other off in a circle, as far as the files tell.

Only names that are written out count: which event an expression raises is known when it runs. A circle may be meant, as
one that a `when` ends, so it is no problem; the longest chain that runs allow ends it in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from changewire.config.calls import shortest_circle
from changewire.config.steps import ActionStep, Call, Place
from changewire.config.workflows import WorkflowFile

EMIT, EMITTED = "core.emit", "core.emitted"


def circles(usable: Mapping[str, WorkflowFile]) -> Iterator[tuple[WorkflowFile, Place, str]]:
    """For each step that is part of a circle: its file, the place in it, and a sentence that names the circle."""
    watched: dict[str, set[str]] = {}
    for name, file in usable.items():
        for event in _watched(file):
            watched.setdefault(event, set()).add(name)
    steps = {name: list(_raising(file, usable, frozenset({name}))) for name, file in usable.items()}
    targets = {name: {to for _, event in found for to in watched.get(event, ())} for name, found in steps.items()}
    for name, found in steps.items():
        circle = shortest_circle(name, targets)
        told = set[Place]()
        for place, event in found:
            if circle and circle[1] in watched.get(event, ()) and place not in told:
                told.add(place)
                chain = " → ".join(repr(one) for one in circle)
                yield usable[name], place, f"the event {event!r} closes a circle: {chain}. It must end by itself"


def _watched(file: WorkflowFile) -> Iterator[str]:
    for trigger in file.workflow.triggers if file.workflow is not None else ():
        if trigger.type == EMITTED and isinstance(trigger.parameters.get("name"), str):
            yield trigger.parameters["name"]


def _raising(
    file: WorkflowFile, usable: Mapping[str, WorkflowFile], called: frozenset[str]
) -> Iterator[tuple[Place, str]]:
    """The steps that raise an event, those of called workflows at the place of the call, and its name."""
    for place, step, _ in file.workflow.placed_steps() if file.workflow is not None else ():
        if isinstance(step, ActionStep) and step.use == EMIT:
            name = step.parameters.get("name")
            if isinstance(name, str) and "{{" not in name and "${" not in name:
                yield (*place, "with", "name"), name
        elif isinstance(step, Call) and step.workflow in usable and step.workflow not in called:
            inner = _raising(usable[step.workflow], usable, called | {step.workflow})
            yield from (((*place, "call"), name) for _, name in inner)
