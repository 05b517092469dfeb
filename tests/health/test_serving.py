"""What a daemon answers by HTTP about itself."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from changewire.errors import StateError
from changewire.health.server import CannotListen
from changewire.sandbox import CLIENT_SECRET, OWNER_EMAIL, Sandbox
from changewire.testing import ManualClock
from tests.support.homes import connection, make_home, workflow
from tests.support.turning import Turned

HERE = 'serve: {listen: "127.0.0.1:0"}\n'
NEW = workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL}, every="1m")
BAD_STEP = [{"use": "zoom.get_meeting", "with": {"meeting_id": "99999999999"}}]
Make = Callable[..., Turned]
Figures = dict[tuple[str, ...], float]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


@pytest.fixture
def logged() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def make(sandbox: Sandbox, tmp_path: Path, logged: list[tuple[str, str]]) -> Iterator[Make]:
    made: list[Turned] = []

    def log(event: str, message: str, /, **_: Any) -> None:
        logged.append((event, message))

    def start(settings: str = HERE, **workflows: str) -> Turned:
        home = make_home(tmp_path / "home", connection(sandbox.url), workflows or {"new": NEW}, settings)
        made.append(Turned(home, ManualClock(sandbox.clock.now()), log=log).start())
        return made[-1]

    yield start
    for each in made:
        each.close()


def url(daemon: Turned) -> str:
    found = daemon.daemon._serving.url
    assert found is not None
    return found


def get(daemon: Turned, path: str) -> tuple[int, bytes]:
    try:
        with urlopen(url(daemon) + path, timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with closing(error):
            return error.code, error.read()


def health(daemon: Turned, path: str = "/health") -> tuple[int, list[tuple[str, str, str]]]:
    """Status, and what is told: kind, name and state."""
    status, body = get(daemon, path)
    view = json.loads(body)
    assert view.keys() == {"v", "status", "attention", "more"}
    assert (view["v"], view["status"]) == (1, "ok" if status == 200 else "attention")
    return status, [(each["kind"], each["name"], each["state"]) for each in view["attention"]]


def test_figures_say_what_format_they_have(make: Make) -> None:
    with urlopen(f"{url(make())}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def metrics(daemon: Turned) -> dict[str, Figures]:
    """Samples by name, then by the values of their labels in the order of the labels' names."""
    status, body = get(daemon, "/metrics")
    assert status == 200
    found: dict[str, Figures] = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation
        for sample in family.samples:
            values = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[values] = sample.value
    return found


def write(daemon: Turned, name: str, text: str) -> None:
    (daemon.daemon.path / "config" / name).write_text(text)
    daemon.daemon.reload()


def test_it_listens_nowhere_unless_it_is_told_to(make: Make) -> None:
    daemon = make("{}")
    daemon.turn()
    assert daemon.daemon._serving.url is None
    assert (daemon.store.daemon_info() or {}).get("listens") is None


def test_a_daemon_that_is_well_says_so(make: Make, logged: list[tuple[str, str]]) -> None:
    daemon = make()
    daemon.on()
    assert health(daemon, "/live") == (200, [])
    assert health(daemon) == (200, [])
    assert ("serving", f"answering {url(daemon)}/live, {url(daemon)}/health and {url(daemon)}/metrics") in logged


def test_a_loop_that_does_not_turn_is_told_by_both(make: Make) -> None:
    daemon = make()
    daemon.on()
    daemon.clock.advance(61)
    daemon.daemon._reap()  # a chore that looks at the clock beside the loop
    assert health(daemon, "/live") == (503, [("daemon", "loop", "stalled")])
    assert ("daemon", "loop", "stalled") in health(daemon)[1]
    daemon.daemon.turn(daemon.clock.now())
    assert health(daemon, "/live") == (200, [])


def test_a_refused_connection_is_no_reason_to_start_it_again(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=NEW, user=workflow("User", "zoom.user_information_changed", {"user_id": OWNER_EMAIL}))
    daemon.on()
    body = '{"reason": "Invalid client", "error": "invalid_client"}'
    sandbox.control("faults", match="/oauth/token", kind="status", status=400, body=body)
    sandbox.control("expire_tokens")
    daemon.on()
    assert health(daemon) == (503, [("connection", "zoom", "paused")])
    assert health(daemon, "/live") == (200, [])
    found = metrics(daemon)
    assert found["changewire_connection_paused"] == {("credential", "zoom"): 1, ("person", "zoom"): 0}
    assert found["changewire_attention"][("connection",)] == 1
    sandbox.control("clear_faults")
    daemon.on(3601)
    assert health(daemon) == (200, [])


