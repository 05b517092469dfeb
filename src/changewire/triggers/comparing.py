"""Canonical items, their hashes, and the differences between two of them in words a person can read.

The hash comes first and decides nearly always; DeepDiff sees only items whose hash moved (0.3 ms an item even when
equal, where hashing takes a hundredth of that).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from deepdiff import DeepDiff

from changewire.paths import MISSING, Tokens, general, get, is_entry
from changewire.triggers.expressions import EXPRESSIONS, Change
from changewire.triggers.rules import Rule, Rules, entry_rule
from changewire.values import Json, digest, dumps

Scope = Mapping[str, Any]
_EMPTY: tuple[Json, ...] = (None, "", [], {})


def canonical(item: Json, rules: Rules, scope: Scope) -> Json:
    """The item as it is compared: without noise, lists of records keyed, other lists sorted, empty values left out.

    ``scope`` holds ``parameters`` and ``now`` for expressions in the rules. Absent, null, "", [] and {} are one and
    the same.
    """
    return _walk(_only(item, rules.only), rules.root, {**scope, "item": item})


def remembered(item: Json, rules: Rules) -> Json:
    """The item as it is kept: without fields that carry tokens."""
    return _without(item, rules.secret)


def content_hash(form: Json) -> str:
    """The hash of a canonical item."""
    return digest(dumps(form))


def changes_between(old: Json, new: Json, rules: Rules, scope: Scope) -> list[Change]:
    """What differs between two items under ``rules``, both judged at the present moment and by the present rules.

    Fields that the type does not know may appear and go without being a change: an API grows all the time.
    """
    judged = {**scope, "item": new}
    before, after = (_walk(_only(side, rules.only), rules.root, judged) for side in (old, new))
    return [
        Change(tokens, locate(old, tokens, rules), locate(new, tokens, rules))
        for tokens in _differences(before, after)
        if _counts(tokens, old, new, rules) and not _slid(tokens, before, after, rules)
    ]


def additions(new: Json, rules: Rules, scope: Scope) -> list[Change]:
    """The changes of an item that was not there before: each entry of its lists of records is one."""
    form = canonical(new, rules, scope)
    changes = []
    for name in form if isinstance(form, dict) else ():
        rule = rules.root.below(name)
        if rule is not None and rule.key is not None:
            tokens = [(name, token) for token in form[name]]
            changes += [Change(path, None, locate(new, path, rules)) for path in tokens]
    return changes


def locate(item: Json, tokens: Sequence[str], rules: Rules) -> Json:
    """The value at a canonical path in an item as the API sent it; None where there is nothing."""
    rule: Rule | None = rules.root
    for token in tokens:
        if is_entry(token) and isinstance(item, list):
            each = entry_rule(rule)
            item = next((entry for i, entry in enumerate(item) if entry_token(entry, rule, i) == token), None)
            rule = each
        elif isinstance(item, dict):
            item, rule = item.get(token), rule.below(token) if rule else None
        else:
            return None
    return item


def entry_token(entry: Json, rule: Rule | None, index: int) -> str:
    """The name of a list entry in paths: its identity by the rule, else by ``id``, else its place."""
    for parts in rule.key if rule and rule.key else ((("id",),),):
        values = [get(entry, part) for part in parts]
        if any(value not in (MISSING, None, "") for value in values):
            return "[" + "/".join("" if value in (MISSING, None) else str(value) for value in values) + "]"
    return f"[{index}]"


def _only(item: Json, paths: Collection[Tokens]) -> Json:
    """Nothing but ``paths`` of the item; the item itself where no path is named."""
    kept: dict[str, Json] = {}
    for path in paths:
        value = get(item, path)
        if value is not MISSING:
            place = kept
            for token in path[:-1]:
                place = place.setdefault(token, {})
            place[path[-1]] = value
    return kept if paths else item


def _without(value: Json, rule: Rule | None) -> Json:
    if rule is None or not rule.children:
        return value
    if isinstance(value, dict):
        below = {key: rule.below(key) for key in value}
        return {k: _without(v, below[k]) for k, v in value.items() if not (below[k] or Rule()).volatile}
    return [_without(entry, entry_rule(rule)) for entry in value] if isinstance(value, list) else value


def _walk(value: Json, rule: Rule | None, scope: Scope) -> Json:
    if isinstance(value, dict):
        return _walk_object(value, rule, scope)
    if isinstance(value, list):
        return _walk_list(value, rule, scope)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if rule and isinstance(value, str):
        if rule.without_query:
            return value.partition("?")[0]
        if rule.separator is not None:
            return sorted({part.strip() for part in value.split(rule.separator)} - {""})
    return value


def _walk_object(value: dict[str, Json], rule: Rule | None, scope: Scope) -> Json:
    form = {}
    for key, inner in value.items():
        below = rule.below(key) if rule else None
        if below is not None and _volatile(below, scope):
            continue
        walked = _walk(inner, below, scope) if isinstance(inner, dict | list | float) or below else inner
        if isinstance(walked, bool | int) or walked not in _EMPTY:
            form[key] = walked
    return form


def _volatile(rule: Rule, scope: Scope) -> bool:
    return rule.volatile or (rule.volatile_when is not None and EXPRESSIONS.condition(rule.volatile_when, scope))


def _walk_list(value: list[Json], rule: Rule | None, scope: Scope) -> Json:
    each = entry_rule(rule)
    if each is not None and _volatile(each, scope):
        return []
    if rule is not None and rule.keep is not None:
        value = [entry for entry in value if EXPRESSIONS.condition(rule.keep, {**scope, "entry": entry})]
    if (rule is not None and rule.key is not None) or _identified(value):
        tokens = [entry_token(entry, rule, i) for i, entry in enumerate(value)]
        return {token: _walk(entry, each, scope) for token, entry in zip(tokens, value, strict=True)}
    walked = [_walk(entry, each, scope) for entry in value]
    return walked if rule is not None and rule.ordered else sorted(walked, key=dumps)


def _identified(entries: list[Json]) -> bool:
    """Whether all entries carry an ``id`` of their own, so that they can be told apart without a rule."""
    ids = [entry.get("id") if isinstance(entry, dict) else None for entry in entries]
    return bool(ids) and all(isinstance(i, str | int) and i != "" for i in ids) and len(set(map(str, ids))) == len(ids)


def _differences(before: Json, after: Json) -> list[Tokens]:
    """Where two canonical items differ."""
    found = DeepDiff(_leaves(before, after), _leaves(after, before), view="tree", threshold_to_diff_deeper=0)
    groups = ("values_changed", "type_changes", "dictionary_item_added", "dictionary_item_removed")
    levels = [level for group in groups for level in found.get(group, ())]
    return sorted(tuple(map(str, level.path(output_format="list"))) for level in levels)


def _leaves(form: Json, other: Json) -> Json:
    """Plain lists as one value each: a set that changed is told as the old and the new set, not as shifted places.

    A list of records that is empty on one side is there as an empty one, so that each record is told on its own.
    """
    if isinstance(form, dict):
        rest = other if isinstance(other, dict) else {}
        missing: dict[str, Json] = {key: {} for key, value in rest.items() if key not in form and _keyed(value)}
        return {key: _leaves(value, rest.get(key)) for key, value in form.items()} | missing
    return dumps(form).decode() if isinstance(form, list) else form


def _keyed(form: Json) -> bool:
    return isinstance(form, dict) and bool(form) and all(map(is_entry, form))


def _counts(tokens: Tokens, old: Json, new: Json, rules: Rules) -> bool:
    if not tokens:  # the item as a whole became something else
        return True
    path = general(tokens)
    there = [_present(side, tokens, rules) for side in (old, new)]
    if not there[1] and path in rules.may_vanish:
        return False
    return all(there) or rules.new_fields == "count" or path in rules.known or is_entry(tokens[-1])


def _present(item: Json, tokens: Tokens, rules: Rules) -> bool:
    """Whether the field is there at all, be it empty."""
    parent = locate(item, tokens[:-1], rules)
    return tokens[-1] in parent if isinstance(parent, dict) else is_entry(tokens[-1])


def _slid(tokens: Tokens, before: Json, after: Json, rules: Rules) -> bool:
    """Whether an added entry lies beyond the last one known, as when a window of upcoming dates moves on."""
    if not tokens:
        return False
    rule: Rule | None = rules.root
    for token in tokens[:-1]:
        rule = (entry_rule(rule) if is_entry(token) else rule.below(token)) if rule else None
    known, added = get(before, tokens[:-1]), get(after, tokens)
    if rule is None or rule.slides_by is None or not isinstance(known, dict) or tokens[-1] in known:
        return False
    last = max((str(get(entry, rule.slides_by)) for entry in known.values()), default="")
    return bool(last) and str(get(added, rule.slides_by)) > last
