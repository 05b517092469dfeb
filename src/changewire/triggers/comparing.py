"""Canonical items, their hashes, and the differences between two of them in words a person can read.

The hash comes first and decides nearly always; DeepDiff sees only items whose hash moved, and of them only what is not
the same. All else here is done to every answer that changed, with each of its values: that is why what no rule speaks
of goes a shorter way.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from changewire.paths import EACH, MISSING, Tokens, general, get, is_entry
from changewire.secret import SHORTEST_PART, masked_json
from changewire.triggers.expressions import EXPRESSIONS, Change
from changewire.triggers.rules import Rule, Rules, entry_rule
from changewire.values import Json, digest, dumps, dumps_text, loads

Scope = Mapping[str, Any]
_Pair = tuple[dict[str, Json], dict[str, Json]]
_NUMBERS, _TELLING = (bool, int, float), (str, int, float)
_WORDS = frozenset({str, int, bool, type(None)})  # what is its own canonical form
_PLAIN = _WORDS | {float}
_EXACT = 2.0**53  # beyond it a float has no digits of a whole number left, and JSON no room for one
_RESERVED = re.compile(r"^(?P<nameless>\?|%(?:25)*3F)$|(?P<number>#|%(?:25)*23)(?=\d+$)")
"""The part of an identity that would read like the name of another entry: a lone ``?``, or ``#`` before digits."""


def canonical(item: Json, rules: Rules, scope: Scope) -> Json:
    """The item as it is compared: without noise, lists of records keyed, other lists sorted, empty values left out.

    ``scope`` holds ``parameters`` and ``now`` for expressions in the rules. Absent, null, "", [] and {} are one and
    the same.
    """
    return _filled(_walk(_only(item, rules.only), rules.root, {**scope, "item": item}), {})


def plain_form(value: Json) -> Json:
    """The canonical form of one value without rules. Null, "", [] and {} give None."""
    return _filled(_free(value), None)


def _filled(form: Json, empty: Json) -> Json:
    """The form, or ``empty`` for null, "", [] and {}. False and 0 are values."""
    return form if form or isinstance(form, _NUMBERS) else empty


def remembered(item: Json, rules: Rules) -> Json:
    """The item as it is kept: without fields that carry tokens."""
    return _without(item, rules.secret)


def masked(item: Json) -> Json:
    """``item`` as it is stored, for the comparison with one that is; itself if it holds no secret."""
    text = dumps_text(item)
    hidden = masked_json(item, SHORTEST_PART)
    return item if hidden == text else loads(hidden)


def content_hash(form: Json) -> str:
    """The hash of a canonical item."""
    return digest(dumps(form))


def changes_between(old: Json, new: Json, rules: Rules, scope: Scope, form: Json = None) -> list[Change]:
    """What differs between two items under ``rules``, both judged at the present moment and by the present rules.

    Fields that the type does not know may appear and go without being a change: an API grows all the time. ``form`` is
    the `canonical` form of ``new`` where it is at hand; None: it is worked out.
    """
    both = _Both(old, new, rules, {**scope, "item": new}, canonical(new, rules, scope) if form is None else form)
    return [
        Change(tokens, both.old.at(tokens), both.new.at(tokens))
        for tokens in _differences(both.before, both.after)
        if both.counts(tokens) and not both.grew(tokens) and not both.slid(tokens)
    ]


def additions(new: Json, rules: Rules, scope: Scope) -> list[Change]:
    """The changes of an item that was not there before: each entry of its lists of records is one."""
    form = canonical(new, rules, scope)
    sent = _Sent(new, rules, {**scope, "item": new})
    changes = []
    for name in form if isinstance(form, dict) else ():
        rule = rules.root.below(name)
        if rule is not None and rule.key is not None:
            tokens = [(name, token) for token in form[name]]
            changes += [Change(path, None, sent.at(path)) for path in tokens]
    return changes


