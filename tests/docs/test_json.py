"""The forms for programs are as the page tells them: real output, field by field."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from changewire.health.checkup import view
from changewire.sandbox import OWNER_EMAIL, Sandbox
from tests.cli.rig import changewire, lines
from tests.docs.pages import DOCS, ROOT, tables
from tests.docs.session import Session
from tests.support.homes import connection, make_home, workflow
from tests.support.shop import Shop, WatchedShop

PAGE = (DOCS / "reference" / "json.md").read_text()
TOLD = dict(tables(re.sub(r"(<!-- json: \w+) (\w+ -->)", r"\1-\2", PAGE), "json"))
MEETING = 85512340001
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
TYPES: dict[str, Callable[[Any], bool]] = {
    "text": lambda v: isinstance(v, str),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "true/false": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "list": lambda v: isinstance(v, list),
    "moment": lambda v: isinstance(v, str) and MOMENT.fullmatch(v) is not None,
    "null": lambda v: v is None,
    "any": lambda v: True,
}


class Reader:
    """What programs read of one home in which something happened."""

    def __init__(self, session: Session, log: list[str]) -> None:
        self._session = session
        self.log = [json.loads(line) for line in log]

    def read(self, command: str) -> list[dict[str, Any]]:
        """What a command writes; it works in this process, as starting one costs more than all that it does."""
        done = changewire("--json", *shlex.split(command), CHANGEWIRE_HOME=str(self._session.cwd))
        assert done.exit_code in (0, 1, 3), done.stderr
        return lines(done.stdout)


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("json")
    with Sandbox() as sandbox, Session(folder / "home") as session:
        details = workflow("Details", "zoom.meeting_details_changed", {"meeting_id": MEETING})
        new = workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL})
        make_home(
            folder / "home", connection(sandbox.url), {"details": details, "new": new, "bad": "trigger: {typ: x}"}
        )
        running = session.start("changewire run --json", ['…"action":"baseline_taken"…'] * 2)
        sandbox.control("update_meeting", meeting_id=MEETING, topic="Another", settings={"waiting_room": False})
        sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="New")
        running.await_lines(['…"action":"run_left"…'] * 2)
        yield Reader(session, [line for line in running.output().splitlines() if line.startswith("{")])


def _fits(form: str, found: dict[str, Any], *, also: bool = False) -> None:
    rows = {row[0].strip("`"): row[2].split(" or ") for row in TOLD[form]}
    assert rows.keys() <= found.keys() if also else rows.keys() == found.keys()
    for field, types in rows.items():
        assert any(TYPES[kind](found[field]) for kind in types), f"{field}: {found[field]!r} is not {types}"


def test_events(reader: Reader) -> None:
    found = reader.read("events")
    assert {event["event_type"] for event in found} == {"meeting_updated", "meeting_created"}
    for event in found:
        _fits("events", event)
        for change in event["changes"]:
            _fits("changes", change)
    assert any(event["changes"] for event in found)


def test_runs(reader: Reader) -> None:
    found = reader.read("runs")
    assert found
    for run in found:
        _fits("runs", run)
        assert run["steps"]
        for step in run["steps"]:
            _fits("steps", step)


def test_status(reader: Reader) -> None:
    (found,) = reader.read("status")
    _fits("status", found)
    _fits("daemon", found["daemon"])
    assert {trigger["state"] for trigger in found["triggers"]} == {"ok", "unavailable"}
    for trigger in found["triggers"]:
        _fits("triggers", trigger)


def test_validate(reader: Reader) -> None:
    found = reader.read("validate")
    assert found
    for problem in found:
        _fits("validate", problem)


def test_test(reader: Reader, tmp_path: Path) -> None:
    with Session(tmp_path / "home") as session, Sandbox() as sandbox:
        new = workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL})
        make_home(tmp_path / "home", connection(sandbox.url), {"new": new})
        found = Reader(session, []).read("test New")
        (called,) = Reader(session, []).read(f"call zoom.get_meeting meeting_id={MEETING}")
    assert len(found) == 3
    for event in found:
        _fits("events", {name: value for name, value in event.items() if name != "steps"})
        _fits("test", event, also=True)
        assert all(step.keys() == {"address", "use", "with"} for step in event["steps"])
    _fits("call", called)


def test_catalog(reader: Reader) -> None:
    found = reader.read("catalog")
    assert {each["kind"] for each in found} == {"trigger", "action"}
    for each in found:
        _fits(f"catalog-{each['kind']}", each)


def test_init(reader: Reader, tmp_path: Path) -> None:
    (found,) = reader.read(f"init {tmp_path}/made")
    _fits("init", found)


def test_mending(reader: Reader) -> None:
    event = reader.read("events")[0]["id"]
    (run,) = reader.read(f"replay {event}")
    _fits("runs", run)
    assert (run["event"], run["replay"]) == (event, 1)
    for found in reader.read("reset New --yes"):
        _fits("reset", found)
    (pruned,) = reader.read("prune")
    _fits("prune", pruned)


def test_explaining(reader: Reader, tmp_path: Path) -> None:
    (found,) = reader.read("explain New")
    _fits("explain", found)
    event = reader.read("events")[0]["id"]
    (story,) = reader.read(f"explain {event}")
    _fits("events", story["event"])
    for run in story["runs"]:
        _fits("runs", run)
    (copied,) = reader.read(f"backup {tmp_path}/copy.db")
    assert copied.keys() == {"v", "file", "bytes", "without"}


def test_items_set_aside(tmp_path: Path) -> None:
    with Shop() as shop, closing(WatchedShop(tmp_path, shop)) as watched:
        watched.watch()
        watched.run(1)
        shop.things = [{"id": 1}, {"name": "no id"}]
        watched.run(61)
        reader = Reader(cast(Session, SimpleNamespace(cwd=watched.home)), [])
        (status,), (told,) = reader.read("status"), reader.read("explain watch")
    assert status["set_aside"] == told["set_aside"]
    (item,) = told["set_aside"]
    _fits("set_aside", item)


def test_pausing(reader: Reader) -> None:
    (paused,) = reader.read("pause New --reason 'for now'")
    assert paused.pop("v") == 1
    _fits("pauses", {**paused, "runs": 0})
    (status,) = reader.read("status")
    for pause in status["pauses"]:
        _fits("pauses", pause)
    assert [pause["reason"] for pause in status["pauses"]] == ["for now"]
    (resumed,) = reader.read("resume New")
    _fits("resumed", resumed)


def test_check_and_plan(reader: Reader) -> None:
    (found,) = reader.read("check")
    _fits("check", found)
    for finding in found["findings"]:
        _fits("findings", finding)
    planned = reader.read("plan")
    assert len(planned) > 2
    for line in planned:
        _fits("planned" if "trigger" in line else "load", line)


def test_connect(reader: Reader, tmp_path: Path) -> None:
    """What a program is told by `connect` itself is held where it is played, in tests/cli/test_connecting.py."""
    with Session(tmp_path / "home") as session:
        make_home(tmp_path / "home", "me: {connector: zoom, auth: {type: oauth, client_id: app}}", {})
        (found,) = Reader(session, []).read("connect --forget me")
    _fits("forget", found)


def test_sandbox(reader: Reader, tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        running = session.start("changewire sandbox --port 0 --json", ['…"url"…'])
        _fits("sandbox", json.loads(running.output().splitlines()[0]))


def test_the_log(reader: Reader) -> None:
    for line in reader.log:
        _fits("log", line, also=True)
    told = set(re.findall(r"`([a-z_.]+)`", PAGE.partition("<!-- actions -->")[2].partition("## ")[0]))
    assert {line["action"] for line in reader.log} <= told


def test_every_word_of_the_log_is_told() -> None:
    told = set(re.findall(r"`([a-z_.]+)`", PAGE.partition("<!-- actions -->")[2]))
    code = "".join(path.read_text() for path in [*ROOT.glob("src/changewire/**/*.py"), *ROOT.glob("actions/**/*.py")])
    said = set(re.findall(r"""\blog\(\s*"([a-z_.]+)\"""", code)) | set(
        re.findall(r'word = "(\w+)" if .* else "(\w+)"', code)[0]
    )
    assert said <= told


def test_attention_and_health(tmp_path: Path) -> None:
    with Session(tmp_path / "home") as session:
        make_home(tmp_path / "home", "{}", {"bad": "trigger: {typ: x}"})
        (found,) = Reader(session, []).read("status")
    for entry in found["attention"]:
        _fits("attention", entry)
    assert [entry["kind"] for entry in found["attention"]] == ["workflow"]
    page = (DOCS / "reference" / "monitoring.md").read_text()
    rows = next(rows for name, rows in tables(page, "json") if name == "health")
    assert [row[0].strip("`") for row in rows] == list(view([]))
