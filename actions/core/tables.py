"""The code of the core action that keeps tables."""

from __future__ import annotations

import base64
import os
import re
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

from sqlite_utils import Database
from sqlite_utils.db import Table

from changewire.actions.context import ActionContext
from changewire.actions.files import strict_place
from changewire.actions.inputs import revealed
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.private_files import make_folder
from changewire.templates import has_expression, text_of
from changewire.values import Json

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FOLDERS = {"tables", "files", "downloads"}  # of state: those that hold no files of the engine
_ROW_NUMBER = {"rowid", "oid", "_rowid_"}
_ENDINGS = {".db", ".sqlite", ".sqlite3"}
_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
_LARGEST = 16 << 20  # bytes of one value, also on the way to a result
_LONGEST_PATTERN = 1000  # characters of a LIKE or GLOB, whose time grows with each wildcard
_STEPS = 10_000  # of SQLite's machine between two looks at the time


def sqlite(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Add or update rows of a table, or read them."""
    given = revealed(dict(values))
    path = _database(context.home, given["database"])
    try:
        return _upsert(context, path, given) if given["mode"] == "upsert" else _select(context, path, given)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise ApiError(f"{path.name} is in use by another program", FailureClass.TRANSIENT, sent=False) from None
        if "interrupted" in str(error):
            raise UsageError("the SELECT took longer than there was time for: ask for less, or add an index") from None
        raise UsageError(f"{path.name}: {_words(str(error))}") from None
    except (sqlite3.Error, OverflowError, ValueError) as error:
        raise UsageError(f"{path.name}: {_words(str(error))}") from None
    except OSError as error:
        raise UsageError(f"{path.name} cannot be used: {(error.strerror or str(error)).lower()}") from None


_WORDS = (
    (r'near "(.+)": syntax error', "the SQL cannot be read near '{0}'"),
    (r"incomplete input", "the SQL ends too early"),
    (r"no such (table|column|function): (.+)", "there is no {0} '{1}'"),
    (r"You can only execute one statement at a time\.", "sql must be one statement"),
    (r".*current statement uses (\d+), and there are (\d+) supplied\.", "the SQL asks for {0} values, params has {1}"),
    (r".*value for binding (?:parameter )?:?(\w+)\.?", "params has no '{0}'"),
    (r"Error binding parameter.*", "params can hold text, numbers, true and false: make text of lists with tojson"),
    (r"not authorized|access to .* is prohibited", "a SELECT reads tables and does nothing else"),
    (r"file is not a database", "this is no SQLite database"),
    (r"unable to open database file", "it cannot be opened: check its folder and who may read it"),
    (r"attempt to write a readonly database", "it cannot be written: let this user write the file and its folder"),
    (r"database or disk is full", "the disk is full: make room"),
    (r"NOT NULL constraint failed: (.+)", "{0} must not be empty"),
    (r"UNIQUE constraint failed: (.+)", "{0} has this value in another row already"),
    (r"duplicate column name: (.+)", "two columns have the name '{0}', in small or capital letters: rename one"),
    (r"the query contains a null character", "the name of a column has a character that cannot be seen: rename it"),
    (
        r"too many columns on .+|.*maximum of \d+ columns",
        "a table cannot have so many columns: keep some as JSON in one",
    ),
    (r"'utf-8' codec can't encode .*", "a text has half a character, which cannot be stored"),
    (r"string or blob too big", f"a value is larger than {_LARGEST >> 20} MB: ask for less"),
    (r"LIKE or GLOB pattern too complex", f"a LIKE or GLOB has more than {_LONGEST_PATTERN} characters"),
    (r"Python int too large.*", "a number is too large: SQLite takes up to 9223372036854775807"),
)


def _words(said: str) -> str:
    """What SQLite says, in words for the person who wrote the step."""
    found = ((re.fullmatch(pattern, said), form) for pattern, form in _WORDS)
    return next((form.format(*match.groups()) for match, form in found if match), said)


def _database(home: Path, name: str) -> Path:
    """Where the database is. Raises UsageError for the engine's own and for what cannot be one."""
    plain = _NAME.fullmatch(name.replace("-", "_"))
    path = home / "state" / "tables" / f"{name}.db" if plain else strict_place(home, name)
    if path.suffix not in _ENDINGS:
        raise UsageError(
            f"{name!r} is no database: write a name, or a path below the home that ends with .db or .sqlite"
        )
    if _is_own(home / "state", path):
        raise UsageError(f"{name!r} is the database of Changewire itself: keep your tables in one of their own")
    return path


def _is_own(state: Path, path: Path) -> bool:
    """Whether ``path`` is, or would be, a file that the engine keeps in ``state``, by whatever name or link."""
    found, real = Path(os.path.realpath(path)), os.path.realpath(state)  # which follow links in a circle as well
    if found.is_relative_to(real):
        inside = found.relative_to(real).parts
        if len(inside) < 2 or inside[0] not in _FOLDERS:
            return True
    if not path.exists():
        return False
    kept = (file for file in state.rglob("*") if file.relative_to(state).parts[0] not in _FOLDERS)
    return any(file.is_file() and path.samefile(file) for file in kept)


def _left_s(context: ActionContext) -> float:
    return max(0.1, context.deadline - context.clock.monotonic())


def _upsert(context: ActionContext, path: Path, given: Mapping[str, Json]) -> Json:
    table = given.get("table") or ""
    if not _NAME.fullmatch(table) or table.lower().startswith("sqlite_"):
        raise UsageError(f"table: {table!r} cannot name a table: use letters, digits and '_'")
    rows, key = _rows(given.get("rows")), _key(given["key"])
    for row in rows:
        if missing := [name for name in key if row.get(name) is None]:
            raise UsageError(f"a row has no {missing[0]!r}, which identifies it: give it, or name other columns as key")
    if not rows:
        return {"count": 0, "rows": [], "first": None}
    make_folder(path.parent)
    with closing(sqlite3.connect(path, timeout=min(_left_s(context), 30), isolation_level=None)) as connection:
        path.chmod(0o600)
        connection.execute("BEGIN IMMEDIATE")  # taken at once: a lock that is raised later fails without waiting
        try:
            found = Database(connection).table(table)
            _name_columns(found, rows)
            found.upsert_all(rows, pk=tuple(key) if len(key) > 1 else key[0], alter=True)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return {"count": len(rows), "rows": [], "first": None}


def _name_columns(table: Table, rows: list[dict[str, Json]]) -> None:
    """Add the columns of ``rows`` without which SQLite would take their names for the number of the row."""
    known = {name.lower() for name in table.columns_dict} if table.exists() else _ROW_NUMBER
    for name in {name for row in rows for name in row if name.lower() in _ROW_NUMBER - known}:
        table.add_column(name)


def _rows(rows: Json) -> list[dict[str, Json]]:
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row for row in rows):
        raise UsageError("rows must be a mapping, or a list of mappings")
    return rows


