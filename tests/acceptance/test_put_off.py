"""A server that asks for an absurd wait delays a trigger by a bounded time, says so, and a person can end it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from changewire.clock import from_text
from tests.cli.rig import changewire, lines
from tests.connectors.server import Reply, Server
from tests.support.processes import DaemonProcess, ask, wait_for

ORDER = """
type: http.order
title: New order
description: An order.
request: {path: /rows}
items: data
key: id
kind: created
sample: {id: 1}
"""
WORKFLOW = "name: Orders\ntrigger: {type: http.order, connection: shop, every: 1s}\nsteps: []\n"
GOOD = Reply(body={"data": []})


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def home(tmp_path: Path, server: Server) -> Path:
    for folder in ("config/workflows", "triggers"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "triggers/http.yaml").write_text(ORDER)
    (tmp_path / "config/workflows/orders.yaml").write_text(WORKFLOW)
    connect(tmp_path, server)
    return tmp_path


def connect(home: Path, server: Server, more: str = "") -> None:
    text = f"shop: {{connector: http, base_url: '{server.url}', auth: {{type: none}}{more}}}\n"
    (home / "config/connections.yaml").write_text(text)


def next_due(home: Path) -> timedelta:
    ((due,),) = ask(home, "SELECT next_due FROM triggers")
    return from_text(due) - datetime.now(UTC)


@pytest.fixture
def parked(home: Path, server: Server) -> Iterator[Callable[[int, str], timedelta]]:
    daemons: list[DaemonProcess] = []

    def park(status: int, asked: str) -> timedelta:
        server.on("/rows", Reply(status, body={"message": "slow"}, headers={"Retry-After": asked}), GOOD)
        daemons.append(DaemonProcess(home).__enter__())
        assert wait_for(lambda: next_due(home) > timedelta(minutes=10) if server.seen else False, within_s=30)
        return next_due(home)

    yield park
    for daemon in daemons:
        daemon.__exit__(None, None, None)


def polled_again(server: Server) -> bool:
    return wait_for(lambda: len(server.seen) > 1, within_s=20)


@pytest.mark.parametrize("asked", ["999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 3000])
@pytest.mark.parametrize(("status", "most"), [(429, timedelta(days=1)), (503, timedelta(hours=1))])
def test_an_absurd_wait_is_cut_and_a_person_ends_it(
    home: Path, server: Server, parked: Callable[[int, str], timedelta], asked: str, status: int, most: timedelta
) -> None:
    assert parked(status, asked) <= most
    assert "which is cut to " in (home / "daemon.log").read_text()
    told = changewire("explain", "Orders", "--home", home).stdout
    assert status == 503 or wait_for(
        lambda: (
            "`changewire resume Orders/trigger` polls it now" in changewire("explain", "Orders", "--home", home).stdout
        )
    )
    assert status == 429 or "cut to 1h; `changewire resume` with the name of the trigger ends it" in told
    result = changewire("resume", "Orders", "--home", home, "--json")
    assert lines(result.stdout) == [{"v": 1, "kind": "workflow", "name": "Orders", "triggers": 1, "runs": []}]
    assert polled_again(server)


def test_resuming_a_connection_ends_the_waits_of_all_its_triggers(
    home: Path, server: Server, parked: Callable[[int, str], timedelta]
) -> None:
    parked(429, "86400")
    result = changewire("resume", "--connection", "shop", "--home", home)
    assert result.stdout == "connection 'shop' waits no longer: 1 trigger polled now\n"
    assert polled_again(server)


@pytest.mark.parametrize("status", [429, 503])
def test_an_edited_connection_ends_the_wait(
    home: Path, server: Server, parked: Callable[[int, str], timedelta], status: int
) -> None:
    parked(status, "999999999")
    connect(home, server, ", timeout: 20s")
    assert polled_again(server)


def test_an_edited_workflow_ends_a_wait_after_a_failure(
    home: Path, server: Server, parked: Callable[[int, str], timedelta]
) -> None:
    parked(503, "999999999")
    (home / "config/workflows/orders.yaml").write_text(WORKFLOW.replace("steps: []", "timeout: 5m\nsteps: []"))
    assert polled_again(server)


def test_what_waits_for_nothing_is_no_success(home: Path, server: Server) -> None:
    server.on("/rows", GOOD)
    with DaemonProcess(home):
        assert wait_for(lambda: bool(server.seen), within_s=30)
        result = changewire("resume", "Orders", "--home", home)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "workflow 'Orders' is neither paused nor put off" in result.stderr
