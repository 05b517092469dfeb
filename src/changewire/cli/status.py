"""How every trigger is doing, from what the files say and what the database remembers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import NEEDS_PERSON, Command, Options, open_store, say
from changewire.cli.output import local, print_json, print_table, print_text
from changewire.cli.pausing import pause_view
from changewire.errors import ConfigError

if TYPE_CHECKING:
    from changewire.health.attention import Attention
    from changewire.home.definition import Home
    from changewire.state.records import PauseRecord, TriggerRecord, WaitingChanges
    from changewire.state.store import SqliteStore

ALIVE_S = 20.0  # seconds since the last heartbeat; a daemon writes one every five


@click.command(
    cls=Command,
    short_help="Show how every trigger is doing.",
    examples=[
        ("changewire status", "a table of all triggers"),
        ("changewire status --json", "one object with triggers and daemon"),
        ("changewire status || mail -s attention me", "from cron: exit code 3 calls a person"),
    ],
)
@click.pass_obj
def status(options: Options) -> int:
    """Show how every trigger is doing, and whether a daemon is at work.

    \b
    States:
      baseline_pending  nothing read so far; the first good poll is remembered silently
      ok                the last poll was good
      failing           the last poll was not; it is tried again by itself
      suspended         cannot mend itself: credentials, scope, plan, or what it watches is gone
      paused            by hand, until `changewire resume`
      stalled           no good poll for more than three intervals, as when no daemon is running
      unavailable       the workflow cannot be used as it is written

    Connections that are refused are paused and told first, with the next step; all goes on once they are mended.

    Exit code 3 where something needs a person: a connection is refused, a trigger is suspended, stalled or unavailable,
    an item cannot be processed and is set aside, a run is paused, or asleep because the pause that holds it does not
    exist, alerts were not sent for five minutes, the daemon has not taken over the changed files, its work makes no
    progress, or it ended without having been asked to. What was paused by hand needs nobody.
    """
    from changewire.clock import SystemClock
    from changewire.health.attention import set_aside_view

    path, now = options.find_home(), SystemClock().now()
    with open_store(path) or nullcontext() as store:
        home = readable_home(path, store)
        records = list(records_of(home, store, now))
        daemon = daemon_view(store, now, path)
        counts = store.counts() if store else {}
        pauses = store.pauses() if store else []
        paused = store.waiting_for_a_person() if store else {}
        found = [*_from_outside(home, store, daemon, now), *_stored(home, store, records, paused, now)]
        changes = store.waiting_changes(inactive=True) if store else {}
        aside = store.set_aside() if store else []
    held = counts.get("held", {})
    if options.json:
        paused_views = [{**pause_view(pause), "runs": held.get(pause.held_by, 0)} for pause in pauses]
        triggers = [_view(record, changes.get(record.id)) for record in records]
        views = [each.view() for each in found]
        shown = {"triggers": triggers, "pauses": paused_views, "attention": views, "daemon": daemon}
        print_json({"v": 1, **shown, **({"set_aside": list(map(set_aside_view, aside))} if aside else {})})
    else:
        _show(records, pauses, held, daemon, now)
        _show_counts(counts)
    if waiting := sum(paused.values()):
        say(f"{waiting} run{'s' * (waiting != 1)} paused, waiting for a person: `changewire runs --state paused`")
        say("mend what is wrong, then `changewire resume RUN` goes on from the step that failed")
    for each in found:
        if each.kind == "daemon" and each.state != "gone":
            say(f"daemon, {each.name}: {each.message}; next: {each.next}")
        elif each.state in ("asleep", "pending", "set_aside", "unsent") or (each.kind == "files" and home is not None):
            say(f"{each.name}: {each.message}; next: {each.next}")
    return NEEDS_PERSON if found else 0


def _from_outside(
    home: Home | None, store: SqliteStore | None, daemon: Mapping[str, Any], now: datetime
) -> Iterator[Attention]:
    """Return what only an outsider sees of a daemon, and what its last heartbeat says about work without progress."""
    from changewire.health.attention import Attention, gone, refused_files, silent

    if daemon["alive"] and not _is_fresh(daemon["heartbeat_at"], now):
        yield silent(daemon["pid"], daemon["heartbeat_at"])
    elif daemon["stopped"] is False and not daemon["alive"]:
        yield gone(daemon["pid"], daemon["heartbeat_at"])
    elif daemon["alive"] and store is not None:
        stalled = (store.daemon_info() or {}).get("stalled", ())
        yield from (
            Attention(**{field.name: str(each.get(field.name, "")) for field in fields(Attention)}) for each in stalled
        )
    if home is None:
        yield refused_files("the files cannot be used; told is what was known last")


def _stored(
    home: Home | None,
    store: SqliteStore | None,
    records: Sequence[TriggerRecord],
    paused: Mapping[str, int],
    now: datetime,
) -> list[Attention]:
    """What needs a person, from files and database."""
    from changewire.health.attention import attention, items_set_aside, refused_files, stuck_changes, unsent_alerts

    broken = home.broken if home else ()
    if store is None:
        return attention(records, broken, {}, (), {}, {})
    found = attention(records, broken, _kept(store, now), store.pauses(), paused, store.sleepers())
    refused = _of_daemon(store, now).get("refused")
    if refused is not None and home is not None:
        found = [refused_files(refused), *found]
    stuck = [*stuck_changes(store.waiting_changes().values(), now), *items_set_aside(store.set_aside())]
    return [*found, *stuck, *unsent_alerts(store.untold_since(), now)]


def readable_home(path: Path, store: SqliteStore | None) -> Home | None:
    """What the files say; None, and told, where settings or variables are broken: what ``store`` remembers is there.

    Raises ConfigError where nothing is remembered either.
    """
    from changewire.home.loading import load_home

    try:
        return load_home(path)
    except ConfigError as error:
        if store is None:
            raise
        say(*error.lines)
        say("shown is what was known last: mend this, so that the files count and `changewire run` can start", "")
        return None


def records_of(home: Home | None, store: SqliteStore | None, now: datetime) -> Iterator[TriggerRecord]:
    """A record for each trigger of the files as they are now, in order of names; states as they are at ``now``.

    ``home`` None: of each trigger that was watched last.
    """
    from changewire.engine.syncing import trigger_records
    from changewire.health.attention import judged
    from changewire.state.records import TriggerState
    from changewire.values import make_id

    if home is None:
        known = store.triggers() if store else []
        yield from (judged(record, now) for record in sorted(known, key=lambda record: record.shown))
        return
    stored = {record.id: record for record in store.triggers(active=None)} if store else {}
    files = {make_id("trg", broken.file): broken.file for broken in home.broken}
    kept = _kept(store, now)
    for wanted in sorted(trigger_records(home, now), key=lambda record: record.shown):
        if wanted.state is TriggerState.UNAVAILABLE:
            yield from _unavailable(wanted, files.get(wanted.id, ""), stored.values(), kept)
            continue
        yield judged(stored.get(wanted.id, wanted), now)


def _kept(store: SqliteStore | None, now: datetime) -> Mapping[str, str]:
    """The broken files of which a daemon at work goes on with the last good version, and their workflows."""
    return _of_daemon(store, now).get("kept") or {}


def _of_daemon(store: SqliteStore | None, now: datetime) -> Mapping[str, Any]:
    """What a daemon at work says of itself; nothing if none is."""
    return (store.daemon_info() or {}) if store and daemon_view(store, now)["alive"] else {}


def _unavailable(
    wanted: TriggerRecord, file: str, stored: Iterable[TriggerRecord], kept: Mapping[str, str]
) -> Iterator[TriggerRecord]:
    """The triggers of a broken file: those that the daemon goes on to poll, those of old, or what the file says."""
    from changewire.state.records import TriggerState

    name = kept.get(file, wanted.workflow)
    known = [each for each in stored if each.fingerprint and (each.workflow == name or (file and each.file == file))]
    active = [record for record in known if record.active]
    going_on = active if file in kept else []
    for record in active or known or [wanted]:
        error, next_due = wanted.error, None
        if going_on:
            error, next_due = f"{wanted.error}; the last good version is still polled", record.next_due
        yield replace(record, state=TriggerState.UNAVAILABLE, error=error, next_due=next_due)


def _view(record: TriggerRecord, waiting: WaitingChanges | None) -> dict[str, Any]:
    from changewire.clock import to_text

    def text(moment: datetime | None) -> str | None:
        return None if moment is None else to_text(moment)

    return {
        "name": record.shown,
        "type": record.type,
        "state": str(record.state),
        "next_due": text(record.next_due),
        "last_ok": text(record.last_ok),
        "last_event": text(record.last_event),
        "lag_p99_ms": record.lag_p99_ms,
        "error": record.error,
        "pending": waiting.count if waiting else 0,
    }


def daemon_view(store: SqliteStore | None, now: datetime, home: Path | None = None) -> dict[str, Any]:
    """Return what is known of the daemon, and whether it is at work.

    A daemon whose heartbeat cannot be stored is at work if it has the lock of its ``home``; None: no lock is looked at.
    """
    from changewire.state.lock import LOCK, holder

    info = (store.daemon_info() if store else None) or {}
    pid, beat = info.get("pid"), info.get("at")
    alive = isinstance(pid, int) and (
        _exists(pid) if _is_fresh(beat, now) else home is not None and holder(home / LOCK) == str(pid)
    )
    return {
        "alive": alive,
        "pid": pid,
        "started_at": info.get("started_at"),
        "heartbeat_at": beat,
        "polls": info.get("polls"),
        "listens": info.get("listens"),
        "stopped": info.get("stopped"),
    }


def _is_fresh(beat: str | None, now: datetime) -> bool:
    from changewire.clock import from_text

    return beat is not None and abs(now - from_text(beat)) < timedelta(seconds=ALIVE_S)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


def _show(
    records: list[TriggerRecord],
    pauses: list[PauseRecord],
    held: Mapping[str, int],
    daemon: dict[str, Any],
    now: datetime,
) -> None:
    """``held`` is how many runs wait for each pause."""
    columns = ("trigger", "type", "state", "last ok", "next", "last event", "lag p99")
    rows, spare = [], ("type", "lag p99", "last event")
    for record in records:
        lag = None if record.lag_p99_ms is None else f"{record.lag_p99_ms:.0f} ms"
        moments = [local(moment, now) for moment in (record.last_ok, record.next_due, record.last_event)]
        rows.append((record.shown, record.type, str(record.state), *moments, lag))
    if rows:
        print_table(columns, rows, whole=[column for column in columns if column != "type"], spare=spare)
    for pause in pauses:
        is_connection = pause.kind == "connection"
        waiting = [record.shown for record in records if is_connection and record.connection == pause.name]
        _show_pause(pause, waiting, held.get(pause.held_by, 0), now)
    for record in records:
        if record.error and not record.paused:
            print_text("", f"{record.shown} ({record.state}): {record.error}")
    if daemon["alive"]:
        where = f"; it answers at {daemon['listens']}" if daemon["listens"] else ""
        say("", f"a daemon is at work (process {daemon['pid']}, {daemon['polls']} polls){where}")
    else:
        killed = f" (process {daemon['pid']} ended without having been asked to)" if daemon["stopped"] is False else ""
        say("", f"no daemon is at work here{killed}: start one with `changewire run`")


def _show_pause(pause: PauseRecord, waiting: list[str], runs: int, now: datetime) -> None:
    print_text("", f"{pause.kind} {pause.name} is paused since {local(pause.since, now)}: {pause.reason}")
    if runs:
        waiting = [*waiting, f"{runs} run{'s' * (runs != 1)}"]
    if waiting:
        print_text(f"    waiting for it: {', '.join(waiting)}")
    print_text(f"    next: {pause_view(pause)['next']}")
    if pause.try_at is not None:
        print_text(f"    tried again by itself at {local(pause.try_at, now)}")


def _show_counts(counts: dict[str, dict[str, int]]) -> None:
    if counts:
        states, held = dict(counts["runs"]), sum(counts["held"].values())
        if held:
            states |= {"paused": states["paused"] - held, "held by a pause": held}
        runs = ", ".join(f"{count} {state}" for state, count in sorted(states.items()) if count) or "none"
        say(f"events: {counts['events']['stored']}; runs: {runs}")
