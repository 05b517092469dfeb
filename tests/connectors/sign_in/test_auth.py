from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest

from changewire.connectors.client import Client, Request
from changewire.connectors.definition import SignIn, load_connector
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import mask
from changewire.testing import ManualClock
from tests.connectors.server import Reply, Seen, Server

S2S = {"type": "server_to_server", "account_id": "acc", "client_id": "cid", "client_secret": "a-client-secret"}
USERS = Request("GET", "/users")
MakeClient = Callable[..., Client]


@pytest.fixture
def tokens(server: Server) -> list[str]:
    """Tokens that were given out; `/v2/users` takes the last one only."""
    given: list[str] = []

    def sign_in(seen: Seen) -> Reply:
        given.append(f"token-number-{len(given) + 1}")
        return Reply(body={"access_token": given[-1], "token_type": "bearer", "expires_in": 3599})

    def users(seen: Seen) -> Reply:
        if given and seen.headers.get("authorization") == f"Bearer {given[-1]}":
            return Reply(body={"users": []})
        return Reply(401, {"code": 124, "message": "Invalid access token."})

    server.on("/oauth/token", sign_in)
    server.on("/v2/users", users)
    return given


def test_account_credentials_become_a_token(server: Server, make_client: MakeClient, tokens: list[str]) -> None:
    assert make_client(auth=S2S).send(USERS).data == {"users": []}

    asked, users = server.seen
    assert (asked.method, asked.path) == ("POST", "/oauth/token")
    assert asked.headers["authorization"] == "Basic Y2lkOmEtY2xpZW50LXNlY3JldA=="
    assert parse_qs(asked.body.decode()) == {"grant_type": ["account_credentials"], "account_id": ["acc"]}
    assert users.headers["authorization"] == "Bearer token-number-1"
    assert mask("it is token-number-1, from Y2lkOmEtY2xpZW50LXNlY3JldA==") == "it is ***, from ***"


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_refusal_without_words_is_told_by_its_status(server: Server, make_client: MakeClient, status: int) -> None:
    deep = b"[" * 1000 + b"]" * 1000
    server.on("/oauth/token", Reply(status, b'{"reason": %s, "error": %s, "message": {"a": 1}}' % (deep, deep)))
    with pytest.raises(ApiError) as caught:
        make_client(auth=S2S).send(USERS)
    assert str(caught.value).startswith(f"signing in to Zoom as 'work' failed (HTTP {status})")


def test_a_token_is_kept_until_a_minute_before_its_end(
    clock: ManualClock, make_client: MakeClient, tokens: list[str]
) -> None:
    client = make_client(auth=S2S)
    client.send(USERS)
    clock.advance(3538)
    client.send(USERS)
    assert len(tokens) == 1

    clock.advance(2)
    client.send(USERS)
    assert len(tokens) == 2


def test_many_threads_sign_in_once(make_client: MakeClient, tokens: list[str]) -> None:
    client, start = make_client(auth=S2S), threading.Barrier(8)

    def send() -> int:
        start.wait()
        return client.send(USERS).status

    with ThreadPoolExecutor(8) as pool:
        assert {one.result() for one in [pool.submit(send) for _ in range(8)]} == {200}
    assert len(tokens) == 1


def test_a_token_that_died_early_is_replaced_once_and_nobody_notices(
    make_client: MakeClient, tokens: list[str]
) -> None:
    client = make_client(auth=S2S)
    client.send(USERS)
    tokens.append("made-by-somebody-else")

    assert client.send(USERS).status == 200
    assert tokens[2:] == ["token-number-3"]


def test_an_api_that_refuses_every_token_is_not_asked_for_more_and_more(
    server: Server, clock: ManualClock, make_client: MakeClient, tokens: list[str]
) -> None:
    server.on("/v2/users", Reply(401, {"code": 124, "message": "Invalid access token."}))
    client = make_client(auth=S2S)
    for _ in range(5):
        with pytest.raises(ApiError) as caught:
            client.send(USERS)

    assert len(tokens) == 2
    assert caught.value.failure is FailureClass.CREDENTIAL
    assert str(caught.value) == (
        "Zoom (work) answered 401, code 124 to /users: Invalid access token: "
        "check that the app is activated and its credentials are right"
    )
    clock.advance(5)
    with pytest.raises(ApiError):
        client.send(USERS)
    assert len(tokens) == 3