def sent_value(body: Json, rules: Rules, scope: Scope, tokens: Tokens) -> tuple[Json] | None:
    """The value at a path of ``body``, by the names that ``rules`` give to entries; None: there is no such place."""
    sent = _Sent(body, rules, scope)
    return (sent.at(tokens),) if tokens and isinstance(body, dict) and sent.has(tokens) else None


class _Sent:
    """An item as the API sent it, with the values at canonical paths in it."""

    def __init__(self, item: Json, rules: Rules, scope: Scope) -> None:
        self.item, self._rules, self._scope = item, rules, scope
        self._entries: dict[int, dict[str, Json]] = {}  # of each list, by the names that they have in paths

    def at(self, tokens: Sequence[str]) -> Json:
        """The value at a path; None where there is nothing."""
        item, rule = self.item, cast(Rule | None, self._rules.root)
        for token in tokens:
            if is_entry(token) and isinstance(item, list):
                item, rule = self._named(item, rule).get(token), entry_rule(rule)
            elif isinstance(item, dict):
                item, rule = item.get(token), rule.below(token) if rule else None
            else:
                return None
        return item

    def has(self, tokens: Tokens) -> bool:
        """Whether the field or entry is there at all, be it empty."""
        parent = self.at(tokens[:-1])
        return tokens[-1] in parent if isinstance(parent, dict) else self.at(tokens) is not None

    def _named(self, entries: list[Json], rule: Rule | None) -> dict[str, Json]:
        if id(entries) not in self._entries:
            names = _names(entries, rule, self._scope) or _entry_tokens(entries, rule, self._scope)
            self._entries[id(entries)] = dict(zip(names, entries, strict=True))
        return self._entries[id(entries)]


def _entry_tokens(entries: list[Json], rule: Rule | None, scope: Scope) -> list[str]:
    """The name of each list entry in paths. Entries that cannot be told apart are numbered by what they hold, for
    their order in the answer means nothing."""
    tokens = [_entry_token(entry, rule) for entry in entries]
    if len(set(tokens)) == len(tokens):
        return tokens
    forms = [dumps(_filled(_walk(entry, entry_rule(rule), scope), {})) for entry in entries]
    times = Counter[str]()
    for place in sorted(range(len(entries)), key=forms.__getitem__):
        token = tokens[place]
        times[token] += 1
        if times[token] > 1:
            tokens[place] = f"{token[:-1]}#{times[token]}]"
    return tokens


def _entry_token(entry: Json, rule: Rule | None) -> str:
    """The identity of a list entry by the rule, else by ``id``; ``[?]`` where it has none."""
    for parts in rule.key if rule and rule.key else ((("id",),),):
        values = [_identity(get(entry, path)) for path in parts]
        if any(values):
            return f"[{_RESERVED.sub(_encoded, _joined(values))}]"
    return "[?]"


def _identity(value: Json) -> str:
    return "" if value is MISSING else plain_text(_filled(_free(value), ""))


def _joined(values: list[str]) -> str:
    """One text for the parts of an identity: different parts give different texts."""
    if len(values) == 1:
        return values[0]
    return "/".join(value.replace("%", "%25").replace("/", "%2F") for value in values)


def _encoded(found: re.Match[str]) -> str:
    return {"?": "%3F", "#": "%23"}.get(found[0]) or f"%25{found[0][1:]}"


def plain_text(value: Json) -> str:
    """A key's value as text; 17 and 17.0 are the same. Objects and lists give their JSON."""
    if type(value) is str:
        return value
    if isinstance(value, bool | dict | list):
        return dumps(value).decode()
    return str(_number(value) if isinstance(value, float) else value)


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


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
    if rule is None:
        return _free(value)
    if isinstance(value, dict):
        return _walk_object(value, rule, scope)
    if isinstance(value, list):
        return _walk_list(value, rule, scope)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        if rule.without_query:
            return value.partition("?")[0]
        if rule.separator is not None:
            return sorted({part.strip() for part in value.split(rule.separator)} - {""})
    return value


