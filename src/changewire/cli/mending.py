"""What a person does with runs and with what is remembered: go on, end, play again, forget."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from changewire.cli.base import FAILED, Command, Options, open_store, say
from changewire.cli.history import Since, named_event, named_run, opened, tell_none
from changewire.cli.output import print_json, print_text
from changewire.cli.pausing import resume_paused
from changewire.cli.status import daemon_view
from changewire.errors import UsageError

if TYPE_CHECKING:
    from changewire.config.workflows import WorkflowFile
    from changewire.home.definition import Home
    from changewire.state.records import EventRecord, PauseRecord, RunRecord, TriggerRecord
    from changewire.state.store import SqliteStore


@click.command(
    cls=Command,
    short_help="Let a paused run, workflow, trigger or connection go on.",
    examples=[
        ("changewire runs --state paused", "those that wait for a person, and why"),
        ("changewire resume run_3f0c…", "one goes on from the step that failed"),
        ("changewire resume --all --workflow NAME", "all paused runs of one workflow"),
        ("changewire resume --connection work", "its credentials are mended: all that waits for it goes on"),
        ("changewire resume 'Recording ready'", "what `changewire pause` paused"),
    ],
)
@click.argument("run", required=False, metavar="[RUN|NAME]")
@click.option("--all", "every", is_flag=True, help="All paused runs.")
@click.option("--workflow", metavar="NAME", help="With --all: only of this workflow.")
@click.option("--connection", metavar="NAME", help="A paused connection, with all that waits for it.")
@click.pass_obj
def resume(options: Options, run: str | None, every: bool, workflow: str | None, connection: str | None) -> int:
    """Let a paused run go on from the step that failed, with new attempts; RUN is an id or its beginning.

    Steps that are finished stay finished. With --json the lines are those of runs. NAME is a workflow or a trigger that
    was paused by hand: it is polled at once, and its runs go on. With --json that is one line: kind, name, triggers
    (how many go on), runs (ids).
    """
    if connection is None:
        _either(run, every, "RUN", "--all")
    elif run is not None or every or workflow is not None:
        raise UsageError("--connection stands alone")
    if workflow is not None and not every:
        raise UsageError("--workflow goes with --all")
    store = opened(options)
    if store is None:
        return 0
    with store:
        if (paused := _paused(store, run, connection)) is not None:
            return resume_paused(options, store, paused)
        if run is not None:
            if not run.startswith("run_"):
                raise UsageError(f"{run!r} is neither a run nor paused; `changewire status` tells what is")
            found = named_run(store, run).run
            if not store.resume(_now(), run_id=found.id):
                say(f"{found.id} is {found.state}, and only a paused run can go on; `changewire replay` starts it anew")
                return FAILED
            _show(options, store, [found.id], "goes on")
            return 0
        resumed = store.resume(_now(), workflow=workflow)
        if not resumed:
            tell_none(store, workflow, "paused run")
        _show(options, store, resumed, "goes on")
    return 0


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
    store = opened(options)
    if store is None:
        return 0
    with store:
        found = named_run(store, run).run
        if not store.cancel(found.id, _now(), "cancelled by a person"):
            say(f"{found.id} is {named_run(store, found.id).run.state} already")
            return FAILED
        _show(options, store, [found.id], "is cancelled", later=False)
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

    _either(event, since is not None, "EVENT", "--since")
    store = opened(options)
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
        _show(options, store, [run.id for run in stored], "is to run")
    return 0


def _paused(store: SqliteStore, name: str | None, connection: str | None) -> PauseRecord | None:
    """The pause of that name; None where it may be a run. Raises UsageError for a connection that is not paused."""
    pauses = store.pauses()
    if connection is not None:
        found = next((one for one in pauses if one.kind == "connection" and one.name == connection), None)
        if found is None:
            known = ", ".join(one.name for one in pauses if one.kind == "connection") or "none"
            raise UsageError(f"connection {connection!r} is not paused; paused are: {known}")
        return found
    return next((one for one in pauses if one.kind != "connection" and one.name == name), None)


def _either(name: str | None, flag: bool, argument: str, option: str) -> None:
    if (name is not None) == flag:
        raise UsageError(f"say either {argument} or {option}" + (", not both" if flag else ""))


def _now() -> datetime:
    from changewire.clock import SystemClock

    return SystemClock().now()


def _run(home: Home, event: EventRecord, file: WorkflowFile, store: SqliteStore) -> RunRecord:
    from changewire.actions.flow.beginning import in_lane
    from changewire.state.records import RunRecord

    store.save_version(file.version, file.text)
    run = RunRecord("", file.name, file.version, event.id, _now())
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


def _show(options: Options, store: SqliteStore, ids: list[str], words: str, *, later: bool = True) -> None:
    """A line for each run, and where nothing is at work, what is to be done."""
    from changewire.state.views import run_view

    for history in filter(None, map(store.run, ids)):
        if options.json:
            print_json(run_view(history))
        else:
            marked = f" (replay {history.run.replay})" if history.run.replay else ""
            print_text(f"{history.run.id}  {history.run.workflow}  {words}{marked}")
    if ids and later and not daemon_view(store, _now())["alive"]:
        say("no daemon is at work here, so it waits for the next `changewire run`")


@click.command(
    cls=Command,
    short_help="Forget what a workflow has seen.",
    examples=[
        ("changewire reset NAME", "say what would be forgotten, ask, and forget it"),
        ("changewire reset NAME --yes", "without asking, for scripts"),
    ],
)
@click.argument("workflow")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def reset(options: Options, workflow: str, yes: bool) -> int:
    """Forget what a workflow has seen: its next poll is a first one again, and silent (or a backfill).

    What changed since the last poll is never noticed then. Events and runs stay. With --json there is a line for each
    trigger: workflow, trigger, and how many items were forgotten.
    """
    store = opened(options)
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
        for record in found:
            items = store.forget(record.id, _now())
            view = {"v": 1, "workflow": record.workflow, "trigger": record.shown, "items": items}
            if options.json:
                print_json(view)
            else:
                print_text(f"{record.shown}: forgot {items} item{'s' * (items != 1)}")
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

    Paused runs stay, and so does what was seen: nothing fires again. With --json one line: events, runs.
    """
    from changewire.config.environment import Environment
    from changewire.config.settings import load_settings

    path = options.find_home()
    retention = load_settings(path, Environment.of_home(path)).retention
    store = open_store(path)
    if store is None:
        gone = {"events": 0, "runs": 0}
    else:
        with store:
            gone = store.prune(_now(), retention.events, retention.runs)
    if options.json:
        print_json({"v": 1, **gone})
    else:
        print_text(f"deleted {gone['events']} events and {gone['runs']} runs")
    return 0