def test_a_wrong_secret_is_told_and_not_tried_by_every_poll(
    server: Server, clock: ManualClock, make_client: MakeClient
) -> None:
    body = {"reason": "Invalid client_id or client_secret", "error": "invalid_client"}
    server.on("/oauth/token", Reply(400, body))
    client = make_client(auth=S2S)
    for _ in range(3):
        with pytest.raises(ApiError) as caught:
            client.send(USERS)

    assert str(caught.value) == (
        "signing in to Zoom as 'work' failed (HTTP 400: Invalid client_id or client_secret): "
        "check account_id, client_id and client_secret in connections.yaml, and that the app is activated"
    )
    assert (caught.value.failure, caught.value.code) == (FailureClass.CREDENTIAL, "invalid_client")
    assert len(server.seen) == 1
    clock.advance(2)
    with pytest.raises(ApiError):
        client.send(USERS)
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(500, b"<html>"), FailureClass.TRANSIENT),
        (Reply(429, b"{}"), FailureClass.RATE),
        (Reply(200, b"<html>"), FailureClass.TRANSIENT),
        (Reply(200, {"token_type": "bearer"}), FailureClass.TRANSIENT),
        (Reply(401, b"[]"), FailureClass.CREDENTIAL),
    ],
)
def test_other_failures_of_signing_in(
    server: Server, make_client: MakeClient, reply: Reply, failure: FailureClass
) -> None:
    server.on("/oauth/token", reply)

    with pytest.raises(ApiError, match="signing in to Zoom as 'work' failed") as caught:
        make_client(auth=S2S).send(USERS)
    assert caught.value.failure is failure


@pytest.mark.parametrize("own_address", [True, False])
def test_the_region_that_sign_in_names_is_used_unless_the_connection_has_an_address(
    server: Server, other_server: Server, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch, own_address: bool
) -> None:
    server.on("/oauth/token", Reply(body={"access_token": "a-token-for-all", "api_url": other_server.url}))
    for one in (server, other_server):
        one.on("/v2/users", Reply(body={"from": one.url}))
    zoom = load_connector("zoom")
    near = zoom.model_copy(update={"sign_in": SignIn(host=server.url, region_field="api_url")})
    monkeypatch.setattr("changewire.connectors.client.load_connector", lambda name: near)

    base_url, private = (server.url, False) if own_address else (None, True)
    answer = make_client(auth=S2S, base_url=base_url, allow_private=private).send(USERS)
    assert answer.data == {"from": server.url if own_address else other_server.url}


@pytest.mark.parametrize("lifetime", ["1e400", 10**15, 1e300, "nan", [], {}, True])
@pytest.mark.parametrize("region", [7, {}, ["x"], True])
def test_no_answer_to_a_sign_in_is_a_fault(
    server: Server, make_client: MakeClient, lifetime: object, region: object
) -> None:
    body = {"access_token": "a-token-for-all", "expires_in": lifetime, "api_url": region}
    server.on("/oauth/token", Reply(body=json.dumps(body).encode()))
    server.on("/v2/users", Reply(body={"users": []}))
    assert make_client(auth=S2S).send(USERS).data == {"users": []}


def test_a_region_is_data_so_it_must_be_public(
    server: Server, other_server: Server, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("/oauth/token", Reply(body={"access_token": "a-token-for-all", "api_url": other_server.url}))
    near = load_connector("zoom").model_copy(update={"sign_in": SignIn(host=server.url, region_field="api_url")})
    monkeypatch.setattr("changewire.connectors.client.load_connector", lambda name: near)

    with pytest.raises(ApiError, match="this machine itself, which is refused for addresses that come from data"):
        make_client(auth=S2S, base_url=None).send(USERS)
    assert not other_server.seen


@pytest.mark.parametrize(
    ("auth", "header", "value", "query"),
    [
        ({"type": "bearer", "token": "some-token"}, "authorization", "Bearer some-token", ""),
        ({"type": "basic", "username": "u", "password": "pass"}, "authorization", "Basic dTpwYXNz", ""),
        ({"type": "api_key", "name": "X-Key", "value": "k123", "in": "header"}, "x-key", "k123", ""),
        ({"type": "api_key", "name": "key", "value": "k 123", "in": "query"}, "authorization", None, "&key=k%20123"),
        ({"type": "none"}, "authorization", None, ""),
    ],
)
def test_credentials_that_never_change(
    server: Server, make_client: MakeClient, auth: dict[str, Any], header: str, value: str | None, query: str
) -> None:
    server.on("/x", Reply())
    make_client("http", auth=auth).send(Request("GET", "/x", query=(("a", "1"),)))

    assert server.seen[0].headers.get(header) == value
    assert server.seen[0].path == f"/x?a=1{query}"


def test_a_way_to_sign_in_that_the_connector_does_not_know_is_refused(make_client: MakeClient) -> None:
    with pytest.raises(UsageError) as caught:
        make_client(auth={"type": "basic", "username": "u", "password": "pass"})
    assert str(caught.value) == "Zoom cannot sign in by 'basic': use one of server_to_server, oauth, bearer"