def _walk_object(value: dict[str, Json], rule: Rule, scope: Scope, like: _Pair | None = None) -> Json:
    """``like``: another object and its form, of which the same lists of records need not be worked out again."""
    form = {}
    other, known = like or ({}, {})
    for key, inner in value.items():
        below = rule.below(key)
        if below is None:
            inner = _free_like(inner, other[key], known[key]) if key in known else _free(inner)
        elif _volatile(below, scope):
            continue
        else:
            inner = _walk(inner, below, scope)
        if inner or isinstance(inner, _NUMBERS):  # False and 0 are values, and the empty ones are none
            form[key] = inner
    return form


def _free(value: Json) -> Json:
    """The same as `_walk` where no rule speaks of the value nor of anything in it."""
    kind = type(value)
    if kind is dict:
        form = {}
        for key, inner in value.items():
            if type(inner) not in _WORDS:
                inner = _free(inner)
            if inner or isinstance(inner, _NUMBERS):
                form[key] = inner
        return form
    if kind is list:
        return _free_list(value)
    return _number(value) if kind is float else value


def _free_list(value: list[Json]) -> Json:
    if _WORDS.issuperset(map(type, value)) and None not in value and "" not in value:
        return sorted(value, key=dumps)
    names = _ids(value)
    if names is not None:
        return {name: _free(entry) for name, entry in zip(names, value, strict=True)}
    return sorted([_filled(_free(entry), {}) for entry in value], key=dumps)


def _free_like(value: Json, other: Json, form: Json) -> Json:
    """`_free` of ``value``, with the parts of ``form`` where it is the same as ``other``, of which that is the form."""
    if type(value) is list and type(other) is list and type(form) is dict:
        names = _ids(value)
        if names is not None:
            others = dict(zip(form, other, strict=True))
            return {
                name: form[name] if name in form and dumps(others[name]) == dumps(entry) else _free(entry)
                for name, entry in zip(names, value, strict=True)
            }
    return _free(value)


def _volatile(rule: Rule, scope: Scope) -> bool:
    return rule.volatile or (rule.volatile_when is not None and EXPRESSIONS.condition(rule.volatile_when, scope))


def _walk_list(value: list[Json], rule: Rule, scope: Scope) -> Json:
    each = entry_rule(rule)
    if each is not None and _volatile(each, scope):
        return []
    if rule.only_if is not None:
        value = [entry for entry in value if EXPRESSIONS.condition(rule.only_if, {**scope, "entry": entry})]
    names = None if rule.ordered else _names(value, rule, scope)
    if names is not None:
        return {name: _filled(_walk(entry, each, scope), {}) for name, entry in zip(names, value, strict=True)}
    walked = [_filled(_walk(entry, each, scope), {}) for entry in value]
    return walked if rule.ordered or len(walked) < 2 else sorted(walked, key=dumps)


def _names(entries: list[Json], rule: Rule | None, scope: Scope) -> list[str] | None:
    """The names of list entries in paths, by the rule, else by an ``id`` that each has for itself; None: they cannot
    be told apart, or it is no list of records."""
    if rule is not None and rule.key is not None:
        return _entry_tokens(entries, rule, scope)
    return _ids(entries)


def _ids(entries: list[Json]) -> list[str] | None:
    names = []
    for entry in entries:
        found = entry.get("id") if isinstance(entry, dict) else None
        if type(found) is str and found:
            names.append(f"[{found}]")
        elif isinstance(found, _TELLING) and found != "":
            names.append(f"[{plain_text(found)}]")
        else:
            return None
    return names if names and len(set(names)) == len(names) else None


def _differences(before: Json, after: Json) -> list[Tokens]:
    """Where two canonical items differ, in order. Records of a list that is new or gone are told each on its own."""
    from deepdiff import DeepDiff  # commands that only look at a home should not wait for it

    found = DeepDiff(
        _leaves(before, after),
        _leaves(after, before),
        view="tree",
        threshold_to_diff_deeper=0,
        ignore_private_variables=False,  # else a field called __v would never change
    )
    groups = ("values_changed", "type_changes", "dictionary_item_added", "dictionary_item_removed")
    levels = [level for group in groups for level in found.get(group, ())]
    return sorted(tuple(map(str, level.path(output_format="list"))) for level in levels)


