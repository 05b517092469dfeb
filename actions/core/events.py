"""Events that workflows raise for each other."""

from __future__ import annotations

from collections.abc import Mapping

from changewire.actions.context import ActionContext
from changewire.state.records import Raised
from changewire.templates import text_of
from changewire.values import Json


def emit(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Raise an event of this name."""
    origin = context.origin
    name, key = text_of(values["name"]), text_of(values.get("key")) or context.idempotency_key
    item = {"name": name, "key": key, "payload": values["payload"]}
    chain, cause = (origin.chain, origin.run_id) if origin is not None else ((), None)
    raised = Raised("core.emitted", context.idempotency_key, item, chain, cause)
    return {"name": name, "key": key, "events": list(context.feed(raised)) if context.feed is not None else []}
