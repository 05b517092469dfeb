"""What is new: all novelty is decided here, from the items of one complete reading and what is remembered.

Pure functions: nothing is read, written or asked for. What they return is stored in one transaction or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from changewire.errors import PollError
from changewire.paths import MISSING, get, parse_path
from changewire.state.records import ItemRecord
from changewire.triggers.comparing import (
    Scope,
    additions,
    canonical,
    changes_between,
    content_hash,
    masked,
    plain_form,
    remembered,
)
from changewire.triggers.dating import latest_of
from changewire.triggers.definition import Kind, TriggerType
from changewire.triggers.expressions import EXPRESSIONS, Change
from changewire.triggers.missing import judge_unseen, remembered_item, text_at
from changewire.triggers.noticed import BEFORE_WATCH, Memory, Notice, Noticed, Watch, first_key, item_key
from changewire.values import Json, dumps

LATE = timedelta(minutes=15)
"""An item made this long before the watch began may still be new: listings lag and clocks differ."""
Found = tuple[Json, Scope]


def notice(
    items: Iterable[Found],
    watch: Watch,
    memory: Memory,
    now: datetime,
    present: Collection[str] = (),
    *,
    unidentified: bool = False,
) -> Notice:
    """Compare one complete reading with what is remembered.

    ``items`` come with their scope (``parameters``, ``now``, ``lookup``). An item that a shifting page brought twice
    counts once. An item that cannot be judged is in `Notice.failed` and stays as it is remembered. ``present`` are keys
    of further items that are there. ``unidentified``: others are there of which the key cannot be read, so that no item
    counts as missing.
    """
    items = list(items)
    result = Notice()
    seen = _by_key(items, watch, result)
    judge = _judge_of(watch.kind)
    for key, (item, scope) in seen.items():
        case = _Case(key, item, scope, memory.items.get(key), watch, memory, now)
        try:
            judge(case, result)
        except Exception as error:  # whatever it is, it must not hold up the other items
            _keep_back(case, error, result)
        else:
            result.judged += 1
    there = {*seen, *present, *(key for key, _, _ in result.failed)}
    found = [item for item, _ in items]
    for key in judge_unseen(there, found, watch, memory, result, unidentified=unidentified):
        result.hold("unidentified", key)
    return result


def _keep_back(case: _Case, error: Exception, result: Notice) -> None:
    """An item that cannot be judged is there all the same, and at the first poll it was there before the watch.

    One of which nobody knows whether it is ready is like one that is not ready.
    """
    result.failed.append((case.key, case.item, error))
    if case.known is not None and case.known.absences > 0:
        result.quiet.append(replace(case.known, absences=0))
    elif case.known is None and case.baseline() and case.is_ready:
        result.quiet.append(ItemRecord(case.key, "", None, 0, BEFORE_WATCH))


def _by_key(items: Iterable[Found], watch: Watch, result: Notice) -> dict[str, Found]:
    """One item for each key. Of two that differ always the same one, whichever comes first: order is noise."""
    found: dict[str, Found] = {}
    failed: set[str] = set()
    for item, scope in items:
        key = item_key(item, watch.kind, scope)
        other = found.setdefault(key, (item, scope))
        if other[0] is not item and key not in failed and other[0] != item and not watch.kind.only_new:
            try:
                found[key] = min(other, (item, scope), key=lambda each: _what_counts(each, watch))
            except Exception as error:
                failed.add(key)
                result.failed.append((key, item, error))
    return {key: each for key, each in found.items() if key not in failed} if failed else found


def _what_counts(found: Found, watch: Watch) -> bytes:
    item, scope = found
    if "status" in watch.kind.kind:
        value = get(item, parse_path(watch.kind.status or ""))
        return b"" if value is MISSING else dumps(plain_form(value))
    return dumps(canonical(item, watch.rules, scope))


@dataclass(slots=True)  # not frozen: there is one for every item of every answer, and that would take twice as long
class _Case:
    key: str
    item: Json
    scope: Scope
    known: ItemRecord | None
    watch: Watch
    memory: Memory
    now: datetime
    is_ready: bool = False  # once `ready` has said so
    hidden: tuple[Json] | None = None  # once `stored` has worked it out

    def stored(self) -> Json:
        """The item without secrets; itself if it has none."""
        if self.hidden is None:
            self.hidden = (masked(self.item),)
        return self.hidden[0]

    def body(self, before: bytes | None = None) -> bytes:
        """The item as it is stored. ``before``: as it is stored now, which most items still are."""
        if before is not None and dumps(remembered(self.item, self.watch.rules)) == before:
            return before
        return dumps(remembered(self.stored(), self.watch.rules))

    def baseline(self) -> bool:
        return self.memory.baseline_at is None

    def ready(self) -> bool:
        """Whether the item counts as there at all."""
        ready = self.watch.kind.ready
        self.is_ready = ready is None or EXPRESSIONS.condition(ready, {**self.scope, "item": self.item})
        return self.is_ready

    def was_absent(self) -> bool:
        """Whether it was missing in the last reading, or was looked for elsewhere."""
        return self.known is not None and self.known.absences != 0

    def uncounted(self) -> bool:
        """Whether it is one more of a kind of which nobody ever counted how many there are."""
        first = self.memory.items.get(first_key(self.key)) if self.scope.get("number", 1) > 1 else None
        if first is None or first.revision == 0 or (first.body is None and not self.watch.kind.only_new):
            return False
        return not (first.hash and self.memory.counted)

    def was_before_watch(self) -> bool:
        """Whether it was there at the first poll and could not be processed then."""
        return self.known is not None and self.known.candidate == BEFORE_WATCH

    def same_rules(self) -> bool:
        """Whether the remembered hash was made by the present rules."""
        return self.memory.rules == self.watch.rules.fingerprint

    def fire(self, kind: Kind, old: Json, changes: Iterable[Change], record: ItemRecord, result: Notice) -> None:
        """Add an event. An item that changes again and again has one for each revision of its record."""
        parts: tuple[Json, ...] = () if self.watch.kind.only_new else (record.revision, record.hash)
        what = (self.key, kind, self.item, old, tuple(changes), parts, record, self.scope)
        result.noticed.append(Noticed(*what, backfill=self.wanted()))
        result.verdicts["fired"] += 1

    def wanted(self) -> bool:
        """Whether a backfill asked for it although it is not new."""
        return self.memory.backfill is not None and self.key in self.memory.backfill

    def pending(self) -> bool:
        """Seen before only as a candidate that has not settled."""
        return self.known is not None and self.known.revision == 0

    def unknown(self) -> bool:
        """Whether there is nothing to compare with: it was never there, was deleted, or only its key is known."""
        return self.known is None or self.pending() or self.known.body is None or self.uncounted()

    def began_to_count(self, old: Json, item: Json) -> bool:
        """Whether nothing differs by the rules that the type had before: what did not count then is remembered as it
        was long ago."""
        before = self.memory.rules_before
        return before is not None and not changes_between(old, item, before, self.scope)

    def remembered(self, digest: str, *, revision: int = 1) -> ItemRecord:
        body = None if self.watch.kind.only_new else self.body()
        return ItemRecord(self.key, digest, body, revision, None, 0, 0)


def _judge_created(case: _Case, result: Notice) -> None:
    counting = case.watch.kind.counts_alike
    digest = content_hash(canonical(case.item, case.watch.rules, case.scope)) if counting else ""
    if case.known is not None and not case.pending() and not case.wanted():
        if case.known.hash != digest and counting and case.ready():
            result.quiet.append(replace(case.known, hash=digest))
        result.verdicts["seen"] += 1
        return
    if not case.ready():
        result.hold("not_ready", case.key)
        return
    record = case.remembered(digest)
    if case.wanted():
        case.fire("created", None, (), record, result)
    elif (silent := case.baseline() or case.uncounted() or case.was_before_watch()) or _not_new(case):
        result.quiet.append(record)
        if silent:
            result.verdicts["baseline"] += 1
        else:
            result.hold("old", case.key)
    elif _settled(case, digest or content_hash(canonical(case.item, case.watch.rules, case.scope)), result):
        case.fire("created", None, (), record, result)


def _judge_updated(case: _Case, result: Notice) -> None:
    if not case.ready():
        result.hold("not_ready", case.key)
        return
    form = canonical(case.item, case.watch.rules, case.scope)
    digest, known = content_hash(form), case.known
    if known is None or case.unknown():
        _judge_unknown(case, digest, result)
        return
    known = replace(known, absences=0)
    if known.hash == digest and case.same_rules():
        # what is ignored is kept as it is now: once it counts again, what happened before must not fire
        body = case.body(known.body) if case.watch.rules.ignoring else known.body
        _unchanged(replace(known, body=body), result, store=body != known.body or case.was_absent())
        return
    old, item = remembered_item(known), case.stored()
    if item is not case.item:
        old = masked(old)  # it may be from before the secret was known
    changes = tuple(changes_between(old, item, case.watch.rules, case.scope, form if item is case.item else None))
    if not changes or case.began_to_count(old, item):
        result.quiet.append(case.remembered(digest, revision=known.revision))
        result.hold("only_noise", case.key)
    elif _settled(case, digest, result):
        case.fire("updated", old, changes, case.remembered(digest, revision=known.revision + 1), result)


def _judge_status(case: _Case, result: Notice) -> None:
    if not case.ready():
        result.hold("not_ready", case.key)
        return
    path = parse_path(case.watch.kind.status or "")
    value = get(case.item, path)
    if value is MISSING:
        raise PollError(f"item {case.key} has no field {case.watch.kind.status!r}, which is the watched status")
    digest = content_hash(plain_form(value))
    if case.known is None or case.unknown():
        _judge_unknown(case, digest, result)
        return
    old = remembered_item(case.known)
    found = get(old, path)
    before = None if found is MISSING else found
    if digest == (case.known.hash if case.same_rules() else content_hash(plain_form(before))):
        store = case.was_absent() or not case.same_rules()
        _unchanged(replace(case.known, hash=digest, absences=0), result, store=store)
    elif _settled(case, digest, result):
        record = case.remembered(digest, revision=case.known.revision + 1)
        case.fire("status", old, [Change(path, before, value)], record, result)


def _judge_present(case: _Case, result: Notice) -> None:
    """An item that is there, where it matters only whether it is. Its record stays as a tombstone after a deletion,
    so that the next one is another event."""
    if not case.ready():
        result.hold("not_ready", case.key)
        return
    digest = content_hash(canonical(case.item, case.watch.rules, case.scope))
    if case.known is None or case.unknown():
        _judge_unknown(case, digest, result)
        return
    if case.known.hash != digest or case.was_absent():
        result.quiet.append(case.remembered(digest, revision=case.known.revision))
    result.verdicts["present"] += 1


def _judge_unknown(case: _Case, digest: str, result: Notice) -> None:
    """An item that was not there before. One of which an earlier form of the type knew only the key is not new."""
    known = case.known
    record = case.remembered(digest, revision=max(known.revision, 1) if known else 1)
    only_key = known is not None and not case.pending() and not case.same_rules()
    silent = case.baseline() or only_key or case.uncounted() or case.was_before_watch()
    if silent or "created" not in case.watch.kind.kind or _not_new(case) or _older_than_known(case):
        result.quiet.append(record)
        result.verdicts["baseline"] += 1
    elif _settled(case, digest, result):
        case.fire("created", None, additions(case.item, case.watch.rules, case.scope), record, result)


def _unchanged(known: ItemRecord, result: Notice, *, store: bool = False) -> None:
    if store or known.candidate is not None:  # it went back to what it was before it had settled
        result.quiet.append(replace(known, candidate=None, candidate_count=0))
    result.verdicts["unchanged"] += 1


def _settled(case: _Case, digest: str, result: Notice) -> bool:
    """Whether a difference has now been seen in enough polls in a row; if not, it is remembered as a candidate."""
    if case.watch.settle <= 1:
        return True
    known = case.known or ItemRecord(case.key, "", None, 0, None, 0, 0)
    count = known.candidate_count + 1 if known.candidate == digest else 1
    if count >= case.watch.settle:
        return True
    result.quiet.append(replace(known, candidate=digest, candidate_count=count, absences=0))
    result.hold("settling", case.key)
    return False


def _not_new(case: _Case) -> bool:
    """An item made well before the watch began is not new: it slid into the listing, or was handed over. Nor is one
    that nobody could see before the workflow said how the list goes on."""
    if case.memory.in_sight is not None and case.key not in case.memory.in_sight:
        return True
    began, made = case.memory.baseline_at, latest_of(case.item, case.watch.kind.created_at)
    if began is None or made is None:
        return False
    return made < min(began, case.now) - LATE  # our clock may have been ahead when the watch began


def _older_than_known(case: _Case) -> bool:
    """Whether a newer one was there before: then it is not new, the answer went back to it."""
    path = case.watch.kind.newest_by
    if path is None:
        return False
    known = (text_at(remembered_item(record), path) for record in case.memory.items.values() if record.body is not None)
    return max(known, default="") > text_at(case.item, path)


def _judge_of(kind: TriggerType) -> Callable[[_Case, Notice], None]:
    """How an item that is there is judged."""
    if kind.only_new:
        return _judge_created
    if "updated" in kind.kind:
        return _judge_updated
    return _judge_status if "status" in kind.kind else _judge_present
