"""Expressions in trigger types: the ordinary ones and filters that tell what changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from changewire.paths import Tokens, format_path, is_entry
from changewire.templates import Templates
from changewire.values import Json


@dataclass(frozen=True)
class Change:
    """One difference. ``old`` or ``new`` is None where there was, or is, nothing."""

    tokens: Tokens
    old: Json
    new: Json

    @property
    def path(self) -> str:
        """Where it is: ``settings.audio``, ``recording_files[9f1c].status``."""
        return format_path(self.tokens)

    def as_dict(self) -> dict[str, Json]:
        """The form that is stored and shown."""
        return {"path": self.path, "old": self.old, "new": self.new}


def fields(changes: Iterable[Change], deep: Sequence[str] = ()) -> list[str]:
    """The top-level fields that changed, each once; those below a field named in ``deep`` with their own name.

    >>> fields([Change(("settings", "audio", "x"), 1, 2)], ["settings"])
    ['settings.audio']
    """
    names = {".".join(c.tokens[: 2 if c.tokens[0] in deep else 1]): None for c in changes if c.tokens}
    return list(names)


def as_fields(changes: Iterable[Change], leave_out: Sequence[str] = ()) -> dict[str, Json]:
    """``{path: {"old": …, "new": …}}`` without those that lie in a field named in ``leave_out``."""
    return {c.path: {"old": c.old, "new": c.new} for c in changes if not c.tokens or c.tokens[0] not in leave_out}


def entries(changes: Iterable[Change], name: str) -> list[str]:
    """The identities of the records in the list ``name`` that are new, gone or different, each once."""
    found = {
        c.tokens[1][1:-1]: None for c in changes if len(c.tokens) > 1 and c.tokens[0] == name and is_entry(c.tokens[1])
    }
    return list(found)


def added(changes: Iterable[Change], name: str) -> list[Json]:
    """The records that are new in the list ``name``."""
    return [c.new for c in changes if _is_entry_of(c, name) and c.old is None]


def removed(changes: Iterable[Change], name: str) -> list[Json]:
    """The records that are gone from the list ``name``, as they were."""
    return [c.old for c in changes if _is_entry_of(c, name) and c.new is None]


def edited(changes: Iterable[Change], name: str) -> list[dict[str, Json]]:
    """``{"id", "field", "old", "new"}`` for each difference inside a record that stayed in the list ``name``."""
    return [
        {"id": c.tokens[1][1:-1], "field": format_path(c.tokens[2:]), "old": c.old, "new": c.new}
        for c in changes
        if len(c.tokens) > 2 and c.tokens[0] == name and is_entry(c.tokens[1])
    ]


def moved(changes: Iterable[Change], name: str, field: str) -> list[dict[str, Json]]:
    """``{"id", "old", "new"}`` for each record of the list ``name`` whose ``field`` changed."""
    return [{k: e[k] for k in ("id", "old", "new")} for e in edited(changes, name) if e["field"] == field]


def became(changes: Iterable[Change], name: str, field: str, value: Json) -> list[str]:
    """The identities of the records in the list ``name`` whose ``field`` turned to ``value`` or that came with it."""
    mine = [c for c in changes if len(c.tokens) > 1 and c.tokens[0] == name and is_entry(c.tokens[1])]
    fresh = {c.tokens[1][1:-1] for c in mine if len(c.tokens) == 2 and _holds(c.new, field, value)}
    turned = {c.tokens[1][1:-1] for c in mine if format_path(c.tokens[2:]) == field and c.new == value}
    return sorted(fresh | turned)


def _holds(record: Json, field: str, value: Json) -> bool:
    return isinstance(record, dict) and record.get(field) == value


def _is_entry_of(change: Change, name: str) -> bool:
    return len(change.tokens) == 2 and change.tokens[0] == name and is_entry(change.tokens[1])


LARGEST_EVENT = 64 * 10**6  # bytes of JSON; an event holds items as they came, so it may be as large as an answer
EXPRESSIONS = Templates(
    {
        "fields": fields,
        "as_fields": as_fields,
        "entries": entries,
        "added": added,
        "removed": removed,
        "edited": edited,
        "moved": moved,
        "became": became,
    },
    largest=LARGEST_EVENT,
)
"""What every template of a trigger type is worked out with."""
