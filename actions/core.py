"""The code of the core action that writes to the log."""

from __future__ import annotations

from collections.abc import Mapping

from changewire.actions.context import ActionContext
from changewire.secret import mask
from changewire.templates import text_of
from changewire.values import Json


def log(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Tell a message."""
    message = mask(text_of(values["message"]))
    context.log("core.log", message, level=values["level"])
    return {"message": message}
