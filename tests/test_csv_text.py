"""CSV in one form: rows stay rows in every reader, formulas stay text, and what was written is read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from changewire.csv_text import csv_line, escape_cell, is_formula, read_rows, unescape_cell
from changewire.errors import UsageError

LINE_ENDS = ["\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
READERS: dict[str, Callable[[str], Iterator[list[str]]]] = {
    "file": lambda text: csv.reader(io.StringIO(text, newline="")),
    "translated": lambda text: csv.reader(io.StringIO(text, newline=None)),
    "lines": lambda text: csv.reader(text.splitlines()),
    "kept": lambda text: csv.reader(text.splitlines(keepends=True)),
    "own": lambda text: read_rows(io.StringIO(text, newline="")),
}
cells = st.text(
    st.sampled_from([*"ab=+-@'\"\t ,;0.5\0", *"".join(LINE_ENDS), "\ufeff", "\uff1d", "\u200b"]), max_size=8
)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
@pytest.mark.parametrize("cell", ["{}=1+1", "a{}b,c", "a{}", "a,{}{}", '"{}"'])
def test_no_cell_starts_a_row(cell: str, end: str, reader: str) -> None:
    given = ["first", cell.replace("{}", end), "last"]
    for line_end in ("\n", "\r\n"):
        rows = list(READERS[reader](f"{csv_line(given)}{line_end}{csv_line(['x', 'y', 'z'])}{line_end}"))
        assert [len(row) for row in rows] == [3, 3]
        assert [row[0] for row in rows] == ["first", "x"]


@pytest.mark.parametrize("start", ["", " ", "\t", "\r", "\n", "\u00a0", "\ufeff", "\u200b", '"', "'", " '\u3000", "\0"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\ufe63"])
def test_no_cell_starts_a_formula(sign: str, start: str) -> None:
    text = f"{start}{sign}cmd|' /C calc'!A0"
    (row,) = csv.reader([csv_line([text])])
    assert row == [f"'{text}"]


@pytest.mark.parametrize("start", "\t\r\n")
def test_what_begins_with_a_tab_or_line_end_is_escaped(start: str) -> None:
    assert escape_cell(f"{start}text") == f"'{start}text"


@pytest.mark.parametrize("number", ["-5", "+5", "-0.5", "-,5", "+49", "-1e-07", "-2.5E+10", "-12%", " -5"])
def test_a_number_stays_one(number: str) -> None:
    assert escape_cell(number) == number


@pytest.mark.parametrize("text", ["", "a", "'", "''", "it's", "'quoted'", "a=b", "5-3", "ann@example.com", "(-)", "–5"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert escape_cell(text) == unescape_cell(text) == text


@given(st.one_of(cells, st.text()))
@example("'=1")
@example("''=1")
@example("'-5")
@example("'\t")
def test_what_was_escaped_is_given_back(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text
    assert escape_cell(text) != text or not is_formula(text)


@given(st.lists(st.lists(cells, min_size=1, max_size=4), max_size=4), st.sampled_from(",;\t|'="), st.booleans())
def test_what_was_written_is_read_back(rows: list[list[str]], delimiter: str, safe: bool) -> None:
    for line_end in ("\n", "\r\n"):
        text = "".join(f"{csv_line(row, delimiter, safe=safe)}{line_end}" for row in rows)
        assert list(read_rows(io.StringIO(text, newline=""), delimiter, safe=safe)) == rows


def test_a_cell_of_any_length_is_read_back() -> None:
    long = "x" * 300_000
    assert list(read_rows([csv_line([long, "b"])])) == [[long, "b"]]


def test_half_a_character_is_written_as_a_replacement() -> None:
    assert csv_line(["a\ud800", "b"]) == "a\ufffd,b"


@pytest.mark.parametrize("delimiter", ["", '"', "\n", "\r", "\x85", "\u2028", "\0", ",,"], ids=ascii)
def test_a_delimiter_that_cannot_separate_cells_is_refused(delimiter: str) -> None:
    for use in (lambda: csv_line(["a"], delimiter), lambda: read_rows(["a"], delimiter)):
        with pytest.raises(UsageError, match="cannot separate cells; use a comma, a semicolon or a tab"):
            use()
