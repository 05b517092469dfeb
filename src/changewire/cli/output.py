"""Data on stdout: JSON lines for programs, tables and blocks for people. Secrets are masked on the way.

What people see holds nothing that steers a terminal: topics and names come from strangers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from changewire.secret import mask, mask_data
from changewire.values import Json, dumps, dumps_text, harmless

if TYPE_CHECKING:
    from rich.text import Text

STYLES = {
    "ok": "green",
    "succeeded": "green",
    "running": "cyan",
    "waiting": "cyan",
    "pending": "cyan",
    "baseline_pending": "cyan",
    "filtered": "dim",
    "skipped": "dim",
    "cancelled": "dim",
    "failing": "yellow",
    "stalled": "yellow",
    "paused": "yellow",
    "unknown": "yellow",
    "failed": "red",
    "suspended": "red",
    "unavailable": "red",
}
WIDEST = 4000  # columns where nobody looks, as in a pipe: nothing is cut there


def print_json(view: Mapping[str, Json]) -> None:
    """One object on a line of its own, in UTF-8 whatever the terminal speaks."""
    click.echo(dumps(mask_data(dict(view))))


def print_text(text: str) -> None:
    """Plain text."""
    click.echo(harmless(mask(text)))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Json]], whole: Sequence[str] = ()) -> None:
    """A table; None is shown as a dash.

    On a terminal long cells are folded, but not those of the columns ``whole``; in a pipe all are left whole.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console.width = WIDEST
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    with console.capture() as capture:
        console.print(table)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _cell(value: Json) -> Text:
    from rich.text import Text

    text = "–" if value is None or value == "" else harmless(mask(str(value)))
    return Text(text, style=STYLES.get(text, ""))


def local(moment: datetime | None, now: datetime) -> str | None:
    """A moment as people read it in their own time zone; the day is left out where it is today."""
    if moment is None:
        return None
    here = moment.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d %H:%M:%S}"


def shorten(value: Any, longest: int = 60) -> str:
    """A value on one line, cut where it is long."""
    text = "–" if value is None else value if isinstance(value, str) else dumps_text(value)
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def print_yaml(value: Json, indent: int = 0) -> None:
    """Plain data as YAML, as it would stand in a workflow; nothing for an empty mapping or list."""
    import textwrap

    if value not in ({}, [], None):
        click.echo(textwrap.indent(harmless(to_yaml(mask_data(value))), " " * indent))


def to_yaml(value: Json) -> str:
    """Plain data as YAML text without a line break at its end; texts of several lines stand as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, indentless=False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    dumped: str = yaml.dump(value, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=110)
    return dumped.removesuffix("\n").removesuffix("\n...")


def print_pretty(value: Json) -> None:
    """Plain data as JSON over several lines, in colour on a terminal."""
    from rich.console import Console
    from rich.highlighter import JSONHighlighter

    from changewire.texts import to_json

    text = harmless(to_json(mask_data(value), indent=2))
    console = Console()
    if console.is_terminal:
        console.print(JSONHighlighter()(text), soft_wrap=True)  # print_json would write the escapes out again
    else:
        click.echo(text)
