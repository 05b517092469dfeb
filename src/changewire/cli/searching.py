"""Words looked for in everything that there is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.catalog import Catalog
    from changewire.triggers.definition import TriggerType

    Kind: TypeAlias = TriggerType | ActionType

_SMALL = re.compile("a|all|an|and|do|for|from|how|i|in|is|me|my|of|on|that|the|to|was|what|when|where|which|who")
_ENDINGS = ("ing", "ed", "es", "s")
_ALIKE: Mapping[str, tuple[str, ...]] = {
    "attend": ("participant", "took part", "attendance"),
    "attendee": ("participant", "took part", "attendance"),
    "attendance": ("participant", "took part", "attendance"),
    "cancel": ("cancel", "delete"),
    "caption": ("transcript", "caption"),
    "discord": ("notif",),
    "edit": ("edit", "update", "change"),
    "excel": ("csv", "table"),
    "password": ("password", "passcode"),
    "remove": ("remove", "delete"),
    "signup": ("regist",),
    "slack": ("notif",),
    "spreadsheet": ("csv", "table"),
    "subtitle": ("transcript",),
    "telegram": ("notif",),
    "video": ("video", "recording"),
    "whatsapp": ("notif",),
}
"""What people say, and what it is called here and in the API."""


def search(found: Catalog, words: Sequence[str], connectors: Set[str]) -> tuple[dict[str, Kind], bool]:
    """What has the words in its name, title, path or part of the API; a connector's name limits it to that.

    Endings and small words do not count, and what people say is looked for as it is called. Where nothing has all of
    the words it is what has most of them, and the second value is False.
    """
    wanted = [word.lower() for word in words]
    limited = wanted[0] if len(wanted) > 1 and wanted[0] in connectors else None
    wanted = wanted[1:] if limited else wanted
    wanted = [word for word in wanted if not _SMALL.fullmatch(word)] or wanted
    texts = _texts(found, connectors, limited)
    hits = {name: sum(_has(word, text) for word in wanted) for name, text in texts.items()}
    most = max(hits.values(), default=0)
    chosen = [name for name, count in hits.items() if count == most > 0]
    return {name: _kind(found, name) for name in chosen}, most == len(wanted)


def _texts(found: Catalog, connectors: Set[str], limited: str | None) -> dict[str, str]:
    """What is looked at of everything there is, by name: first what files say, then the operations of the APIs."""
    from changewire.connectors.operations import operations

    known: dict[str, Kind] = {**found.triggers, **found.actions}
    texts = {
        name: f"{name} {title_of(kind)}".lower()
        for name, kind in sorted(known.items())
        if limited in (None, kind.connector)
    }
    for connector in [limited] if limited else sorted(connectors):
        table = operations(connector)
        for name in sorted(table):
            one = table[name]
            texts.setdefault(f"{connector}.{name}", f"{connector}.{name} {one.title} {one.path} {one.domain}".lower())
    return texts


def _kind(found: Catalog, name: str) -> Kind:
    from changewire.actions.whole import operation_action

    if name in found.triggers:
        return found.triggers[name]
    kind = found.actions.get(name) or operation_action(*name.split(".", 1))
    assert kind is not None
    return kind


def _has(word: str, text: str) -> bool:
    stems = [word, *(word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending) and len(word) > 4)]
    alike = [other for stem in stems for other in _ALIKE.get(stem, ())]
    return any(one in text for one in (*(stem for stem in stems if len(stem) > 2), word, *alike))


def title_of(kind: TriggerType | ActionType) -> str:
    """What it is, in a few words."""
    from changewire.actions.definition import ActionType

    return kind.spec.title if isinstance(kind, ActionType) else kind.title
