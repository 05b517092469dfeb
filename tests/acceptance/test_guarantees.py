"""The twelve guarantees, one test each, short. The long proofs are in `tests/torture`."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from changewire.cli import root
from changewire.sandbox import CLIENT_SECRET, OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from tests.support.homes import SETTINGS, connection, make_home, workflow
from tests.support.processes import DaemonProcess, ask, baselines, wait_for
from tests.support.recorder import Recorder
from tests.support.turning import Turned

NEW = ("zoom.new_meeting_created", {"user_id": OWNER_EMAIL, "page_size": 2})
USER = ("zoom.user_information_changed", {"user_id": OWNER_EMAIL})
Make = Callable[..., "Watcher"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


class Watcher:
    """A home under a turned clock."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox, self.home = sandbox, home
        self.clock = ManualClock(sandbox.clock.now())
        self.logged: list[tuple[str, str]] = []
        self.open()

    def open(self, on_write: Callable[[str], None] | None = None) -> None:
        def log(event: str, message: str, /, **facts: Any) -> None:
            self.logged.append((event, message))

        self.turned = Turned(self.home, self.clock, on_write=on_write, log=log).start()

    def poll(self, times: int = 1) -> None:
        """Let two minutes pass and do what is due, so often."""
        for _ in range(times):
            self.clock.advance(120)
            self.sandbox.control("clock", advance_s=120)
            self.turned.turn()

    def write(self, name: str, text: str) -> None:
        """Change a workflow's file and have it read."""
        (self.home / "config" / "workflows" / f"{name}.yaml").write_text(text)
        self.turned.daemon.reload()

    def events(self) -> list[tuple[Any, ...]]:
        return ask(self.home, "SELECT workflow, event_type, key FROM events ORDER BY seq")

    def runs(self) -> list[tuple[Any, ...]]:
        return ask(self.home, "SELECT workflow, state, reason FROM runs ORDER BY seq")

    def create(self) -> str:
        return str(self.sandbox.control("create_meeting", user_id=OWNER_EMAIL)["meeting_id"])

    def trigger(self) -> tuple[Any, ...]:
        return ask(self.home, "SELECT state, failures, error, last_ok, next_due FROM triggers WHERE active")[0]


@pytest.fixture
def watch(sandbox: Sandbox, tmp_path: Path) -> Iterator[Make]:
    made: list[Watcher] = []

    def make(*, settings: str = SETTINGS, variables: str = "", **workflows: str) -> Watcher:
        home = make_home(tmp_path / "home", connection(sandbox.url), workflows, settings, variables)
        made.append(Watcher(sandbox, home))
        return made[-1]

    yield make
    for each in made:
        each.turned.close()


def test_guarantee_1_nothing_is_lost(watch: Make) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"))
    watcher.poll()
    number = watcher.create()
    stopped: list[str] = []

    def break_off(point: str) -> None:
        if point.startswith("commit_poll.runs") and not stopped:
            stopped.append(point)
            raise OSError("the disk went away between the event and its run")

    watcher.turned.close()
    watcher.open(break_off)
    watcher.poll()
    assert stopped
    assert (watcher.events(), watcher.runs()) == ([], [])
    watcher.turned.close()
    watcher.open()
    watcher.poll()
    assert watcher.events() == [("new", "meeting_created", number)]
    assert watcher.runs() == [("new", "succeeded", None)]


def test_guarantee_2_nothing_fires_twice(watch: Make) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"), user=workflow("user", *USER, every="1m"))
    watcher.poll()
    number = watcher.create()
    watcher.poll(2)
    for dept in ("Up", "Down", "Up"):  # the third is a change like the first two
        watcher.sandbox.control("update_user", user_id=OWNER_EMAIL, dept=dept)
        watcher.poll(2)
    watcher.turned.close()
    watcher.open()
    watcher.poll(2)
    events = watcher.events()
    assert [(name, kind) for name, kind, _ in events] == [("new", "meeting_created")] + [("user", "user_updated")] * 3
    assert events[0][2] == number
    assert len(watcher.runs()) == len(events)


