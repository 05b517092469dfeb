from __future__ import annotations

import csv
import threading
import time
import tracemalloc
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import UsageError
from tests.actions.rig import Rig


def do(rig: Rig, key: str = "k", **given: Any) -> Any:
    action = rig.action("core.csv")
    return perform(action, check_inputs(action, {"path": "m.csv"} | given), rig.context(idempotency_key=key))


def text(rig: Rig) -> str:
    return (rig.home / "state/files/m.csv").read_text()


def test_the_header_is_written_once_and_kept(rig: Rig) -> None:
    rows = [{"id": 1, "topic": "Weekly, sync"}, {"id": 2, "topic": None}]
    assert do(rig, "1", rows=rows) == {"path": "state/files/m.csv", "columns": ["id", "topic"], "count": 2, "rows": []}
    do(rig, "2", rows={"topic": "x", "id": 3})
    do(rig, "3", rows=[[4, "y"]])
    assert do(rig, "3", rows=[[4, "y"]])["columns"] == ["id", "topic"]
    assert text(rig) == 'id,topic\n1,"Weekly, sync"\n2,\n3,x\n4,y\n'


def test_what_was_written_can_be_read(rig: Rig) -> None:
    do(rig, "1", rows=[{"id": n, "note": f"line\n{n}"} for n in range(5)])
    found = do(rig, mode="read")
    assert (found["columns"], found["count"], found["rows"][1]) == (["id", "note"], 5, {"id": "1", "note": "line\n1"})
    assert [row["id"] for row in do(rig, mode="read", limit=2)["rows"]] == ["0", "1"]
    assert [row["id"] for row in do(rig, mode="read", limit=2, last=True)["rows"]] == ["3", "4"]
    assert do(rig, mode="read", header=False)["rows"][0] == ["id", "note"]
    with pytest.raises(UsageError, match="there is no file"):
        do(rig, mode="read", path="nix.csv")


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("a,a,b", ["a", "a_2", "b"]),
        ("a,a,a_2", ["a", "a_3", "a_2"]),
        ("a_2,a,a,a", ["a_2", "a", "a_3", "a_4"]),
        (",,", ["", "_2", "_3"]),
    ],
)
def test_columns_of_one_name_are_all_read_and_written(rig: Rig, header: str, names: list[str]) -> None:
    (rig.home / "state/files").mkdir(parents=True)
    cells = [str(number) for number in range(len(names))]
    (rig.home / "state/files/m.csv").write_text(f"{header}\n{','.join(cells)}\n")
    row = dict(zip(names, cells, strict=True))
    assert (found := do(rig, mode="read"))["rows"] == [row]
    assert found["columns"] == names
    do(rig, rows=row)
    assert do(rig, mode="read")["rows"] == [row, row]


def test_a_formula_is_made_harmless_unless_told_otherwise(rig: Rig) -> None:
    do(rig, "1", rows=[{"a": "=1+1", "b": "-5", "c": -5, "d": "@x", "e": "+49 30"}])
    assert text(rig).splitlines()[1] == "'=1+1,-5,-5,'@x,'+49 30"
    do(rig, "2", rows=[["=1+1", "", "", "", ""]], safe=False)
    assert text(rig).splitlines()[2] == "=1+1,,,,"


@pytest.mark.parametrize("name", ["=cmd", "@sum", "-total", "'=cmd", "\tname", "a\rb", "\u2028=1", "\uff1dx"])
def test_a_column_that_was_escaped_is_recognised(rig: Rig, name: str) -> None:
    rows = [{"id": str(number), name: f"={number}"} for number in range(3)]
    for number, row in enumerate(rows):
        assert do(rig, str(number), rows=row)["columns"] == ["id", name]
    do(rig, "named", rows=[["3", "=3"]], columns=["id", name])
    assert do(rig, "named", rows=[["3", "=3"]])["columns"] == ["id", name]
    found = do(rig, mode="read")
    assert (found["columns"], found["rows"]) == (["id", name], [*rows, {"id": "3", name: "=3"}])
    raw = do(rig, mode="read", safe=False)
    assert raw["rows"][1][raw["columns"][1]] == "'=1"


@pytest.mark.parametrize("end", ["\r", "\r\n", "\v", "\x85", "\u2028"])
def test_a_line_end_in_a_cell_starts_no_row(rig: Rig, end: str) -> None:
    do(rig, "1", rows=[{"topic": f"a{end}=HYPERLINK(1)", "id": "1"}, {"topic": "b", "id": "2"}])
    with (rig.home / "state/files/m.csv").open(newline="") as file:
        assert [row[1] for row in csv.reader(file)] == ["id", "1", "2"]
    assert do(rig, mode="read")["rows"][0] == {"topic": f"a{end}=HYPERLINK(1)", "id": "1"}


def test_a_file_that_is_not_utf_8_is_refused(rig: Rig) -> None:
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/files/m.csv").write_bytes("id,Größe\n1,2\n".encode("latin-1"))
    for given in ({"mode": "read"}, {"rows": {"id": 2}}):
        with pytest.raises(UsageError, match=r"m\.csv is not UTF-8 \(byte 0xf6\): save it again as UTF-8"):
            do(rig, **given)


def test_a_file_without_a_header_and_with_its_own_delimiter(rig: Rig) -> None:
    do(rig, "1", rows=[[1, "a;b"]], header=False, delimiter=";")
    do(rig, "2", rows=[{"n": 2, "t": "c"}], header=False, delimiter=";", columns=["t", "n"])
    assert text(rig) == '1;"a;b"\nc;2\n'


def test_a_file_that_somebody_left_without_a_line_end_is_continued_on_a_line_of_its_own(rig: Rig) -> None:
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/files/m.csv").write_text("\ufeffid,topic\n1,x")
    do(rig, rows={"id": 2})
    assert text(rig) == "\ufeffid,topic\n1,x\n2,\n"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rows": {"topc": 1}}, "the file has no column 'topc', but id, topic; did you mean 'topic'?"),
        ({"rows": [[1]]}, "a row has 1 cells, and the file 2 columns: id, topic"),
        ({"rows": [[1]], "columns": ["a"]}, "m.csv has the columns id, topic: write these, or begin another file"),
        ({"rows": "x"}, "rows must be a mapping, or a list of mappings or of lists"),
        ({}, "rows must be a mapping, or a list of mappings or of lists"),
        ({"rows": [[1]], "path": "new.csv"}, "a new file needs columns: name them, give rows as mappings"),
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_written(rig: Rig, given: Any, message: str) -> None:
    do(rig, "1", rows={"id": 1, "topic": "x"})
    with pytest.raises(UsageError) as caught:
        do(rig, "2", **given)
    assert message in str(caught.value)
    assert text(rig) == "id,topic\n1,x\n"
    assert not (rig.home / "state/files/new.csv").exists()


def test_no_rows_write_nothing(rig: Rig) -> None:
    assert do(rig, rows=[])["count"] == 0
    assert not (rig.home / "state/files/m.csv").exists()


def test_many_may_append_at_once_and_the_header_is_there_once(rig: Rig) -> None:
    def work(name: int) -> None:
        for n in range(5):
            do(rig, f"{name}-{n}", rows={"who": name, "n": n})

    threads = [threading.Thread(target=work, args=(name,)) for name in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = list(csv.reader(text(rig).splitlines()))
    assert lines[0] == ["who", "n"]
    assert sorted(lines[1:]) == sorted([str(a), str(b)] for a in range(6) for b in range(5))


HUGE = 1 << 20
WIDE = {
    "a line without end": "x," * HUGE,
    "a row over many lines": '"\n",' * HUGE,
    "a row over many lines that end with a return": '"\r",' * HUGE,
    "a quotation without end": '"' + "x\n" * HUGE,
    "a line without commas": "x" * (2 * HUGE),
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("name", WIDE)
def test_a_row_without_end_is_refused_in_little_memory(rig: Rig, name: str, last: bool) -> None:
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/files/m.csv").write_text(f"a\n{WIDE[name]}\n", newline="")
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=r"m\.csv"):
            do(rig, mode="read", last=last)
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("header", ["a," * 50_000, "," * 50_000, "a_2,a," * 25_000], ids=["one", "empty", "two"])
def test_many_columns_of_one_name_are_read_in_little_time(rig: Rig, header: str) -> None:
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/files/m.csv").write_text(f"{header}\n1\n")
    began = time.thread_time()
    found = do(rig, mode="read", limit=1)
    assert time.thread_time() - began < 10
    assert len(set(found["columns"])) == 50_001
