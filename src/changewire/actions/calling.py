"""Doing one action: its request, or the code beside the action file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from changewire.actions.probing import look
from changewire.actions.sending import ask
from changewire.errors import OutputError, UsageError, nearest
from changewire.parameters import check_values
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, Code
    from changewire.config.connections import Connection

LARGEST_OUTPUT = 1 << 20  # bytes of JSON that are kept of an output
_NONE = "add one to config/connections.yaml, or mend what `changewire validate` tells of those there"


def check_inputs(action: ActionType, given: Mapping[str, Json]) -> dict[str, Json]:
    """The values that the action gets, in their types and with defaults. Raises UsageError naming all problems."""
    values, problems = check_values(action.parameters, given)
    if problems:
        hints = [f"{p.message} (did you mean {p.suggestion!r}?)" if p.suggestion else p.message for p in problems]
        raise UsageError(f"{action.name}: {'; '.join(hints)}")
    return values


def choose_connection(
    action: ActionType,
    named: str | None,
    usual: str | None,
    connections: Mapping[str, Connection],
    how: str = "write connection:",
) -> str | None:
    """The connection that an action works on; None where it needs none.

    ``named`` is what the step says and ``usual`` the trigger's, which counts where it is of the action's connector.
    Raises UsageError where that leaves none or more than one, which says ``how`` one is named.
    """
    if action.connector == "core":
        return None
    fitting = [name for name, one in connections.items() if one.connector == action.connector]
    if named is not None:
        if named not in connections:
            hint = f"; did you mean {near!r}?" if (near := nearest(named, connections)) else ""
            raise UsageError(f"there is no connection {named!r}{hint}")
        if named not in fitting and action.connector != "http":
            other = connections[named].connector
            raise UsageError(f"connection {named!r} is of {other}, and {action.name} needs one of {action.connector}")
        return named
    if not action.on_connection:
        return None
    if usual in fitting:
        return usual
    if len(fitting) == 1:
        return fitting[0]
    known = f"{how} with one of {', '.join(fitting)}" if fitting else _NONE
    raise UsageError(f"{action.name} needs a connection of {action.connector}: {known}")


def perform(
    action: ActionType, values: Mapping[str, Json], context: ActionContext, *, largest: int = LARGEST_OUTPUT
) -> Json:
    """Do it once and give its output, plain data of at most ``largest`` bytes. ``values`` come from `check_inputs`.

    An action with a probe looks first whether it was done already, unless the context says that this cannot be.
    Raises ApiError, ChangewireError, or whatever the action's own code raises.
    """
    found = look(action, values, context) if action.spec.probe is not None and context.look_first else None
    if found is not None:
        output = found
    elif action.run is not None:
        output = _run_code(action, action.run, context, values)
    elif context.client is None:
        raise UsageError(f"{action.name} needs a connection")
    else:
        output = ask(action, values, context.client, context)
    return _checked(action, output, largest)


def _run_code(action: ActionType, code: Code, context: ActionContext, values: Mapping[str, Json]) -> Json:
    try:
        if context.supervisor is not None:
            place = action.place if action.spec.run_in == "process" else None
            return context.supervisor.run(action.name, code, place, context, values)
        return code(context, values)
    except SystemExit as error:
        raise RuntimeError("it called sys.exit") from error


def _checked(action: ActionType, output: Json, largest: int) -> Json:
    try:
        size = len(dumps(output))
    except TypeError as error:
        raise OutputError(f"{action.name} gave something that is not plain data: {error}") from None
    if size > largest:
        raise OutputError(
            f"the output of {action.name} is {size} bytes, more than the {largest} that are kept of a step:"
            " ask for less, such as a shorter time or a single page"
        )
    return output
