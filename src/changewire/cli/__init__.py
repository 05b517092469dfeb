"""The command line. Commands import what is heavy only when they run, so that help comes at once."""

from __future__ import annotations

import click

from changewire.cli.backing_up import backup
from changewire.cli.base import Root
from changewire.cli.calling import call
from changewire.cli.catalog import catalog
from changewire.cli.checking import validate
from changewire.cli.completing import completion
from changewire.cli.connecting import connect
from changewire.cli.explaining import explain
from changewire.cli.history import events, runs
from changewire.cli.making import init
from changewire.cli.mending import cancel, prune, replay, reset
from changewire.cli.pausing import pause
from changewire.cli.planning import check, plan
from changewire.cli.playing import demo, sandbox
from changewire.cli.resuming import resume
from changewire.cli.running import run
from changewire.cli.schemas import schema
from changewire.cli.status import status
from changewire.cli.trying import test


def say_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    """Say the version and end, where that is wanted."""
    if wanted and not context.resilient_parsing:
        from changewire import __version__

        click.echo(f"changewire {__version__}")
        context.exit()


@click.group(
    name="changewire",
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    examples=[
        ("changewire demo", "see it work, no account needed"),
        ("changewire init watch", "make a home in the folder watch/"),
        ("changewire run", "watch, and run workflows on each change"),
        ("changewire events --json --since 2h", "what was noticed, for programs"),
    ],
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=say_version, help="Show the version."
)
def root() -> None:
    """Watches REST APIs by polling, notices exactly what changed, and runs YAML workflows on each change.

    Data goes to stdout, talk to stderr. --home, --json and --debug may stand before or after the command.
    """


for _command in (
    init, demo, run, connect, check, plan, validate, test, catalog, status, events, runs, explain,
    pause, resume, cancel, replay, reset, prune, backup, schema, call, sandbox, completion,
):  # fmt: skip
    root.add_command(_command)


def main() -> None:
    """The program ``changewire``."""
    root.main()
