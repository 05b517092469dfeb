"""When an address that refuses puts the whole connection in doubt, and when it is alone with that."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changewire.connectors.client import Client, Request
from changewire.connectors.sign_in.refusals import MOST_PATHS, Refusals
from changewire.errors import ApiError, CredentialError, FailureClass
from tests.connectors.server import Reply, Server

Make = Callable[..., Client]
BEARER = {"type": "bearer", "token": "a-bearer-token"}
REFUSED = Reply(401, {"message": "Bad token"})


def test_an_address_is_alone_once_others_accept_what_it_refused() -> None:
    refusals = Refusals()
    assert [refusals.in_doubt("/a"), refusals.in_doubt("/b")] == [True, True]
    refusals.accepted("/c")
    assert [refusals.in_doubt("/a"), refusals.in_doubt("/b"), refusals.in_doubt("/d")] == [False, False, True]
    refusals.accepted("/a")
    assert [refusals.in_doubt("/a"), refusals.in_doubt("/d")] == [True, False]


def test_what_is_remembered_is_bounded() -> None:
    refusals = Refusals()
    for number in range(3 * MOST_PATHS):
        refusals.in_doubt(f"/{number}")
    assert len(refusals._refused) <= MOST_PATHS + 1


def test_a_refused_token_is_an_error_of_the_connection(server: Server, make_client: Make) -> None:
    server.on("/v1/a", REFUSED)
    client = make_client("http", base_url=f"{server.url}/v1", auth=BEARER)
    with pytest.raises(CredentialError) as caught:
        client.send(Request("GET", "/a"))
    error = caught.value
    assert (error.connection, error.advice, error.by_request) == ("work", "check the connection's credentials", True)
    assert (error.status, error.body) == (401, '{"message":"Bad token"}')
    assert client.sign_in() is False


def test_one_address_that_refuses_what_others_accept_is_no_error_of_the_connection(
    server: Server, make_client: Make
) -> None:
    server.on("/a", REFUSED, REFUSED)
    server.on("/b", Reply(200, {}))
    client = make_client("http", auth=BEARER)
    with pytest.raises(CredentialError):
        client.send(Request("GET", "/a"))
    client.send(Request("GET", "/b"))
    with pytest.raises(ApiError) as caught:
        client.send(Request("GET", "/a"))
    assert caught.value.failure is FailureClass.CREDENTIAL
    assert not isinstance(caught.value, CredentialError)


def test_nobody_is_in_doubt_who_shows_no_credentials(server: Server, other_server: Server, make_client: Make) -> None:
    server.on("/a", REFUSED)
    other_server.on("/a", REFUSED)
    for client, path in (
        (make_client("http", auth={"type": "none"}), "/a"),
        (make_client("http", auth=BEARER), f"{other_server.url}/a"),
    ):
        with pytest.raises(ApiError) as caught:
            client.send(Request("GET", path))
        assert not isinstance(caught.value, CredentialError)


def test_a_sign_in_asks_although_one_was_refused_just_now(server: Server, make_client: Make) -> None:
    auth = {"type": "server_to_server", "account_id": "acc", "client_id": "id", "client_secret": "the-secret"}
    server.on("/oauth/token", Reply(400, {"reason": "Invalid client"}), Reply(200, {"access_token": "fresh-token"}))
    server.on("/v2/users", Reply(200, {}))
    client = make_client(auth=auth)
    with pytest.raises(CredentialError) as caught:
        client.send(Request("GET", "/users"))
    assert (caught.value.by_request, caught.value.reason) == (False, "sign_in")
    with pytest.raises(CredentialError):
        client.send(Request("GET", "/users"))
    assert client.sign_in() is True
    assert client.send(Request("GET", "/users")).status == 200


def test_the_kept_answer_holds_no_secret_and_is_cut(server: Server, make_client: Make) -> None:
    server.on("/a", Reply(400, b"you sent a-bearer-token " + b"x" * 5000))
    with pytest.raises(ApiError) as caught:
        make_client("http", auth=BEARER).send(Request("GET", "/a"))
    assert caught.value.body == "you sent *** " + "x" * (2000 - len("you sent *** "))
