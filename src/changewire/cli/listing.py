"""Lists as tables, in a file, and how far a long call has come."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from changewire.cli.output import WIDEST, print_table, shorten
from changewire.csv_text import csv_line
from changewire.errors import UsageError
from changewire.secret import mask_data
from changewire.texts import plain_text, to_json
from changewire.values import Json, dumps

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Row: TypeAlias = Mapping[str, Json]
FIRST = (
    "id", "uuid", "name", "display_name", "topic", "title", "first_name", "last_name", "email", "user_email", "type",
    "status", "start_time", "date_time", "created_at", "join_time", "duration", "timezone", "number", "site",
)  # fmt: skip
MOST_COLUMNS = 8
_SHEETS = frozenset({".xlsx", ".xls", ".ods", ".tsv", ".numbers"})
_WIDTHS = range(6, 41)  # narrowest and widest column


def list_in(output: Json, field: str | None) -> list[Row] | None:
    """The records of an output that is a list of records, or holds one in ``field`` or alone; None: there is none.

    An empty list in ``field`` is one.
    """
    if isinstance(output, list):
        found: Json = output
    elif not isinstance(output, dict):
        return None
    elif field is not None and isinstance(output.get(field), list):
        found = output[field]
    else:
        lists = [value for value in output.values() if isinstance(value, list) and value]
        scalars = {"page_size", "page_count", "page_number", "total_records", "next_page_token", "from", "to"}
        others = output.keys() - scalars
        found = lists[0] if len(lists) == 1 and len(others) == 1 else None
    return found if isinstance(found, list) and all(isinstance(row, dict) for row in found) else None


def choose_columns(rows: Sequence[Row], width: int) -> list[str]:
    """The fields that fit into ``width`` characters: those that tell records apart first, nothing that is nested."""
    names = list(dict.fromkeys(name for row in rows[:200] for name in row))
    plain = [name for name in names if any(_is_plain(row.get(name)) for row in rows[:200])]
    ranked = sorted(plain, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), names.index(name)))
    chosen: list[str] = []
    left = width
    for name in ranked[:MOST_COLUMNS]:
        wanted = max([len(name), *(len(shorten(row.get(name), _WIDTHS.stop)) for row in rows[:50])])
        left -= min(max(wanted, _WIDTHS.start), _WIDTHS.stop) + 2
        if left < 0 and chosen:
            break
        chosen.append(name)
    return chosen


def _is_plain(value: Json) -> bool:
    return value is not None and value != "" and not isinstance(value, dict | list)


def print_rows(rows: Sequence[Row], columns: Sequence[str]) -> None:
    """A table of records with those of ``columns`` that any record has; where there are none, as many as fit."""
    from rich.console import Console

    console = Console()
    width = console.width if console.is_terminal else WIDEST
    chosen = [name for name in columns if has_column(rows, name)] or choose_columns(rows, width)
    longest = 60 if console.is_terminal else 1000
    print_table(chosen, [[_short(_at(row, name), longest) for name in chosen] for row in rows], whole=chosen[:1])


def _short(value: Json, longest: int) -> str | None:
    return None if value is None else shorten(value, longest)


def _at(row: Json, name: str) -> Json:
    """A field of a record; dots lead further in."""
    for part in [name] if isinstance(row, dict) and name in row else name.split("."):
        row = row.get(part) if isinstance(row, dict) else None
    return row


def has_column(rows: Sequence[Row], name: str) -> bool:
    """Whether any record has the field; one that is there but empty counts."""
    outer, _, _ = name.rpartition(".")
    return any(
        name in row or _at(row, name) is not None or (bool(outer) and isinstance(_at(row, outer), dict)) for row in rows
    )


def check_place(path: Path | None) -> None:
    """Whether a file could be written there, before anything is done. Raises UsageError."""
    if path is None:
        return
    if str(path) == "-":
        raise UsageError("--out writes a file: leave it out, and the output is printed")
    if path.suffix.lower() in _SHEETS:
        raise UsageError(f"--out: {path.suffix} is not written; spreadsheets open .csv: {path.with_suffix('.csv')}")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {str(path.parent)!r}")


def write_out(path: Path, output: Json, rows: Sequence[Row] | None, columns: Sequence[str]) -> int:
    """Write an output into a file at once: .csv and .jsonl are for lists, anything else is JSON. The bytes written.

    Raises UsageError where there is no list, OSError where the file cannot be written.
    """
    from changewire.actions.files import write_whole

    ending = path.suffix.lower()
    if ending in (".csv", ".jsonl", ".ndjson") and rows is None:
        raise UsageError(f"it is no list of records, as {ending} needs one; write it to a .json file")
    if ending == ".csv":
        data = _csv(rows or (), columns)
    elif ending in (".jsonl", ".ndjson"):
        data = b"".join(dumps(mask_data(dict(row))) + b"\n" for row in rows or ())
    else:
        data = to_json(mask_data(output), indent=2).encode() + b"\n"
    write_whole(path, lambda file: file.write(data))
    return len(data)


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> bytes:
    names = list(columns) or list(dict.fromkeys(name for row in rows for name in row))
    table = [names, *([plain_text(mask_data(_at(row, name))) for name in names] for row in rows)]
    return "".join(f"{csv_line(cells)}\r\n" for cells in table).encode()


class Bars:
    """How far things have come, on stderr."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int | None) -> None:
        """``done`` of ``what`` are there, of ``total``; None: nobody knows how many there will be."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(shorten(what, 40), total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)


@contextmanager
def bars(wanted: bool) -> Iterator[Any]:
    """Bars while a call is under way; None where nobody would see them. They are gone when it is over."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
        TextColumn("{task.completed:,.0f}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)
