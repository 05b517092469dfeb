"""What a person does with runs and with what is remembered: end, play again, forget."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from changewire.cli.base import FAILED, Command, Options, open_store, say
from changewire.cli.completing import complete_workflow
from changewire.cli.history import Since, named_event, named_run, opened, opened_for, tell_none
from changewire.cli.output import print_json, print_text
from changewire.cli.status import daemon_view
from changewire.errors import UsageError

if TYPE_CHECKING:
    from changewire.config.workflows import WorkflowFile
    from changewire.home.definition import Home
    from changewire.state.records import EventRecord, RunRecord, TriggerRecord
    from changewire.state.store import SqliteStore

CLOCK_MAY_DIFFER = timedelta(hours=1)  # between the history and this machine's clock


@click.command(
    cls=Command,
    short_help="End a run that is not finished.",
    examples=[("changewire cancel run_3f0c…", "it does nothing more; what it did stays done")],
)
@click.argument("run")
@click.pass_obj
def cancel(options: Options, run: str) -> int:
    """End a run that is not finished; RUN is an id or its beginning.

    What it did stays done. A step that is just being tried may still come to its end, but nothing comes after it. With
    --json the line is that of runs.
    """
    with opened_for(options, f"run {run!r}", to_write=True) as store:
        found = named_run(store, run).run
        if not store.cancel(found.id, now(), "cancelled by a person"):
            say(f"{found.id} is {named_run(store, found.id).run.state} already")
            return FAILED
        show_runs(options, store, [found.id], "is cancelled", later=False)
    return 0


@click.command(
    cls=Command,
    short_help="Start the workflow again for an event, or for all since a moment.",
    examples=[
        ("changewire replay evt_91ab…", "one event starts its workflow again"),
        ("changewire replay evt_91ab… --workflow NAME", "it starts another workflow"),
        ("changewire replay --since 2h --workflow NAME", "all events that a workflow noticed in two hours"),
    ],
)
@click.argument("event", required=False)
@click.option("--since", type=Since(), metavar="WHEN", help="All events from this moment on: 2h (ago), 2026-11-21.")
@click.option(
    "--workflow", metavar="NAME", help="With EVENT: the workflow that it starts. With --since: only what it noticed."
)
@click.pass_obj
def replay(options: Options, event: str | None, since: datetime | None, workflow: str | None) -> int:
    """Start the workflow again for EVENT (an id or its beginning), or for all events since a moment.

    A replay is a new run, with the workflow as it is written now. It does everything again: its id and the keys that
    its steps send differ from those of the first run, and it is marked. With --json the lines are those of runs.
    """
    from changewire.home.loading import load_home

    either(event, since is not None, "EVENT", "--since")
    store = opened(options, to_write=True) if event is None else opened_for(options, f"event {event!r}", to_write=True)
    if store is None:
        return 0
    with store:
        home = load_home(options.find_home())
        if event is not None:
            chosen = [named_event(store, event)]
            target = home.workflow(workflow or chosen[0].workflow)
            wanted = [_run(home, chosen[0], target, store)]
        else:
            wanted = _since(home, store, since, workflow)
        stored = store.replay(wanted)
        show_runs(options, store, [run.id for run in stored], "is to run")
    return 0


def either(name: str | None, flag: bool, argument: str, option: str) -> None:
    """Raises UsageError unless one of two ways to say what is meant was taken."""
    if (name is not None) == flag:
        raise UsageError(f"say either {argument} or {option}" + (", not both" if flag else ""))


def now() -> datetime:
    """This moment."""
    from changewire.clock import SystemClock

    return SystemClock().now()


def _run(home: Home, event: EventRecord, file: WorkflowFile, store: SqliteStore) -> RunRecord:
    from changewire.actions.flow.beginning import in_lane
    from changewire.state.records import RunRecord

    store.save_version(file.version, file.text)
    run = RunRecord("", file.name, file.version, event.id, now())
    connections = [each.connection for each in home.triggers.values() if each.shown == event.trigger]
    connection = connections[0] if connections else None
    return run if file.workflow is None else in_lane(run, event, file.workflow, connection)


def _since(home: Home, store: SqliteStore, since: datetime | None, workflow: str | None) -> list[RunRecord]:
    found = store.events(since=since, workflow=workflow)
    if not found:
        tell_none(store, workflow, "event")
    gone = {event.workflow for event in found} - home.workflows.keys()
    for name in sorted(gone):
        say(f"events of {name!r} are left out: there is no such workflow that can be used")
    return [_run(home, event, home.workflows[event.workflow], store) for event in found if event.workflow not in gone]


def show_runs(options: Options, store: SqliteStore, ids: list[str], words: str, *, later: bool = True) -> None:
    """A line for each run, and where nothing is at work, what is to be done."""
    from changewire.state.views import run_view

    for history in filter(None, map(store.run, ids)):
        if options.json:
            print_json(run_view(history))
        else:
            marked = f" (replay {history.run.replay})" if history.run.replay else ""
            print_text(f"{history.run.id}  {history.run.workflow}  {words}{marked}")
    if ids and later and not daemon_view(store, now())["alive"]:
        say("no daemon is at work here, so it waits for the next `changewire run`")


@click.command(
    cls=Command,
    short_help="Forget what a workflow has seen.",
    examples=[
        ("changewire reset NAME", "say what would be forgotten, ask, and forget it"),
        ("changewire reset NAME --yes", "without asking, for scripts"),
    ],
)
@click.argument("workflow", shell_complete=complete_workflow)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(options: Options, workflow: str, yes: bool) -> int:
    """Forget what a workflow has seen: its next poll is a first one again, and silent (or a backfill).

    What changed since the last poll is never noticed then. Events and runs stay. With --json there is a line for each
    trigger: workflow, trigger, and how many items and pending changes were forgotten.
    """
    store = opened(options, to_write=True)
    if store is None:
        return 0
    with store:
        found = _remembered(options, store, workflow)
        for record in found:
            say(f"{record.shown} ({record.type}): {_memory(store, record)}")
        if not found:
            say(f"{workflow} remembers nothing")
        elif not yes:
            _confirm()
        waiting = store.waiting_changes(inactive=True)
        for record in found:
            pending = waiting[record.id].count if record.id in waiting else 0
            items = store.forget(record.id, now())
            view = {"v": 1, "workflow": record.workflow, "trigger": record.shown, "items": items, "pending": pending}
            if options.json:
                print_json(view)
            else:
                dropped = f" and {pending} pending change{'s' * (pending != 1)}" if pending else ""
                print_text(f"{record.shown}: forgot {items} item{'s' * (items != 1)}{dropped}")
    return 0


def _remembered(options: Options, store: SqliteStore, name: str) -> list[TriggerRecord]:
    """The triggers of a workflow, also where it left the files. Raises UsageError where it is not known at all."""
    from changewire.home.loading import load_home

    found = store.triggers(active=None, workflow=name)
    if not found:
        found = store.triggers(active=None, workflow=load_home(options.find_home()).workflow(name).name)
    return [record for record in found if record.fingerprint]


def _memory(store: SqliteStore, record: TriggerRecord) -> str:
    if record.baseline_at is None:
        return "it has seen nothing so far"
    _, items = store.load_poll_state(record.id)
    since = f"{record.baseline_at.astimezone():%Y-%m-%d %H:%M}"
    count = f"{len(items)} item{'s' * (len(items) != 1)}"
    waiting = store.waiting_changes(inactive=True).get(record.id)
    if waiting is not None:
        count += f" and {waiting.count} pending change{'s' * (waiting.count != 1)}"
    return f"{count}, watched since {since}, and what changed after the last poll would be forgotten"


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise UsageError("nothing was forgotten: say --yes to do it")
    click.confirm("Forget it?", abort=True, err=True)


@click.command(
    cls=Command,
    short_help="Delete old events and finished runs.",
    examples=[("changewire prune", "what is older than `retention` of the settings; `run` does it every hour")],
)
@click.pass_obj
def prune(options: Options) -> int:
    """Delete events and finished runs that are older than `retention` in config/changewire.yaml says.

    Paused runs stay, and so does what was seen: nothing fires again. Nothing is deleted by a clock that is behind the
    history. With --json one line: events, runs.
    """
    from changewire.config.environment import Environment
    from changewire.config.settings import load_settings

    path = options.find_home()
    retention = load_settings(path, Environment.of_home(path)).retention
    store = open_store(path, to_write=True)
    if store is None:
        gone = {"events": 0, "runs": 0}
    else:
        with store:
            _refuse_wrong_clock(store)
            gone = store.prune(now(), retention.events, retention.runs)
    if options.json:
        print_json({"v": 1, **gone})
    else:
        print_text(f"deleted {gone['events']} events and {gone['runs']} runs")
    return 0


def _refuse_wrong_clock(store: SqliteStore) -> None:
    """Raises UsageError if history is from a later time than this machine's clock shows."""
    from changewire.clock import from_text, to_text

    at, present = (store.daemon_info() or {}).get("at"), now()
    moments = [event.detected_at for event in store.events(limit=1)] + ([from_text(at)] if at else [])
    latest = max(moments, default=present)
    if latest > present + CLOCK_MAY_DIFFER:
        raise UsageError(
            f"nothing was deleted: this machine's clock shows {to_text(present)}, and the history goes up to "
            f"{to_text(latest)}; set the clock (NTP), then run `changewire prune` again"
        )