def test_guarantee_3_noise_never_fires(watch: Make) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"), user=workflow("user", *USER, every="1m"))
    watcher.poll()
    do = watcher.sandbox.control
    do("switch", shuffle_lists=True)
    do("grow_schema", kind="user", key="brand_new", value={"a": 1})
    do("grow_schema", kind="meeting_row", key="brand_new", value=1)
    do("update_user", user_id=OWNER_EMAIL, last_login_time="2030-01-01T00:00:00Z")
    do("create_meeting", user_id=OWNER_EMAIL, created_at="2020-01-01T00:00:00Z")  # slid into the list
    do("faults", match="next_page_token=", kind="page_shift", times=2)
    watcher.poll()
    do("faults", match="GET /v2", kind="status", times=4)
    watcher.poll(4)
    assert watcher.trigger()[:2] == ("ok", 0)
    assert watcher.events() == []


@pytest.mark.parametrize(
    "fault",
    [{"kind": "error_200"}, {"kind": "empty_200"}, {"kind": "html_200"}, {"kind": "cut_body"}, {"kind": "bad_json"}],
    ids=lambda fault: str(fault["kind"]),
)
def test_guarantee_4_a_failed_or_partial_poll_changes_nothing(watch: Make, fault: dict[str, Any]) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"))
    for _ in range(4):
        watcher.create()
    watcher.poll()
    number, before = watcher.create(), ask(watcher.home, "SELECT * FROM items")
    watcher.sandbox.control("faults", match="GET /v2/users", after=1, **fault)  # the second page, and all after it
    watcher.poll()
    assert watcher.trigger()[0] in ("failing", "suspended")
    assert (watcher.events(), ask(watcher.home, "SELECT * FROM items")) == ([], before)
    watcher.sandbox.control("clear_faults")
    watcher.poll(8)
    assert watcher.events() == [("new", "meeting_created", number)]


def test_guarantee_5_the_first_poll_is_silent(watch: Make) -> None:
    backfill = workflow("back", *NEW, every="1m", first_poll={"mode": "backfill", "max": 2})
    watcher = watch(new=workflow("new", *NEW, every="1m"), back=backfill)
    watcher.poll()
    assert [name for name, _, _ in watcher.events()] == ["back", "back"]
    assert ask(watcher.home, "SELECT DISTINCT backfill FROM events") == [(1,)]
    assert any(event == "backfill_begins" and "2 items" in message for event, message in watcher.logged)
    watcher.create()
    watcher.poll()
    assert sorted(name for name, _, _ in watcher.events()) == ["back", "back", "back", "new"]


def test_guarantee_6_editing_keeps_memory(watch: Make) -> None:
    watcher = watch(user=workflow("user", *USER, every="1m"))
    watcher.poll()
    steps = [{"use": "core.log", "with": {"message": "other steps"}}]
    edits = [
        workflow("user", *USER, every="1m", steps=steps),
        workflow("user", *USER, every="90s"),
        workflow("renamed", *USER, every="90s"),
        workflow("renamed", *USER, every="90s", ignore=["dept"]),
        workflow("renamed", *USER, every="90s", ignore=["location"]),
    ]
    for number, text in enumerate(edits):
        watcher.sandbox.control("update_user", user_id=OWNER_EMAIL, job_title=f"Title {number}")
        watcher.write("user", text)
        watcher.poll()
    names = [name for name, _, _ in watcher.events()]
    assert names == ["renamed"] * 5, "each change is one event, and all of them follow the new name"


def test_guarantee_7_each_finished_step_is_finished(sandbox: Sandbox, tmp_path: Path) -> None:
    with Recorder(hold_from=4) as recorder:
        calls = [
            {"use": "http.request", "with": {"method": "POST", "url": f"{recorder.url}/{n}", "json": {}}}
            for n in range(6)
        ]
        flows = {"new": workflow("new", *NEW, steps=calls)}
        home = make_home(tmp_path / "home", connection(sandbox.url), flows)
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: baselines(home) == 1)
            sandbox.control("create_meeting", user_id=OWNER_EMAIL)
            assert wait_for(lambda: len(recorder.calls) == 4)
            daemon.kill()  # the fourth step was sent, and its answer never came
        recorder.go.set()
        with DaemonProcess(home):
            assert wait_for(lambda: ask(home, "SELECT state FROM runs") == [("succeeded",)])
    assert [path for path, _, _ in recorder.calls] == ["/0", "/1", "/2", "/3", "/3", "/4", "/5"]
    keys = [key for _, key, _ in recorder.calls]
    assert keys[3] == keys[4]
    assert len(set(keys)) == 6
    states = ask(home, "SELECT address, state FROM attempts ORDER BY address, attempt")
    assert [state for address, state in states if address == "steps/3"] == ["unknown", "succeeded"]
    assert len(states) == 7


