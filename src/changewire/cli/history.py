"""What was noticed and what was done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, TypeVar

import click

from changewire.cli.base import Command, Options, open_store, say
from changewire.cli.completing import complete_workflow
from changewire.cli.output import local, print_json, print_table, print_text, shorten
from changewire.errors import ChangewireError, UsageError, nearest
from changewire.values import Json, dumps_text

if TYPE_CHECKING:
    from changewire.state.records import AttemptRecord, EventRecord, RunHistory, RunRecord
    from changewire.state.store import SqliteStore

T = TypeVar("T")
MOST_EVENTS = 10  # of a batch, when its run is shown
MOST_CHANGES = 8  # lines of one event in the list
STATES = ("pending", "running", "waiting", "succeeded", "failed", "paused", "filtered", "cancelled")


class Since(click.ParamType[datetime]):
    """A moment: RFC 3339, a date, or how long ago."""

    name = "since"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that was written."""
        from changewire.clock import SystemClock, from_text
        from changewire.durations import parse_duration

        if isinstance(value, datetime):
            return value
        try:
            return from_text(value)
        except ValueError:
            pass
        try:
            return SystemClock().now() - parse_duration(value)
        except ValueError:
            self.fail(f"{value!r} is no moment: write 2026-11-21, 2026-11-21T10:00:00Z, or how long ago, as 2h", param)


