"""The id of an event belongs to one memory of one trigger: what a new memory notices is another event."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from changewire.daemon import DATABASE
from changewire.state.database import connect
from changewire.state.schema import known, migrate
from tests.support.json_api import JsonApi
from tests.support.processes import ask
from tests.support.watched_records import ROWS, WatchedRecords, flow

BACKFILL: dict[str, Any] = {"first_poll": {"backfill": {}}}
KEYED = {**ROWS, "key": "id"}
PARAMETERS = {"document_changed": KEYED, "status_changed": {**KEYED, "status": "price"}}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedRecords]:
    with JsonApi() as api:
        api.date = "Sat, 21 Nov 2026 10:00:00 GMT"  # the clock of the source stands still
        records = WatchedRecords(tmp_path, api)
        yield records
        records.turned.close()


def reset(watched: WatchedRecords, workflow: str) -> None:
    (record,) = watched.turned.store.triggers(active=None, workflow=workflow)
    watched.turned.store.forget(record.id, watched.clock.now())


def test_a_backfill_fires_all_again_after_a_reset_while_the_workflow_was_out_of_the_files(
    watched: WatchedRecords,
) -> None:
    watched.edit(bill=flow())
    assert watched.poll() == []
    watched.serve(1, 2)
    assert watched.poll() == [("bill", "1"), ("bill", "2")]
    watched.edit(bill=None)
    reset(watched, "bill")
    watched.serve(1, 2, 3)
    watched.edit(bill=flow(**BACKFILL))
    assert watched.poll() == [("bill", "1"), ("bill", "2"), ("bill", "3")]


def test_a_new_workflow_of_an_old_name_fires_what_the_renamed_one_fired_before(watched: WatchedRecords) -> None:
    watched.edit(bill=flow())
    watched.poll()
    watched.serve(1, 2)
    assert watched.poll() == [("bill", "1"), ("bill", "2")]
    watched.edit(bill=None, ship=flow())
    assert watched.poll() == []
    watched.edit(bill=flow(**BACKFILL))
    assert watched.poll() == [("bill", "1"), ("bill", "2")]


def test_a_backfill_fires_all_again_after_each_of_several_resets(watched: WatchedRecords) -> None:
    watched.serve(1, 2)
    watched.edit(bill=flow(**BACKFILL))
    for _ in range(3):
        assert watched.poll() == [("bill", "1"), ("bill", "2")]
        reset(watched, "bill")


@pytest.mark.parametrize("kind", ["document_changed", "status_changed"])
def test_the_same_change_after_a_reset_is_another_event_though_the_clock_of_the_source_stands_still(
    watched: WatchedRecords, kind: str
) -> None:
    watched.serve(1, price=1)
    watched.edit(bill=flow(kind=kind, parameters=PARAMETERS[kind]))
    watched.poll()
    for _ in range(3):
        watched.serve(1, price=2)
        assert len(watched.poll()) == 1
        watched.serve(1, price=1)
        reset(watched, "bill")
        assert watched.poll() == []


def test_the_same_deletion_after_a_reset_is_another_event(watched: WatchedRecords) -> None:
    (watched.home / "triggers").mkdir()
    (watched.home / "triggers" / "gone.yaml").write_text(
        "type: http.row_gone\ntitle: Gone\ndescription: A row is gone.\nrequest: {path: /rows}\nitems: data\nkey: id\n"
        "kind: deleted\nabsences: 1\npayload: item\nsample: {id: 1}\n"
    )
    watched.serve(1, 2)
    watched.edit(bill=flow(kind="row_gone", parameters={}))
    watched.poll()
    for _ in range(3):
        watched.serve(2)
        assert watched.poll() == [("bill", "1")]
        watched.serve(1, 2)
        reset(watched, "bill")
        assert watched.poll() == []


def test_a_change_there_and_back_and_there_again_is_three_events(watched: WatchedRecords) -> None:
    watched.serve(1, price=1)
    watched.edit(bill=flow(kind="document_changed", parameters=KEYED))
    watched.poll()
    for price in (2, 1, 2):
        watched.serve(1, price=price)
        assert watched.poll() == [("bill", "1")]
    assert len(set(ask(watched.home, "SELECT id FROM events"))) == 3


def test_a_home_of_an_earlier_version_fires_what_is_new_and_nothing_again(watched: WatchedRecords) -> None:
    watched.serve(1)
    watched.edit(bill=flow(), ship=flow())
    watched.poll()
    watched.serve(1, 2)
    watched.poll()
    watched.turned.close()
    _write_as_earlier_version(watched.home / DATABASE)
    watched.serve(1, 2, 3)
    watched.restart()
    assert watched.poll() == [("bill", "3"), ("ship", "3")], watched.logged
    assert watched.poll() == []
    assert ask(watched.home, "SELECT count(DISTINCT epoch), min(epoch), max(epoch) FROM triggers") == [(2, 1, 2)]
    assert ask(watched.home, "SELECT last FROM epochs") == [(2,)]
    assert ask(watched.home, "SELECT DISTINCT json_extract(cursor, '$.resets') FROM triggers") == [(None,)]


def _write_as_earlier_version(path: Path) -> None:
    """Put a database with the schema before epochs, and all rows, in the place of one."""
    whole = path.with_name("whole.db")
    with closing(connect(path)) as present:
        present.execute("VACUUM INTO ?", (str(whole),))
    for left in path.parent.glob("changewire.db*"):
        left.unlink()
    with closing(connect(path)) as old:
        migrate(old, path, {name: text for name, text in known().items() if name < "0012"})
        old.execute("ATTACH ? AS whole", (str(whole),))
        for table in ("triggers", "items", "events", "versions", "runs", "attempts"):
            columns = ", ".join(f'"{row[1]}"' for row in old.execute(f"PRAGMA main.table_info({table})"))
            old.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM whole.{table}")
        old.execute("UPDATE triggers SET cursor = json_set(cursor, '$.resets', 1)")