def test_a_broken_workflow_is_told_whether_it_worked_before_or_not(make: Make) -> None:
    daemon = make(new=NEW, bad="trigger: {typ: x}")
    daemon.on()
    assert health(daemon) == (503, [("workflow", "bad", "unavailable")])
    assert metrics(daemon)["changewire_workflow_triggers"] == {("ok", "New"): 1, ("unavailable", "bad"): 1}
    write(daemon, "workflows/new.yaml", "trigger: {typ: x}\nname: New\n")
    daemon.on()
    assert health(daemon)[1] == [("workflow", "bad", "unavailable"), ("workflow", "New", "unavailable")]
    assert b"the last good version is still polled" in get(daemon, "/health")[1]
    assert metrics(daemon)["changewire_triggers"][("unavailable",)] == 2
    assert metrics(daemon)["changewire_triggers"][("ok",)] == 0


def test_runs_that_wait_for_a_person_are_told(sandbox: Sandbox, make: Make) -> None:
    text = workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL}, every="1m", steps=BAD_STEP)
    daemon = make(new=text)
    daemon.on()
    sandbox.control("create_meeting", user_id=OWNER_EMAIL)
    daemon.on()
    assert health(daemon) == (503, [("workflow", "New", "paused")])
    assert metrics(daemon)["changewire_workflow_unfinished_runs"] == {("paused", "New"): 1}
    assert metrics(daemon)["changewire_steps_total"] == {("zoom.get_meeting", "failed"): 1}


def test_files_that_cannot_be_taken_over_are_told_until_they_can(make: Make) -> None:
    daemon = make()
    daemon.on()
    write(daemon, "changewire.yaml", "evry: 5m\n")
    assert health(daemon) == (503, [("files", "config", "unavailable")])
    write(daemon, "changewire.yaml", HERE)
    assert health(daemon) == (200, [])


