"""The daemon."""

from __future__ import annotations

import signal
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

import click

from changewire.cli.base import FAILED, Command, Options, say
from changewire.cli.signals import caught_signals, end_process, next_message

if TYPE_CHECKING:
    from changewire.daemon import Daemon
    from changewire.home.definition import Home

END_WITHIN_S = 9.5  # after a signal to end, whatever hangs


@click.command(
    cls=Command,
    short_help="Watch, and run workflows on each change.",
    examples=[
        ("changewire run", "in a home: watch until Ctrl-C"),
        ("changewire run --home /srv/watch", "watch another home"),
        ("changewire run --json >> changewire.log", "the log as JSON lines"),
        ("kill -HUP PID", "read the files again (they are also noticed when they change)"),
    ],
)
@click.pass_obj
def run(options: Options) -> int:
    """Watch, and run workflows on each change, until SIGTERM or Ctrl-C.

    The log goes to stderr; with --json it goes to stdout, one JSON object a line. Workflows with problems are told and
    left out, the others run. SIGHUP reads all files again. A stop is clean and takes ten seconds at most; what was
    under way goes on at the next start.
    """
    from changewire.clock import SystemClock
    from changewire.daemon import Daemon
    from changewire.log import ConsoleLog

    home, clock = options.find_home(), SystemClock()
    stream = sys.stdout if options.json else None
    log = ConsoleLog(clock, as_json=options.json, stream=stream, level=lambda: daemon.home.settings.log.level)
    daemon = Daemon(home, clock, log)
    for problem in daemon.home.problems:
        log("problem", str(problem), **problem.as_dict())
    for warning in daemon.home.warnings:
        log("warning", f"warning: {warning}", **warning.as_dict())
    if not daemon.home.triggers:
        say(nothing_to_watch(daemon.home))
        return FAILED
    finished = False
    with caught_signals(end_within_s=END_WITHIN_S) as incoming:
        daemon.start()
        try:
            _work(daemon, incoming)
        finally:
            finished = daemon.close()
    if not finished or _has_threads():
        end_process()
    return 0


def _has_threads() -> bool:
    """Whether threads are left that Python would wait for at its end, such as those of an action's own code."""
    return any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate())


def nothing_to_watch(home: Home) -> str:
    """What to do in a home in which no workflow can be used."""
    folder = home.path / "config" / "workflows"
    if home.broken:
        count = len(home.broken)
        which = "the only workflow" if count == 1 else f"none of the {count} workflows"
        verb = "cannot" if count == 1 else "can"
        return f"{which} in {folder} {verb} be used, so there is nothing to watch: mend the problems told above"
    return f"there is no workflow in {folder}: write one (`changewire catalog` lists what there is), then run again"


def _work(daemon: Daemon, incoming: SimpleQueue[int | None]) -> None:
    """Let the daemon loop in a thread of its own, and do what the signals say, until it is to stop.

    Nothing here waits for that thread, or for files being read again: the daemon does, as long as it has time.
    """
    faults: list[BaseException] = []

    def loop() -> None:
        try:
            daemon.loop()
        except BaseException as error:
            faults.append(error)
        finally:
            incoming.put(None)

    threading.Thread(target=loop, name="changewire-loop", daemon=True).start()
    try:
        while next_message(incoming) == signal.SIGHUP:
            threading.Thread(target=daemon.reload, name="changewire-reload", daemon=True).start()
    finally:
        daemon.stop()
    if faults:
        raise faults[0]
