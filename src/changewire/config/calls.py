"""Workflows that call each other: every target is there and can be used, and no chain of calls comes back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from changewire.config.steps import Call, Place
from changewire.config.workflows import WorkflowFile
from changewire.errors import Problem, nearest


def wrong_calls(usable: Mapping[str, WorkflowFile], broken: Collection[str]) -> dict[str, list[Problem]]:
    """What is wrong with the calls of workflows that are ``usable`` otherwise, by name of the calling workflow.

    ``broken`` are the names of those that are not. Who calls a workflow that cannot be used cannot be used either.
    """
    calls = {name: list(_calls(file)) for name, file in usable.items()}
    calls = {name: found for name, found in calls.items() if found}
    targets = {name: {target for _, target in found} for name, found in calls.items()}
    wrong: dict[str, list[Problem]] = {}
    for name in calls:
        circle = shortest_circle(name, targets)
        if circle:
            message = f"this goes on for ever: {' calls '.join(repr(one) for one in circle)}"
            _note(
                wrong, usable[name], [at for at, target in calls[name] if target == circle[1]], "call_circle", message
            )
    while found := list(_dead_ends(calls, usable, {*broken, *wrong}, wrong)):
        for name, at, target in found:
            if target in broken or target in wrong:
                message = f"the workflow {target!r} cannot be used: see its problems"
                _note(wrong, usable[name], [at], "broken_workflow", message)
            else:
                near = nearest(target, [*usable, *broken])
                _note(wrong, usable[name], [at], "unknown_workflow", f"there is no workflow {target!r}", near)
    return wrong


def _calls(file: WorkflowFile) -> Iterator[tuple[Place, str]]:
    """The place and target of each call."""
    if file.workflow is not None:
        for place, step, _ in file.workflow.placed_steps():
            if isinstance(step, Call):
                yield (*place, "call"), step.workflow


def shortest_circle(start: str, targets: Mapping[str, set[str]]) -> list[str]:
    """The shortest chain of ``targets`` from ``start`` back to it; empty where there is none."""
    chains, seen = [[start]], set[str]()
    while chains:
        chain = chains.pop(0)
        for target in sorted(targets.get(chain[-1], ())):
            if target == start:
                return [*chain, start]
            if target not in seen:
                seen.add(target)
                chains.append([*chain, target])
    return []


def _dead_ends(
    calls: Mapping[str, list[tuple[Place, str]]],
    usable: Mapping[str, WorkflowFile],
    unusable: Collection[str],
    wrong: Mapping[str, list[Problem]],
) -> Iterator[tuple[str, Place, str]]:
    for name, found in calls.items():
        if name not in wrong:
            yield from ((name, at, to) for at, to in found if to in unusable or to not in usable)


def _note(
    wrong: dict[str, list[Problem]],
    file: WorkflowFile,
    places: list[Place],
    code: str,
    message: str,
    suggestion: str | None = None,
) -> None:
    if file.document is not None:
        told = [file.document.problem(at, code, message, suggestion) for at in places]
        wrong.setdefault(file.name, []).extend(told)
