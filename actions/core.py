"""The code of the core actions."""

from __future__ import annotations

from collections.abc import Mapping

from changewire.actions.context import ActionContext
from changewire.actions.emitting import Emission, next_hop
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import mask, mask_data
from changewire.templates import text_of
from changewire.values import Json


def log(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Tell a message."""
    message = mask(text_of(values["message"]))
    context.log("core.log", message, level=values["level"])
    return {"message": message}


def notify(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Send a message through Apprise."""
    import apprise  # takes a while, and most homes never need it

    service = apprise.Apprise()
    to = text_of(values["to"])
    kind = to.partition(":")[0]
    if not service.add(to):
        raise UsageError(f"to: {kind}:… is not an address that Apprise understands; see its list of services")
    if not service.notify(text_of(values["body"]), text_of(values["title"]), values["type"]):
        message = f"the notification to {kind}:… was not accepted; check the address and that the service is up"
        raise ApiError(message, FailureClass.TRANSIENT)
    return {"sent": True}


def emit(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Raise an event for other workflows."""
    name = text_of(values["name"])
    hops = next_hop(context.hops, name)
    if context.emit is None:
        raise UsageError("core.emit needs the daemon: an action that is called by hand cannot start workflows")
    key = text_of(values.get("key")) or context.idempotency_key
    data = mask_data(values.get("data"))
    emission = Emission(name, data, key, hops, context.workflow, context.run_id, context.idempotency_key)
    return {"name": name, "workflows": context.emit(emission), "hops": hops}
