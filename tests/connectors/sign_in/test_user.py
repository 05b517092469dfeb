"""Sign-ins that are renewed: once for all who need it, stored before they are used, and told when they are over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from changewire.clock import Clock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.sign_in.token_store import Grant, Renewal, TokenStore
from changewire.errors import ApiError, CredentialError, FailureClass, StateError
from changewire.sandbox import USER_CLIENT_ID, USER_CLIENT_SECRET, Sandbox
from changewire.testing import ManualClock
from tests.connectors.server import connection

USERS = Request("GET", "/users")
ROUNDS = 3
AUTH = {"type": "oauth", "client_id": USER_CLIENT_ID, "client_secret": USER_CLIENT_SECRET}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(enforce_limits=False) as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(tmp_path: Path, clock: ManualClock) -> TokenStore:
    return TokenStore.of_home(tmp_path, clock)


@pytest.fixture
def make_client(sandbox: Sandbox, store: TokenStore, clock: ManualClock) -> Iterator[Callable[..., Client]]:
    made: list[Client] = []

    def make(**auth: Any) -> Client:
        given = connection(sandbox.url, auth={**AUTH, **auth}, plan="business")
        made.append(Client(given, clock, HttpSettings(), tokens=store))
        return made[-1]

    yield make
    for client in made:
        client.close()


def sign_in(sandbox: Sandbox, store: TokenStore, clock: Clock) -> Grant:
    """What `connect` leaves behind."""
    redirect = "http://127.0.0.1:1/callback"
    code = sandbox._gateway.grants.new_code(USER_CLIENT_ID, redirect, "", {})
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    answer = requests.post(
        f"{sandbox.url}/oauth/token", data=form, auth=(USER_CLIENT_ID, USER_CLIENT_SECRET), timeout=5
    ).json()
    grant = Grant(
        answer["access_token"], answer["refresh_token"], clock.now() + timedelta(seconds=answer["expires_in"]),
        tuple(answer["scope"].split()), answer["api_url"], USER_CLIENT_ID, clock.now(),
    )  # fmt: skip
    with store.renewal("work") as renewal:
        renewal.write(grant)
    return grant


def renewals(sandbox: Sandbox) -> int:
    return len([one for one in sandbox.control("requests") if one["path"] == "/oauth/token"]) - 1


def let_pass(sandbox: Sandbox, clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    sandbox.control("clock", advance_s=seconds)


def test_nobody_signed_in_is_told_with_the_next_step(make_client: Callable[..., Client]) -> None:
    with pytest.raises(CredentialError) as caught:
        make_client().send(USERS)
    assert str(caught.value) == "connection 'work' is not signed in; run: changewire connect work"
    assert (caught.value.connection, caught.value.advice) == ("work", "run: changewire connect work")
    assert not caught.value.by_request


def test_a_sign_in_of_another_process_is_taken_at_once(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    client = make_client()
    with pytest.raises(CredentialError):
        client.send(USERS)
    before = client.sign_in_mark()
    sign_in(sandbox, store, clock)
    assert client.sign_in_mark() != before
    assert client.send(USERS).status == 200
    assert client.granted_scopes() is not None


def test_it_is_renewed_a_minute_before_its_end_and_each_time_anew(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    first, client = sign_in(sandbox, store, clock), make_client()
    let_pass(sandbox, clock, 3538)
    client.send(USERS)
    assert renewals(sandbox) == 0
    seen = {first.refresh_token}
    for count in range(1, ROUNDS + 1):
        let_pass(sandbox, clock, 3540)
        assert client.send(USERS).status == 200
        assert renewals(sandbox) == count
        kept = store.read("work")
        assert kept is not None
        assert kept.signed_in_at == first.signed_in_at
        seen.add(kept.refresh_token)
    assert len(seen) == ROUNDS + 1


def test_many_threads_renew_once(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    let_pass(sandbox, clock, 3600)
    client, start = make_client(), threading.Barrier(8)

    def send(_: int) -> int:
        start.wait()
        return client.send(USERS).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, range(8))) == {200}
    assert renewals(sandbox) == 1


def test_a_token_that_died_early_is_replaced_and_nobody_notices(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    client, other = make_client(), make_client()
    client.send(USERS)
    other.send(USERS)
    sandbox.control("expire_tokens")
    assert client.send(USERS).status == 200
    assert other.send(USERS).status == 200, "it takes what the first one stored"
    assert renewals(sandbox) == 1


def test_a_sign_in_that_was_taken_back_is_told(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    client = make_client()
    client.send(USERS)
    sandbox.control("revoke_grants")
    with pytest.raises(CredentialError) as caught:
        client.send(USERS)
    assert str(caught.value) == (
        "signing in to Zoom as 'work' failed (HTTP 400: Invalid Token!): the sign-in has ended (revoked, replaced by "
        "another one, or unused for too long); run: changewire connect work"
    )
    assert caught.value.advice == "run: changewire connect work"
    with pytest.raises(CredentialError):
        client.sign_in()

    sign_in(sandbox, store, clock)
    assert client.sign_in()
    assert client.send(USERS).status == 200


def test_a_server_that_hiccups_costs_nothing(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    let_pass(sandbox, clock, 3600)
    sandbox.control("faults", match="POST /oauth/token", kind="status", status=503, times=1)
    client = make_client()
    with pytest.raises(ApiError) as caught:
        client.send(USERS)
    assert caught.value.failure is FailureClass.TRANSIENT
    clock.advance(3)
    assert client.send(USERS).status == 200


def test_a_new_token_is_on_the_disk_before_it_is_used(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    sign_in(sandbox, store, clock)
    let_pass(sandbox, clock, 3600)
    write, broken = Renewal.write, [True]

    def failing(self: Renewal, grant: Grant) -> None:
        if broken:
            raise StateError("the sign-in of 'work' cannot be stored: no space left on device")
        write(self, grant)

    monkeypatch.setattr(Renewal, "write", failing)
    client = make_client()
    with pytest.raises(ApiError) as caught:
        client.send(USERS)
    assert caught.value.failure is FailureClass.TRANSIENT
    assert not [one for one in sandbox.control("requests") if one["path"] == "/v2/users"]

    broken.clear()
    clock.advance(3)
    assert client.send(USERS).status == 200
    assert renewals(sandbox) == 1, "the answer was kept until the disk took it"
    assert store.read("work") is not None


def test_without_room_nothing_is_asked(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    sign_in(sandbox, store, clock)
    let_pass(sandbox, clock, 3600)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        with pytest.raises(ApiError, match="no space left on device"):
            make_client().send(USERS)
    assert renewals(sandbox) == 0
    assert make_client().send(USERS).status == 200


def test_an_app_that_changed_needs_a_sign_in_of_its_own(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    with pytest.raises(CredentialError) as caught:
        make_client(client_id="another-app").send(USERS)
    assert str(caught.value) == (
        "connection 'work' was signed in to another app than client_id names now; run: changewire connect work"
    )


def test_an_end_without_renewal_is_told(
    store: TokenStore, clock: ManualClock, make_client: Callable[..., Client]
) -> None:
    with store.renewal("work") as renewal:
        renewal.write(Grant("short-lived-token", None, clock.now(), None, None, USER_CLIENT_ID, clock.now()))
    with pytest.raises(CredentialError) as caught:
        make_client().send(USERS)
    assert str(caught.value) == (
        "connection 'work' has come to the end of its sign-in, which cannot be renewed; run: changewire connect work"
    )


SCRIPT = """
import os, signal, sys
from pathlib import Path
from changewire.clock import SystemClock
from changewire.config.connections import Connection
from changewire.clock import Clock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.sign_in.token_store import Renewal, TokenStore

