"""Decide which new trigger takes over the memory of one that left the files. Pure functions.

A memory passes on only with evidence of a rename: the trigger was active until this very sync, its file is gone or is
usable without it, the new trigger watches the same through the same account, and no other pair fits as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from changewire.state.records import TriggerRecord, TriggerState


@dataclass(frozen=True, slots=True)
class HomeFiles:
    """The files of a home, as far as the store needs them to sync its triggers."""

    broken: Mapping[str, str] = field(default_factory=dict)  # files that cannot be used, and the first problem of each
    connections: Collection[str] = ()  # names of all connections, including those that cannot be used
    texts: Mapping[str, str] = field(default_factory=dict)  # texts of the workflows by version


@dataclass(slots=True)
class Plan:
    """What a sync does with the memories of triggers that left the files."""

    adopted: list[tuple[TriggerRecord, TriggerRecord]] = field(default_factory=list)  # (before, after)
    unmatched: list[tuple[TriggerRecord, list[TriggerRecord]]] = field(default_factory=list)
    """New triggers without a memory, each with the triggers that watched the same and keep theirs."""


Key = Callable[[TriggerRecord], tuple[str, ...]]
_PREFERENCES: tuple[Key, ...] = (  # the strongest evidence first; empty texts are unknown and prove nothing
    lambda trigger: (trigger.file, trigger.name),
    lambda trigger: (trigger.version, trigger.name),
    lambda trigger: (trigger.workflow, trigger.name),
    lambda trigger: (trigger.file,),
    lambda trigger: (trigger.version,),
    lambda trigger: (trigger.workflow,),
    lambda trigger: (trigger.name,),
    lambda _: (),
)


def with_broken(
    stored: Sequence[TriggerRecord], records: Sequence[TriggerRecord], broken: Mapping[str, str]
) -> list[TriggerRecord]:
    """Return ``records`` with the known triggers of broken files as unavailable.

    They stay active, so that their memory is theirs also if the file is renamed while it is repaired. They replace the
    placeholder that a broken file has if none of its triggers is known.
    """
    wanted = {record.id for record in records}
    known = [t for t in stored if t.active and t.fingerprint and t.id not in wanted and t.file in broken]
    files = {trigger.file for trigger in known}
    kept = [r for r in records if r.state is not TriggerState.UNAVAILABLE or r.file not in files]
    return [*kept, *(_unavailable(trigger, broken[trigger.file]) for trigger in known)]


def _unavailable(trigger: TriggerRecord, error: str) -> TriggerRecord:
    return TriggerRecord(
        id=trigger.id,
        workflow=trigger.workflow,
        name=trigger.name,
        type=trigger.type,
        connection=trigger.connection,
        fingerprint="",
        interval_s=trigger.interval_s,
        state=TriggerState.UNAVAILABLE,
        error=error,
    )


def plan(stored: Sequence[TriggerRecord], records: Sequence[TriggerRecord], files: HomeFiles) -> Plan:
    """Match the triggers that are new in ``records`` with those that are not in them any more."""
    wanted = {record.id for record in records}
    known = {trigger.id: trigger for trigger in stored}
    made, gone = Plan(), [t for t in stored if t.fingerprint and t.id not in wanted]
    candidates: dict[str, list[TriggerRecord]] = defaultdict(list)
    for trigger in gone:
        candidates[trigger.fingerprint].append(trigger)
    new: dict[str, list[TriggerRecord]] = defaultdict(list)
    for record in records:
        if record.fingerprint in candidates and _is_new(known.get(record.id)):
            new[record.fingerprint].append(record)
    for fingerprint, fresh in new.items():
        watched_same = candidates[fingerprint]
        orphans = [trigger for trigger in watched_same if trigger.active and _left(trigger, files)]
        pairs = _pairs(orphans, fresh, files)
        made.adopted += pairs
        taken, given = {id(after) for _, after in pairs}, {before.id for before, _ in pairs}
        rest = [t for t in watched_same if t.id not in given and t.baseline_at is not None]
        made.unmatched += [(record, rest) for record in fresh if id(record) not in taken and rest]
    return made


def _is_new(known: TriggerRecord | None) -> bool:
    """Whether a trigger has no memory of its own: one that returns to the files goes on with what it has."""
    return known is None or not (known.active or known.polls or known.baseline_at)


def _left(trigger: TriggerRecord, files: HomeFiles) -> bool:
    """Whether the files show that a trigger is gone. One whose file cannot be used may still be in it."""
    return trigger.file not in files.broken if trigger.file else not files.broken


def _pairs(
    orphans: Iterable[TriggerRecord], fresh: Iterable[TriggerRecord], files: HomeFiles
) -> list[tuple[TriggerRecord, TriggerRecord]]:
    """Pairs of which neither side has another partner that is as good, the best evidence first."""
    before, after = list(orphans), list(fresh)
    pairs: list[tuple[TriggerRecord, TriggerRecord]] = []
    for key in _PREFERENCES:
        possible = [(old, new) for old in before for new in after if _fits(old, new, files) and _same(key, old, new)]
        for old, new in possible:
            if sum(old is each or new is other for each, other in possible) == 1:
                pairs.append((old, new))
                before.remove(old)
                after.remove(new)
    return pairs


def _same(key: Key, old: TriggerRecord, new: TriggerRecord) -> bool:
    return key(old) == key(new) and "" not in key(old)


def _fits(old: TriggerRecord, new: TriggerRecord, files: HomeFiles) -> bool:
    """Whether two triggers ask the same account: through one connection, or through one that was renamed."""
    if old.connection == new.connection:
        return True
    return old.connection not in files.connections and bool(old.account) and old.account == new.account