def _filters(default_limit: int | None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        since = "Only from this moment on: 2h (ago), 2026-11-21, 2026-11-21T10:00:00Z."
        limit = "At most so many, the newest. 0: all." + f" Default: {default_limit} for people, all with --json."
        command = click.option("--limit", type=click.IntRange(min=0), metavar="N", help=limit)(command)
        command = click.option(
            "--workflow", metavar="NAME", shell_complete=complete_workflow, help="Only of this workflow."
        )(command)
        return click.option("--since", type=Since(), metavar="WHEN", help=since)(command)

    return add


def _limit(options: Options, given: int | None, usual: int) -> int | None:
    if given is None:
        return None if options.json else usual
    return given or None


@click.command(
    cls=Command,
    examples=[
        ("changewire events", "the latest events and what changed"),
        ("changewire events --since 2h --workflow NAME", "of one workflow, the last two hours"),
        ("changewire events --json | jq .payload", "all of them, for programs"),
    ],
)
@_filters(50)
@click.pass_obj
def events(options: Options, since: datetime | None, workflow: str | None, limit: int | None) -> int:
    """Show what was noticed, oldest first.

    With --json each line has id, trigger (workflow/trigger), type, event_type, key, detected_at, payload, changes
    (path, old, new) and backfill.
    """
    from changewire.state.views import event_view

    store = opened(options)
    if store is None:
        return 0
    with store:
        found = _any(store.each_event(since=since, workflow=workflow, limit=_limit(options, limit, 50)))
        if found is None:
            tell_none(store, workflow, "event")
        for event in found or ():
            if options.json:
                print_json(event_view(event))
            else:
                _show_event(event)
    return 0


def opened(options: Options, *, to_write: bool = False) -> SqliteStore | None:
    """The store of the home; None, and said, where nothing was recorded so far."""
    store = open_store(options.find_home(), to_write=to_write)
    if store is None:
        say("nothing was recorded in this home so far: start watching with `changewire run`")
    return store


def opened_for(options: Options, what: str, *, to_write: bool = False) -> SqliteStore:
    """The store of the home, for ``what`` in it. Raises ChangewireError where nothing was recorded so far."""
    store = open_store(options.find_home(), to_write=to_write)
    if store is None:
        raise ChangewireError(f"there is no {what}: nothing was recorded in this home so far")
    return store


def tell_none(store: SqliteStore, workflow: str | None, what: str) -> None:
    """Say that nothing fits. Raises UsageError where there is no such workflow."""
    known = {record.workflow for record in store.triggers(active=None)}
    if workflow is not None and workflow not in known:
        near = nearest(workflow, known)
        hint = f"; did you mean {near!r}?" if near else f"; known are {', '.join(sorted(known))}" if known else ""
        raise UsageError(f"there is no workflow {workflow!r}{hint}")
    say(f"no {what} fits")


def _show_events(store: SqliteStore, ids: Sequence[str]) -> None:
    """The events of a run, of a batch the latest ones."""
    if len(ids) > 1:
        print_text("", f"{len(ids)} events" + (f", the latest {MOST_EVENTS}" if len(ids) > MOST_EVENTS else ""))
    for event_id in ids[-MOST_EVENTS:]:
        event = store.event(event_id)
        if event is not None:
            print_text("", f"event {event.id}")
            _show_event(event)


def _show_event(event: EventRecord) -> None:
    marked = "  (backfill)" if event.backfill else ""
    when = f"{event.detected_at.astimezone():%Y-%m-%d %H:%M:%S}"
    print_text(f"{when}  {event.trigger}  {event.event_type}  {event.key}{marked}")
    for line in change_lines(event.changes):
        print_text(f"    {line}")


def change_lines(changes: Sequence[dict[str, Json]]) -> Iterable[str]:
    """What changed, a line for each path; long values and long lists are cut."""
    for change in changes[:MOST_CHANGES]:
        yield f"{change['path']}: {shorten(change['old'])} → {shorten(change['new'])}"
    if len(changes) > MOST_CHANGES:
        yield f"and {len(changes) - MOST_CHANGES} more"


@click.command(
    cls=Command,
    short_help="Show what was done, or one run in detail.",
    examples=[
        ("changewire runs", "the latest runs"),
        ("changewire runs --failed", "those that failed or are paused"),
        ("changewire runs run_3f0c…", "one in detail: event, steps, outputs"),
        ("changewire runs --json --state paused", "those that wait for a person, for programs"),
    ],
)
@click.argument("run", nargs=-1, metavar="[RUN]", callback=lambda context, _, words: _one_run(context, words))
@_filters(50)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True, help="Only in this state; may be repeated."
)
@click.option("--failed", is_flag=True, help="Only failed and paused ones.")
@click.pass_obj
def runs(
    options: Options,
    run: str | None,
    since: datetime | None,
    workflow: str | None,
    limit: int | None,
    states: tuple[str, ...],
    failed: bool,
) -> int:
    """Show what was done, oldest first; with RUN (an id or its beginning) one run in detail.

    With --json each line has id, workflow, event, replay, state, reason, waits_for, waits_for_step, created_at,
    finished_at, resumes, resumed_at, resumed_by and steps (address, use, state, attempts, output; of one that went
    wrong class, error, effect, input, response, next).
    """
    from changewire.state.records import RunState
    from changewire.state.views import run_view

    wanted = [RunState(state) for state in (*states, *(("failed", "paused") if failed else ()))] or None
    store = opened(options) if run is None else opened_for(options, f"run {run!r}")
    if store is None:
        return 0
    with store:
        if run is not None and not options.json:
            _show_run(store, named_run(store, run))
            return 0
        if run is not None:
            found = _any([named_run(store, run)])
        else:
            limit = _limit(options, limit, 50)
            found = _any(store.each_run(since=since, workflow=workflow, states=wanted, limit=limit))
        if found is None:
            tell_none(store, workflow, "run")
        elif options.json:
            for history in found:
                print_json(run_view(history))
        else:
            _show_runs(found)
    return 0


def _one_run(context: click.Context, words: Sequence[str]) -> str | None:
    """The run that is named: ``runs show RUN`` is said as often as ``runs RUN``. Raises UsageError."""
    names = words[1:] if len(words) > 1 and words[0] == "show" else words
    if len(names) > 1:
        raise click.UsageError(f"one run at a time: {names[1]!r} is one too many", context)
    return names[0] if names else None


def _any(found: Iterable[T]) -> Iterable[T] | None:
    """The same again, however long it is; None where there is nothing in it."""
    rest = iter(found)
    return next(((chain([first], rest)) for first in rest), None)


def named_event(store: SqliteStore, name: str) -> EventRecord:
    """The event whose id begins so. Raises UsageError where there is none, or more than one."""
    return _the_one(store.event, store.beginning_with("events", name), "event", name, "changewire events --json")


def named_run(store: SqliteStore, name: str) -> RunHistory:
    """The run of that id, or with that beginning. Raises UsageError."""
    return _the_one(store.run, store.beginning_with("runs", name), "run", name, "changewire runs")


