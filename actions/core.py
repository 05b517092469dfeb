"""The code of the core actions."""

from __future__ import annotations

from collections.abc import Mapping

from changewire.actions.context import ActionContext
from changewire.actions.files import append_once, strict_place, write_whole
from changewire.actions.inputs import revealed
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import mask
from changewire.templates import text_of
from changewire.values import Json


def log(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Tell a message."""
    message = mask(text_of(values["message"]))
    context.log("core.log", message, level=values["level"])
    return {"message": message}


def write_file(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Write or extend a file below ``state/files``."""
    root = context.home / "state" / "files"
    path = strict_place(root, text_of(values["path"]))
    content = revealed(values["content"])
    data = (content if isinstance(content, str) else f"{text_of(content)}\n").encode()
    if values["mode"] == "append":
        notes = context.home / "state" / "appended" / f"{path.relative_to(root)}.json"
        append_once(path, data, context.idempotency_key, notes)
    else:
        write_whole(path, lambda file: file.write(data))
    return {"path": str(path.relative_to(context.home)), "size": len(data)}


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
