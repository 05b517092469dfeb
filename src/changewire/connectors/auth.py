"""Signing in: where the credentials of a request come from, and what happens when they are refused."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from changewire.clock import Clock
from changewire.config.connections import ApiKeyAuth, BasicAuth, BearerAuth, Connection, ServerToServerAuth
from changewire.connectors.definition import Connector
from changewire.connectors.fetcher import Fetcher, Outgoing, Reply
from changewire.connectors.routes import split_url
from changewire.errors import ApiError, CredentialError, FailureClass, UsageError
from changewire.secret import learn, mask
from changewire.values import loads

EARLY_S = 60.0  # a token is renewed so long before it ends
REMEMBER_S = 2.0  # how long a failed sign-in answers for the next ones: those that were under way with it
FORCED_S = 5.0  # an API that refuses every new token is not asked for another one more often
MAX_BYTES = 65536


@dataclass(frozen=True)
class Credentials:
    """What is added to a request; the same object until it ends, so callers can keep what they made of it."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    region: str | None = None  # host that the sign-in named for this account; None: none


class Auth(Protocol):
    """One connection's way to sign in; thread-safe."""

    def get(self, deadline: float | None = None) -> Credentials:
        """Valid credentials, signing in where necessary. Raises ApiError."""

    def refused(self, credentials: Credentials) -> bool:
        """The API did not accept ``credentials``: forget them. True when others can be had."""

    def sign_in(self) -> bool:
        """Sign in anew, whatever is remembered. False where there is nothing to sign in to. Raises ApiError."""