def _leaves(form: Json, other: Json) -> Json:
    """Plain lists as one value each: a set that changed is told as the old and the new set, not as shifted places.

    Values are their JSON, which keeps 1, "1" and true apart and spares DeepDiff the lines of long texts. A list of
    records that is empty on one side is there as an empty one, so that each record is told on its own. What is the
    same on both sides is left out: DeepDiff takes a hundred times as long to see that.
    """
    if not isinstance(form, dict):
        return dumps(form)
    rest = other if isinstance(other, dict) else {}
    missing: dict[str, Json] = {key: {} for key, value in rest.items() if key not in form and _keyed(value)}
    differing = {key: value for key, value in form.items() if key not in rest or not _same(value, rest[key])}
    return {key: _leaves(value, rest.get(key)) for key, value in differing.items()} | missing


def _same(one: Json, other: Json) -> bool:
    """Whether two values are one and the same JSON: 1, "1" and true are three."""
    if one is other or type(one) is not type(other):
        return one is other
    return bool(one == other) if type(one) in _PLAIN else dumps(one) == dumps(other)


def _keyed(form: Json) -> bool:
    return isinstance(form, dict) and bool(form) and all(map(is_entry, form))


class _Both:
    """An item as it was and as it is; says which of their differences count."""

    def __init__(self, old: Json, new: Json, rules: Rules, scope: Scope, after: Json) -> None:
        self.old, self.new, self.rules = _Sent(old, rules, scope), _Sent(new, rules, scope), rules
        if not rules.only and all(isinstance(one, dict) for one in (old, new, after)):
            self.before = _walk_object(old, rules.root, scope, (new, after))
        else:
            self.before = _filled(_walk(_only(old, rules.only), rules.root, scope), {})
        self.after = after

    def counts(self, tokens: Tokens) -> bool:
        """Whether a difference is more than a field that the type does not know coming or going."""
        if not tokens:  # the item as a whole became something else
            return True
        path, stays = general(tokens), self.new.has(tokens)
        if not stays and path in self.rules.may_vanish:
            return False
        known = self.rules.new_fields == "count" or path in self.rules.known or is_entry(tokens[-1])
        return known or (stays and self.old.has(tokens))

    def grew(self, tokens: Tokens) -> bool:
        """Whether two lists of plain records differ in nothing but fields that the type does not know and that only
        one of them has."""
        lists = [get(side, tokens) for side in (self.before, self.after)]
        if self.rules.new_fields == "count" or not all(_records(entries) for entries in lists):
            return False
        fields = [{name for entry in entries for name in entry} for entries in lists]
        known = {name for name in fields[0] ^ fields[1] if (*general(tokens), EACH, name) in self.rules.known}
        kept = (fields[0] & fields[1]) | known
        old, new = ([_with(entry, kept) for entry in entries] for entries in lists)
        return bool(kept) and sorted(map(dumps, old)) == sorted(map(dumps, new))

    def slid(self, tokens: Tokens) -> bool:
        """Whether an added entry lies beyond the last one known, as when a window of upcoming dates moves on."""
        rule: Rule | None = self.rules.root
        for token in tokens[:-1]:
            rule = (entry_rule(rule) if is_entry(token) else rule.below(token)) if rule else None
        if not tokens or rule is None or rule.window_by is None or get(self.before, tokens) is not MISSING:
            return False
        known = self.old.at(tokens[:-1])  # those that are over by now as well
        values = [get(entry, rule.window_by) for entry in known] if isinstance(known, list) else []
        last = max((str(value) for value in values if value is not MISSING), default="")
        return bool(last) and str(get(get(self.after, tokens), rule.window_by)) > last


def _records(form: Json) -> bool:
    return isinstance(form, list) and bool(form) and all(isinstance(entry, dict) for entry in form)


def _with(entry: dict[str, Json], names: Collection[str]) -> dict[str, Json]:
    return {name: value for name, value in entry.items() if name in names}
