"""Steps as they are written, held against the actions that there are, before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from changewire.actions.checking.advice import RETIRED, outdated
from changewire.actions.definition import check_parameters
from changewire.actions.whole import Actions
from changewire.config.environment import has_variable
from changewire.config.steps import ActionStep, Place, SetNames, Step
from changewire.config.workflows import Workflow
from changewire.templates import expression_problems


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong with a step."""

    at: Place
    code: str
    message: str
    suggestion: str | None = None
    at_key: bool = False  # the key is meant, not its value
    before: str = ""  # the part of the text there that stands before it


def wrong_steps(workflow: Workflow, actions: Actions) -> Iterator[Wrong]:
    """Everything that is wrong with the steps of a workflow, in the order of the file."""
    for at, step, _ in workflow.placed_steps():
        if isinstance(step, ActionStep):
            yield from _wrong_action(step, at, actions)
        yield from _wrong_expressions(step, at)


def _wrong_action(step: ActionStep, at: Place, actions: Actions) -> Iterator[Wrong]:
    action = actions.get(step.use)
    if action is None:
        message = f"there is no action {step.use!r}; `changewire catalog` lists them"
        yield Wrong((*at, "use"), "unknown_action", message, actions.near(step.use))
        return
    old = outdated(action)
    if old is not None and old.code == RETIRED:
        yield Wrong((*at, old.at), old.code, old.message)
        return
    for problem in check_parameters(action, step.parameters):
        where = (*at, "with", *problem.path) if problem.code != "missing_parameter" else (*at, "with")
        yield Wrong(where, problem.code, problem.message, problem.suggestion, problem.code == "unknown_parameter")
    yield from _bad(step.parameters, (*at, "with"))


def _wrong_expressions(step: Step, at: Place) -> Iterator[Wrong]:
    for place, value in step.expressions():
        yield from _bad(value, (*at, *place))
        for path in _variables(value):
            message = "${…} is for the 'with' of an action: what is decided here is stored, and secrets are not"
            what = (
                "leave it out, and write the variable where it is used"
                if isinstance(step, SetNames)
                else "leave it out"
            )
            yield Wrong((*at, *place, *path), "variable", f"{message}: {what}")


def _bad(value: Any, at: Place) -> Iterator[Wrong]:
    for path, message, before in expression_problems(value):
        yield Wrong((*at, *path), "bad_expression", message, before=before)


def _variables(value: Any) -> Iterator[Place]:
    """The places of texts that take something from the environment."""
    if isinstance(value, str):
        if has_variable(value):
            yield ()
    elif isinstance(value, dict | list):
        for part, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from ((part, *path) for path in _variables(inner))