home, url, client_id, secret, kill = sys.argv[1:]
clock = SystemClock()
auth = {"type": "oauth", "client_id": client_id, "client_secret": secret}
given = {"name": "work", "connector": "zoom", "base_url": url, "auth": auth, "plan": "business"}
client = Client(Connection.model_validate(given), clock, HttpSettings(), tokens=TokenStore.of_home(Path(home), clock))
if kill == "kill":
    Renewal.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.readline()
print(client.send(Request("GET", "/users")).status, flush=True)
client.close()
"""


def _process(home: Path, sandbox: Sandbox, kill: str = "") -> subprocess.Popen[str]:
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(home), sandbox.url, USER_CLIENT_ID, USER_CLIENT_SECRET]
    return subprocess.Popen([*words, kill], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_processes_that_find_it_old_at_the_same_time_renew_once(
    sandbox: Sandbox, store: TokenStore, tmp_path: Path
) -> None:
    sign_in(sandbox, store, ManualClock(datetime.now(UTC)))
    sandbox.control("expire_tokens")
    processes = [_process(tmp_path, sandbox) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["200\n"] * 4
    assert renewals(sandbox) == 1


def _killed_between_answer_and_disk(sandbox: Sandbox, home: Path) -> None:
    process = _process(home, sandbox, "kill")
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert renewals(sandbox) == 1


def test_a_kill_between_answer_and_disk_is_the_one_loss_and_has_its_name(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, tmp_path: Path, make_client: Callable[..., Client]
) -> None:
    sign_in(sandbox, store, clock)
    _killed_between_answer_and_disk(sandbox, tmp_path)
    sandbox.control("expire_tokens")
    with pytest.raises(CredentialError) as caught:
        make_client().send(USERS)
    assert str(caught.value).endswith(
        "run: changewire connect work (an earlier renewal was cut off before its answer was stored: the new token "
        "went with it)"
    )
    assert caught.value.advice == "run: changewire connect work"


def test_where_the_server_takes_the_old_token_once_more_even_that_is_mended(
    sandbox: Sandbox, store: TokenStore, clock: ManualClock, tmp_path: Path, make_client: Callable[..., Client]
) -> None:
    sandbox.control("switch", refresh_grace_s=60)
    sign_in(sandbox, store, clock)
    _killed_between_answer_and_disk(sandbox, tmp_path)
    sandbox.control("expire_tokens")
    assert make_client().send(USERS).status == 200
    with store.renewal("work") as renewal:
        assert not renewal.interrupted
