"""Names in a workflow's expressions, held against what there can be, before anything runs.

The walk follows the order of the steps, so at each of them it knows which outputs, loop names and values are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from changewire.actions.checking.names import NameProblem, entry_shape, expression_shape, guards, name_problems
from changewire.actions.checking.shapes import ANYTHING, FAILURE, LOOP, LOOP_OUTPUT, Shape, Steps, names_of
from changewire.config.steps import ActionStep, ForEach, Place, Repeat, SetNames, Step
from changewire.config.workflows import Workflow
from changewire.home.known import Known


def unknown_names(workflow: Workflow, known: Known) -> Iterator[NameProblem]:
    """Every name that an expression of the workflow asks for and that cannot be there; paths are places in the file."""
    payload = known.payload(trigger.type for trigger in workflow.triggers)
    ids = frozenset(step.id for _, step, _ in workflow.placed_steps() if step.id is not None)
    walk = _Walk(known, payload, ids, set(guards(workflow.when)))
    if workflow.when is not None:
        yield from name_problems(workflow.when, walk.names(), ("when",))
    if workflow.order_by is not None:
        yield from name_problems(workflow.order_by, walk.names(), ("order_by",))
    yield from walk.block(workflow.steps, ("steps",))
    handling = replace(walk, further={**walk.further, "failure": FAILURE})
    yield from handling.block(workflow.on_failure, ("on_failure",))


@dataclass
class _Walk:
    """What is known at one place of a workflow."""

    known: Known
    payload: Shape
    ids: frozenset[str]  # of all steps
    guarded: set[tuple[str, ...]]  # names that conditions around have made sure of
    before: dict[str, Shape] = field(default_factory=dict)  # outputs by id; shared by all levels
    further: dict[str, Shape] = field(default_factory=dict)  # loop names, and values that `set` named

    def names(self) -> dict[str, Shape]:
        return names_of(self.payload, Steps(self.before, self.ids - self.before.keys()), **self.further)

    def block(self, steps: Sequence[Step], at: Place) -> Iterator[NameProblem]:
        for number, step in enumerate(steps):
            yield from self._step(step, (*at, number))

    def _step(self, step: Step, at: Place) -> Iterator[NameProblem]:
        guarded = self.guarded | guards([value for _, value in step.expressions()])
        inside = replace(self, guarded=guarded, further=self._inside(step))
        asked = [((*at, *place), value) for place, value in step.expressions()]
        if not isinstance(step, Repeat):
            yield from self._asked(asked, guarded)
        if isinstance(step, ActionStep):
            yield from name_problems(step.parameters, self.names(), (*at, "with"), guarded)
        for place, steps in step.blocks():
            yield from inside.block(steps, (*at, *place))
        if isinstance(step, Repeat):  # `while` and `until` see the steps of the latest iteration
            yield from inside._asked(asked, guarded)
        if isinstance(step, SetNames):
            for name, value in step.values.items():
                self.further[name] = expression_shape(value, self.names())
        if step.id is not None:
            self.before[step.id] = self._output(step)

    def _asked(self, asked: Sequence[tuple[Place, Any]], guarded: set[tuple[str, ...]]) -> Iterator[NameProblem]:
        for place, value in asked:
            yield from name_problems(value, self.names(), place, guarded)

    def _inside(self, step: Step) -> dict[str, Shape]:
        """The names besides payload and steps that the steps inside of ``step`` see."""
        if isinstance(step, ForEach):
            return {**self.further, step.name: entry_shape(step.items, self.names()), "loop": LOOP}
        return {**self.further, "loop": LOOP} if isinstance(step, Repeat) else self.further

    def _output(self, step: Step) -> Shape:
        if isinstance(step, ActionStep):
            return self.known.output(step.use)
        return LOOP_OUTPUT if isinstance(step, ForEach | Repeat) else ANYTHING
