"""Whether a parameter of a step is the user's own text or comes from data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from changewire.config.environment import UnsetError
from changewire.connectors.transport.addresses import literal_origin
from changewire.templates import literal_part

if TYPE_CHECKING:
    from changewire.actions.context import ActionContext


def own_text(context: ActionContext, name: str) -> tuple[str, bool]:
    """The text that the user wrote for parameter ``name``, up to the first expression, with its variables filled in.

    The second value says whether that is all of it. A parameter that nobody wrote, or whose variables cannot be read
    apart from its expressions, is data from the beginning: an empty text.
    """
    written = context.written.get(name)
    if not isinstance(written, str):
        return "", False
    text, whole = literal_part(written)
    try:
        return (text if context.environment is None else context.environment.expand(text)), whole
    except UnsetError:
        return "", False


def named_origin(context: ActionContext, name: str) -> str | None:
    """The origin whose scheme, host and port stand literally in parameter ``name``; None: an expression decides."""
    return literal_origin(*own_text(context, name))
