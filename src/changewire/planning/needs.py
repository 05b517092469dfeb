"""What triggers and steps need of an account: scopes and a plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from changewire.actions.calling import choose_connection
from changewire.actions.definition import ActionType
from changewire.config.connections import Connection
from changewire.config.steps import ActionStep
from changewire.config.workflows import Workflow
from changewire.connectors.definition import Connector
from changewire.connectors.operations import operations
from changewire.errors import UsageError
from changewire.home.definition import Home
from changewire.triggers.binding import Reader
from changewire.triggers.load import looks_up

_TAILS = (":admin", ":master")


@dataclass(frozen=True)
class Need:
    """What one trigger or step needs."""

    who: str  # as shown to people: New meeting (trigger)
    classic: tuple[str, ...] = ()  # scopes of which one is enough, of either list
    granular: tuple[str, ...] = ()
    plan: str | None = None  # the smallest plan that will do; None: any

    def granted_by(self, scopes: frozenset[str]) -> bool:
        """Whether one of the scopes is there, or none is needed."""
        return not (self.classic or self.granular) or not scopes.isdisjoint((*self.classic, *self.granular))


def needs_of(home: Home, connection: str) -> list[Need]:
    """What all triggers and steps that work on ``connection`` need, in the order of workflows."""
    found: list[Need] = []
    for file in home.workflows.values():
        if file.workflow is not None:
            found += _of_workflow(home, file.workflow, connection)
    return list(dict.fromkeys(found))


def scope_to_add(need: Need, granted: frozenset[str], *, person: bool) -> str:
    """The one scope that a person should tick for ``need``: of the kind that the app has already, for all users where
    the app signs in for an account, and the least that will do.
    """
    old = bool(granted) and all(_is_classic(scope) for scope in granted)
    choices = (need.classic if old else need.granular) or need.classic or need.granular
    fitting = [one for one in choices if not one.endswith(":master")] or list(choices)
    return min(fitting, key=lambda one: (one.endswith(":admin") is person, ":write" in one, len(one)))


def plan_suffices(connector: Connector, connection: Connection, need: Need) -> bool:
    """Whether the connection's plan is at least what is needed; plans stand in rising order in the connector."""
    plans, plan = list(connector.rates), connection.plan or connector.default_plan
    if need.plan not in plans or plan not in plans:
        return True
    return plans.index(plan) >= plans.index(need.plan)


def _is_classic(scope: str) -> bool:
    for tail in _TAILS:
        scope = scope.removesuffix(tail)
    return scope.count(":") <= 1


def _of_workflow(home: Home, workflow: Workflow, connection: str) -> Iterator[Need]:
    triggers = [one for one in home.triggers.values() if one.workflow.name == workflow.name]
    for trigger in triggers:
        if trigger.connection == connection:
            name = "trigger" if trigger.config.name == "trigger" else f"trigger {trigger.config.name}"
            yield from _of_reader(trigger.reader, f"{workflow.name} ({name})")
    usual = {trigger.connection for trigger in triggers} or {None}
    for place, step, _ in workflow.placed_steps():
        action = home.catalog.actions.get(step.use) if isinstance(step, ActionStep) else None
        if not isinstance(step, ActionStep) or action is None:
            continue
        if any(_works_on(home, action, step, one) == connection for one in usual):
            shown = step.id or ".".join(map(str, place))
            scopes = action.spec.scopes
            yield Need(f"{workflow.name} (step {shown})", scopes.classic, scopes.granular, action.spec.plan)


def _works_on(home: Home, action: ActionType, step: ActionStep, usual: str | None) -> str | None:
    """The connection of a step; None where it needs none, or where only a run can tell."""
    given = step.parameters.get("connection")
    if given is not None and (not isinstance(given, str) or "{" in given):
        return None
    try:
        return choose_connection(action, given, usual, home.connections)
    except UsageError:
        return None


def _of_reader(reader: Reader, who: str) -> Iterator[Need]:
    """One need for each request that may be sent: those of an operation have scopes of their own."""
    kind = reader.kind
    asked = looks_up(reader)
    for spec in (kind.request, kind.lookup if asked else None, kind.detail, kind.evidence):
        operation = operations(kind.connector).get(spec.operation) if spec is not None and spec.operation else None
        plan = kind.needs.plan if spec is kind.request else None
        if operation is not None:
            yield Need(who, operation.classic, operation.granular, plan or operation.plan)
        elif spec is not None and spec is kind.request:
            yield Need(who, kind.needs.scopes.classic, kind.needs.scopes.granular, plan)
