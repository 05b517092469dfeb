"""Noticed changes as text, so that they can wait in the store until their requests are answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from changewire.paths import get
from changewire.secret import SHORTEST_PART, masked_json
from changewire.state.records import PendingRecord
from changewire.triggers.comparing import Scope, changes_between, masked, plain_form
from changewire.triggers.expressions import Change
from changewire.triggers.noticed import Noticed, Watch
from changewire.values import Json, loads

_SCOPE = ("lookup", "outer", "number")
"""What a scope holds of the answer; the rest follows from the workflow and the moment."""


def to_text(noticed: Noticed) -> str:
    """Everything of a change that its event and its id follow from. Secrets are masked.

    Raises TypeError if it holds no JSON.
    """
    return masked_json(
        {
            "kind": noticed.kind,
            "item": noticed.item,
            "old": noticed.old,
            "changes": [[change.tokens, change.old, change.new] for change in noticed.changes],
            "discriminator": noticed.discriminator,
            "scope": {name: noticed.scope[name] for name in _SCOPE if name in noticed.scope},
            "backfill": noticed.backfill,
            "detail": noticed.detail,
        },
        SHORTEST_PART,
    )


def from_text(key: str, text: str, scope: Scope) -> Noticed:
    """The change that `to_text` described; what is remembered of its item is stored already.

    ``scope``: what its scope holds besides.
    """
    data: dict[str, Json] = loads(text)
    return Noticed(
        key,
        data["kind"],
        data["item"],
        data["old"],
        tuple(Change(tuple(tokens), old, new) for tokens, old, new in data["changes"]),
        tuple(data["discriminator"]),
        None,
        {**scope, **data["scope"]},
        data["backfill"],
        detail=data["detail"],
    )


def renewed(
    records: Sequence[PendingRecord], watch: Watch, present: tuple[Json, Scope], latest: Noticed | None
) -> Noticed | None:
    """The change from before all pending ones of an item to the ``present`` item; None: they stay as they are.

    ``latest``: the change of the same item that this poll noticed, which becomes a part of it; None: it noticed none.
    The change has no ``changes`` if nothing differs any more.
    """
    item, scope = present
    stored = [from_text(each.key, each.change, scope) for each in records]
    before = stored[0]
    kinds = {each.kind for each in (*stored, *([latest] if latest is not None else ()))}
    if "deleted" in kinds or (latest is None and masked(item) == stored[-1].item):
        return None
    changes = before.changes
    if before.kind == "updated":
        changes = tuple(changes_between(before.old, masked(item), watch.rules, scope))
    elif before.kind == "status":
        old, new = before.changes[0].old, get(item, before.changes[0].tokens)
        changes = (Change(before.changes[0].tokens, old, new),) if plain_form(old) != plain_form(new) else ()
    record = None if latest is None else latest.record
    return replace(before, item=item, changes=changes, scope=scope, record=record, detail=None)