def _key(key: Json) -> list[str]:
    names = [key] if isinstance(key, str) else key
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UsageError("key must be the name of a column, or a list of names")
    return names


def _select(context: ActionContext, path: Path, given: Mapping[str, Json]) -> Json:
    sql = given.get("sql")
    if not sql:
        raise UsageError("to select, give sql")
    if has_expression(text_of(context.written.get("sql"))):
        raise UsageError(
            "an expression in sql lets data change the question: write :name there, and the value in params"
        )
    params = given.get("params") if given.get("params") is not None else {}
    if not isinstance(params, dict | list):
        raise UsageError("params must be a mapping for :name, or a list for ?")
    if not path.exists():
        return {"count": 0, "rows": [], "first": None}
    end = context.clock.monotonic() + _left_s(context)
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.set_authorizer(lambda code, *_: sqlite3.SQLITE_OK if code in _READING else sqlite3.SQLITE_DENY)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, _LONGEST_PATTERN)
        connection.set_progress_handler(lambda: context.clock.monotonic() > end, _STEPS)
        found = list(islice(connection.execute(sql, params), given["limit"]))
    rows = [{name: _plain(row[name]) for name in row.keys()} for row in found]  # noqa: SIM118  # a Row is no mapping
    return {"count": len(rows), "rows": rows, "first": rows[0] if rows else None}


def _plain(value: Json) -> Json:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
