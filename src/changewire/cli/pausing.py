"""What a person pauses by hand, and what of it goes on again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import FAILED, Command, Options, make_store, open_clients, say
from changewire.cli.completing import complete_connection, complete_watch
from changewire.cli.output import print_json, print_text
from changewire.errors import ApiError, UsageError, nearest

if TYPE_CHECKING:
    from changewire.home.definition import Home
    from changewire.state.records import Lifted, PauseKind, PauseRecord
    from changewire.state.store import SqliteStore


@click.command(
    cls=Command,
    short_help="Stop watching a workflow, trigger or connection for now.",
    examples=[
        ("changewire pause 'Recording ready'", "its triggers are not polled, its runs do not begin or go on"),
        ("changewire pause 'Recording ready/trigger'", "one of several triggers"),
        ("changewire pause --connection work", "everything that needs this account"),
        ("changewire resume 'Recording ready'", "it goes on where it was, nothing is lost"),
    ],
)
@click.argument("name", required=False, shell_complete=complete_watch)
@click.option(
    "--connection",
    metavar="NAME",
    shell_complete=complete_connection,
    help="A connection: its triggers, and the steps that need it.",
)
@click.option("--reason", metavar="TEXT", help="Why, for those who look at `status`.")
@click.pass_obj
def pause(options: Options, name: str | None, connection: str | None, reason: str | None) -> int:
    """Stop watching NAME (a workflow, or workflow/trigger) or a connection for now, until `changewire resume`.

    It lasts over restarts and changed files. What was seen stays, so that whatever changes meanwhile is noticed
    afterwards. A step that is under way comes to its end. With --json one line: kind, name, cause, since, reason.
    """
    from changewire.clock import SystemClock
    from changewire.health.attention import resume_command
    from changewire.home.loading import load_home
    from changewire.state.records import PauseCause, PauseRecord

    if (name is None) == (connection is None):
        raise UsageError("say either NAME or --connection" + (", not both" if name else ""))
    home, now = load_home(options.find_home()), SystemClock().now()
    kind, known = _meant(home, name, connection)
    record = PauseRecord(kind, known, PauseCause.PERSON, now, reason or "by a person")
    with make_store(home.path) as store:
        if store.pause(record, now) == "known":
            say(f"{kind} {known!r} is paused already; `{resume_command(kind, known)}` ends that")
            return FAILED
        if options.json:
            print_json({"v": 1, **pause_view(record)})
        else:
            print_text(f"{kind} {known!r} is paused; `{resume_command(kind, known)}` lets it go on")
    return 0


def _meant(home: Home, name: str | None, connection: str | None) -> tuple[PauseKind, str]:
    """What is to be paused. Raises UsageError with the nearest name."""
    from changewire.state.records import PauseKind

    if connection is not None:
        if connection not in home.connections:
            raise UsageError(f"there is no connection {connection!r}{_hint(connection, list(home.connections))}")
        return PauseKind.CONNECTION, connection
    assert name is not None
    shown = [trigger.shown for trigger in home.triggers.values()]
    if name in shown:
        return PauseKind.TRIGGER, name
    if name in home.workflows or "/" not in name:
        return PauseKind.WORKFLOW, home.workflow(name).name
    raise UsageError(f"there is no trigger {name!r}{_hint(name, shown)}")


def _hint(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f"; did you mean {near!r}?" if near else f"; known are {', '.join(sorted(known))}" if known else ""


def pause_view(pause: PauseRecord) -> dict[str, Any]:
    """A pause as programs read it; ``next`` is what to do about it."""
    from changewire.clock import to_text
    from changewire.health.attention import next_step

    return {
        "kind": str(pause.kind),
        "name": pause.name,
        "cause": str(pause.cause),
        "since": to_text(pause.since),
        "reason": pause.reason,
        "next": next_step(pause),
        "try_at": None if pause.try_at is None else to_text(pause.try_at),
    }


def resume_paused(options: Options, store: SqliteStore, pause: PauseRecord) -> int:
    """End a pause, after a sign-in where its connection has one."""
    from changewire.clock import SystemClock

    if pause.cause == "credential" and not pause.by_request and (refused := _refused(options, pause.name)) is not None:
        store.put_off_pause(pause.name, str(refused), SystemClock().now())
        say(str(refused))
        say(f"connection {pause.name!r} stays paused")
        return refused.exit_code
    lifted = store.lift(pause.kind, pause.name, SystemClock().now())
    if lifted is not None:
        _tell(options, pause, lifted)
    return 0


def end_waits(options: Options, store: SqliteStore, name: str | None, connection: str | None) -> int:
    """Poll the triggers of a name or of a connection now that were put off, whatever a server said about waiting.

    Raises UsageError if nothing of that name exists, or if nothing of it waits.
    """
    from changewire.clock import SystemClock
    from changewire.home.loading import load_home

    home, now = load_home(options.find_home()), SystemClock().now()
    kind, known = _meant(home, name, connection)
    names = {"connection": "connection", "workflow": "workflow", "trigger": "shown"}
    chosen = [one for one in store.triggers() if getattr(one, names[kind]) == known]
    connections = {one.connection for one in chosen if one.connection in home.connections}
    connections |= {known} if kind == "connection" else set()
    with open_clients(home, SystemClock()) as clients:
        held = [clients.get(each).budget.release() for each in sorted(filter(None, connections))]
    count = store.poll_now([one.id for one in chosen], now)
    if not count and not any(held):
        raise UsageError(f"{kind} {known!r} is neither paused nor put off; `changewire status` shows when it is polled")
    if options.json:
        print_json({"v": 1, "kind": str(kind), "name": known, "triggers": count, "runs": []})
    else:
        print_text(f"{kind} {known!r} waits no longer: {count} trigger{'s' * (count != 1)} polled now")
    return 0


def _refused(options: Options, name: str) -> ApiError | None:
    """Why a connection cannot sign in; None: it can."""
    from changewire.clock import SystemClock
    from changewire.home.loading import load_home

    home, clock = load_home(options.find_home()), SystemClock()
    with open_clients(home, clock) as clients:
        try:
            clients.get(name).sign_in()
        except ApiError as error:
            return error
    return None


def _tell(options: Options, pause: PauseRecord, lifted: Lifted) -> None:
    from changewire.engine.mending import went_on

    if options.json:
        view = {"kind": str(pause.kind), "name": pause.name, "triggers": lifted.triggers, "runs": lifted.runs}
        print_json({"v": 1, **view})
    else:
        print_text(f"{pause.kind} {pause.name!r} goes on: {went_on(lifted)}")