def test_a_database_that_fails_is_told_and_the_figures_of_the_process_stay(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make()
    daemon.on()

    def fail(*_: object) -> None:
        raise StateError("The database cannot be read.")

    for name in ("suspects", "figures"):
        monkeypatch.setattr(daemon.store, name, fail)
    assert health(daemon) == (503, [("daemon", "database", "failed")])
    found = metrics(daemon)
    assert found["changewire_database_up"] == {(): 0}
    assert "changewire_triggers" not in found
    assert found["changewire_polls_total"]


def test_long_lists_are_cut_and_counted(make: Make) -> None:
    daemon = make(**{f"w{n}": f"name: w{n}\ntrigger: {{typ: x}}\n" for n in range(25)}, new=NEW)
    view = json.loads(get(daemon, "/health")[1])
    assert (len(view["attention"]), view["more"]) == (20, 5)


def test_figures_count_what_happens(sandbox: Sandbox, make: Make) -> None:
    daemon = make()
    daemon.on()
    daemon.on()
    sandbox.control("create_meeting", user_id=OWNER_EMAIL)
    daemon.on()
    sandbox.control("faults", match="GET /v2/users", kind="status", times=4)
    daemon.on()
    found = metrics(daemon)
    assert found["changewire_polls_total"] == {("stored", "New"): 2, ("unchanged", "New"): 1, ("failed", "New"): 1}
    assert found["changewire_events_total"] == {("New",): 1}
    assert found["changewire_runs_total"] == {("succeeded", "New"): 1}
    assert found["changewire_steps_total"] == {("core.log", "succeeded"): 1}
    assert found["changewire_poll_duration_seconds_count"] == {("zoom",): 4}
    assert found["changewire_poll_lag_seconds_count"] == {(): 4}
    assert found["changewire_triggers"][("failing",)] == 1
    assert found["changewire_requests_total"][("zoom", "MEDIUM")] >= 4
    assert found["changewire_budget_limit_requests"][("zoom", "MEDIUM", "second")] == 60
    assert found["changewire_database_up"] == {(): 1}
    assert found["changewire_database_bytes"][()] > 10_000
    last_ok = daemon.store.triggers()[0].last_ok
    assert last_ok is not None
    assert found["changewire_last_ok_timestamp_seconds"] == {("New",): pytest.approx(last_ok.timestamp())}
    due_since = daemon.store.triggers()[0].late_since  # the poll that failed has not come to a good end
    assert due_since is not None
    late_s = (daemon.clock.now() - due_since).total_seconds()
    assert found["changewire_late_seconds"] == {("New",): pytest.approx(late_s)}
    daemon.clock.advance(1000)
    late = metrics(daemon)
    assert late["changewire_late_seconds"][("New",)] > 900
    assert late["changewire_triggers"][("stalled",)] == 1
    assert late["changewire_triggers"][("failing",)] == 0


def test_runs_that_wait_are_counted_by_where_they_stand(sandbox: Sandbox, make: Make) -> None:
    daemon = make(new=workflow("New", "zoom.new_meeting_created", {"user_id": OWNER_EMAIL}, steps=[{"wait": "1h"}]))
    daemon.on()
    sandbox.control("create_meeting", user_id=OWNER_EMAIL)
    daemon.on()
    found = metrics(daemon)
    assert found["changewire_unfinished_runs"][("waiting",)] == 1
    assert found["changewire_runs_due"] == {(): 0}
    daemon.clock.advance(3700)
    found = metrics(daemon)
    assert found["changewire_runs_due"] == {(): 1}
    assert found["changewire_runs_due_oldest_seconds"][()] == pytest.approx(100, abs=50)


def test_the_daily_budget_is_told_by_label(sandbox: Sandbox, tmp_path: Path) -> None:
    text = connection(sandbox.url, plan="pro", share=0.5)
    report = workflow("Report", "zoom.daily_usage_report_changed", {}, every="1m")
    home = make_home(tmp_path / "pro", text, {"new": NEW, "report": report}, HERE)
    with closing(Turned(home, ManualClock(sandbox.clock.now())).start()) as daemon:
        daemon.on()
        daemon.on()
        found = metrics(daemon)
    limits, today = found["changewire_budget_limit_requests"], found["changewire_budget_today_requests"]
    assert {per: limit for (_, label, per), limit in limits.items() if label == "HEAVY"} == {"second": 5, "day": 15_000}
    asked = found["changewire_requests_total"][("zoom", "HEAVY")]
    assert asked >= 2
    assert today[("zoom", "HEAVY")] == asked


ALLOWED = {"workflow", "action", "connection", "label", "outcome", "state", "kind", "cause", "per", "le", "version"}


def test_labels_name_what_the_files_bound_and_no_secret(sandbox: Sandbox, make: Make) -> None:
    daemon = make()
    daemon.on()
    number = sandbox.control("create_meeting", user_id=OWNER_EMAIL, topic="Confidential")["meeting_id"]
    daemon.on()
    text = get(daemon, "/metrics")[1].decode()
    assert set(re.findall(r"(\w+)=\"", text)) <= ALLOWED
    for word in (CLIENT_SECRET, str(number), "Confidential", OWNER_EMAIL):
        assert word not in text


HOSTILE = 'a"} 1\nchangewire_forged_total{x="\\\r\u2028\x85\x1b[2J{b}'


def test_no_name_writes_a_figure_or_ends_a_label(make: Make) -> None:
    hostile = HOSTILE.translate(dict.fromkeys(map(ord, "\n\r\u2028\x85\x1b")))  # which no name may have
    daemon = make(new=workflow(hostile, "zoom.new_meeting_created", {"user_id": OWNER_EMAIL}, every="1m"))
    daemon.on()
    found = metrics(daemon)
    assert found["changewire_polls_total"] == {("stored", hostile): 1}
    assert not [name for name in found if "forged" in name]


def test_what_health_says_is_one_line_of_json(make: Make) -> None:
    daemon = make(new=NEW, broken=f"name: {json.dumps(HOSTILE)}\ntrigger: {{type: {json.dumps(HOSTILE)}}}\nsteps: []\n")
    _, body = get(daemon, "/health")
    assert body.decode().count("\n") == 1
    assert [each["name"] for each in json.loads(body)["attention"]] == [HOSTILE]
    assert not [c for c in body.decode() if c in "\r\u2028\x85\x1b"]


def test_a_changed_address_is_taken_over(make: Make) -> None:
    daemon = make()
    before = url(daemon)
    daemon.daemon.reload()
    assert url(daemon) == before
    write(daemon, "changewire.yaml", 'serve: {listen: "[::1]:0"}\n')
    assert url(daemon).startswith("http://[::1]:")
    assert health(daemon)[0] == 200
    assert (daemon.store.daemon_info() or {})["listens"] == url(daemon)
    write(daemon, "changewire.yaml", "{}")
    assert daemon.daemon._serving.url is None


def test_an_address_that_cannot_be_had_leaves_the_one_before(make: Make, logged: list[tuple[str, str]]) -> None:
    daemon = make()
    before = url(daemon).removeprefix("http://")
    write(daemon, "changewire.yaml", f'serve: {{listen: "{before}"}}\n')
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        write(daemon, "changewire.yaml", f'serve: {{listen: "{taken}"}}\n')
    assert url(daemon) == f"http://{before}"
    assert health(daemon)[0] == 200
    (words,) = [message for event, message in logged if event == "serving_failed"]
    assert f"cannot listen on {taken} (address already in use)" in words
    assert words.endswith(f"; it stays at {before}")


def test_an_address_in_use_stops_the_start_and_leaves_the_home_free(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = f'serve: {{listen: "127.0.0.1:{other.getsockname()[1]}"}}\n'
        home = make_home(tmp_path / "home", connection(sandbox.url), {"new": NEW}, settings)
        daemon = Turned(home, ManualClock(sandbox.clock.now()))
        with pytest.raises(CannotListen, match=r"serve\.listen"):
            daemon.start()
    with closing(Turned(home, ManualClock(sandbox.clock.now())).start()) as again:
        assert health(again)[0] == 200
