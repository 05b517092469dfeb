"""The store has the triggers of the files that the daemon works with, whatever fails in between."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from changewire.daemon import DATABASE, Daemon
from changewire.state.records import PauseCause, PauseKind, PauseRecord
from changewire.testing import ManualClock
from tests.cli.rig import changewire, lines
from tests.support.json_api import JsonApi
from tests.support.processes import ROOT, ask
from tests.support.watched_records import ROWS, WatchedRecords, flow


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedRecords]:
    with JsonApi() as api:
        records = WatchedRecords(tmp_path, api)
        records.serve(1)
        records.edit(bill=flow())
        assert records.poll() == []
        yield records
        records.turned.close()


def locked(point: str) -> None:
    """Another process has the database for longer than anything waits for it."""
    if point.startswith(("sync.", "adopt.", "rename.")):
        raise sqlite3.OperationalError("database is locked")


def reload_again(watched: WatchedRecords) -> None:
    """What the daemon does every few seconds."""
    watched.turned.daemon._reload_again()


def test_a_file_that_leaves_while_the_database_is_locked_and_comes_back_is_polled_on(watched: WatchedRecords) -> None:
    watched.on_write = locked
    watched.edit(bill=None)
    watched.serve(1, 2)
    assert watched.poll() == [("bill", "2")], "the files are as the store has them"
    watched.on_write = lambda point: None
    watched.edit(bill=flow())
    watched.serve(1, 2, 3)
    assert watched.poll() == [("bill", "3")]


def test_a_sync_that_failed_is_repeated_until_it_has_succeeded(watched: WatchedRecords) -> None:
    watched.on_write = locked
    watched.edit(ship=flow())
    for _ in range(3):
        reload_again(watched)
    assert len(watched.said("reload_failed")) == 1, "each reason is said once"
    assert list(watched.turned.daemon.home.workflows) == ["bill"]
    watched.on_write = lambda point: None
    reload_again(watched)
    assert sorted(watched.turned.daemon.home.workflows) == ["bill", "ship"]
    assert [record.workflow for record in watched.turned.store.triggers()] == ["bill", "ship"]
    reload_again(watched)
    assert len(watched.said("reloaded")) == 2, "and not repeated after that"


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk full"), RuntimeError("out of the blue")], ids=str)
def test_whatever_a_sync_fails_with_is_remembered(watched: WatchedRecords, error: Exception) -> None:
    def broken(point: str) -> None:
        if point == "sync.insert:before":
            raise error

    watched.on_write = broken
    watched.edit(ship=flow())
    watched.on_write = lambda point: None
    reload_again(watched)
    assert "ship" in watched.turned.daemon.home.workflows


def test_what_follows_a_sync_and_fails_is_repeated_as_well(
    watched: WatchedRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    considered: list[tuple[str, ...]] = []

    def consider(before: dict[str, Any], after: dict[str, Any]) -> None:
        considered.append((*before, "→", *after))
        if len(considered) == 1:
            raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(watched.turned.daemon._mender, "reconsider", consider)
    (watched.home / "config" / "connections.yaml").write_text(watched.connections("shop", "more"))
    watched.edit()
    reload_again(watched)
    assert considered == [("shop", "→", "shop", "more")] * 2


def test_files_that_cannot_be_used_are_not_read_again_and_again(watched: WatchedRecords) -> None:
    (watched.home / "config" / "changewire.yaml").write_text("every: never\n")
    watched.edit()
    reload_again(watched)
    assert len(watched.said("reload_failed")) == 1
    assert not watched.turned.daemon._outdated


def test_status_needs_a_person_until_the_changed_files_are_taken_over(tmp_path: Path) -> None:
    with JsonApi() as api:
        watched = WatchedRecords(tmp_path, api, bill=flow())
        watched.turned.close()
        daemon = Daemon(watched.home, ManualClock(datetime.now(UTC)), watched._log)
        with closing(daemon):
            daemon.start(watch_files=False)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(daemon.store, "sync_triggers", _fail)
                daemon.reload()
            daemon._beat()
            shown = changewire("--json", "status", CHANGEWIRE_HOME=str(watched.home))
            assert shown.exit_code == 3
            attention = [each for each in lines(shown.stdout)[0]["attention"] if each["kind"] == "files"]
            assert [each["message"] for each in attention] == [
                "the changed files are not taken over yet, which is tried again: "
                "a fault in Changewire itself, please report it: RuntimeError: out of the blue"
            ]
            assert attention[0]["message"] in changewire("status", CHANGEWIRE_HOME=str(watched.home)).stderr
            daemon._reload_again()
            daemon._beat()
            shown = changewire("--json", "status", CHANGEWIRE_HOME=str(watched.home))
            assert [each for each in lines(shown.stdout)[0]["attention"] if each["kind"] == "files"] == []


def _fail(*_: object) -> None:
    raise RuntimeError("out of the blue")


def test_a_trigger_that_the_home_does_not_know_is_put_off_and_never_falls_asleep(watched: WatchedRecords) -> None:
    home = watched.turned.daemon.home
    del home.triggers[watched.trigger("bill").id]
    watched.clock.advance(61)
    now = watched.turned.steady.now()
    watched.turned.daemon.turn(now)
    record = watched.trigger("bill")
    assert record.next_due is not None
    assert (record.next_due - now).total_seconds() == 60
    assert record.late_since is not None, "so that it is stalled if that goes on"


def test_the_reaper_wakes_triggers_without_a_due_moment_and_says_so(watched: WatchedRecords) -> None:
    with closing(sqlite3.connect(watched.home / DATABASE)) as other, other:
        other.execute("UPDATE triggers SET next_due = NULL")
    watched.serve(1, 2)
    assert watched.poll() == []
    watched.turned.daemon._reap()
    assert watched.said("triggers_woken") == ["1 triggers had no due moment and are polled now: bill/trigger"]
    assert watched.poll(0) == [("bill", "2")]
    watched.turned.daemon._reap()
    assert len(watched.said("triggers_woken")) == 1


def test_a_sync_wakes_triggers_without_a_due_moment(watched: WatchedRecords) -> None:
    with closing(sqlite3.connect(watched.home / DATABASE)) as other, other:
        other.execute("UPDATE triggers SET next_due = NULL")
    watched.serve(1, 2)
    watched.edit()
    assert watched.poll() == [("bill", "2")]


def test_a_type_that_becomes_internal_is_polled_no_more_and_one_that_is_no_longer_is_polled(
    watched: WatchedRecords,
) -> None:
    (watched.home / "triggers").mkdir()
    own = watched.home / "triggers" / "own.yaml"
    text = "type: {}.own\ntitle: Own\ndescription: Own.\n{}payload: item\nsample: {{id: 1}}\n"
    own.write_text(text.format("core", "source: internal\nkey: id\n"))
    fed = {"trigger": {"type": "core.own"}, "steps": []}
    watched.edit(own=fed)
    record = watched.trigger("own")
    assert (record.state, record.next_due) == ("ok", None)
    (changed,) = [one for one in watched.turned.store.triggers() if one.workflow == "own"]
    changed.interval_s, changed.next_due = 60.0, watched.turned.steady.now()
    others = watched.turned.store.triggers(workflow="bill")
    watched.turned.store.sync_triggers([*others, changed], watched.turned.steady.now())
    record = watched.trigger("own")
    assert (record.state, record.next_due) == ("baseline_pending", watched.turned.steady.now())
    watched.edit()
    record = watched.trigger("own")
    assert (record.state, record.next_due) == ("ok", None)


KILLS = """
import sys
from pathlib import Path
from tests.support.points import main
main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), 2)
"""


def test_killed_at_every_write_of_a_rename_all_of_it_has_happened_or_nothing(tmp_path: Path) -> None:
    with JsonApi() as api:
        template = _renamed_home(tmp_path, api)
        (tmp_path / "killed").mkdir()
        shares = [_start(KILLS, template, tmp_path / "killed", number) for number in (0, 1)]
        points = sorted((line.split() for share in shares for line in _finish(share)), key=lambda line: int(line[0]))
        names = {name for _, name in points}
        assert {"rename.runs:after", "rename.put_pauses:after", "adopt.trigger:after", "adopt.items:before"} <= names
        assert {"sync.versions:after", "sync.leave:after", "sync.retry_failing:after"} <= names
        outcomes = [_outcome(tmp_path / "killed" / number) for number, _ in points]
        assert outcomes[0]["triggers"] == [("pack", 3, 1), ("ship", 1, 0), ("ship", 2, 1)]
        assert outcomes[0]["events"] == [("ship", "2"), ("ship", "3")]
        assert outcomes[0]["pauses"] == [("pack",), ("ship/second",)]
        assert outcomes == [outcomes[0]] * len(outcomes)


def _renamed_home(folder: Path, api: JsonApi) -> Path:
    """A home at rest whose files have other names than those that were watched."""
    watched = WatchedRecords(folder, api)
    watched.clock = ManualClock(datetime.now(UTC))
    second = {**flow(parameters={**ROWS, "query": {"of": "second"}})["trigger"], "name": "second"}
    two = {"name": "bill", "trigger": [flow()["trigger"], second], "steps": flow()["steps"]}
    hold = flow(parameters={**ROWS, "query": {"of": "hold"}})
    watched.serve(1)
    watched.restart(bill=two, hold=hold)
    watched.poll()
    store, now = watched.turned.store, watched.turned.steady.now()
    for kind, name in ((PauseKind.TRIGGER, "bill/second"), (PauseKind.WORKFLOW, "hold")):
        store.pause(PauseRecord(kind, name, PauseCause.PERSON, now, "a move"), now)
    watched.serve(1, 2)
    watched.poll()
    watched.serve(1, 2, 3)
    watched.turned.close()
    watched.write(bill=None, hold=None, ship={**two, "name": "ship"}, pack=hold)
    return watched.home


def _start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _finish(process: subprocess.Popen[str]) -> list[str]:
    said, complaints = process.communicate(timeout=600)
    assert process.returncode == 0, complaints[-3000:]
    return said.splitlines()


def _outcome(home: Path) -> dict[str, list[tuple[Any, ...]]]:
    queries = {
        "triggers": "SELECT workflow, epoch, paused FROM triggers WHERE active ORDER BY 1, 2",
        "items": "SELECT trigger_id, key FROM items ORDER BY 1, 2",
        "events": "SELECT workflow, key FROM events ORDER BY seq",
        "runs": "SELECT workflow, state FROM runs ORDER BY seq",
        "pauses": "SELECT name FROM pauses ORDER BY 1",
    }
    return {name: ask(home, query) for name, query in queries.items()}