class FixedAuth:
    """Credentials that never change: none, a bearer token, a user name and password, or an API key."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get(self, deadline: float | None = None) -> Credentials:
        """Always the same."""
        return self._credentials

    def refused(self, credentials: Credentials) -> bool:
        """There are no others."""
        return False

    def sign_in(self) -> bool:
        """There is no sign-in."""
        return False


class ServerToServer:
    """Account credentials change into a token that lives for an hour; one sign-in at a time."""

    def __init__(
        self, connection: Connection, auth: ServerToServerAuth, connector: Connector, fetcher: Fetcher, clock: Clock
    ) -> None:
        if connector.sign_in is None:
            raise UsageError(f"{connector.title} has no place to sign in by 'server_to_server'")
        self._connection, self._auth, self._fetcher, self._clock = connection, auth, fetcher, clock
        self._sign_in, self._title = connector.sign_in, connector.title
        self._lock = threading.Lock()
        self._current: Credentials | None = None
        self._renew_at = 0.0
        self._failure: ApiError | None = None
        self._failure_until = 0.0
        self._forced_at: float | None = None

    def get(self, deadline: float | None = None) -> Credentials:
        """The present token, or a new one a minute before it ends."""
        current = self._current
        if current is not None and self._clock.monotonic() < self._renew_at:
            return current
        with self._lock:
            if self._current is not None and self._clock.monotonic() < self._renew_at:
                return self._current
            return self._renew(deadline)

    def refused(self, credentials: Credentials) -> bool:
        """Forget the token, unless another thread has a new one already."""
        with self._lock:
            if self._current is not credentials:
                return True
            now = self._clock.monotonic()
            if self._forced_at is not None and now - self._forced_at < FORCED_S:
                return False
            self._forced_at, self._current = now, None
            return True

    def sign_in(self) -> bool:
        """A new token, also right after a sign-in that failed."""
        with self._lock:
            self._failure = None
            self._renew(None)
        return True

    def _renew(self, deadline: float | None) -> Credentials:
        now = self._clock.monotonic()
        if self._failure is not None and now < self._failure_until:
            raise _again(self._failure)
        try:
            token, lifetime, region = self._ask(deadline)
        except ApiError as error:
            self._failure = error
            self._failure_until = now + REMEMBER_S
            raise
        self._failure = None
        self._renew_at = now + max(lifetime - EARLY_S, lifetime / 2)
        self._current = Credentials({"Authorization": f"Bearer {token}"}, region=region)
        return self._current

    def _ask(self, deadline: float | None) -> tuple[str, float, str | None]:
        origin, target = split_url((self._connection.base_url or self._sign_in.host) + self._sign_in.path)
        auth = self._auth
        form = {"grant_type": "account_credentials", "account_id": auth.account_id}
        headers = {
            "Authorization": basic(auth.client_id, auth.client_secret.reveal()),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        out = Outgoing("POST", origin, target, headers, urlencode(form).encode(), home=origin)
        return self._read(self._fetcher.send(out, deadline=deadline, max_bytes=MAX_BYTES))

    def _read(self, reply: Reply) -> tuple[str, float, str | None]:
        try:
            data = loads(reply.body)
        except ValueError:
            data = None
        data = data if isinstance(data, dict) else {}
        token = data.get("access_token")
        if reply.status != 200 or not isinstance(token, str):
            raise self._refusal(reply.status, data)
        learn(token, passing=True)
        region = data.get(self._sign_in.region_field) if self._sign_in.region_field else None
        lifetime = data.get("expires_in")
        return token, float(lifetime) if isinstance(lifetime, int | float) else 3600.0, region or None

    def _refusal(self, status: int, data: Mapping[str, object]) -> ApiError:
        words = data.get("reason") or data.get("message") or data.get("error_description") or data.get("error")
        code = data.get("error") or data.get("code")
        said = f": {mask(str(words))[:300]}" if words else ""
        start = f"signing in to {self._title} as {self._connection.name!r} failed (HTTP {status}{said})"
        if status == 429:
            return ApiError(f"{start}; it is tried again", FailureClass.RATE, status=status)
        if status >= 500 or status < 400:
            return ApiError(f"{start}; it is tried again", FailureClass.TRANSIENT, status=status)
        advice = "check account_id, client_id and client_secret in connections.yaml, and that the app is activated"
        text = None if code is None else str(code)
        name = self._connection.name
        refusal = ApiError(f"{start}: {advice}", FailureClass.CREDENTIAL, status=status, code=text, reason="sign_in")
        return CredentialError.of(refusal, name, advice)


def make_auth(connection: Connection, connector: Connector, fetcher: Fetcher, clock: Clock) -> Auth:
    """The way in that the connection's `auth` describes. Raises UsageError when the connector has no such way."""
    auth = connection.auth
    if auth.type not in connector.auth_types:
        known = ", ".join(connector.auth_types)
        raise UsageError(f"{connector.title} cannot sign in by {auth.type!r}: use one of {known}")
    if isinstance(auth, ServerToServerAuth):
        return ServerToServer(connection, auth, connector, fetcher, clock)
    if isinstance(auth, BearerAuth):
        return FixedAuth(Credentials({"Authorization": f"Bearer {auth.token.reveal()}"}))
    if isinstance(auth, BasicAuth):
        return FixedAuth(Credentials({"Authorization": basic(auth.username, auth.password.reveal())}))
    if isinstance(auth, ApiKeyAuth) and auth.in_ == "query":
        return FixedAuth(Credentials(query=((auth.name, auth.value.reveal()),)))
    return FixedAuth(Credentials({auth.name: auth.value.reveal()} if isinstance(auth, ApiKeyAuth) else {}))


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for a user name and password; `mask` knows it afterwards."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    learn(encoded)
    return f"Basic {encoded}"


def _again(error: ApiError) -> ApiError:
    """The same failure for the next caller, without the first one's traceback."""
    if isinstance(error, CredentialError):
        return CredentialError.of(error, error.connection, error.advice, by_request=error.by_request)
    return ApiError(
        str(error),
        error.failure,
        status=error.status,
        code=error.code,
        retry_at=error.retry_at,
        reason=error.reason,
    )