def test_guarantee_8_a_run_that_cannot_go_on_waits_for_a_person(watch: Make) -> None:
    gone = {"use": "zoom.get_meeting", "with": {"meeting_id": "99999999999"}}
    steps = [{"use": "core.log", "with": {"message": "{{ event.id }}"}}, gone]
    watcher = watch(new=workflow("new", *NEW, every="1m", steps=steps))
    watcher.poll()
    number = watcher.create()
    watcher.poll()
    ((_, state, reason),) = watcher.runs()
    assert state == "paused"
    assert "3001" in reason
    ((payload, version),) = ask(
        watcher.home, "SELECT payload, text FROM events, versions, runs WHERE versions.version = runs.version"
    )
    assert json.loads(payload)["meeting"]["id"] == int(number)
    assert json.loads(version)["steps"][1] == gone
    attempts = ask(watcher.home, "SELECT state, error IS NULL FROM attempts ORDER BY address")
    assert attempts == [("succeeded", 1), ("failed", 0)]
    watcher.poll(20)
    assert watcher.runs() == [("new", state, reason)]
    ((run,),) = ask(watcher.home, "SELECT id FROM runs")
    assert CliRunner().invoke(root, ["resume", run, "--home", str(watcher.home)]).exit_code == 0
    watcher.poll()
    assert ask(watcher.home, "SELECT address, attempt, state FROM attempts ORDER BY address, attempt") == [
        ("steps/0", 1, "succeeded"), ("steps/1", 1, "failed"), ("steps/1", 2, "failed"),
    ]  # fmt: skip


def test_guarantee_9_the_budget_holds(tmp_path: Path) -> None:
    flows = {f"new{n}": workflow(f"new{n}", NEW[0], {**NEW[1], "page_size": n + 1}) for n in range(4)}
    with Sandbox(plan="pro") as sandbox:
        for _ in range(20):
            sandbox.control("create_meeting", user_id=OWNER_EMAIL)
        home = make_home(tmp_path / "home", connection(sandbox.url, plan="pro"), flows)
        with DaemonProcess(home) as daemon:
            assert wait_for(lambda: sandbox.control("stats")["by_label"]["Medium"]["total"] > 100)
            assert daemon.terminate() == 0
        stats = sandbox.control("stats")
        assert stats["by_label"]["Medium"]["peak"] <= 20, stats["by_label"]["Medium"]
        assert stats["by_status"].keys() == {"200"}


def test_guarantee_9_what_the_source_says_is_a_floor(watch: Make) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"))
    watcher.poll()
    number = watcher.create()
    watcher.sandbox.control("faults", match="GET /v2/users", kind="rate_day", retry_after_s=3600, times=1)
    watcher.poll()
    asked = watcher.sandbox.control("stats")["requests"]
    watcher.poll(25)
    assert watcher.sandbox.control("stats")["requests"] == asked
    watcher.poll(8)
    assert watcher.events() == [("new", "meeting_created", number)]  # late, not lost


def test_guarantee_10_one_bad_workflow_is_one_bad_workflow(watch: Make) -> None:
    steps = 'steps: [{use: core.log, with: {message: ""}}]'
    bad = f"name: bad\ntrigger:\n  type: zoom.new_meeting_created\n  evry: 5m\n{steps}\n"
    watcher = watch(new=workflow("new", *NEW, every="1m"), bad=bad)
    watcher.poll()
    watcher.create()
    watcher.poll()
    assert [name for name, _, _ in watcher.events()] == ["new"]
    ((state, error),) = ask(watcher.home, "SELECT state, error FROM triggers WHERE workflow = 'bad'")
    assert state == "unavailable"
    assert "config/workflows/bad.yaml:4:3" in error
    assert "every" in error


