"""What is asked of sign-in servers, and what their answers mean: held against a real small server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.definition import load_connector
from changewire.connectors.sign_in.oauth import DeviceCode, OAuthApp
from changewire.connectors.sign_in.token_store import Grant
from changewire.connectors.transport.fetcher import Fetcher
from changewire.errors import ApiError, CredentialError, FailureClass, UsageError
from changewire.sandbox.sign_in.grants import challenge_of
from changewire.secret import mask
from changewire.testing import ManualClock
from tests.connectors.server import Reply, Seen, Server, connection

MakeClient = Callable[..., Client]
DEEP = b"[" * 1000 + b"]" * 1000
TOKEN = {"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 3600}
ITEMS = Request("GET", "/items")


def itself(server: Server, **more: object) -> dict[str, object]:
    """The `auth` of an app that signs in as itself."""
    auth = {"type": "client_credentials", "token_url": f"{server.url}/token", "client_id": "app"}
    return {**auth, "client_secret": "an-app-secret", **more}


@pytest.fixture
def app(server: Server, clock: ManualClock) -> OAuthApp:
    """An app with every place there is, on the server."""
    places = {name: f"{server.url}/{name}" for name in ("authorize", "token", "device", "revoke")}
    auth = {
        "type": "oauth", "client_id": "app", "client_secret": "an-app-secret", "scopes": ["read", "write"],
        "authorize_url": places["authorize"], "token_url": places["token"], "device_url": places["device"],
        "revoke_url": places["revoke"],
    }  # fmt: skip
    given = connection(server.url, "http", auth=auth)
    return OAuthApp(given, load_connector("http"), Fetcher(clock), clock)


def form_of(seen: Seen) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(seen.body.decode()).items()}


class TestAnAppThatSignsInAsItself:
    def test_it_asks_with_its_scopes_and_audience(self, server: Server, make_client: MakeClient) -> None:
        server.on("/token", Reply(body={**TOKEN, "scope": "read write"}))
        server.on("/items", Reply(body=[]))
        client = make_client("http", auth=itself(server, scopes="read write", audience="https://api.example.com"))
        assert client.send(ITEMS).data == []

        asked, items = server.seen
        assert form_of(asked) == {
            "grant_type": "client_credentials", "scope": "read write", "audience": "https://api.example.com",
        }  # fmt: skip
        assert asked.headers["authorization"] == "Basic YXBwOmFuLWFwcC1zZWNyZXQ="
        assert items.headers["authorization"] == "Bearer an-access-token"
        assert client.granted_scopes() == frozenset({"read", "write"})
        assert mask("an-access-token by YXBwOmFuLWFwcC1zZWNyZXQ=") == "*** by ***"

    def test_its_token_is_kept_until_a_minute_before_its_end(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/token", Reply(body=TOKEN))
        server.on("/items", Reply(body=[]))
        client = make_client("http", auth=itself(server))
        for seconds in (0, 3539, 1):
            clock.advance(seconds)
            client.send(ITEMS)
        assert server.paths().count("/token") == 2

    def test_one_without_an_end_is_kept_until_it_is_refused(
        self, server: Server, clock: ManualClock, make_client: MakeClient
    ) -> None:
        server.on("/token", Reply(body={"access_token": "an-endless-token"}))
        server.on("/items", Reply(body=[]), Reply(401, b"{}"), Reply(body=[]))
        client = make_client("http", auth=itself(server))
        client.send(ITEMS)
        clock.advance(86400 * 30)
        assert client.send(ITEMS).status == 200
        assert server.paths() == ["/token", "/items", "/items", "/token", "/items"]

    @pytest.mark.parametrize(
        ("reply", "failure", "words"),
        [
            (
                Reply(401, {"error": "invalid_client", "error_description": "unknown app"}),
                FailureClass.CREDENTIAL,
                "(HTTP 401: unknown app): check client_id, client_secret and scopes in connections.yaml, and that the "
                "app is activated",
            ),
            (
                Reply(400, {"error": "invalid_scope"}),
                FailureClass.CREDENTIAL,
                "(HTTP 400: invalid_scope): check client_id, client_secret and scopes in connections.yaml, and that "
                "the app is activated",
            ),
            (Reply(200, {"error": "slow", "error_description": "later"}), FailureClass.CREDENTIAL, "(HTTP 400: later)"),
            (
                Reply(400, b'{"error": "invalid_scope", "reason": %s, "message": [1]}' % DEEP),
                FailureClass.CREDENTIAL,
                "(HTTP 400: invalid_scope): check client_id",
            ),
            (
                Reply(503, b'{"error": %s, "error_description": {"a": 1}}' % DEEP),
                FailureClass.TRANSIENT,
                "(HTTP 503); ",
            ),
            (Reply(429, b"{}"), FailureClass.RATE, "(HTTP 429); it is tried again"),
            (Reply(503, b"<html>"), FailureClass.TRANSIENT, "(HTTP 503); it is tried again"),
            (Reply(200, b"<html>"), FailureClass.TRANSIENT, "(HTTP 502: an answer without a token)"),
            (Reply(200, b"[1]"), FailureClass.TRANSIENT, "(HTTP 502: an answer without a token)"),
        ],
    )
    def test_refusals_are_told_by_what_can_be_done(
        self, server: Server, make_client: MakeClient, reply: Reply, failure: FailureClass, words: str
    ) -> None:
        server.on("/token", reply)
        with pytest.raises(ApiError) as caught:
            make_client("http", auth=itself(server)).send(ITEMS)
        assert str(caught.value).startswith(f"signing in to HTTP as 'work' failed {words}")
        assert caught.value.failure is failure
        assert isinstance(caught.value, CredentialError) is (failure is FailureClass.CREDENTIAL)

    def test_an_answer_that_repeats_the_secret_is_masked(self, server: Server, make_client: MakeClient) -> None:
        server.on("/token", Reply(401, {"error": "invalid_client", "error_description": "no: an-app-secret"}))
        with pytest.raises(ApiError) as caught:
            make_client("http", auth=itself(server)).send(ITEMS)
        assert "an-app-secret" not in str(caught.value)


def test_the_address_of_the_page_has_what_it_needs_and_no_secret(app: OAuthApp) -> None:
    parts = urlsplit(app.authorize_url("http://127.0.0.1:5/callback", "the-state", "v" * 64))
    assert {name: values[0] for name, values in parse_qs(parts.query).items()} == {
        "response_type": "code", "client_id": "app", "redirect_uri": "http://127.0.0.1:5/callback",
        "scope": "read write", "state": "the-state", "code_challenge_method": "S256",
        "code_challenge": challenge_of("v" * 64),
    }  # fmt: skip


def test_a_code_becomes_tokens(server: Server, app: OAuthApp, clock: ManualClock) -> None:
    server.on("/token", Reply(body={**TOKEN, "refresh_token": "a-refresh-token", "scope": "read,write"}))
    grant = app.exchange("the-code", "http://127.0.0.1:5/callback", "the-verifier")
    assert form_of(server.seen[0]) == {
        "grant_type": "authorization_code", "redirect_uri": "http://127.0.0.1:5/callback", "code": "the-code",
        "code_verifier": "the-verifier",
    }  # fmt: skip
    assert (grant.refresh_token, grant.scopes) == ("a-refresh-token", ("read", "write"))
    assert mask("an-access-token a-refresh-token") == "*** ***"


def test_a_server_that_keeps_the_refresh_token_need_not_repeat_it(
    server: Server, app: OAuthApp, clock: ManualClock
) -> None:
    server.on("/token", Reply(body=TOKEN))
    before = Grant("an-old-token", "a-lasting-token", clock.now(), ("read",), None, "app", clock.now())
    after = app.refresh(before)
    assert form_of(server.seen[0]) == {"grant_type": "refresh_token", "refresh_token": "a-lasting-token"}
    assert (after.access_token, after.refresh_token, after.scopes) == ("an-access-token", "a-lasting-token", ("read",))


def test_a_device_asks_slower_when_told_and_goes_on_through_hiccups(
    server: Server, app: OAuthApp, clock: ManualClock
) -> None:
    device = {"device_code": "a-device-code", "user_code": "AB-CD", "verification_uri": "https://x.example.com"}
    server.on("/device", Reply(body={**device, "expires_in": 600, "interval": 2}))
    server.on(
        "/token",
        Reply(400, {"error": "authorization_pending"}),
        Reply(400, {"error": "slow_down"}),
        Reply(503, b""),
        Reply(400, {"error": "authorization_pending"}),
        Reply(body=TOKEN),
    )
    code = app.begin_device()
    assert (code.user_code, code.address, code.whole_address) == ("AB-CD", "https://x.example.com", None)
    assert form_of(server.seen[0]) == {"client_id": "app", "scope": "read write"}

    assert app.await_device(code, lambda ask: ask()).access_token == "an-access-token"
    assert clock.waits == [2, 2, 7, 7, 7]
    assert form_of(server.seen[1]) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "a-device-code",
    }  # fmt: skip


@pytest.mark.parametrize("lifetime", ["1e400", 10**15, 1e300, -1, "soon", "nan", [], {}, True, None, 0])
def test_no_lifetime_that_a_server_names_is_a_fault(server: Server, app: OAuthApp, lifetime: object) -> None:
    server.on("/token", Reply(body=json.dumps({**TOKEN, "expires_in": lifetime}).encode()))
    grant = app.exchange("a-code", "http://127.0.0.1/", "a-verifier")
    latest = grant.signed_in_at + timedelta(days=365)
    assert grant.expires_at is None or grant.signed_in_at <= grant.expires_at <= latest


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [(b"%s", ()), (b'["a", %s, "b"]', ("a", "b")), (b'{"a": %s}', ()), (b'["a", true]', ("a",)), (b"7", ("7",))],
)
def test_no_scope_that_a_server_names_is_a_fault(
    server: Server, app: OAuthApp, scope: bytes, scopes: tuple[str, ...]
) -> None:
    scope = scope % DEEP if b"%s" in scope else scope
    server.on("/token", Reply(body=b'{"access_token": "an-access-token", "scope": %s}' % scope))
    assert app.exchange("a-code", "http://127.0.0.1/", "a-verifier").scopes == scopes


@pytest.mark.parametrize("interval", [0, -5, "0", 1e300, "1e400", "nan", None])
def test_a_device_asks_neither_all_the_time_nor_never(
    server: Server, app: OAuthApp, clock: ManualClock, interval: object
) -> None:
    device = {"device_code": "a-device-code", "user_code": "AB-CD", "verification_uri": "https://x.example.com"}
    server.on("/device", Reply(body={**device, "expires_in": 1e300, "interval": interval}))
    server.on("/token", Reply(400, {"error": "authorization_pending"}))
    with pytest.raises(CredentialError, match="expired_token"):
        app.await_device(app.begin_device(), lambda ask: ask())
    assert 60 <= len(clock.waits) <= 3600
    assert clock.monotonic() <= 3660


def test_a_device_gives_up_when_its_code_has_ended(server: Server, app: OAuthApp, clock: ManualClock) -> None:
    server.on("/token", Reply(400, {"error": "authorization_pending"}))
    with pytest.raises(CredentialError, match=r"expired_token\): the code was not used in time"):
        app.await_device(DeviceCode("a-device-code", "AB-CD", "https://x", None, 60, 5), lambda ask: ask())
    assert clock.monotonic() == 60


def test_tokens_are_ended_both(server: Server, app: OAuthApp, clock: ManualClock) -> None:
    server.on("/revoke", Reply(200, b""), Reply(400, {"error": "invalid_request"}))
    assert app.revoke(Grant("an-access-token", "a-refresh-token", None, None, None, "app", clock.now()))
    assert [form_of(seen)["token"] for seen in server.seen] == ["a-refresh-token", "an-access-token"]


def test_a_public_app_names_itself_and_has_no_secret_to_send(server: Server, clock: ManualClock) -> None:
    auth = {"type": "oauth", "client_id": "public & app", "token_url": f"{server.url}/token"}
    given = connection(server.url, "http", auth={**auth, "device_url": f"{server.url}/device"})
    server.on("/token", Reply(body=TOKEN))
    app = OAuthApp(given, load_connector("http"), Fetcher(clock), clock)
    app.exchange("the-code", "http://127.0.0.1:5/callback", "the-verifier")
    assert form_of(server.seen[0])["client_id"] == "public & app"
    assert "authorization" not in server.seen[0].headers
    with pytest.raises(UsageError, match="HTTP has no page to sign in: use --device, or write authorize_url"):
        app.authorize_url("http://127.0.0.1:5/callback", "state", "verifier")


def test_a_sign_in_without_a_home_that_keeps_it_is_refused(server: Server, clock: ManualClock) -> None:
    auth = {"type": "oauth", "client_id": "app"}
    with pytest.raises(UsageError, match="connection 'work' needs a home that keeps its sign-in"):
        Client(connection(server.url, auth=auth), clock, HttpSettings())


@pytest.mark.parametrize(
    ("auth", "name", "value"),
    [
        ({"type": "bearer", "token": "a-bearer-token"}, "authorization", "Bearer a-bearer-token"),
        ({"type": "basic", "username": "me", "password": "a-pass"}, "authorization", "Basic bWU6YS1wYXNz"),
        ({"type": "api_key", "name": "X-Key", "value": "a-key-value"}, "x-key", "a-key-value"),
    ],
)
def test_credentials_that_stand_in_the_file_go_into_headers(
    server: Server, make_client: MakeClient, auth: dict[str, str], name: str, value: str
) -> None:
    server.on("/items", Reply(body=[]))
    make_client("http", auth=auth).send(ITEMS)
    assert server.seen[0].headers[name] == value


def test_a_key_may_stand_in_the_query_beside_others(server: Server, make_client: MakeClient) -> None:
    server.on("/items", Reply(body=[]))
    auth = {"type": "api_key", "name": "key", "value": "a key & more", "in": "query"}
    make_client("http", auth=auth).send(Request("GET", "/items", query=(("page", "2"),)))
    assert server.paths() == ["/items?page=2&key=a%20key%20%26%20more"]
