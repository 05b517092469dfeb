"""CSV in one form, whoever writes it: no cell starts a row or a formula, and what was escaped is recognised.

Text that a spreadsheet would run as a formula gets a ``'`` in front, and so does text that looks as if it had one, so
that `unescape_cell` gives back exactly what `escape_cell` was given.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator

from changewire.errors import UsageError
from changewire.values import valid_text

_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)?|[.,]\d+)([eE][+-]?\d{1,3})?%?")
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_QUOTED = re.compile(
    f'["\\0{_LINE_ENDS}]|^[\\s\ufeff]|\\s$'
)  # a byte order mark of the first cell is not one of the file
_LONGEST_CELL = 2**31 - 1  # of csv.reader, whose own limit of 128 KiB would refuse rows that this module writes


def is_formula(text: str) -> bool:
    """Whether a spreadsheet could run ``text`` as a formula.

    Blanks, quotation marks, invisible characters and a byte order mark in front are ignored, and full-width forms of
    ``= + - @`` count. A tab or line end in front counts as well. A number is no formula.
    """
    start = 0
    while start < len(text) and (text[start] in "'\"" or unicodedata.category(text[start])[0] in "ZC"):
        if text[start] in "\t\r\n":
            return True
        start += 1
    first = unicodedata.normalize("NFKC", text[start : start + 1])
    return first in {"=", "+", "-", "@"} and not _NUMBER.fullmatch(text, start)


def escape_cell(text: str) -> str:
    """``text`` so that no spreadsheet takes it for a formula; a number stays one."""
    return f"'{text}" if is_formula(text) else text


def unescape_cell(text: str) -> str:
    """The text that `escape_cell` was given; any other text is unchanged."""
    return text[1:] if text[:1] == "'" and is_formula(text[1:]) else text


def csv_line(cells: Iterable[str], delimiter: str = ",", *, safe: bool = True) -> str:
    """The cells as one row of CSV without a line end; ``safe`` escapes formulas.

    A cell with a character at which any reader could begin a row is quoted, whatever line end the file has. Raises
    UsageError for a delimiter that cannot be one.
    """
    check_delimiter(delimiter)
    texts = [valid_text(escape_cell(cell) if safe else cell) for cell in cells]
    if texts == [""]:
        return '""'  # an empty line would be no row
    return delimiter.join(_quoted(text, delimiter) for text in texts)


def _quoted(text: str, delimiter: str) -> str:
    needed = delimiter in text or _QUOTED.search(text) is not None
    return '"{}"'.format(text.replace('"', '""')) if needed else text


def read_rows(lines: Iterable[str], delimiter: str = ",", *, safe: bool = True) -> Iterator[list[str]]:
    """The rows of CSV; ``safe`` takes back what `escape_cell` did. ``lines`` keep their line ends.

    Raises csv.Error, and UsageError for a delimiter that cannot be one.
    """
    check_delimiter(delimiter)
    csv.field_size_limit(_LONGEST_CELL)
    rows = csv.reader(lines, delimiter=delimiter)
    return ([unescape_cell(cell) for cell in row] if safe else row for row in rows)


def check_delimiter(delimiter: str) -> None:
    """Raise UsageError unless ``delimiter`` can stand between two cells."""
    if len(delimiter) != 1 or delimiter in f'"\0{_LINE_ENDS}':
        raise UsageError(f"delimiter: {delimiter!r} cannot separate cells; use a comma, a semicolon or a tab")
