"""What is stored under the name of a workflow, trigger or connection follows when that is renamed.

Runs and events follow so that order, modes and batches hold across the rename; pauses, failure streaks and alerts so
that each still has its counterpart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from changewire.state import pauses, rows
from changewire.state.queries import sql
from changewire.state.records import PauseCause, PauseKind, PauseRecord, TriggerRecord, TriggerState
from changewire.state.writer import Transaction
from changewire.values import dumps_text

Pairs = Sequence[tuple[TriggerRecord, TriggerRecord]]
Names = Mapping[str, Sequence[str]]
"""New names by old name; several if one became several."""


@dataclass(frozen=True)
class Renames:
    """Which names changed with a sync."""

    workflows: Names
    triggers: Names  # as shown, "workflow/trigger"
    connections: Names

    def of(self, kind: PauseKind) -> Names:
        """The names of one kind."""
        return {
            PauseKind.WORKFLOW: self.workflows,
            PauseKind.TRIGGER: self.triggers,
            PauseKind.CONNECTION: self.connections,
        }[kind]

    @property
    def workflow(self) -> dict[str, str]:
        """The workflows that became exactly one: new name by old name."""
        return {old: new[0] for old, new in self.workflows.items() if len(new) == 1}


def find(stored: Sequence[TriggerRecord], records: Sequence[TriggerRecord], adopted: Pairs) -> Renames:
    """Return the names that changed: those of adopted triggers, and those of workflows that changed inside a file."""
    workflows = _workflows(stored, records, adopted)
    triggers: dict[str, set[str]] = defaultdict(set)
    connections: dict[str, set[str]] = defaultdict(set)
    for before, after in adopted:
        triggers[before.shown].add(after.shown)
        if before.connection and after.connection:
            connections[before.connection].add(after.connection)
    moved = {before.id for before, _ in adopted}
    for trigger in stored:
        if trigger.active and trigger.id not in moved:
            triggers[trigger.shown] |= {f"{name}/{trigger.name}" for name in workflows.get(trigger.workflow, ())}
    return Renames(workflows, _changed(triggers), _changed(connections))


def _workflows(stored: Sequence[TriggerRecord], records: Sequence[TriggerRecord], adopted: Pairs) -> Names:
    wanted = {record.id for record in records}
    active = [trigger for trigger in stored if trigger.active and trigger.fingerprint]
    staying = {trigger.workflow for trigger in active if trigger.id in wanted}
    leaving = [trigger for trigger in active if trigger.workflow not in staying]
    found: dict[str, set[str]] = defaultdict(set)
    for before, after in adopted:
        found[before.workflow].add(after.workflow)
    in_file = {trigger.file: trigger.workflow for trigger in leaving if trigger.file and trigger.workflow not in found}
    for record in records:
        if record.file in in_file and record.state is not TriggerState.UNAVAILABLE:
            found[in_file[record.file]].add(record.workflow)
    left = {trigger.workflow for trigger in leaving}
    return _changed({old: new - staying for old, new in found.items() if old in left})


def _changed(names: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Leave out what still has its name."""
    return {old: sorted(new) for old, new in names.items() if new and old not in new}


def move(transaction: Transaction, renames: Renames, adopted: Pairs, records: Sequence[TriggerRecord]) -> None:
    """Store everything under its new name."""
    _move_runs(transaction, renames, adopted)
    _move_pauses(transaction, renames, {before.id: after.id for before, after in adopted}, records)
    _move_streaks(transaction, renames.workflow)
    for names, what in ((renames.workflow, "workflow_%"), (_first(renames.triggers), "trigger_%")):
        if names:
            transaction.execute("rename.alerts", sql("rename_alerts"), {"names": dumps_text(names), "what": what})


def _move_runs(transaction: Transaction, renames: Renames, adopted: Pairs) -> None:
    if renames.workflow:
        transaction.execute("rename.runs", sql("rename_runs"), {"names": dumps_text(renames.workflow)})
    for before, after in adopted:
        if len(renames.workflows.get(before.workflow, ())) > 1:
            given = {"trigger_id": before.id, "old": before.workflow, "new": after.workflow}
            transaction.execute("rename.runs_of_trigger", sql("rename_runs_of_trigger"), given)


def _first(names: Names) -> dict[str, str]:
    return {old: new[0] for old, new in names.items()}


def _move_pauses(
    transaction: Transaction, renames: Renames, ids: Mapping[str, str], records: Sequence[TriggerRecord]
) -> None:
    """A pause follows to each new name, with the runs that it holds. It also stays if something else has its name now.

    The pause of a refused connection does not follow: it ends with its connection, and the new one is tried.
    """
    present: dict[PauseKind, set[str | None]] = {
        PauseKind.WORKFLOW: {record.workflow for record in records},
        PauseKind.TRIGGER: {record.shown for record in records},
        PauseKind.CONNECTION: {record.connection for record in records},
    }
    before = pauses.pauses(transaction.connection)
    after: dict[tuple[PauseKind, str], PauseRecord] = {}
    held: dict[str, str] = {}
    for pause in sorted(before, key=lambda pause: pause.cause is not PauseCause.PERSON):  # theirs is the one that stays
        refused = pause.kind is PauseKind.CONNECTION and pause.cause is PauseCause.CREDENTIAL
        names = {} if refused else renames.of(pause.kind)
        targets = list(names.get(pause.name, [pause.name]))
        if pause.name in present[pause.kind] and not any(pause.name in new for new in names.values()):
            targets.append(pause.name)
        held[pause.held_by] = f"{pause.kind}/{targets[0]}"
        for name in targets:
            moved = replace(pause, name=name, trial=ids.get(pause.trial or "", pause.trial))
            after.setdefault((pause.kind, name), moved)
    if after != {(pause.kind, pause.name): pause for pause in before}:
        transaction.execute("rename.drop_pauses", "DELETE FROM pauses")
        put = [rows.pause_row(pause) for pause in after.values()]
        transaction.execute_many("rename.put_pauses", sql("put_pause"), put)
        transaction.execute("rename.held_runs", sql("rename_held_runs"), {"names": dumps_text(held)})


def _move_streaks(transaction: Transaction, names: Mapping[str, str]) -> None:
    query = "SELECT workflow, failures, alerted FROM streaks WHERE workflow IN (SELECT value FROM json_each(?))"
    found = rows.read_all(transaction.connection, query, (dumps_text(list(names)),)) if names else []
    if found:
        transaction.execute_many(
            "rename.drop_streaks", "DELETE FROM streaks WHERE workflow = ?", [(old,) for old, *_ in found]
        )
        moved = [(names[old], *streak) for old, *streak in found]
        transaction.execute_many(
            "rename.put_streaks", "INSERT OR REPLACE INTO streaks (workflow, failures, alerted) VALUES (?, ?, ?)", moved
        )
