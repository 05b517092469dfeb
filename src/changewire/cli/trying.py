"""Commands that try one thing by hand: what would fire, and any action."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import Command, Options, database_of, open_clients, open_store, say
from changewire.cli.completing import complete_workflow
from changewire.cli.history import change_lines
from changewire.cli.output import print_json, print_text, print_yaml, shorten
from changewire.durations import format_duration
from changewire.errors import ChangewireError
from changewire.secret import mask_data
from changewire.values import Json, dumps_text

if TYPE_CHECKING:
    from changewire.config.environment import Environment
    from changewire.config.steps import Step
    from changewire.home.definition import Home, Trigger
    from changewire.state.records import EventRecord, RunRecord
    from changewire.state.store import SqliteStore


@click.command(
    cls=Command,
    short_help="Poll a workflow once, show what would fire.",
    examples=[
        ("changewire test 'Recording ready'", "what would fire now, and what would be done"),
        ("changewire test config/workflows/a.yaml", "the workflow of a file"),
        ("changewire test 'Recording ready' --json", "events with their steps, one a line"),
    ],
)
@click.argument("workflow", shell_complete=complete_workflow)
@click.pass_obj
def test(options: Options, workflow: str) -> int:
    """Poll the triggers of WORKFLOW once and show what would fire. Nothing is stored, and no step is done.

    Compared is with what was seen last. A trigger that never polled has nothing to compare with: its latest items are
    shown as samples, at most twenty. Steps are shown with their parameters filled in as far as that is possible now;
    expressions that need the output of an earlier step stay as they are written.

    With --json each line is as in `events --json`, with steps (address, use, with) on top.
    """
    from changewire.clock import SystemClock
    from changewire.engine.polling import Engine
    from changewire.home.loading import load_home
    from changewire.log import silent

    home, clock = load_home(options.find_home()), SystemClock()
    file = home.workflow(workflow)
    triggers = [trigger for trigger in home.triggers.values() if trigger.version == file.version]
    with open_clients(home, clock) as clients:
        for trigger in triggers:
            with _memory(home, trigger) as store:
                record, _ = store.load_poll_state(trigger.id, ())
                found = Engine(home, store, clients, clock, silent).preview(trigger)
            _tell(trigger, len(found), samples=record.baseline_at is None)
            for event in found:
                _show(options, home, trigger, event)
    return 0


@contextmanager
def _memory(home: Home, trigger: Trigger) -> Iterator[SqliteStore]:
    """What is remembered of a trigger: the home's database, or an empty one where it does not know the trigger."""
    from changewire.clock import SystemClock
    from changewire.engine.syncing import trigger_records
    from changewire.state.store import SqliteStore

    with ExitStack() as stack:
        store = open_store(home.path)
        if store is not None:
            stack.enter_context(store)
            if any(record.id == trigger.id for record in store.triggers(active=None)):
                yield store
                return
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="changewire-test-"))
        clock = SystemClock()
        empty = stack.enter_context(SqliteStore(database_of(Path(folder)), clock=clock))
        records = [record for record in trigger_records(home, clock.now()) if record.id == trigger.id]
        empty.sync_triggers(records, clock.now())
        yield empty


def _tell(trigger: Trigger, count: int, *, samples: bool) -> None:
    if trigger.schedule is None:
        say(f"{trigger.shown} is not polled, {trigger.config.type} is raised inside; shown: the sample of the type")
    elif samples:
        silent = trigger.config.first_poll.mode == "baseline"
        first = "is silent" if silent else "fires for what the backfill takes"
        items = f"{count} of its latest items as samples" if count else "no sample, it finds no item now"
        say(f"{trigger.shown} never polled, and its first poll {first}; shown: {items}")
    else:
        say(f"{trigger.shown}: {count} event{'s' * (count != 1)} would fire now")


def _show(options: Options, home: Home, trigger: Trigger, event: EventRecord) -> None:
    from changewire.state.views import event_view

    steps, remarks = planned(home.environment, trigger, event)
    if options.json:
        print_json({**event_view(event), "steps": steps})
        return
    print_text("", f"{event.trigger}  {event.event_type}  {event.key}")
    for line in change_lines(event.changes):
        print_text(f"    {line}")
    print_text(f"    payload: {shorten(dumps_text(event.payload), 400)}")
    for step in steps:
        print_text(f"  {step['address']}  {step['use']}")
        print_yaml(step["with"], indent=4)
    for remark in remarks:
        print_text(f"  {remark}")


