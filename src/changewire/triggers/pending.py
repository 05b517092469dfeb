"""Noticed changes as text, so that they can wait in the store until their requests are answered."""

from __future__ import annotations

from datetime import datetime

from changewire.triggers.binding import Reader
from changewire.triggers.expressions import Change
from changewire.triggers.noticed import Noticed
from changewire.values import Json, dumps_text, loads

_SCOPE = ("lookup", "outer", "number")
"""What a scope holds of the answer; the rest follows from the workflow and the moment."""


def to_text(noticed: Noticed) -> str:
    """Everything of a change that its event and its id follow from. Raises TypeError if it holds no JSON."""
    return dumps_text(
        {
            "kind": noticed.kind,
            "item": noticed.item,
            "old": noticed.old,
            "changes": [[change.tokens, change.old, change.new] for change in noticed.changes],
            "discriminator": noticed.discriminator,
            "scope": {name: noticed.scope[name] for name in _SCOPE if name in noticed.scope},
            "backfill": noticed.backfill,
            "detail": noticed.detail,
        }
    )


def from_text(key: str, text: str, reader: Reader, now: datetime) -> Noticed:
    """The change that `to_text` described; what is remembered of its item is stored already."""
    data: dict[str, Json] = loads(text)
    return Noticed(
        key,
        data["kind"],
        data["item"],
        data["old"],
        tuple(Change(tuple(tokens), old, new) for tokens, old, new in data["changes"]),
        tuple(data["discriminator"]),
        None,
        {**reader.scope(now), **data["scope"]},
        data["backfill"],
        detail=data["detail"],
    )