def test_guarantee_11_silence_is_an_alarm(watch: Make) -> None:
    watcher = watch(new=workflow("new", *NEW, every="1m"))
    watcher.poll()
    assert watcher.trigger()[0] == "ok"
    watcher.sandbox.control("faults", match="GET /v2/users", kind="status", times=4)
    watcher.poll(2)
    state, failures, error, last_ok, next_due = watcher.trigger()
    assert (state, failures) == ("failing", 2)
    assert "500" in error
    assert last_ok < next_due
    watcher.poll(15)
    words = [event for event, _ in watcher.logged if event.startswith(("poll_failed", "trigger_"))]
    assert words == ["poll_failed", "trigger_failing", "trigger_recovered"]
    watcher.turned.close()  # nobody polls any more, and that is told, too
    with closing(sqlite3.connect(watcher.home / "state" / "changewire.db")) as database, database:
        database.execute("UPDATE triggers SET next_due = '2026-01-01T00:00:00.000000Z'")
    command = [sys.executable, "-m", "changewire", "--home", str(watcher.home), "status", "--json"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert told.returncode == 3
    assert [each["state"] for each in json.loads(told.stdout)["triggers"]] == ["stalled"]
    watcher.open()


def test_guarantee_11_silence_is_told_to_monitoring(watch: Make) -> None:
    def ask_health() -> tuple[int, list[str]]:
        try:
            with urlopen(f"{url}/health", timeout=10) as answer:
                return answer.status, []
        except HTTPError as error:
            with error:
                told = json.loads(error.read())["attention"]
            return error.code, [f"{each['name']} {each['state']}" for each in told]

    def stalled() -> str:
        with urlopen(f"{url}/metrics", timeout=10) as answer:
            text = str(answer.read().decode())
        return next(line for line in text.splitlines() if line.startswith('changewire_triggers{state="stalled"}'))

    settings = f'{SETTINGS}serve: {{listen: "127.0.0.1:0"}}\n'
    watcher = watch(settings=settings, new=workflow("new", *NEW, every="1m"))
    watcher.poll()
    url = (watcher.turned.store.daemon_info() or {})["listens"]
    assert ask_health() == (200, [])
    watcher.sandbox.control("faults", match="GET /v2/users", kind="rate_day", retry_after_s=3600, times=1)
    watcher.poll(4)  # the API says not to ask for an hour: the daemon turns, the polls do not come
    watcher.turned.daemon.turn(watcher.clock.now())
    assert ask_health() == (503, ["new/trigger stalled"])
    assert stalled().endswith(" 1.0")
    watcher.poll(30)
    assert ask_health() == (200, [])
    assert stalled().endswith(" 0.0")


SECRET = "s3cr3t/with+signs and spaces"
LEAKY: list[dict[str, Any]] = [
    {"use": "core.log", "with": {"message": "${API_SECRET} and {{ '${API_SECRET}' | b64encode }}"}},
    {"use": "core.write_file", "with": {"path": "../../outside.txt", "content": "x"}, "continue_on_error": True},
    {"use": "http.request", "with": {"url": "http://169.254.169.254/latest/{{ event.key }}"}},
]


def test_guarantee_12_secrets_stay_secret(watch: Make, capsys: pytest.CaptureFixture[str]) -> None:
    text = workflow("new", *NEW, every="1m", steps=LEAKY)
    watcher = watch(settings="{}", variables=f'API_SECRET="{SECRET}"\n', new=text)
    watcher.poll()
    watcher.create()
    trouble = f"no access for {CLIENT_SECRET}"
    watcher.sandbox.control("faults", match="GET /v2/users", kind="status", message=trouble, times=1)
    watcher.poll(3)
    ((_, state, reason),) = watcher.runs()
    assert state == "paused"
    assert "169.254.169.254" in reason  # an address that came from data
    assert not list(watcher.home.rglob("outside.txt"))
    for what in ("status", "events", "runs"):
        command = [sys.executable, "-m", "changewire", "--home", str(watcher.home), what, "--json"]
        print(subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout)  # noqa: T201
    said = "".join(message for _, message in watcher.logged) + "".join(capsys.readouterr())
    kept = b"".join(path.read_bytes() for path in (watcher.home / "state").rglob("*") if path.is_file())
    tokens = list(watcher.sandbox._gateway.office._tokens)
    assert tokens
    assert "***" in said
    for word in (SECRET, CLIENT_SECRET, *tokens):
        for form in (word, quote(word, safe=""), base64.b64encode(word.encode()).decode(), json.dumps(word)[1:-1]):
            assert form.encode() not in kept, form
            assert form not in said, form
