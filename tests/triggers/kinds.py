"""Small trigger types, and what it takes to try them without a source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from changewire.state.records import ItemRecord
from changewire.triggers.comparing import Scope, canonical, changes_between, content_hash
from changewire.triggers.definition import TriggerType
from changewire.triggers.noticed import Memory, Notice, Watch
from changewire.triggers.noticing import notice
from changewire.triggers.numbering import Numbered, numbered
from changewire.triggers.rules import Rules, make_rules, rules_before, written

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SCOPE: dict[str, Any] = {"parameters": {}, "now": "2026-11-21T10:00:00Z", "lookup": {}}


def kind_of(kind: str | list[str] = "updated", **parts: Any) -> TriggerType:
    """A type for records with an ``id``; ``parts`` as in a type file, None for one that is left out."""
    plain: dict[str, Any] = {
        "type": "http.thing",
        "title": "Thing",
        "description": "A thing.",
        "request": {"path": "/things"},
        "items": "[*]",
        "key": "id",
        "kind": kind,
        "event_type": "thing",
        "payload": {"item": "{{ item }}"},
        "sample": {"id": 1, "status": "open"},
    }
    if "status" in kind:
        plain["status"] = "status"
    return TriggerType.model_validate({key: part for key, part in {**plain, **parts}.items() if part is not None})


def rules_of(*ignore: str, sample: Any = None, **compare: Any) -> Rules:
    """Comparison rules; fields that appear count, unless told otherwise."""
    compare = {"new_fields": "count", **compare}
    return make_rules(kind_of(compare=compare, sample={"id": 1} if sample is None else sample), ignore)


def digest_of(item: Any, rules: Rules) -> str:
    return content_hash(canonical(item, rules, SCOPE))


def differences(old: Any, new: Any, rules: Rules | None = None) -> dict[str, tuple[Any, Any]]:
    """``{path: (old, new)}``."""
    found = changes_between(old, new, rules or rules_of(), SCOPE)
    return {change.path: (change.old, change.new) for change in found}


class Watcher:
    """One trigger's memory from reading to reading, as the engine keeps it."""

    def __init__(self, kind: TriggerType, *ignore: str, settle: int = 1, backfill: Iterable[str] = ()) -> None:
        self.kind, self.settle = kind, settle
        self.watch = Watch(kind, make_rules(kind, ignore), settle)
        self.items: dict[str, ItemRecord] = {}
        self.baseline_at: datetime | None = None
        self.rules: str | None = None
        self.ignored: tuple[str, ...] = ignore
        self.compare: Any = None
        self.backfill = frozenset(backfill)
        self.last = Notice()

    def become(self, kind: TriggerType) -> None:
        """Edit the type."""
        self.kind, self.watch = kind, Watch(kind, make_rules(kind), self.settle)

    def ignore(self, *paths: str) -> None:
        """Edit the workflow's ``ignore``."""
        self.ignored = paths
        self.watch = Watch(self.kind, make_rules(self.kind, paths), self.settle)

    def read(self, *items: Any, now: datetime = NOW) -> list[str]:
        """Take one reading; what fired, as ``key`` or ``key:path,path``."""
        return self.read_answers([(item, SCOPE) for item in items], now=now)

    def read_answers(self, *answers: Sequence[tuple[Any, Scope]], now: datetime = NOW) -> list[str]:
        """As `read`, of several answers, each with its items and their scopes."""
        backfill = self.backfill if self.baseline_at is None else None
        before = rules_before(self.kind, self.compare, self.ignored)
        memory = Memory(self.items, self.baseline_at, self.rules, backfill, rules_before=before)
        counts = self.kind.counts_alike
        told = numbered(answers, self.watch, self.items) if counts else Numbered([], [], set())
        found = told.found if counts else [one for answer in answers for one in answer]
        self.last = notice(found, self.watch, memory, now, {*told.present, *(key for key, _, _ in told.failed)})
        self.last.failed += told.failed
        records = [*self.last.quiet, *(n.record for n in self.last.noticed if n.record)]
        self.items |= {record.key: record for record in records}
        self.baseline_at, self.rules = self.baseline_at or now, self.watch.rules.fingerprint
        self.compare = written(self.kind.compare)
        return [":".join(filter(None, [n.key, ",".join(c.path for c in n.changes)])) for n in self.last.noticed]
