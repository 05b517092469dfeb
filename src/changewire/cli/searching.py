"""Words looked for in everything that there is."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.catalog import Catalog
    from changewire.triggers.definition import TriggerType


def search(found: Catalog, words: Sequence[str], connectors: Set[str]) -> dict[str, TriggerType | ActionType]:
    """What has all of the words in its name, title, path or part of the API; a connector's name limits it to that."""
    from changewire.actions.whole import operation_action
    from changewire.connectors.operations import operations

    wanted = [word.lower() for word in words]
    limited = wanted[0] if len(wanted) > 1 and wanted[0] in connectors else None
    wanted = wanted[1:] if limited else wanted
    known: dict[str, TriggerType | ActionType] = {**found.triggers, **found.actions}
    chosen = {
        key: kind
        for key, kind in sorted(known.items())
        if limited in (None, kind.connector) and _has(wanted, f"{key} {title_of(kind)}")
    }
    for connector in [limited] if limited else sorted(connectors):
        table = operations(connector)
        for name in sorted(table):
            one = table[name]
            if _has(wanted, f"{name} {one.title} {one.path} {one.domain}"):
                kind = operation_action(connector, name)
                assert kind is not None
                chosen.setdefault(kind.name, kind)
    return chosen


def _has(wanted: Sequence[str], text: str) -> bool:
    plain = text.lower()
    return all(word in plain for word in wanted)


def title_of(kind: TriggerType | ActionType) -> str:
    """What it is, in a few words."""
    from changewire.actions.definition import ActionType

    return kind.spec.title if isinstance(kind, ActionType) else kind.title
