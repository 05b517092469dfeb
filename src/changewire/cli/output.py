"""Data on stdout: JSON lines for programs, tables and blocks for people. Secrets are masked on the way.

What people see holds nothing that steers a terminal: topics and names come from strangers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from changewire.secret import mask, mask_data, masked_excerpt
from changewire.values import Json, dumps_text, harmless, one_line

if TYPE_CHECKING:
    from rich.console import Console
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
NOTHING = "–"
_GAP = 2  # between two columns
_NARROWEST = 12  # of a column that is folded
WIDEST = 4000  # columns where nobody looks, as in a pipe: nothing is cut there


def print_json(view: Mapping[str, Json]) -> None:
    """One object on a line of its own, in UTF-8 whatever the terminal speaks."""
    click.echo(harmless(dumps_text(mask_data(dict(view)))).encode())


def print_text(*lines: str) -> None:
    """Plain text. Each of ``lines`` is one line: a line break inside of it is shown as ``\\n``."""
    click.echo("\n".join(one_line(mask(line)) for line in lines))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Json]], whole: Sequence[str] = (), spare: Sequence[str] = ()
) -> None:
    """A table; None is shown as a dash.

    In a pipe everything is left whole. On a terminal long cells are folded, but not those of the columns ``whole``, and
    where it is too narrow for that, the columns ``spare`` are left out one after the other. Where that is not enough,
    each row is a block of lines.
    """
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDEST
    columns = [one_line(name) for name in columns]
    whole, spare = [one_line(name) for name in whole], [one_line(name) for name in spare]
    cells = [[_cell(value) for value in row] for row in rows]
    shown = _fitting(columns, cells, whole, spare, console.width)
    with console.capture() as capture:
        if shown is None:
            _print_blocks(console, columns, cells)
        else:
            _print_columns(console, {columns[n]: [row[n] for row in cells] for n in shown}, whole)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _fitting(
    columns: Sequence[str], cells: Sequence[Sequence[Text]], whole: Sequence[str], spare: Sequence[str], width: int
) -> list[int] | None:
    """Numbers of the columns that there is room for; None where too few are."""
    from rich.cells import cell_len

    def needed(number: int) -> int:
        widest = max([cell_len(columns[number]), *(cell.cell_len for row in cells for cell in [row[number]])])
        return _GAP + (widest if columns[number] in whole else min(widest, max(_NARROWEST, cell_len(columns[number]))))

    widths = {number: needed(number) for number in range(len(columns))}
    for name in (None, *spare):
        widths = {number: size for number, size in widths.items() if columns[number] != name}
        if sum(widths.values()) - _GAP <= width:
            return list(widths)
    return None


def _print_columns(console: Console, columns: Mapping[str, Sequence[Text]], whole: Sequence[str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, _GAP, 0, 0))
    for name, cells in columns.items():
        widest = max([len(name), *(cell.cell_len for cell in cells)])
        least = min(widest, max(_NARROWEST, len(name)))
        table.add_column(name, overflow="fold", no_wrap=name in whole, min_width=least)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    console.print(table)


def _print_blocks(console: Console, columns: Sequence[str], cells: Sequence[Sequence[Text]]) -> None:
    """Each row as its first cell, and below it the others with their names."""
    from rich.table import Table

    for first, *others in cells:
        console.print(first, style="bold", overflow="fold")
        block = Table.grid(padding=(0, _GAP, 0, 0))
        block.add_column(style="dim", no_wrap=True)
        block.add_column(overflow="fold")
        for name, cell in zip(columns[1:], others, strict=True):
            if cell.plain != NOTHING:
                block.add_row(f"  {name.strip()}", cell)
        console.print(block)


def _cell(value: Json) -> Text:
    from rich.text import Text

    text = NOTHING if value is None or value == "" else one_line(mask(str(value)))
    return Text(text, style=STYLES.get(text, ""))


def local(moment: datetime | None, now: datetime) -> str | None:
    """A moment as people read it in their own time zone; the day is left out where it is today."""
    if moment is None:
        return None
    here = moment.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == now.astimezone().date() else f"{here:%Y-%m-%d %H:%M:%S}"


def shorten(value: Any, longest: int = 60) -> str:
    """A value on one line, cut where it is long."""
    text = NOTHING if value is None else value if isinstance(value, str) else dumps_text(value)
    return masked_excerpt(" ".join(mask(text).split()), longest, "…")


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
        style = '"' if harmless(value) != value else "|" if "\n" in value else None  # only quotes know escapes
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

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
