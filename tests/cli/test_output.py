"""Tables: whole in a pipe, fitted on a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.rig import changewire, on_terminal

NAME = "zoom.phoneDownloadRecordingTranscript"


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("status", "Details/trigger"),
        ("runs", ""),
        ("plan", "Details/trigger"),
        ("catalog zoom transcript", NAME),
        ("catalog zoom.meetings", "upcoming_meetings"),
    ],
)
def test_no_name_is_cut_off_or_broken_however_narrow_the_terminal(
    words: str, name: str, columns: int, watched: Path
) -> None:
    shown = on_terminal(columns, *words.split(), "--home", watched)
    name = name or changewire("runs", "--home", watched).stdout.splitlines()[1].split()[1]
    assert name in shown


def test_columns_that_matter_less_are_left_out_first() -> None:
    heads = {}
    for columns in (200, 80):
        shown = on_terminal(columns, "catalog", "zoom", "transcript").splitlines()
        heads[columns] = next(line.split() for line in shown if line.startswith("operation"))
    assert heads[200] == ["operation", "what", "it", "is", "request", "label", "status"]
    assert heads[80] == ["operation", "what", "it", "is", "status"]


def test_where_too_few_columns_are_left_each_row_is_a_block() -> None:
    shown = on_terminal(40, "catalog", "zoom", "transcript").splitlines()
    at = shown.index(NAME)
    assert shown[at + 1 : at + 4] == [
        "  what it is  Download a phone recording", "              transcript", "  request     GET",
    ]  # fmt: skip
