"""``resume``: what is paused goes on, or a step of a run counts as done because a person says so."""

from __future__ import annotations

import getpass
import os
from collections import Counter
from typing import TYPE_CHECKING

import click

from changewire.cli.base import FAILED, Command, Options, say
from changewire.cli.completing import complete_connection, complete_watch, complete_workflow
from changewire.cli.history import named_run, opened, opened_for, tell_none
from changewire.cli.mending import either, now, show_runs
from changewire.cli.pausing import end_waits, resume_paused
from changewire.errors import UsageError
from changewire.secret import masked_excerpt
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.state.records import PauseRecord
    from changewire.state.store import SqliteStore


@click.command(
    cls=Command,
    short_help="Let a paused run, workflow, trigger or connection go on.",
    examples=[
        ("changewire runs --state paused", "those that wait for a person, and why"),
        ("changewire resume run_3f0c…", "one goes on from the step that failed, which is tried again"),
        ("changewire resume run_3f0c… --done", "you looked, and the step was done: it goes on after it"),
        ("""changewire resume run_3f0c… --done --output '{"id": 7}'""", "and this is what later steps see of it"),
        ("changewire resume --all --workflow NAME", "all paused runs of one workflow"),
        ("changewire resume --connection work", "its credentials are mended: all that waits for it goes on"),
        ("changewire resume 'Recording ready'", "what `changewire pause` paused, or what a server asked to wait"),
    ],
)
@click.argument("run", required=False, metavar="[RUN|NAME]", shell_complete=complete_watch)
@click.option("--all", "every", is_flag=True, help="All paused runs.")
@click.option("--workflow", metavar="NAME", shell_complete=complete_workflow, help="With --all: only of this workflow.")
@click.option(
    "--connection",
    metavar="NAME",
    shell_complete=complete_connection,
    help="A paused connection, with all that waits for it.",
)
@click.option("--done", is_flag=True, help="The action that failed was done: go on after it. It is not tried again.")
@click.option("--output", metavar="JSON", help="With --done: what later steps see as its output. Default: null.")
@click.option("--step", metavar="ADDRESS", help="With --done: which step, where several of a loop failed.")
@click.pass_obj
def resume(
    options: Options,
    run: str | None,
    every: bool,
    workflow: str | None,
    connection: str | None,
    done: bool,
    output: str | None,
    step: str | None,
) -> int:
    """Let a paused run go on from the step that failed, with new attempts; RUN is an id or its beginning.

    Steps that are finished stay finished. With --done the action that failed is finished, too, because you say so, and
    `changewire runs RUN` shows who did. Later steps read as its output what --output gives. Without it that is null,
    and one that reads steps.ID.field fails then: the run is paused again, and --done --step ADDRESS --output JSON gives
    the output after all.

    With --json the lines are those of runs. NAME is a workflow or a trigger that was paused by hand: it is polled at
    once, and its runs go on. With --json that is one line: kind, name, triggers (how many go on), runs (ids).

    If it is not paused, triggers that were put off, by failures or because a server asked to wait, are polled at once,
    and what servers said about waiting is forgotten for their connections.
    """
    _check(run, every, workflow, connection, done, output is not None or step is not None)
    if done and run is not None:
        given = None if output is None else read_output(output)
        with opened_for(options, f"run {run!r}", to_write=True) as recorded:
            return _say_done(options, recorded, run, given, step)
    store = opened(options, to_write=True) if every else opened_for(options, _what(run, connection), to_write=True)
    if store is None:
        return 0
    with store:
        if (paused := _paused(store, run, connection)) is not None:
            return resume_paused(options, store, paused)
        if not every and not (run or "").startswith("run_"):
            return end_waits(options, store, run, connection)
        return _resume_runs(options, store, run, workflow)


def _check(
    run: str | None, every: bool, workflow: str | None, connection: str | None, done: bool, about_done: bool
) -> None:
    if connection is None:
        either(run, every, "RUN", "--all")
    elif run is not None or every or workflow is not None or done:
        raise UsageError("--connection stands alone")
    if workflow is not None and not every:
        raise UsageError("--workflow goes with --all")
    if done and run is None:
        raise UsageError("--done goes with one RUN: look for each whether it was done")
    if about_done and not done:
        raise UsageError("--output and --step go with --done")


def _what(run: str | None, connection: str | None) -> str:
    return f"run {run!r}" if run is not None else f"paused connection {connection!r}"


def _resume_runs(options: Options, store: SqliteStore, run: str | None, workflow: str | None) -> int:
    if run is None:
        resumed = store.resume(now(), by=_who(), workflow=workflow)
        held = _held(store, workflow)
        if not resumed and not held:
            tell_none(store, workflow, "paused run")
        for pause, count in held.items():
            say(f"{count} runs wait for {_ended_by(pause)}" if count > 1 else f"1 run waits for {_ended_by(pause)}")
        show_runs(options, store, resumed, "goes on")
        return 0
    found = named_run(store, run).run
    if not store.resume(now(), by=_who(), run_id=found.id):
        if found.state == "paused" and found.held_by is not None:
            say(f"{found.id} waits for {_ended_by(found.held_by)}")
            return FAILED
        say(f"{found.id} is {found.state}, and only a paused run can go on; `changewire replay` starts it anew")
        return FAILED
    show_runs(options, store, [found.id], "goes on")
    return 0


def _held(store: SqliteStore, workflow: str | None) -> dict[str, int]:
    """How many runs wait for each pause to end."""
    from changewire.state.records import RunState

    paused = (each.run.held_by for each in store.each_run(workflow=workflow, states=[RunState.PAUSED]))
    return dict(Counter(name for name in paused if name is not None))


def _ended_by(held_by: str) -> str:
    from changewire.health.attention import resume_command

    kind, _, name = held_by.partition("/")
    return f"the pause of {held_by} to end: mend what is wrong, then `{resume_command(kind, name)}`"


def _say_done(options: Options, store: SqliteStore, run: str, output: Json, step: str | None) -> int:
    found = named_run(store, run).run
    done = store.say_done(found.id, now(), by=_who(), output=output, address=step)
    if output is None:
        again = f"`changewire resume {found.id} --done --step '{done.address}' --output JSON`"
        say(f"its output is null: where a later step needs a field of it, {again} gives one")
    left = named_run(store, found.id).run
    if left.state == "paused":
        show_runs(options, store, [found.id], f"has {done.address} done, and waits for the next", later=False)
        say(f"it stays paused: {left.reason}; `changewire runs {found.id}` says what is known of it")
    else:
        show_runs(options, store, [found.id], f"goes on after {done.address}")
    return 0


def _who() -> str:
    """The name of whoever types, for the record."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return f"user {os.getuid()}"


def read_output(text: str) -> Json:
    """An output as it was typed. Raises UsageError where it is no JSON, or more than is kept."""
    from changewire.actions.calling import LARGEST_OUTPUT
    from changewire.values import dumps, json_trouble, loads

    try:
        output = loads(text)
    except ValueError as error:
        raise UsageError(f"--output: {masked_excerpt(text, 60)!r} is no JSON: {json_trouble(error)}") from None
    if (size := len(dumps(output))) > LARGEST_OUTPUT:
        raise UsageError(f"--output is {size} bytes, more than the {LARGEST_OUTPUT} that are kept of a step")
    return output


def _paused(store: SqliteStore, name: str | None, connection: str | None) -> PauseRecord | None:
    """The pause of that name; None: there is none."""
    kinds = ("connection",) if connection is not None else ("workflow", "trigger")
    wanted = name if connection is None else connection
    return next((one for one in store.pauses() if one.kind in kinds and one.name == wanted), None)
