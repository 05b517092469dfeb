"""The real program while files are broken, copied, taken away and brought back."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from changewire.daemon import DATABASE
from tests.support.homes import make_home
from tests.support.json_api import JsonApi
from tests.support.processes import DaemonProcess, ask, baselines, wait_for
from tests.support.watched_records import flow

KEYS = "SELECT workflow, key FROM events ORDER BY workflow, seq"
QUICK = flow(every="1s")


def home_on(folder: Path, api: JsonApi) -> Path:
    connections = {"shop": {"connector": "http", "base_url": api.url}}
    api.rows = [{"id": 1}]
    return make_home(folder / "home", json.dumps(connections), {"bill": json.dumps(QUICK)})


def test_a_copy_takes_nothing_from_a_file_with_a_typo_and_the_file_loses_nothing(tmp_path: Path) -> None:
    with JsonApi() as api:
        home = home_on(tmp_path, api)
        files = home / "config" / "workflows"
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == 1), daemon.log.read_text()
            daemon.kill()
        api.rows.append({"id": 2})
        (files / "bill.yaml").write_text("trigger: {typ: x}")
        (files / "ship.yaml").write_text(json.dumps(QUICK))
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == 2), daemon.log.read_text()
            daemon.kill()
        assert ask(home, KEYS) == []
        api.rows.append({"id": 3})
        (files / "bill.yaml").write_text(json.dumps(QUICK))
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: len(ask(home, KEYS)) == 3), daemon.log.read_text()
            assert daemon.terminate() == 0
        assert ask(home, KEYS) == [("bill", "2"), ("bill", "3"), ("ship", "3")]


@pytest.mark.torture
def test_a_file_that_leaves_while_the_database_is_locked_for_long_is_polled_when_it_is_back(tmp_path: Path) -> None:
    with JsonApi() as api:
        home = home_on(tmp_path, api)
        file = home / "config" / "workflows" / "bill.yaml"
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == 1), daemon.log.read_text()
            with closing(sqlite3.connect(home / DATABASE, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                file.unlink()
                assert wait_for(lambda: '"reload_failed"' in daemon.log.read_text(), 120), daemon.log.read_text()
                other.execute("ROLLBACK")
            file.write_text(json.dumps(QUICK))
            api.rows.append({"id": 2})
            assert wait_for(lambda: ask(home, KEYS) == [("bill", "2")], 120), daemon.log.read_text()
            assert daemon.terminate() == 0
