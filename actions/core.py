"""The code of the core actions."""

from __future__ import annotations

from collections.abc import Mapping

from changewire.actions.context import ActionContext
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import mask
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

    body, title = text_of(values["body"]), text_of(values["title"])
    if not body.strip():  # an empty one is refused by most services, and a list that it was made of may well be empty
        body, title = title, ""
    if not body.strip():
        raise UsageError("there is nothing to tell: title and body are empty")
    service = apprise.Apprise()
    to = text_of(values["to"])
    kind = to.partition(":")[0]
    if not service.add(to):
        raise UsageError(f"to: {kind}:… is not an address that Apprise understands; see its list of services")
    if not service.notify(body, title, values["type"]):
        message = f"the notification to {kind}:… was not accepted; check the address and that the service is up"
        raise ApiError(message, FailureClass.TRANSIENT)
    return {"sent": True}
