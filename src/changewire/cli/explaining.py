"""Why something did or did not fire, and what became of one event or run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import Command, Options, open_store, say
from changewire.cli.completing import complete_watch
from changewire.cli.history import change_lines, named_event, named_run, opened_for, told_by
from changewire.cli.output import local, print_json, print_text, shorten
from changewire.cli.status import daemon_view, readable_home, records_of
from changewire.errors import UsageError, nearest

if TYPE_CHECKING:
    from changewire.home.definition import Home
    from changewire.state.records import EventRecord, RunHistory, SetAsideItems, TriggerRecord, WaitingChanges
    from changewire.state.store import SqliteStore

LATEST = 10  # runs that are looked at
VERDICTS = {
    "fired": "became events",
    "baseline": "were there when the watch began, or only their later changes count: remembered silently",
    "seen": "were seen before",
    "unchanged": "are as they were, but for fields that do not count",
    "present": "are there, as before",
    "only_noise": "differ in fields only that do not count (the type's own, or `ignore`)",
    "old": "are older than the watch, so they are not new: they slid into the list",
    "not_ready": "are not ready so far; they are looked at again in the next poll",
    "settling": "differ, and must stay so for some polls (`settle`)",
    "absent": "are missing, which must stay so for some polls before it is a deletion",
    "held": "are missing, too many at once to be believed: held back for ten times as many polls",
    "unproven": "are missing from the list, and the API does not confirm that they were deleted",
    "elsewhere": "are missing from the list, but are there when they are asked for",
    "pending": "changed, and become events once the requests about them are answered",
    "set_aside": "cannot be processed and are set aside; they are tried again in each poll",
    "unidentified": "are missing, and may be one of the items whose key cannot be read",
    "untold": "changed in a way that none of the type's event types is about: remembered silently",
    "echo": "are as a step of this workflow wrote them (`echo: ignore`)",
    "under_way": "may be what a step under way writes; they are looked at again in the next poll",
}


@click.command(
    cls=Command,
    short_help="Say why something did or did not fire.",
    examples=[
        ("changewire explain 'New meeting'", "state, last polls, and how they judged what they saw"),
        ("changewire explain evt_91ab…", "the story of one event, from the poll to the last step"),
        ("changewire explain run_3f0c…", "the same, for a run"),
    ],
)
@click.argument("name", metavar="[WORKFLOW|TRIGGER|EVENT|RUN]", shell_complete=complete_watch)
@click.pass_obj
def explain(options: Options, name: str) -> int:
    """Say why a workflow (or one of its triggers, as workflow/trigger) did or did not fire lately, or tell the story of
    an event or run from the poll to the last step; of these, the beginning of the id will do.

    With --json a line for each trigger, with why, judged (at, counts, held) and runs, or one for the event: event and
    runs.
    """
    from changewire.clock import SystemClock

    if name.startswith(("evt_", "run_")):
        with opened_for(options, f"{'event' if name.startswith('evt_') else 'run'} {name!r}") as recorded:
            _tell_story(options, recorded, name)
        return 0
    path, now = options.find_home(), SystemClock().now()
    store = open_store(path)
    try:
        home = readable_home(path, store)
        records = _named(list(records_of(home, store, now)), name, home)
        alive = daemon_view(store, now)["alive"]
        for record in records:
            _tell_trigger(options, store, record, now, alive)
    finally:
        if store is not None:
            store.close()
    return 0


def _named(records: list[TriggerRecord], name: str, home: Home | None) -> list[TriggerRecord]:
    """The triggers of that name, or of the workflow of that name or file. Raises UsageError with the nearest name."""
    from changewire.errors import ConfigError

    found = [record for record in records if name in (record.shown, record.workflow)]
    if found:
        return found
    known = [record.shown for record in records] + [record.workflow for record in records]
    if home is None or "/" in name:
        near, what = nearest(name, known), "trigger" if "/" in name else "workflow"
        raise UsageError(f"there is no {what} {name!r}" + (f"; did you mean {near!r}?" if near else ""))
    try:
        wanted = home.workflow(name).name
    except ConfigError:
        named = {one.name: (one.name, one.file, Path(one.file).name, Path(one.file).stem) for one in home.broken}
        wanted = next(known for known, forms in named.items() if name in forms)
    return [record for record in records if record.workflow == wanted]


def _tell_trigger(
    options: Options, store: SqliteStore | None, record: TriggerRecord, now: datetime, alive: bool
) -> None:
    runs = store.runs(workflow=record.workflow, limit=LATEST) if store else []
    why = why_of(record, store, now, alive=alive)
    waiting = store.waiting_changes(inactive=True).get(record.id) if store else None
    aside = [each for each in store.set_aside(inactive=True) if each.trigger_id == record.id] if store else []
    if options.json:
        print_json(_view(record, why, waiting, aside, runs))
        return
    print_text(f"{record.shown}  {record.type}  {record.state}")
    print_text(f"  {why}")
    if waiting is not None and waiting.count > waiting.broken:
        _tell_pending(waiting, now)
    _tell_set_aside(aside, now)
    for label, moment in (("last poll", record.last_poll), ("last event", record.last_event)):
        print_text(f"  {label}: {local(moment, now) or 'none'}")
    _tell_verdicts(record.verdicts, now)
    for history in [one for one in runs if one.run.state != "succeeded"]:
        run = history.run
        print_text(f"  {local(run.created_at, now)}  {run.id}  {run.state}: {shorten(run.reason, 200)}")
    done = sum(one.run.state == "succeeded" for one in runs)
    if runs:
        print_text(f"  {done} of the latest {len(runs)} runs succeeded")


def why_of(record: TriggerRecord, store: SqliteStore | None, now: datetime, *, alive: bool) -> str:
    """Why a trigger fires or not, as one sentence."""
    if record.state == "unavailable":
        return f"it cannot be used as it is written: {record.error}"
    if record.paused and store is not None:
        return _why_paused(record, store, now)
    if not alive and record.fingerprint:
        return "nothing is polled: no daemon is at work here, start one with `changewire run`"
    if record.state == "baseline_pending":
        return "nothing was read so far, and the first good poll is remembered silently"
    if record.state == "stalled":
        return f"it is late: it was due at {local(record.due_since, now)}{_put_off(record, now)}"
    if record.error:
        return f"{record.failures} polls in a row failed, and nothing is lost: {record.error}"
    if record.next_due is None:
        return "it waits for what is raised inside"
    return f"it is well; what changed since the last poll is noticed at {local(record.next_due, now)}"


def _put_off(record: TriggerRecord, now: datetime) -> str:
    if record.late_since is None or record.next_due is None:
        return f", and the last poll failed: {record.error}" if record.error else ""
    until, command = local(record.next_due, now), f"`changewire resume {shlex.quote(record.shown)}` polls it now"
    if record.error:
        return f", and it is put off until {until}: {record.error}; {command}"
    return f", and the request budget puts it off until {until}: poll less often, or less else; {command}"


def _why_paused(record: TriggerRecord, store: SqliteStore, now: datetime) -> str:
    from changewire.health.attention import resume_command

    names = {"connection": record.connection, "workflow": record.workflow, "trigger": record.shown}
    for pause in store.pauses():
        if names[str(pause.kind)] == pause.name:
            command = resume_command(pause.kind, pause.name)
            since = local(pause.since, now)
            return f"{pause.kind} {pause.name!r} is paused since {since}: {pause.reason}; next: `{command}`"
    return "it was paused, and goes on with the next look"


def _tell_pending(waiting: WaitingChanges, now: datetime) -> None:
    from changewire.health.attention import pending_words

    print_text(f"  {pending_words(waiting)}")
    print_text(f"    the oldest was noticed at {local(waiting.since, now)}; next request: {local(waiting.due_at, now)}")


def _tell_set_aside(items: Sequence[SetAsideItems], now: datetime) -> None:
    if not items:
        return
    count = sum(each.count for each in items)
    print_text(f"  {count} item{'s' * (count != 1)} set aside; each fires once it can be processed:")
    for each in items:
        since = f"since {local(each.since, now)}, {each.polls} poll{'s' * (each.polls != 1)}"
        print_text(f"    {each.name} ({since}): {each.reason}")
        if each.excerpt:
            print_text(f"      it begins {shorten(each.excerpt, 120)}")


def _tell_verdicts(judged: Mapping[str, Any] | None, now: datetime) -> None:
    from changewire.clock import from_text

    if not judged:
        return
    print_text(f"  the last answer that was not like the one before it, at {local(from_text(judged['at']), now)}:")
    for verdict, count in judged["counts"].items():
        keys = [held["key"] for held in judged["held"] if held["verdict"] == verdict]
        shown = f" ({', '.join(keys)}{', …' if len(keys) < count else ''})" if keys else ""
        print_text(f"    {count} {VERDICTS.get(verdict, verdict)}{shown}")
    if ignored := judged.get("ignored"):
        print_text(f"    left out as noise: {', '.join(ignored)}")


def _view(
    record: TriggerRecord,
    why: str,
    waiting: WaitingChanges | None,
    aside: Sequence[SetAsideItems],
    runs: list[RunHistory],
) -> dict[str, Any]:
    from changewire.clock import to_text
    from changewire.health.attention import set_aside_view

    latest = [{"id": one.run.id, "state": str(one.run.state), "reason": one.run.reason} for one in runs]
    moments = {"last_poll": record.last_poll, "last_event": record.last_event, "next_due": record.next_due}
    times = {name: None if moment is None else to_text(moment) for name, moment in moments.items()}
    head = {"v": 1, "name": record.shown, "type": record.type, "state": str(record.state), "why": why}
    pending = None
    if waiting is not None:
        pending = {"count": waiting.count, "since": to_text(waiting.since), "tries": waiting.tries}
        pending |= {"reason": waiting.reason, "next_try": to_text(waiting.due_at)}
    views = [set_aside_view(each) for each in aside]
    return {**head, **times, "judged": record.verdicts, "pending": pending, "set_aside": views, "runs": latest}


# one event


def _tell_story(options: Options, store: SqliteStore, name: str) -> None:
    from changewire.state.views import event_view, run_view

    if name.startswith("run_"):
        history = named_run(store, name)
        event, runs = store.event(history.run.event_id), [history]
    else:
        event = named_event(store, name)
        runs = store.runs_of_event(event.id)
    if options.json:
        told = {"event": None if event is None else event_view(event), "runs": [run_view(one) for one in runs]}
        print_json({"v": 1, **told})
        return
    if event is not None:
        _tell_event(event)
    if not runs:
        print_text("no run was started by it")
    for history in runs:
        _tell_run(history)


def _tell_event(event: EventRecord) -> None:
    print_text(f"{event.id}  {event.event_type}  {event.key}")
    print_text(f"{_at(event.detected_at)}  noticed by {event.trigger} ({event.type})")
    if event.backfill:
        print_text("    it was there before the watch began: a backfill asked for it")
    if event.cause is not None:
        print_text(f"    raised by {event.cause}, after {' → '.join(event.chain)}")
    for line in change_lines(event.changes):
        print_text(f"    {line}")


def _tell_run(history: RunHistory) -> None:
    from changewire.state.views import effect, is_open, next_step, way_on

    run = history.run
    print_text(
        f"{_at(run.created_at)}  {run.id} of {run.workflow!r} stored" + (f", replay {run.replay}" * bool(run.replay))
    )
    latest = {attempt.address: attempt.attempt for attempt in history.attempts}
    for attempt in sorted(history.attempts, key=lambda one: (one.started_at is None, one.started_at or run.created_at)):
        tried = f" (attempt {attempt.attempt})" if attempt.attempt > 1 else ""
        reached = effect(attempt)
        words = f"{attempt.state}{tried}" + (f", effect: {reached}" if reached and attempt.error else "")
        print_text(f"{_at(attempt.started_at)}  {attempt.address}  {attempt.use}  {words}")
        if attempt.error:
            print_text(f"    {attempt.error}")
        if said := told_by(attempt):
            print_text(f"    it {said}")
        is_last = latest[attempt.address] == attempt.attempt
        if is_last and is_open(attempt, run) and (todo := next_step(attempt)) is not None:
            print_text(f"    next: {todo}")
    ended = run.finished_at
    print_text(f"{_at(ended) if ended else '…'}  {run.state}" + (f": {run.reason}" if run.reason else ""))
    if run.state == "paused" and run.held_by is None:
        say(way_on(history))


def _at(moment: datetime | None) -> str:
    return "–" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
