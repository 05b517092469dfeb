"""What one trigger remembers and notices, and what makes an item the same item tomorrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from changewire.errors import PollError
from changewire.paths import MISSING, get, parse_path
from changewire.secret import SHORTEST_PART, mask, masked_excerpt
from changewire.state.records import ItemRecord
from changewire.triggers.comparing import (
    Scope,
    plain_text,
)
from changewire.triggers.definition import Kind, TriggerType
from changewire.triggers.expressions import Change
from changewire.triggers.rules import COUNTED, Rules
from changewire.values import Json, digest, dumps_text


@dataclass(frozen=True)
class Watch:
    """How one trigger decides."""

    kind: TriggerType
    rules: Rules
    settle: int = 1  # polls in a row that must show the same before it counts


@dataclass(frozen=True)
class Memory:
    """What is remembered of one trigger."""

    items: Mapping[str, ItemRecord]
    baseline_at: datetime | None  # None: nothing was ever read, this reading is the baseline
    rules: str | None  # fingerprint of the rules that made the stored hashes
    backfill: frozenset[str] | None = None  # keys that are to fire as backfill although they are not new
    in_sight: frozenset[str] | None = None  # keys of the first page, where further ones may be read for the first time
    rules_before: Rules | None = None  # where the type was edited since: the rules by which items were kept up to date

    @property
    def counted(self) -> bool:
        """Whether the reading before counted rows that are alike."""
        return self.rules is not None and self.rules.endswith(COUNTED)


@dataclass(frozen=True)
class Noticed:
    """One change of one item: an event, once it is stored."""

    key: str
    kind: Kind
    item: Json
    old: Json  # the item as it was; None for one that is new
    changes: tuple[Change, ...]
    discriminator: tuple[Json, ...]  # what tells this event from others of the same item in the same epoch
    record: ItemRecord | None  # what is remembered once it has fired; None: forgotten
    scope: Scope = field(default_factory=dict)  # that the item was read in; empty for one that is gone
    backfill: bool = False
    missing: ItemRecord | None = None  # kind deleted: what was remembered of it before this reading
    detail: Json = None  # the answer that proves it; None: there is none


BEFORE_WATCH = "before"
"""The candidate of an item that was there at the first poll and could not be processed: it is not new later."""
MOST_HELD = 8  # items that did not fire, of which the keys are kept


@dataclass
class Notice:
    """What a reading means."""

    noticed: list[Noticed] = field(default_factory=list)
    quiet: list[ItemRecord] = field(default_factory=list)  # to be remembered, without an event
    verdicts: Counter[str] = field(default_factory=Counter)  # how many items fared how; the words `explain` uses
    held: list[tuple[str, str]] = field(
        default_factory=list
    )  # some that did not fire although they differ: key, verdict
    failed: list[tuple[str, Json, Exception]] = field(default_factory=list)  # key, item and why it was not judged
    judged: int = 0  # items that were
    missing: int = 0  # remembered items that this reading did not have, where that matters

    def hold(self, verdict: str, key: str) -> None:
        """Count an item that differs and does not fire, or not yet."""
        self.verdicts[verdict] += 1
        if len(self.held) < MOST_HELD:
            self.held.append((key, verdict))


_ABSENT: tuple[Any, ...] = (MISSING, None, "", [], {})
_SCOPES = ("lookup", "outer", "parameters")  # what a key may be taken from instead of the item


def item_key(item: Json, kind: TriggerType, scope: Scope) -> str:
    """The identity of an item as text. Raises PollError naming the field when the item has none.

    Different values give different texts, those of a second or third choice of fields included: they begin with
    colons, which a value never does. So do numbers: the ``number`` of an item in its scope (none: 1) tells it from
    others that are alike, see `numbering`. Secrets in them are masked.
    """
    first = kind.key[0]
    if len(first) == 1 and _is_field(first[0]) and isinstance(item, dict):  # the usual key of very many items
        value = item.get(first[0])
        if type(value) is str and value:
            return key_of_number(_hidden(_escaped(value)), scope.get("number", 1))
    for choice, parts in enumerate(kind.key):
        values = [_key_part(item, part, scope) for part in parts]
        if all(value not in _ABSENT for value in values):
            if any(isinstance(value, dict | list) for value in values):
                raise PollError(f"an item's key {' + '.join(parts)} is not a plain value: choose fields that are")
            texts = (_escaped(plain_text(value)) for value in values)
            return key_of_number(_hidden(":" * choice + ":".join(texts)), scope.get("number", 1))
    wanted = " or ".join(" + ".join(parts) for parts in kind.key)
    raise PollError(f"an item has no {wanted}, so it cannot be told from others; {_beginning(item)}")


def _beginning(item: Json) -> str:
    try:
        return f"it begins {masked_excerpt(dumps_text(item), 120).encode()!r}"
    except TypeError:
        return "it is nested too deeply to be shown"


def _hidden(key: str) -> str:
    """``key``; if it holds a secret, without it and with a digest, so that different keys stay different."""
    hidden = mask(key, SHORTEST_PART)
    return key if hidden == key else f"{hidden}~{digest(key.encode(errors='surrogatepass'), 16)}"


def keys_to_load(
    answers: Iterable[Iterable[tuple[Json, Scope]]], watch: Watch, rules: str | None
) -> frozenset[str] | None:
    """The keys of the items that a reading is compared with, or None for all items. Raises PollError.

    A trigger that only looks for new items needs no others: what is missing from the answer means nothing to it, unless
    ``rules``, the fingerprint of the rules that made the stored hashes, is no longer that of the trigger.
    """
    if not watch.kind.only_new or rules not in (None, watch.rules.fingerprint):
        return None
    return frozenset(item_key(item, watch.kind, scope) for answer in answers for item, scope in answer)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A")


@cache
def _is_field(part: str) -> bool:
    """Whether a part of a key is nothing but the name of a field of the item."""
    return parse_path(part) == (part,) and part not in _SCOPES


def key_of_number(key: str, number: int) -> str:
    """The key of the item that is the so-manieth of those with ``key``: ``a:b``, ``a:b::2``, ``a:b::3``."""
    return key if number == 1 else f"{key}::{number}"


def first_key(key: str) -> str:
    """The key of the first of those that are alike: ``a:b`` of ``a:b::2``, and of itself."""
    return key.rpartition("::")[0] if "::" in key.lstrip(":") else key


def _key_part(item: Json, part: str, scope: Scope) -> Any:
    tokens = parse_path(part)
    if tokens[0] in _SCOPES and tokens[0] in scope:
        return get(scope[tokens[0]], tokens[1:])
    return get(item, tokens)
