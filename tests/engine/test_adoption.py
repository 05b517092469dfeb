"""Whose memory a workflow has after files were renamed, copied, broken, taken away and brought back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.context import Origin
from changewire.connectors.client import Answer
from changewire.connectors.transport.messages import Request
from changewire.state.records import PauseCause, PauseKind, PauseRecord, RunState
from tests.cli.rig import changewire, lines
from tests.support.json_api import JsonApi
from tests.support.watched_records import WatchedRecords, flow

TYPO = "trigger: {typ: http.new_item}\nsteps: []\n"
DAY_S = 24 * 3600


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedRecords]:
    with JsonApi() as api:
        records = WatchedRecords(tmp_path, api)
        records.serve(1)
        records.edit(bill=flow())
        assert records.poll() == []
        yield records
        records.turned.close()


@pytest.mark.parametrize("typo", [TYPO, "trigger: [", "", "name: Something else\ntrigger: ["], ids=str)
def test_a_copy_takes_nothing_from_a_file_with_a_typo_over_a_restart(watched: WatchedRecords, typo: str) -> None:
    watched.serve(1, 2)
    watched.restart(bill=typo, ship=flow())
    assert watched.poll() == []
    watched.serve(1, 2, 3)
    assert watched.poll() == [("ship", "3")]
    watched.edit(bill=flow())
    assert watched.poll() == [("bill", "2"), ("bill", "3")]


def test_a_copy_takes_nothing_from_a_file_that_cannot_be_read(watched: WatchedRecords) -> None:
    bill = watched.home / "config" / "workflows" / "bill.yaml"
    good = bill.read_text()
    bill.unlink()
    bill.mkdir()
    watched.serve(1, 2)
    watched.restart(ship=flow())
    assert watched.poll() == []
    bill.rmdir()
    watched.edit(bill=good)
    assert watched.poll() == [("bill", "2")]


def test_a_copy_takes_nothing_from_a_workflow_whose_connection_has_a_mistake(watched: WatchedRecords) -> None:
    connections = watched.home / "config" / "connections.yaml"
    good = connections.read_text()
    entry = json.loads(good)["shop"]
    connections.write_text(json.dumps({"shop": {**entry, "bas_url": 1}, "new": entry}))
    watched.serve(1, 2)
    watched.restart(ship=flow(connection="new"))
    assert watched.poll() == []
    assert watched.trigger("ship").baseline_at is not None
    connections.write_text(good)
    watched.edit(ship=None)
    assert watched.poll() == [("bill", "2")]


def test_a_file_with_a_typo_stands_under_its_own_name_as_unavailable(watched: WatchedRecords) -> None:
    watched.restart(bill=TYPO)
    record = watched.trigger("bill")
    assert (record.state, record.fingerprint != "") == ("unavailable", True)
    assert record.error is not None
    assert record.error.startswith("config/workflows/bill.yaml:1:")
    watched.clock.advance(DAY_S)
    watched.turned.daemon._reap()
    assert watched.said("trigger_stalled") == [], "unavailable says it all"


def test_status_shows_the_triggers_of_a_file_that_cannot_be_read_by_their_names(watched: WatchedRecords) -> None:
    watched.edit(bill=flow("Orders"))
    watched.restart(bill="trigger: [")
    shown = changewire("--json", "status", CHANGEWIRE_HOME=str(watched.home))
    assert [(each["name"], each["state"]) for each in lines(shown.stdout)[0]["triggers"]] == [
        ("Orders/trigger", "unavailable")
    ]


def test_a_file_that_is_renamed_while_its_typo_is_corrected_keeps_its_memory(watched: WatchedRecords) -> None:
    watched.restart(bill=TYPO)
    watched.serve(1, 2)
    watched.restart(bill=None, ship=flow())
    assert watched.poll() == [("ship", "2")]


def test_a_workflow_that_left_long_ago_lends_its_memory_to_no_other_one(watched: WatchedRecords) -> None:
    watched.edit(bill=None)
    watched.clock.advance(400 * DAY_S)
    watched.serve(*range(1, 500))
    watched.edit(ship=flow())
    assert watched.poll() == []
    assert watched.said("trigger_not_adopted") == [
        "ship/trigger watches the same as bill/trigger did and begins with a first poll of its own: that memory was "
        "not in use any more. To continue with the old memory, give the workflow its old name"
    ]


def test_a_workflow_that_returns_under_its_own_name_continues_with_its_memory_and_says_so(
    watched: WatchedRecords,
) -> None:
    watched.edit(bill=None)
    watched.clock.advance(400 * DAY_S)
    watched.serve(1, 2)
    watched.edit(bill=flow())
    assert watched.poll() == [("bill", "2")]
    assert watched.said("trigger_returned") == [
        "bill/trigger is in the files again, 400 days after its last poll, and keeps its memory: what changed since "
        "then fires. To begin with a silent first poll instead: `changewire reset 'bill'`"
    ]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "files",
    [
        {"bill": None, "ship": flow()},
        {"bill": flow("ship")},
        {"bill": flow("bill", name="orders")},
        {"bill": None, "ship": flow("Shipping", name="orders")},
        {"bill": None, "ship": flow(), "copy": flow("Other", name="orders")},
    ],
    ids=["file", "name in the file", "trigger", "all names", "with a copy that is less like it"],
)
def test_a_renamed_workflow_loses_nothing_and_fires_nothing_again(
    watched: WatchedRecords, files: dict[str, Any], restarts: bool
) -> None:
    watched.serve(1, 2)
    assert watched.poll() == [("bill", "2")]
    (watched.restart if restarts else watched.edit)(**files)
    watched.serve(1, 2, 3)
    assert [key for _, key in watched.poll()] == ["3"]
    watched.serve(1, 2, 3, 4)
    assert {key for _, key in watched.poll()} == {"4"}


def test_a_renamed_connection_to_the_same_account_keeps_the_memory(watched: WatchedRecords) -> None:
    (watched.home / "config" / "connections.yaml").write_text(watched.connections("store"))
    watched.edit()
    watched.serve(1, 2)
    assert watched.poll() == [("bill", "2")]
    assert watched.said("trigger_adopted") == [
        "bill/trigger keeps its memory with connection 'store', the same account as before"
    ]


def test_a_new_connection_to_another_account_begins_anew(watched: WatchedRecords) -> None:
    with JsonApi() as other:
        other.rows = [{"id": 7}, {"id": 8}]
        text = watched.connections("store").replace(watched.api.url, other.url)
        (watched.home / "config" / "connections.yaml").write_text(text)
        watched.edit()
        assert watched.poll() == []


def test_where_it_is_unclear_what_was_renamed_the_log_says_what_to_do(watched: WatchedRecords) -> None:
    watched.edit(bill=None, one=flow("One", name="a"), two=flow("Two", name="b"))
    assert watched.said("trigger_not_adopted") == [
        f"{name} watches the same as bill/trigger did and begins with a first poll of its own: the files do not show "
        "what was renamed. To continue with the old memory, give the workflow its old name"
        for name in ("One/a", "Two/b")
    ]


def test_a_run_under_way_goes_by_its_new_name_from_its_next_step_on(watched: WatchedRecords) -> None:
    urls = (f"{watched.api.url}/{path}" for path in ("document", "rows"))
    steps = [{"use": "http.request", "with": {"method": "GET", "url": url}} for url in urls]
    watched.edit(bill={**flow(), "steps": steps})
    asked: list[str] = []

    def rename(path: str) -> None:
        asked.append(path)
        if path == "/document" and asked.count(path) == 1:
            watched.edit(bill=None, ship={**flow(), "steps": steps})
            store, now = watched.turned.store, watched.turned.steady.now()
            store.pause(PauseRecord(PauseKind.WORKFLOW, "ship", PauseCause.PERSON, now, "a move"), now)

    watched.serve(1, 2)
    watched.api.before_answer = rename
    watched.poll()
    (history,) = watched.turned.store.runs()
    assert (history.run.workflow, history.run.state) == ("ship", RunState.PAUSED)
    assert history.run.held_by == "workflow/ship"
    assert watched.turned.store.lift(PauseKind.WORKFLOW, "ship", watched.turned.steady.now()) is not None
    watched.turned.turn()
    assert watched.turned.store.runs()[0].run.state is RunState.SUCCEEDED
    assert asked.count("/document") == 1


def test_a_write_that_is_under_way_during_a_rename_belongs_to_the_renamed_trigger(watched: WatchedRecords) -> None:
    echoes, store = watched.turned.daemon._echoes, watched.turned.store
    origin = Origin("r1", "bill", "steps/0", ())
    watch = echoes.watcher(origin, "shop")
    assert watch is not None
    request = Request("PUT", "/rows/1", body=b'{"price": 2}')
    with watch(request) as acknowledge:
        watched.edit(bill=None, ship=flow())
        new = watched.trigger("ship").id
        assert [write.acknowledged_at for write in store.writes(new)] == [None]
        watched.edit(ship=None, send=flow())
        newest = watched.trigger("send").id
        acknowledge(Answer(200, {}, b"{}", "/rows/1", watched.clock.now(), request))
    assert (len(store.writes(new)), len(store.writes(newest))) == (0, 1)
    assert store.writes(newest)[0].acknowledged_at is not None
