"""The code of the core actions on files."""

from __future__ import annotations

import csv
import io
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from itertools import count, islice
from pathlib import Path

from changewire.actions.append import Rotation, append_once
from changewire.actions.context import ActionContext
from changewire.actions.files import stored_file, strict_place, write_whole
from changewire.actions.inputs import revealed
from changewire.config.fields import parse_size
from changewire.csv_text import csv_line, read_rows
from changewire.effort import LARGEST
from changewire.errors import UsageError, nearest
from changewire.templates import text_of
from changewire.values import Json


def write_file(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Write or extend a file below ``state/files``."""
    path = strict_place(context.home / "state" / "files", text_of(values["path"]))
    content = revealed(values["content"])
    data = (content if isinstance(content, str) else f"{text_of(content)}\n").encode()
    rotation = None
    if values.get("rotate_at") is not None:
        rotation = Rotation(parse_size(values["rotate_at"]), values["keep"])
    if values["mode"] == "append":
        notes, key = _notes(context, path), context.idempotency_key
        append_once(path, data, key, notes, rotation, search=context.look_first)
    elif rotation is not None:
        raise UsageError("rotate_at belongs to mode: append; a file that is overwritten does not grow")
    else:
        write_whole(path, lambda file: file.write(data))
    return {"path": _shown(context, path), "size": len(data)}


def csv_file(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Append rows to a CSV file, or read it."""
    return _append(context, values) if values["mode"] == "append" else _read(context, values)


def _notes(context: ActionContext, path: Path) -> Path:
    root = context.home / "state"
    return root / "appended" / f"{path.relative_to(root / 'files')}.json"


def _shown(context: ActionContext, path: Path) -> str:
    return str(path.relative_to(context.home))


def _append(context: ActionContext, values: Mapping[str, Json]) -> Json:
    path = strict_place(context.home / "state" / "files", text_of(values["path"]))
    rows = revealed(values.get("rows"))
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict | list) for row in rows):
        raise UsageError("rows must be a mapping, or a list of mappings or of lists")
    columns: list[str] = []

    def lines(file: Path) -> bytes:
        known = _header(file, values)
        columns[:] = known or _new_columns(rows, values)
        written = [columns] if values["header"] and not known else []
        cells = [_cells(row, _unique(columns)) for row in rows]
        text = "".join(_line(row, values) for row in (*written, *cells))
        return (text if _ends_well(file) else f"\n{text}").encode()

    notes, key = _notes(context, path), context.idempotency_key
    if rows and not append_once(path, lines, key, notes, search=context.look_first):
        columns = _header(path, values)
    return {"path": _shown(context, path), "columns": columns, "count": len(rows), "rows": []}


def _header(path: Path, values: Mapping[str, Json]) -> list[str]:
    """The columns that the file has; none where it is new or has no header."""
    if not values["header"] or not path.exists() or not path.stat().st_size:
        return []
    columns = next(_lines(path, values), [])
    if values.get("columns") and columns != [text_of(name) for name in values["columns"]]:
        raise UsageError(f"{path.name} has the columns {', '.join(columns)}: write these, or begin another file")
    return columns


def _new_columns(rows: list[Json], values: Mapping[str, Json]) -> list[str]:
    """The columns of a file that has none yet."""
    if values.get("columns"):
        return [text_of(name) for name in values["columns"]]
    names = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
    if values["header"] and not names:
        raise UsageError("a new file needs columns: name them, give rows as mappings, or set header: false")
    return names


def _cells(row: dict[str, Json] | list[Json], columns: list[str]) -> list[Json]:
    if isinstance(row, list):
        if columns and len(row) != len(columns):
            raise UsageError(f"a row has {len(row)} cells, and the file {len(columns)} columns: {', '.join(columns)}")
        return row
    for name in row:
        if name not in columns:
            hint = f"; did you mean {near!r}?" if (near := nearest(name, columns)) else ""
            raise UsageError(f"the file has no column {name!r}, but {', '.join(columns)}{hint}")
    return [row.get(name) for name in columns]


def _line(row: list[Json], values: Mapping[str, Json]) -> str:
    return f"{csv_line(map(text_of, row), values['delimiter'], safe=values['safe'])}\n"


def _ends_well(path: Path) -> bool:
    """Whether the file is empty or ends with a line."""
    if not path.exists() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read() == b"\n"


def _lines(path: Path, values: Mapping[str, Json]) -> Iterator[list[str]]:
    delimiter = values["delimiter"]
    with path.open(encoding="utf-8-sig", newline="") as file:
        size = 0  # characters of the record that is being read, which may go over several lines

        def pieces() -> Iterator[str]:
            nonlocal size
            while piece := file.readline(LARGEST + 1):
                size += len(piece)
                if size > LARGEST:
                    raise UsageError(f"{path.name} has a row of more than {LARGEST} characters: is it CSV?")
                yield piece

        try:
            for row in read_rows(pieces(), delimiter, safe=values["safe"]):
                size = 0
                yield row
        except csv.Error as error:
            raise UsageError(
                f"{path.name} is not CSV with {delimiter!r} between its columns: a quotation is not closed, or "
                f"a line break stands where none can ({error})"
            ) from None
        except UnicodeDecodeError as error:
            raise UsageError(
                f"{path.name} is not UTF-8 (byte {error.object[error.start]:#04x}): save it again as UTF-8"
            ) from None


def _unique(columns: list[str]) -> list[str]:
    """The names of the columns, each repeated one with a number that makes it a name of its own: ``a_2``."""
    names: dict[str, None] = {}
    written, numbers = set(columns), defaultdict[str, Iterator[int]](lambda: count(2))
    for column in columns:
        name = column
        while name in names:
            name = next(name for number in numbers[column] if (name := f"{column}_{number}") not in written)
        names[name] = None
    return list(names)


def _read(context: ActionContext, values: Mapping[str, Json]) -> Json:
    path = stored_file(context.home, text_of(values["path"]))
    lines = _lines(path, values)
    columns = _unique(next(lines, [])) if values["header"] else []
    found = deque(lines, values["limit"]) if values["last"] else list(islice(lines, values["limit"]))
    rows = [dict(zip(columns, row, strict=False)) if columns else row for row in found if row]
    return {"path": _shown(context, path), "columns": columns, "count": len(rows), "rows": rows}