def _the_one(read: Callable[[str], T | None], fitting: Sequence[str], what: str, name: str, command: str) -> T:
    if len(fitting) == 1 and (found := read(fitting[0])) is not None:
        return found
    if fitting:
        raise UsageError(f"{len(fitting)} {what}s begin with {name!r}: write more of the id")
    raise UsageError(f"there is no {what} {name!r}; `{command}` lists them")


def _steps(history: RunHistory) -> list[list[AttemptRecord]]:
    return [list(group) for _, group in groupby(history.attempts, key=lambda attempt: attempt.address)]


def _show_runs(found: Iterable[RunHistory]) -> None:
    from changewire.clock import SystemClock

    now = SystemClock().now()
    rows = []
    for history in found:
        run, steps = history.run, _steps(history)
        done = sum(attempts[-1].state == "succeeded" for attempts in steps)
        when = local(run.created_at, now)
        rows.append((when, run.id, run.workflow, str(run.state), f"{done}/{len(steps)}", shorten(run.reason, 80)))
    columns = ("at", "run", "workflow", "state", "steps", "reason")
    print_table(columns, rows, whole=("at", "run", "state"), spare=("steps",))


def _show_run(store: SqliteStore, history: RunHistory) -> None:
    run = history.run
    print_text(f"{run.id}  {run.workflow}  {run.state}")
    _show_standing(history)
    _show_events(store, history.event_ids or [run.event_id])
    for attempts in _steps(history):
        last = attempts[-1]
        tries = "" if len(attempts) == 1 else f", {len(attempts)} attempts"
        print_text("", f"step {last.address}  {last.use}  {last.state}{tries}")
        _show_attempts(attempts, run)
        if last.output is not None:
            print_text(f"    output: {shorten(dumps_text(last.output), 2000)}")


def _show_standing(history: RunHistory) -> None:
    """Why the run is where it is, who let it continue last, and what lets it continue now."""
    from changewire.state.views import way_on

    run = history.run
    if run.replay:
        print_text(f"  replay {run.replay} of its event")
    if run.reason:
        print_text(f"  {run.reason}")
    if run.waits_for is not None:
        print_text(f"  it waits for {run.waits_for}")
    if run.resumed_at is not None:
        by = f" by {run.resumed_by}" if run.resumed_by else ""
        times = f"; a person resumed it {run.resumes} time{'s' * (run.resumes != 1)}" if run.resumes else ""
        print_text(f"  last continued at {run.resumed_at.astimezone():%Y-%m-%d %H:%M:%S}{by}{times}")
    if run.state == "paused" and run.held_by is not None:
        print_text(f"  it goes on by itself after the pause of {run.held_by}; `changewire status` tells the next step")
    elif run.state == "paused":
        print_text(f"  {way_on(history)}")


def told_by(attempt: AttemptRecord) -> str | None:
    """Who said that a step was done; None: it was tried."""
    by = (attempt.evidence or {}).get("by")
    return None if by is None else f"was not tried: {by} said that it was done"


def _show_attempts(attempts: Sequence[AttemptRecord], run: RunRecord) -> None:
    """What went wrong, and for the last attempt everything that is known of it."""
    from changewire.state.views import effect, is_open, next_step

    for attempt in attempts:
        if attempt.error:
            reached = effect(attempt)
            words = f", effect: {reached}" if reached else ""
            print_text(f"    attempt {attempt.attempt} ({attempt.error_class}{words}): {attempt.error}")
        if said := told_by(attempt):
            print_text(f"    attempt {attempt.attempt} {said}")
    evidence = attempts[-1].evidence
    if not evidence or attempts[-1].state not in ("failed", "unknown", "running"):
        return
    print_text(f"    input: {shorten(evidence.get('input'), 2000)}")
    if (response := evidence.get("response")) is not None:
        code = f", code {response['code']}" if response["code"] else ""
        print_text(f"    response: {response['status']}{code}: {shorten(response['body'], 2000)}")
    if is_open(attempts[-1], run) and (todo := next_step(attempts[-1])) is not None:
        print_text(f"    next: {todo}")
