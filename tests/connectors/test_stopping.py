"""Waits before a request end when the process stops: nothing was sent, and the next process sends it."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.flow.effects import Effect, effect_of
from changewire.actions.flow.retry import Verdict, decide, failure_of
from changewire.actions.pages import listing, read_all_pages
from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Patience, Request
from changewire.connectors.sign_in.token_store import TokenStore
from changewire.errors import ApiError, DelayedError, ShutdownError
from changewire.state.records import AttemptRecord, AttemptState
from changewire.testing import START, ManualClock
from tests.connectors.server import Reply, Server, connection
from tests.support.slow_server import SHAPES, slow_server

CLOCK = SystemClock()
LABEL = "RESOURCE-INTENSIVE"  # ten a minute
METRICS = Request("POST", "/metrics", label=LABEL)
SOON_S, LONG_S = 20.0, 60.0  # generous, and longer than that


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def make(server: Server, stopping: threading.Event) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(base_url: str = server.url, connector: str = "zoom", **fields: Any) -> Client:
        patience = Patience(90.0, stopping=stopping)
        clients.append(Client(connection(base_url, connector, **fields), CLOCK, HttpSettings(), patience=patience))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def ends_at_a_stop(stopping: threading.Event, wait: Callable[[], object], *, others: int = 1) -> None:
    """Let ``others`` threads wait, then stop: each ends soon with ShutdownError."""
    began = CLOCK.monotonic()

    def end() -> None:
        with pytest.raises(ShutdownError) as caught:
            wait()
        assert not caught.value.sent

    with ThreadPoolExecutor(others) as pool:
        waiting = [pool.submit(end) for _ in range(others)]
        CLOCK.wait(0.3)  # nothing says when they wait; those that come later end as well
        assert not any(each.done() for each in waiting)
        stopping.set()
        for each in waiting:
            each.result(SOON_S)
    assert CLOCK.monotonic() - began < SOON_S


def use_up(server: Server, client: Client) -> None:
    server.on("/v2/metrics", Reply())
    for _ in range(10):
        client.send(METRICS)


def test_a_wait_for_the_budget_ends_and_gives_its_place_back(
    server: Server, stopping: threading.Event, make: Callable[..., Client]
) -> None:
    client = make(plan="free")
    use_up(server, client)
    ends_at_a_stop(stopping, lambda: client.send(METRICS, deadline=CLOCK.monotonic() + LONG_S), others=3)
    assert len(server.seen) == 10
    with pytest.raises(DelayedError):  # as for the first one that waits: nobody stands in line before it
        client.send(METRICS, deadline=CLOCK.monotonic() + 1)


def test_a_wait_for_a_token_that_another_request_renews_ends(
    stopping: threading.Event, make: Callable[..., Client]
) -> None:
    with slow_server(SHAPES["trailer lines"]) as tokens, ThreadPoolExecutor(1) as pool:
        auth = {"type": "client_credentials", "token_url": f"{tokens.url}/t", "client_id": "i", "client_secret": "s"}
        client = make(tokens.url, "http", auth=auth)
        first = pool.submit(client.granted_scopes, CLOCK.monotonic() + 3.0)
        while not tokens.connections:
            CLOCK.wait(0.01)
        ends_at_a_stop(stopping, lambda: client.send(Request("POST", "/x"), deadline=CLOCK.monotonic() + LONG_S))
        with pytest.raises(ApiError, match="gave no complete answer within 3s: the body did not end"):
            first.result(SOON_S)


def test_a_wait_for_a_token_ends_at_the_deadline_of_whoever_waits(make: Callable[..., Client]) -> None:
    with slow_server(SHAPES["trailer lines"]) as tokens, ThreadPoolExecutor(1) as pool:
        auth = {"type": "client_credentials", "token_url": f"{tokens.url}/t", "client_id": "i", "client_secret": "s"}
        client = make(tokens.url, "http", auth=auth)
        first = pool.submit(client.granted_scopes, CLOCK.monotonic() + 3.0)
        while not tokens.connections:
            CLOCK.wait(0.01)
        began = CLOCK.monotonic()
        with pytest.raises(ApiError, match="another request is signing in and takes long") as caught:
            client.send(Request("POST", "/x"), deadline=began + 0.3)
        assert not caught.value.sent
        assert not first.done()
        with pytest.raises(ApiError):
            first.result(SOON_S)


def test_an_answer_is_refused_at_once_while_another_request_renews_the_token(make: Callable[..., Client]) -> None:
    """The one that was refused does not wait for the other one's server before it knows what to do."""
    with slow_server(SHAPES["trailer lines"]) as tokens, ThreadPoolExecutor(1) as pool:
        auth = {"type": "client_credentials", "token_url": f"{tokens.url}/t", "client_id": "i", "client_secret": "s"}
        client = make(tokens.url, "http", auth=auth)
        first = pool.submit(client.granted_scopes, CLOCK.monotonic() + 3.0)
        while not tokens.connections:
            CLOCK.wait(0.01)
        assert client._auth.refused(client._auth._current)  # type: ignore[attr-defined]
        assert not first.done()
        with pytest.raises(ApiError):
            first.result(SOON_S)


def test_a_wait_for_another_process_that_renews_ends(tmp_path: Path, stopping: threading.Event) -> None:
    store = TokenStore.of_home(tmp_path, CLOCK)

    def renew() -> None:
        with store.renewal("me", CLOCK.monotonic() + LONG_S, stopping):
            pass

    renew()
    with (store.folder / "me.lock").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ends_at_a_stop(stopping, renew)


def test_a_list_of_pages_does_not_wait_for_the_budget_after_a_stop(server: Server, stopping: threading.Event) -> None:
    clock = ManualClock()
    patience = Patience(0.0, stopping=stopping)
    client = Client(connection(server.url, plan="free"), clock, HttpSettings(), patience=patience)
    server.on("/v2/metrics", Reply(body={"metrics": [], "next_page_token": "2"}))
    stopping.set()
    which = listing("x", "metrics", None, client, clock)
    with pytest.raises(ShutdownError):
        read_all_pages(which, Request("GET", "/metrics", label="HEAVY"), client, clock.monotonic() + LONG_S)
    assert clock.waits == []
    client.close()


def test_a_step_that_was_put_off_by_a_stop_was_not_tried() -> None:
    failure = failure_of(ShutdownError())
    attempt = AttemptRecord("r1", "steps/0", 1, "http.request", AttemptState.FAILED)
    attempt.error_class = failure.kind
    decision = decide(failure, None, 1, "none", START)
    assert (decision.verdict, decision.at) == (Verdict.RETRY, START)
    assert effect_of(attempt, failure) is Effect.INTENDED


def test_a_clock_that_is_turned_by_hand_waits_for_nothing_after_a_stop(
    server: Server, stopping: threading.Event
) -> None:
    clock = ManualClock()
    client = Client(
        connection(server.url, plan="free"), clock, HttpSettings(), patience=Patience(90.0, stopping=stopping)
    )
    use_up(server, client)
    stopping.set()
    with pytest.raises(ShutdownError):
        client.send(METRICS)
    assert clock.waits == []
    client.close()
