"""Servers whose answers never end, and a real daemon with few workers: the rest of the home goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tests.connectors.server import Reply, Server
from tests.support.homes import make_home, workflow
from tests.support.processes import DaemonProcess, ask, wait_for
from tests.support.recorder import Recorder
from tests.support.slow_server import SHAPES, SlowServer, slow_server

SETTINGS = "http: {allow_private: true}\npoll: {time: 2s}\nworkers: {polls: 2, runs: 2}\n"
NAMES = ["header lines", "trailer lines", "chunk extension", "gzip name", "silence"]


@pytest.fixture
def server() -> Iterator[Server]:
    with closing(Server()) as made:
        yield made


@pytest.fixture
def slow() -> Iterator[dict[str, SlowServer]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(slow_server(SHAPES[name])) for name in NAMES}


def document(name: str, steps: list[Any] | None = None, **more: Any) -> str:
    return workflow(name, "http.document_changed", {"path": "/document"}, steps=steps, connection=name, **more)


def connections(**urls: str) -> str:
    return json.dumps(
        {name: {"connector": "http", "base_url": url, "allow_private": True} for name, url in urls.items()}
    )


def polls(home: Path, name: str) -> int:
    return int(ask(home, "SELECT coalesce(max(polls), 0) FROM triggers WHERE workflow = ?", name)[0][0])


def test_triggers_whose_servers_never_end_an_answer_do_not_stop_the_others(
    server: Server, slow: dict[str, SlowServer], tmp_path: Path
) -> None:
    server.on("/document", Reply(body={"a": 1}))
    urls = {f"slow{n}": each.url for n, each in enumerate(slow.values())}
    flows = {name: document(name) for name in ("good", *urls)}
    home = make_home(tmp_path / "home", connections(good=server.url, **urls), flows, SETTINGS)
    with DaemonProcess(home) as daemon:
        for _ in range(3):
            before = polls(home, "good") if (home / "state" / "changewire.db").exists() else 0
            assert wait_for(lambda before=before: polls(home, "good") > before, 60)  # type: ignore[misc]
        assert wait_for(lambda: all(polls(home, name) for name in urls), 60)
        assert daemon.terminate(within_s=15) == 0
    rows = ask(home, "SELECT state, error FROM triggers WHERE workflow LIKE 'slow%'")
    assert {state for state, _ in rows} <= {"failing", "baseline_pending"}
    assert all("gave no complete answer within" in error and "did not end" in error for _, error in rows), rows
    assert ask(home, "SELECT count(*) FROM triggers WHERE error IS NOT NULL AND workflow = 'good'") == [(0,)]
    assert "Traceback" not in daemon.log.read_text()


@pytest.mark.parametrize("limit", ["step", "workflow"])
def test_writes_whose_answers_never_end_wait_for_a_person_and_free_their_workers(
    server: Server, slow: dict[str, SlowServer], tmp_path: Path, limit: str
) -> None:
    versions = iter(range(1_000_000))
    server.on("/document", lambda seen: Reply(body={"a": next(versions)}))

    def flow(name: str, url: str) -> str:
        step = {"use": "http.request", "with": {"method": "POST", "url": url, "json": {}}, "idempotency": "none"}
        if limit == "step":
            return document(name, [{**step, "timeout": "1s"}])
        return json.dumps({**json.loads(document(name, [step])), "timeout": "4s"})  # also where a machine is busy

    with Recorder() as recorder:
        flows = {f"slow{n}": flow(f"slow{n}", each.url) for n, each in enumerate(slow.values())}
        flows["good"] = flow("good", f"{recorder.url}/x")
        urls = dict.fromkeys(flows, server.url)
        home = make_home(tmp_path / "home", connections(**urls), flows, SETTINGS)
        with DaemonProcess(home) as daemon:
            done = "SELECT count(DISTINCT workflow) FROM runs WHERE state = 'paused' AND workflow LIKE 'slow%'"
            assert wait_for(lambda: ask(home, done) == [(len(slow),)] if daemon.at_work() else False, 90)
            before = len(recorder.calls)
            assert wait_for(lambda: len(recorder.calls) > before, 30)
            assert daemon.terminate(within_s=15) == 0
    errors = ask(home, "SELECT error, json_extract(evidence, '$.effect') FROM attempts WHERE state = 'failed'")
    cut = [effect for error, effect in errors if "gave no complete answer within" in error]
    assert set(cut) == {"unknown"}
    late = [error for error, _ in errors if "gave no complete answer within" not in error]
    assert limit == "workflow" or not late
    assert all("the run took longer than" in error for error in late)  # its time was over before its turn


def test_a_stop_during_an_answer_that_never_ends_is_still_a_stop(
    server: Server, slow: dict[str, SlowServer], tmp_path: Path
) -> None:
    server.on("/document", Reply(body={"a": 1}))
    urls = {f"slow{n}": each.url for n, each in enumerate(slow.values())}
    settings = SETTINGS.replace("2s", "60s").replace("polls: 2", "polls: 8")
    flows = {name: document(name) for name in ("good", *urls)}
    home = make_home(tmp_path / "home", connections(good=server.url, **urls), flows, settings)
    with DaemonProcess(home) as daemon:
        assert wait_for(lambda: all(each.connections for each in slow.values()), 60)
        assert daemon.terminate(within_s=15) == 0
    assert "Traceback" not in daemon.log.read_text()
