"""Looking first: whether an attempt whose answer never came did its work after all.

```yaml
idempotency: probe
probe:
  operation: meetings
  with: {userId: "{{ parameters.userId }}", type: scheduled}
  found: "{{ answer.meetings | selectattr('agenda', 'matching', idempotency_key) | first | default(none) }}"
  output: {id: "{{ found.id }}"}     # left out: the found thing is the output
```
A list answer is read to its end. An API without a table of operations is asked by ``request``, with method, path and
query, and for a list with ``items``. Expressions see ``answer``, ``parameters`` and ``idempotency_key``, which the
action must leave where it can be found again: in a field that is free for notes, a label, a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from changewire.actions.inputs import revealed
from changewire.actions.pages import listing, read_all_pages
from changewire.actions.sending import NOT_THERE, ask, fill_request
from changewire.actions.whole import operation_action
from changewire.errors import ApiError, UsageError
from changewire.parameters import check_values
from changewire.templates import render
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, ProbeSpec
    from changewire.connectors.client import Client


def look(action: ActionType, values: Mapping[str, Json], context: ActionContext) -> Json:
    """The output of an earlier attempt that did its work; None: it was not done.

    Raises ApiError where nobody can tell; what the action does must not be done then.
    """
    spec = action.spec.probe
    assert spec is not None
    if context.client is None:
        raise UsageError(f"{action.name} needs a connection")
    scope = {
        "parameters": dict.fromkeys(action.parameters) | revealed(dict(values)),
        "idempotency_key": context.idempotency_key,
    }
    answer = _answer(action, spec, values, scope, context.client, context)
    scope["answer"] = answer
    found = render(spec.found, scope) if answer is not None else None
    if found is None or found is False or found in ("", [], {}):
        return None
    if spec.output is not None:
        return render(spec.output, {**scope, "found": found})
    return answer if found is True else found


def _answer(
    action: ActionType,
    spec: ProbeSpec,
    values: Mapping[str, Json],
    scope: Mapping[str, Json],
    client: Client,
    context: ActionContext,
) -> Json:
    """What the probe's request is answered; None where there is no such thing."""
    try:
        if spec.operation is not None:
            return _by_operation(action.connector, spec.operation, render(spec.given, scope), client, context)
        assert spec.request is not None
        user, key = client.connection.user, context.idempotency_key
        request = fill_request(action, spec.request, values, user=user, idempotency_key=key)
        if spec.items is not None:
            which = listing(action.name, spec.items, None, client, context.clock)
            return read_all_pages(which, request, client, context.deadline)
        return client.send(request, deadline=context.deadline).data
    except ApiError as error:
        if error.failure in NOT_THERE:
            return None
        raise


def _by_operation(connector: str, name: str, given: Json, client: Client, context: ActionContext) -> Json:
    reading = operation_action(connector, name)
    if reading is None:
        raise UsageError(f"{connector} has no operation {name!r}")
    kept = {key: value for key, value in given.items() if value is not None}
    values, problems = check_values(reading.parameters, {**kept, "all_pages": True} if reading.pages else kept)
    if problems:
        raise UsageError(f"{reading.name}: {problems[0].message}")
    return ask(reading, values, client, context)
