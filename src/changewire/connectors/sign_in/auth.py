"""Signing in: where the credentials of a request come from, and what happens when they are refused."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import urlencode

from changewire.clock import Clock, wall
from changewire.config.connections import (
    ApiKeyAuth,
    BasicAuth,
    BearerAuth,
    ClientCredentialsAuth,
    Connection,
    OAuthAuth,
    ServerToServerAuth,
)
from changewire.connectors.definition import Connector
from changewire.connectors.remote_numbers import LONGEST_TOKEN_S, bounded
from changewire.connectors.sign_in.credentials import (
    SIGN_IN_S,
    Auth,
    Credentials,
    FixedAuth,
    basic,
    learn_answer,
    words_of,
)
from changewire.connectors.sign_in.oauth import MAX_BYTES, SIGN_IN, OAuthApp
from changewire.connectors.sign_in.renewal import Fetched, RenewingAuth
from changewire.connectors.sign_in.token_store import TokenStore
from changewire.connectors.sign_in.user import UserSignIn
from changewire.connectors.transport.addresses import split_url
from changewire.connectors.transport.fetcher import Fetcher, Outgoing, Reply
from changewire.errors import ApiError, CredentialError, FailureClass, UsageError
from changewire.secret import masked_excerpt
from changewire.values import loads


class ServerToServer(RenewingAuth):
    """Account credentials change into a token that lives for an hour; one sign-in at a time."""

    def __init__(
        self,
        connection: Connection,
        auth: ServerToServerAuth,
        connector: Connector,
        fetcher: Fetcher,
        clock: Clock,
        stopping: threading.Event | None = None,
    ) -> None:
        if connector.sign_in is None:
            raise UsageError(f"{connector.title} has no place to sign in by 'server_to_server'")
        super().__init__(clock, stopping)
        self._connection, self._auth, self._fetcher = connection, auth, fetcher
        self._sign_in, self._title = connector.sign_in, connector.title

    def fetch(self, refused: str | None, deadline: float | None) -> Fetched:
        """A new token."""
        origin, target = split_url((self._connection.base_url or self._sign_in.host) + self._sign_in.path)
        auth = self._auth
        form = {"grant_type": "account_credentials", "account_id": auth.account_id}
        headers = {
            "Authorization": basic(auth.client_id, auth.client_secret.reveal()),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        out = Outgoing("POST", origin, target, headers, urlencode(form).encode(), own=(origin,))
        deadline = self._clock.monotonic() + SIGN_IN_S if deadline is None else deadline
        return self._read(self._fetcher.send(out, deadline=deadline, max_bytes=MAX_BYTES))

    def _read(self, reply: Reply) -> Fetched:
        try:
            data = loads(reply.body)
        except ValueError:
            data = None
        data = data if isinstance(data, dict) else {}
        learn_answer(data)
        token = data.get("access_token")
        if reply.status != 200 or not isinstance(token, str):
            raise self._refusal(reply.status, data)
        region = data.get(self._sign_in.region_field) if self._sign_in.region_field else None
        lifetime, scope = data.get("expires_in"), data.get("scope")
        lives_s = bounded(lifetime, 3600.0, LONGEST_TOKEN_S)
        region = region if isinstance(region, str) and region else None
        return Fetched(token, lives_s, region, tuple(scope.split()) if isinstance(scope, str) else None)

    def _refusal(self, status: int, data: Mapping[str, object]) -> ApiError:
        words = words_of(data, "reason", "message", "error_description", "error")
        said = f": {masked_excerpt(words, 300)}" if words else ""
        start = f"signing in to {self._title} as {self._connection.name!r} failed (HTTP {status}{said})"
        if status == 429:
            return ApiError(f"{start}; it is tried again", FailureClass.RATE, status=status)
        if status >= 500 or status < 400:
            return ApiError(f"{start}; it is tried again", FailureClass.TRANSIENT, status=status)
        advice = "check account_id, client_id and client_secret in connections.yaml, and that the app is activated"
        code = words_of(data, "error", "code") or None
        refusal = ApiError(f"{start}: {advice}", FailureClass.CREDENTIAL, status=status, code=code, reason=SIGN_IN)
        return CredentialError.of(refusal, self._connection.name, advice)


class AppItself(RenewingAuth):
    """An app's own credentials change into a token; one sign-in at a time."""

    def __init__(self, app: OAuthApp, clock: Clock, stopping: threading.Event | None = None) -> None:
        super().__init__(clock, stopping)
        self._app = app

    def fetch(self, refused: str | None, deadline: float | None) -> Fetched:
        """A new token."""
        grant = self._app.as_itself(deadline)
        lives = None if grant.expires_at is None else (grant.expires_at - wall(self._clock)).total_seconds()
        return Fetched(grant.access_token, lives, grant.region, grant.scopes)


def make_auth(
    connection: Connection,
    connector: Connector,
    fetcher: Fetcher,
    clock: Clock,
    tokens: TokenStore | None = None,
    stopping: threading.Event | None = None,
) -> Auth:
    """The way in that the connection's `auth` describes. ``tokens`` None: people's sign-ins are not kept here.

    ``stopping`` is set when the process stops, which ends waits for a token; None: never.

    Raises UsageError when the connector has no such way.
    """
    auth = connection.auth
    if auth.type not in connector.auth_types:
        known = ", ".join(connector.auth_types)
        raise UsageError(f"{connector.title} cannot sign in by {auth.type!r}: use one of {known}")
    if isinstance(auth, ServerToServerAuth):
        return ServerToServer(connection, auth, connector, fetcher, clock, stopping)
    if isinstance(auth, ClientCredentialsAuth):
        return AppItself(OAuthApp(connection, connector, fetcher, clock), clock, stopping)
    if isinstance(auth, OAuthAuth):
        if tokens is None:
            raise UsageError(f"connection {connection.name!r} needs a home that keeps its sign-in")
        return UserSignIn(OAuthApp(connection, connector, fetcher, clock), tokens, clock, stopping)
    if isinstance(auth, BearerAuth):
        return FixedAuth(Credentials({"Authorization": f"Bearer {auth.token.reveal()}"}))
    if isinstance(auth, BasicAuth):
        return FixedAuth(Credentials({"Authorization": basic(auth.username, auth.password.reveal())}))
    if isinstance(auth, ApiKeyAuth) and auth.in_ == "query":
        return FixedAuth(Credentials(query=((auth.name, auth.value.reveal()),)))
    return FixedAuth(Credentials({auth.name: auth.value.reveal()} if isinstance(auth, ApiKeyAuth) else {}))
