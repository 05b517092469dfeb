"""Looking first: whether an attempt whose answer never came did its work after all.

```yaml
idempotency: probe
probe:
  request: {path: "/users/{user_id}/meetings", query: {type: scheduled}}
  items: meetings
  found: "{{ answer.meetings | selectattr('agenda', 'matching', idempotency_key) | first | default(none) }}"
  output: {id: "{{ found.id }}"}     # left out: the found thing is the output
```
Expressions see ``answer``, ``parameters`` and ``idempotency_key``, which the action must leave where it can be found
again: in a field that is free for notes, a label, a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from changewire.actions.inputs import revealed
from changewire.actions.sending import fill_request, read_all_pages
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.templates import render
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext
    from changewire.actions.definition import ActionType, ProbeSpec
    from changewire.connectors.client import Client

_NOT_THERE = frozenset({FailureClass.GONE, FailureClass.NOT_YET})


def look(action: ActionType, values: Mapping[str, Json], context: ActionContext) -> Json:
    """The output of an earlier attempt that did its work; None: it was not done.

    Raises ApiError where nobody can tell; what the action does must not be done then.
    """
    spec = action.spec.probe
    assert spec is not None
    if context.client is None:
        raise UsageError(f"{action.name} needs a connection")
    answer = _answer(action, spec, values, context.client, context)
    scope = {
        "answer": answer,
        "parameters": dict.fromkeys(action.parameters) | revealed(dict(values)),
        "idempotency_key": context.idempotency_key,
    }
    found = render(spec.found, scope) if answer is not None else None
    if found is None or found is False or found in ("", [], {}):
        return None
    if spec.output is not None:
        return render(spec.output, {**scope, "found": found})
    return answer if found is True else found


def _answer(
    action: ActionType, spec: ProbeSpec, values: Mapping[str, Json], client: Client, context: ActionContext
) -> Json:
    """What the probe's request is answered; None where there is no such thing."""
    user = client.connection.user
    request = fill_request(action, spec.request, values, user=user, idempotency_key=context.idempotency_key)
    try:
        if spec.items is not None:
            return read_all_pages(action, request, spec.items, client, context.deadline)
        return client.send(request, deadline=context.deadline).data
    except ApiError as error:
        if error.failure in _NOT_THERE:
            return None
        raise
