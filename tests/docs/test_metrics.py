"""The metrics stand in the docs as they are: names and labels."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from changewire.sandbox import OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from tests.docs.pages import DOCS, tables
from tests.support.homes import connection, make_home, workflow
from tests.support.turning import Turned

LOG = {"use": "core.log", "with": {"message": "x"}}
PAGE = (DOCS / "reference" / "monitoring.md").read_text()


def served(home: Path, sandbox: Sandbox) -> str:
    """The answer of a daemon that polled, did a run and has another one waiting."""
    with closing(Turned(home, ManualClock(sandbox.clock.now())).start()) as daemon:
        daemon.turn()
        sandbox.control("create_meeting", user_id=OWNER_EMAIL)
        daemon.clock.advance(120)
        daemon.turn()
        address = (daemon.store.daemon_info() or {})["listens"]
        with urlopen(f"{address}/metrics", timeout=10) as answer:
            return str(answer.read().decode())


def test_every_metric_is_documented_with_its_labels_and_no_other(tmp_path: Path) -> None:
    with Sandbox(enforce_limits=False) as sandbox:
        flows = {
            "new": workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL}, steps=[LOG, {"wait": "1h"}]),
            "report": workflow("Report", "zoom.daily_usage_report_changed", {}),
        }
        text = connection(sandbox.url, plan="pro")
        home = make_home(tmp_path / "home", text, flows, 'serve: {listen: "127.0.0.1:0"}\n')
        families = list(text_string_to_metric_families(served(home, sandbox)))
    there = {}
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.startswith("process_"):
            assert family.samples, name
            there[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    ((_, rows),) = tables(PAGE, "metrics")
    assert {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in rows} == there