def planned(environment: Environment, trigger: Trigger, event: EventRecord) -> tuple[list[dict[str, Json]], list[str]]:
    """The steps that an event would set off, with their parameters, and why others would not be done."""
    from changewire.actions.flow.scope import build_scope, explain_when
    from changewire.engine.feeding import run_for

    workflow = trigger.workflow
    run = run_for(event, trigger, event.detected_at)
    scope = build_scope(run, event, connection=trigger.connection)
    if workflow.when is not None:
        try:
            if not _holds(workflow.when, scope):
                return [], [f"filtered: {explain_when(workflow.when, scope)}"]
        except ChangewireError as error:
            return [], [f"when cannot be worked out: {error}"]
    plan = _Plan(run, event, trigger.connection, environment)
    plan.add(workflow.steps, "steps")
    return plan.steps, plan.remarks


@dataclass
class _Plan:
    """What an event would set off, as far as that can be told before any step has run."""

    run: RunRecord
    event: EventRecord
    connection: str | None
    environment: Environment
    steps: list[dict[str, Json]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, steps: Sequence[Step], place: str) -> None:
        """Steps with those inside them; the body of a loop once, and both ways where it cannot be told which."""
        from changewire.actions.flow.scope import build_scope
        from changewire.config.steps import ActionStep

        for number, step in enumerate(steps):
            address = f"{place}/{number}"
            scope = build_scope(self.run, self.event, connection=self.connection, address=address)
            use = step.use if isinstance(step, ActionStep) else step.kind
            reason = _skipped(step, scope)
            if reason is not None:
                self.remarks.append(f"{address}  {use}  {reason}")
                continue
            given = step.parameters if isinstance(step, ActionStep) else _written(step)
            self.steps.append(
                {"address": address, "use": use, "with": mask_data(fill_in(given, scope, self.environment))}
            )
            for inner, block in self._blocks(step, scope):
                self.add(block, f"{address}{inner}")

    def _blocks(self, step: Step, scope: dict[str, Any]) -> list[tuple[str, Sequence[Step]]]:
        from changewire.config.steps import Choose, ForEach, If, Repeat

        if isinstance(step, ForEach | Repeat):
            return [("[0]/do", step.do)]
        blocks = [("/" + "/".join(map(str, place)), block) for place, block in step.blocks()]
        if isinstance(step, If | Choose):
            conditions = [step.condition] if isinstance(step, If) else [choice.when for choice in step.choices]
            for condition, way in zip(conditions, blocks, strict=False):
                holds = _known(condition, scope)
                if holds is None:
                    return blocks
                if holds:
                    return [way]
            return blocks[-1:]
        return blocks


def _written(step: Step) -> dict[str, Json]:
    """What a step that decides goes by."""
    written: dict[str, Json] = {}
    for place, value in step.expressions():
        if place != ("when",):
            written["/".join(map(str, place))] = format_duration(value) if isinstance(value, timedelta) else value
    return written


def _known(when: str, scope: dict[str, Any]) -> bool | None:
    """Whether a condition holds; None where that cannot be told before the steps have run."""
    if _needs_outputs(when):
        return None
    try:
        return _holds(when, scope)
    except ChangewireError:
        return None


def _holds(when: str, scope: dict[str, Any]) -> bool:
    from changewire.templates import condition

    return condition(when, scope)


def _skipped(step: Step, scope: dict[str, Any]) -> str | None:
    """Why a step would not be done; None where it would, or where only an earlier step's output can tell."""
    from changewire.actions.flow.scope import explain_when

    if step.when is None or _needs_outputs(step.when):
        return None
    try:
        return None if _holds(step.when, scope) else f"skipped: {explain_when(step.when, scope)}"
    except ChangewireError as error:
        return f"would fail: when: {error}"


def _needs_outputs(text: str) -> bool:
    from changewire.templates import names_used

    return any(name.partition(".")[0] == "steps" for name in names_used(text))


def fill_in(written: Json, scope: dict[str, Any], environment: Environment) -> Json:
    """Parameters as a step would get them; what cannot be worked out yet stays as it is written."""
    from changewire.actions.inputs import resolve

    if isinstance(written, dict):
        return {key: fill_in(value, scope, environment) for key, value in written.items()}
    if isinstance(written, list):
        return [fill_in(value, scope, environment) for value in written]
    if not isinstance(written, str) or _needs_outputs(written):
        return written
    try:
        return resolve(written, scope, environment)
    except (ChangewireError, ValueError):
        return written
