"""Sign-in of a server-to-server app, and the access tokens it gets."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass

from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.errors import JSON, ApiError
from changewire.sandbox.ids import IdMaker
from changewire.sandbox.switches import Switches

ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET = "sandbox-account", "sandbox-client", "sandbox-secret"


class SignInError(Exception):
    """A refused sign-in, answered as ``{"reason", "error"}``."""

    def __init__(self, error: str, reason: str) -> None:
        super().__init__(reason)
        self.body: JSON = {"reason": reason, "error": error}


@dataclass(frozen=True)
class Token:
    """An access token with the scopes it was issued for; ``expires`` in clock seconds."""

    text: str
    scopes: frozenset[str]
    expires: float


class TokenOffice:
    """Issues and checks access tokens. ``scopes`` are the app's, for tokens issued from now on."""

    def __init__(self, clock: SandboxClock, switches: Switches, ids: IdMaker, scopes: list[str]) -> None:
        self.scopes = list(scopes)
        self._clock = clock
        self._switches = switches
        self._ids = ids
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def sign_in(self, authorization: str, form: dict[str, str], site: str) -> JSON:
        """Answer a token request or raise SignInError."""
        if read_basic(authorization) != (CLIENT_ID, CLIENT_SECRET):
            raise SignInError("invalid_client", "Invalid client_id or client_secret")
        if form.get("grant_type") != "account_credentials":
            raise SignInError("unsupported_grant_type", "unsupported grant type")
        if form.get("account_id") != ACCOUNT_ID:
            raise SignInError("invalid_request", "Bad Request")
        if self._switches.new_token_kills_old:
            with self._lock:
                self._tokens.clear()
        return self.issue(self.scopes, site)

    def issue(self, scopes: list[str], site: str) -> JSON:
        """Return the answer with a new token for ``scopes``."""
        lifetime = self._switches.token_lifetime_s
        text = f"eyJzdiI6IjAwMDAwMiJ9.{self._ids.nonce(40)}.{self._ids.nonce(20)}"
        with self._lock:
            self._tokens[text] = Token(text, frozenset(scopes), self._clock.time() + lifetime)
        return {
            "access_token": text,
            "token_type": "bearer",
            "expires_in": lifetime,
            "scope": " ".join(scopes),
            "api_url": site,
        }

    def end(self, text: str) -> None:
        """Make a token an unknown one."""
        with self._lock:
            self._tokens.pop(text, None)

    def check(self, authorization: str) -> Token:
        """Return the live token of a Bearer header or raise ApiError (code 124)."""
        scheme, _, text = authorization.partition(" ")
        status = self._switches.token_error_status
        if scheme.lower() != "bearer" or not text.strip():
            raise ApiError(status, 124, "Requires an access token.")
        with self._lock:
            token = self._tokens.get(text.strip())
        if token is None:
            raise ApiError(status, 124, "Invalid access token.")
        if token.expires <= self._clock.time():
            raise ApiError(status, 124, "Access token is expired.")
        return token

    def expire_all(self) -> int:
        """Make every live token an expired one; returns how many."""
        with self._lock:
            for text, token in self._tokens.items():
                self._tokens[text] = Token(text, token.scopes, 0.0)
            return len(self._tokens)


def need_scope(token: Token, classic: tuple[str, ...], granular: tuple[str, ...]) -> None:
    """Raise ApiError (code 4711) unless the token has one of the scopes; no scopes, no need."""
    if (classic or granular) and token.scopes.isdisjoint(classic + granular):
        names = ", ".join(granular or classic)
        raise ApiError(400, 4711, f"Invalid access token, does not contain scopes:[{names}].")


def read_basic(authorization: str) -> tuple[str, str]:
    """Name and password of a Basic header; two empty texts where it is none."""
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret
