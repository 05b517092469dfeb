from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.errors import UsageError
from tests.actions.rig import Rig


def do(rig: Rig, *, written: Any = None, **given: Any) -> Any:
    action = rig.action("core.sqlite")
    return perform(action, check_inputs(action, given), rig.context(written=written or given))


def select(rig: Rig, sql: str, **given: Any) -> Any:
    return do(rig, mode="select", sql=sql, **given)["rows"]


def test_rows_are_added_and_updated_by_their_key(rig: Rig) -> None:
    assert do(rig, table="m", rows=[{"id": 1, "t": "a"}, {"id": 2, "t": "b"}]) == {
        "count": 2,
        "rows": [],
        "first": None,
    }
    do(rig, table="m", rows={"id": 2, "extra": {"x": [1]}})
    do(rig, table="m", rows={"id": 2, "extra": {"x": [1]}})
    assert select(rig, "select id, t, extra ->> '$.x[0]' as x from m order by id") == [
        {"id": 1, "t": "a", "x": None},
        {"id": 2, "t": "b", "x": 1},
    ]
    assert (rig.home / "state/tables/tables.db").stat().st_mode & 0o777 == 0o600


def test_a_key_may_have_several_columns(rig: Rig) -> None:
    for value in (1, 2):
        do(rig, table="m", rows={"a": "x", "b": 1, "v": value}, key=["a", "b"])
    assert select(rig, "select v from m") == [{"v": 2}]


def test_values_go_into_the_question_as_parameters(rig: Rig) -> None:
    do(rig, database="crm", table="m", rows=[{"id": n, "t": f"t{n}"} for n in range(5)])
    found = do(rig, database="crm", mode="select", sql="select t from m where id > :n", params={"n": 2})
    assert found == {"count": 2, "rows": [{"t": "t3"}, {"t": "t4"}], "first": {"t": "t3"}}
    assert select(rig, "select id from m where t = ?", params=["t1' or 1=1"], database="crm") == []
    assert len(select(rig, "select id from m", limit=3, database="crm")) == 3
    assert select(rig, "select x'00ff' as b from m limit 1", database="crm") == [{"b": "AP8="}]


def test_a_table_that_was_never_written_is_empty(rig: Rig) -> None:
    assert do(rig, mode="select", sql="select 1") == {"count": 0, "rows": [], "first": None}


@pytest.mark.parametrize(
    "sql",
    [
        "delete from m",
        "insert into m(id) values (9)",
        "drop table m",
        "attach 'other.db' as o",
        "pragma writable_schema = 1",
        "with x as (select 1) insert into m(id) select 9 from x",
        "vacuum into '/tmp/x.db'",
        "select load_extension('x')",
        "select 1; delete from m",
        "selec 1",
    ],
)
def test_a_question_changes_nothing(rig: Rig, sql: str) -> None:
    do(rig, table="m", rows={"id": 1})
    with pytest.raises(UsageError):
        select(rig, sql)
    assert select(rig, "select id from m") == [{"id": 1}]


@pytest.mark.parametrize(
    ("sql", "params", "words"),
    [
        ("selec 1", {}, "the SQL cannot be read near 'selec'"),
        ("select id from m where", {}, "the SQL ends too early"),
        ("select id from x", {}, "there is no table 'x'"),
        ("select x from m", {}, "there is no column 'x'"),
        ("select 1; select 2", {}, "sql must be one statement"),
        ("select ?", [], "the SQL asks for 1 values, params has 0"),
        ("select :a", {"b": 1}, "params has no 'a'"),
        ("select :a", {"a": [1]}, "params can hold text, numbers, true and false: make text of lists with tojson"),
        ("select :a", {"a": 1 << 70}, "a number is too large: SQLite takes up to 9223372036854775807"),
        ("delete from m", {}, "a SELECT reads tables and does nothing else"),
    ],
)
def test_what_is_wrong_with_a_question_is_told(rig: Rig, sql: str, params: Any, words: str) -> None:
    do(rig, table="m", rows={"id": 1})
    with pytest.raises(UsageError) as caught:
        do(rig, mode="select", sql=sql, params=params)
    assert str(caught.value).partition(": ")[2] == words


def test_a_file_that_is_no_database_is_told(rig: Rig) -> None:
    (rig.home / "x.db").write_text("something else " * 100)
    with pytest.raises(UsageError) as caught:
        do(rig, database="x.db", mode="select", sql="select 1 from m")
    assert str(caught.value) == "x.db: this is no SQLite database"


def test_a_question_that_takes_too_long_is_ended(rig: Rig) -> None:
    do(rig, table="m", rows={"id": 1})
    action = rig.action("core.sqlite")
    sql = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    clock = rig.clock

    class Running:
        now = staticmethod(clock.now)
        calls = 0

        def monotonic(self) -> float:
            self.calls += 1
            return float(self.calls)

    context = rig.context(clock=Running(), deadline=10.0)
    with pytest.raises(UsageError, match="took longer than there was time for"):
        perform(action, check_inputs(action, {"mode": "select", "sql": sql}), context)


@pytest.mark.parametrize("name", ["state/changewire.db", "link.db", "hard.db", "state/../state/changewire.db"])
def test_the_engines_own_database_is_refused(rig: Rig, name: str) -> None:
    own = rig.home / "state/changewire.db"
    (rig.home / "link.db").symlink_to(own)
    os.link(own, rig.home / "hard.db")
    for given in ({"table": "m", "rows": {"id": 1}}, {"mode": "select", "sql": "select 1"}):
        with pytest.raises(UsageError, match=r"the database of Changewire itself|without \.\."):
            do(rig, database=name, **given)


OWN = [
    "changewire.db",
    "changewire.db-wal",
    "budget.db",
    "downloads.db",
    "changewire.lock",
    "tokens/me.token",
    "tokens/key",
]


@pytest.mark.parametrize("way", ["path", "link", "hard link", "link of a table", "hard link of a table", "folder"])
@pytest.mark.parametrize("own", OWN)
def test_no_file_of_the_engine_is_a_table_by_any_name(rig: Rig, own: str, way: str) -> None:
    path = rig.home / "state" / own
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(b"")
    before = path.read_bytes()
    (rig.home / "state/tables").mkdir()
    name = {"path": f"state/{own}", "folder": f"sub/{path.name}.db"}.get(way, "mine" if "table" in way else "mine.db")
    place = rig.home / ("state/tables/mine.db" if "table" in way else name)
    if way == "folder":
        (rig.home / "sub").symlink_to(path.parent)
        (path.parent / f"{path.name}.db").symlink_to(path)
    elif way.startswith("link"):
        place.symlink_to(path)
    elif way.startswith("hard"):
        os.link(path, place)
    for given in ({"table": "m", "rows": {"id": 1}}, {"mode": "select", "sql": "select 1"}):
        with pytest.raises(UsageError, match=r"the database of Changewire itself|is no database"):
            do(rig, database=name, **given)
    assert path.read_bytes() == before


def test_a_database_of_the_engine_that_is_not_there_yet_is_not_made(rig: Rig) -> None:
    for name in ("state/budget.db", "state/new.db", "state/tokens/x.db", "state/appended/x.db"):
        with pytest.raises(UsageError, match="the database of Changewire itself"):
            do(rig, database=name, table="m", rows={"id": 1})
        assert not (rig.home / name).exists()
    for name in ("state/files/x.db", "state/downloads/y.sqlite", "state/tables/z.db", "x.db"):
        assert do(rig, database=name, table="m", rows={"id": 1})["count"] == 1


@pytest.mark.parametrize(
    "name",
    [
        'a"b',
        "a]b",
        "[a]",
        "a`b",
        "a'b",
        "x) VALUES (1); DROP TABLE m; --",
        "a TEXT, b",
        "",
        " ",
        "rowid",
        "OID",
        "_rowid_",
        "select",
        "a;b",
        "ä\n",
    ],
)
def test_the_name_of_a_column_is_only_a_name(rig: Rig, name: str) -> None:
    do(rig, table="m", rows={"id": 1, "t": "kept"})
    do(rig, table="m", rows=[{"id": 2, name: "x"}, {"id": 3, name: "y", "t": "z"}])
    quoted = name.replace('"', '""')
    assert select(rig, f'select id, t, "{quoted}" as found from m order by id')[1:] == [
        {"id": 2, "t": None, "found": "x"},
        {"id": 3, "t": "z", "found": "y"},
    ]
    assert select(rig, "select count(*) as n from sqlite_master where type = 'table'") == [{"n": 1}]
    if name not in ("", "rowid", "OID", "_rowid_"):  # a key of that name is a number
        do(rig, table="k", key=name, rows=[{name: "1", "t": 1}, {name: "1", "t": 2}])
        assert select(rig, "select t from k") == [{"t": 2}]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"id": 1, "t": "a\ud800"}, "a text has half a character"),
        ({"id": 1, "a\0b": 1}, "the name of a column has a character that cannot be seen"),
        ([{"id": 1, "Topic": 1}, {"id": 1, "topic": 2}], "two columns have the name 'topic'"),
        ({"id": 1} | {f"c{number}": number for number in range(2100)}, "a table cannot have so many columns"),
    ],
)
def test_columns_that_cannot_be_are_refused(rig: Rig, rows: Any, words: str) -> None:
    do(rig, table="n", rows={"id": 1})
    with pytest.raises(UsageError, match=words):
        do(rig, table="m", rows=rows)
    assert select(rig, "select name from sqlite_master") == [{"name": "n"}]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"database": "../x.db"}, "must be the path of a file below"),
        ({"database": "/tmp/x.db"}, "must be the path of a file below"),
        ({"database": "config/changewire.yaml"}, "is no database"),
        ({"table": "a b"}, "table: 'a b' cannot name a table"),
        ({"table": "sqlite_master"}, "cannot name a table"),
        ({"rows": [1]}, "rows must be a mapping, or a list of mappings"),
        ({"rows": [{"t": 1}]}, "a row has no 'id', which identifies it"),
        ({"key": {}}, "key must be the name of a column"),
        ({"mode": "select"}, "to select, give sql"),
        ({"mode": "select", "sql": "select 1", "params": 3}, "params must be a mapping for :name"),
    ],
)
def test_what_cannot_be_is_refused(rig: Rig, given: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        do(rig, **{"table": "m", "rows": {"id": 1}} | given)
    assert message in str(caught.value)


def test_an_expression_in_the_question_is_refused(rig: Rig) -> None:
    with pytest.raises(UsageError, match="lets data change the question"):
        do(rig, mode="select", sql="select 1", written={"sql": "select {{ payload.x }}"})


def test_a_write_that_fails_half_way_leaves_nothing(rig: Rig) -> None:
    do(rig, table="m", rows={"id": 1, "t": "a"})
    with pytest.raises(UsageError):
        do(rig, table="m", rows=[{"id": 2, "t": "b"}, {"id": 3, "t": 1 << 70}])
    assert select(rig, "select id from m") == [{"id": 1}]


def test_many_may_write_at_once(rig: Rig) -> None:
    failed: list[Exception] = []

    def work(name: int) -> None:
        try:
            for n in range(5):
                do(rig, table="m", rows={"id": f"{name}-{n}", f"c{name}": n})
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert select(rig, "select count(*) as n from m") == [{"n": 20}]


def test_a_path_below_the_home_may_be_named(rig: Rig) -> None:
    do(rig, database="data/crm.db", table="m", rows={"id": 1})
    assert Path(rig.home / "data/crm.db").exists()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("select hex(zeroblob(1000000000)) as x", "a value is larger than 16 MB"),
        ("select replace(hex(zeroblob(4000000)), '0', 'xxx') as x", "a value is larger than 16 MB"),
        ("select group_concat(a.t || b.t) as x from m a, m b", "a value is larger than 16 MB"),
        ("select t from m where t like :pattern", "a LIKE or GLOB has more than 1000 characters"),
    ],
)
def test_a_select_cannot_make_much_out_of_little(rig: Rig, sql: str, words: str) -> None:
    do(rig, table="m", rows=[{"id": number, "t": "x" * 20_000} for number in range(30)])
    params = {"pattern": "%a" * 600} if ":pattern" in sql else {}
    with pytest.raises(UsageError, match=words):
        select(rig, sql, params=params)
