"""What counts in an item: the rules of a trigger type and the ``ignore`` of a workflow, made ready for use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Literal

from changewire.paths import ANY_KEY, EACH, Tokens, all_paths, exists, parse_path
from changewire.triggers.counting import Compare
from changewire.triggers.definition import TriggerType
from changewire.values import Json, digest, dumps

COUNTED = "+"
"""What fingerprints end with where rows that are alike are counted."""


@dataclass
class Rule:
    """What holds at one place of an item, and below it. Made once for each trigger, then only read."""

    volatile: bool = False  # left out of every comparison
    volatile_when: str | None = None  # left out while this expression holds for the item
    key: tuple[tuple[Tokens, ...], ...] | None = None  # list of records: what makes one, alternatives in order
    only_if: str | None = None  # list of records: only entries for which this expression holds count
    window_by: Tokens | None = None  # list of records: entries beyond the last one known are the window moving on
    ordered: bool = False  # list whose order is a value; all others are sets
    separator: str | None = None  # text that is a set of parts
    without_query: bool = False  # URL whose part after "?" is not compared
    children: dict[str, Rule] = field(default_factory=dict)

    def below(self, token: str) -> Rule | None:
        """The rule one step down; None where nothing is said about that place."""
        return self.children.get(token) or self.children.get(ANY_KEY)


@dataclass(frozen=True)
class Rules:
    """The comparison rules of one trigger."""

    root: Rule
    only: tuple[Tokens, ...]  # compare nothing but these; empty: everything
    secret: Rule  # only the fields that are not to be remembered
    may_vanish: frozenset[Tokens]  # fields that may go away without being a change
    known: frozenset[Tokens]  # fields that the type knows: one of these appearing or going is a change
    new_fields: Literal["quiet", "count"]
    ignoring: bool  # whether the user leaves out more than the type does
    fingerprint: str  # changes when any of the above does


def make_rules(kind: TriggerType, ignore: Iterable[str] = ()) -> Rules:
    """The rules of ``kind`` with the paths in ``ignore`` left out as well."""
    compare = kind.compare
    root, secret = Rule(), Rule()
    for path in compare.secret:
        _place(secret, parse_path(path)).volatile = True
    for entry in compare.volatile:
        place = _place(root, parse_path(entry.path))
        place.volatile, place.volatile_when = entry.when is None, entry.when
    for path in (*compare.secret, *ignore):
        place = _place(root, parse_path(path))
        place.volatile, place.volatile_when = True, None
    _place_lists(root, compare)
    for path in compare.ordered:
        _place(root, parse_path(path)).ordered = True
    for path, separator in compare.text_sets.items():
        _place(root, parse_path(path)).separator = separator
    for path in compare.without_query:
        _place(root, parse_path(path)).without_query = True
    _spread(root)
    _spread(secret)
    return Rules(
        root=root,
        secret=secret,
        only=tuple(parse_path(path) for path in compare.only),
        may_vanish=frozenset(parse_path(path) for path in compare.may_vanish),
        known=frozenset(all_paths(kind.sample)) | frozenset(parse_path(path) for path in compare.also_possible),
        new_fields=compare.new_fields,
        ignoring=bool(ignore),
        fingerprint=digest(
            dumps([compare.model_dump(mode="json"), sorted(ignore), kind.kind, kind.status, kind.sample]), 16
        )
        + (COUNTED if kind.counts_alike else ""),
    )


def written(compare: Compare) -> Json:
    """The rules of a type as they are remembered, see `rules_before`."""
    return compare.model_dump(mode="json", exclude_defaults=True)


def rules_before(kind: TriggerType, before: Json, ignore: Iterable[str]) -> Rules | None:
    """The rules that ``kind`` had when its items were remembered; None: those of today, or nobody knows.

    ``before`` is what `written` gave then. What a user ignores is kept up to date, so it is always that of today.
    """
    if before is None or before == written(kind.compare):
        return None
    try:
        return make_rules(kind.model_copy(update={"compare": Compare.model_validate(before)}), ignore)
    except ValueError:  # written by another version
        return None


def unknown_paths(kind: TriggerType, paths: Iterable[str]) -> list[str]:
    """Those of ``paths`` that lead nowhere in the type's sample: most likely misspelt."""
    known = frozenset(parse_path(path) for path in kind.compare.also_possible)
    return [path for path in paths if not exists(kind.sample, parse_path(path)) and parse_path(path) not in known]


def _place_lists(root: Rule, compare: Compare) -> None:
    for path, records in compare.lists.items():
        place = _place(root, parse_path(path))
        place.key = tuple(tuple(parse_path(part) for part in parts) for parts in records.key)
        place.only_if = records.only_if
        place.window_by = parse_path(records.window_by) if records.window_by else None


def _place(root: Rule, tokens: Tokens) -> Rule:
    for token in tokens:
        root = root.children.setdefault(token, Rule())
    return root


def _spread(rule: Rule) -> None:
    """Let what is said of every key hold for the keys that have a rule of their own, too."""
    general = rule.children.get(ANY_KEY)
    for token, child in rule.children.items():
        if general is not None and token not in (ANY_KEY, EACH):
            _join(child, general)
        _spread(child)


def _join(rule: Rule, other: Rule) -> None:
    for part in fields(Rule):
        if part.name != "children" and not getattr(rule, part.name):
            setattr(rule, part.name, getattr(other, part.name))
    for token, child in other.children.items():
        _join(rule.children.setdefault(token, Rule()), child)


def entry_rule(rule: Rule | None) -> Rule | None:
    """The rule for the entries of a list."""
    return rule.children.get(EACH) if rule else None
