"""Any action by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from changewire.cli.base import Command, Options
from changewire.cli.completing import complete_action, complete_connection, complete_values

_OUT = "Write the output into FILE, by its ending: .csv and .jsonl for lists, else JSON."


@click.command(
    cls=Command,
    examples=[
        ("changewire call zoom.get_meeting meetingId=85746065432", "one meeting"),
        ("changewire call zoom.list_meetings type=upcoming from=today", "a list is a table"),
        ("changewire call zoom.users --all-pages --out users.csv", "all of it, into a file"),
        ("changewire call zoom.meetingCreate userId=me body:='{}' --dry-run", "show the request, send nothing"),
        ("changewire call zoom.list_meetings --json | jq .output", "for programs"),
    ],
)
@click.argument("action", shell_complete=complete_action)
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...", shell_complete=complete_values)
@click.option(
    "--connection",
    metavar="NAME",
    shell_complete=complete_connection,
    help="The connection to use; needed where several fit.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--all-pages", is_flag=True, help="Read a list to its end.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="At most N entries of a list, from as many pages.")
@click.option("--columns", metavar="NAMES", help="Columns of the table, separated by commas. Default: what fits.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=_OUT)
@click.pass_obj
def call(options: Options, /, action: str, values: Sequence[str], connection: str | None, **more: Any) -> int:
    """Do ACTION once and print its output. `changewire catalog` lists actions and their parameters.

    A value is read by the type of its parameter: text stays text, so 0123 keeps its zero, and dates may be said:
    from=today, from=-7d, to=monday. NAME:=JSON is JSON, NAME=@FILE what a file holds, settings.host_video=true one
    field of settings. ${NAME} takes a variable, as in files.

    A list is printed as a table, anything else as JSON. With --json the one line has action, connection and output;
    with --dry-run action, connection, with and request.
    """
    from changewire.cli.performing import Order, carry_out

    return carry_out(options, Order(action, tuple(values), connection, **more))
