"""A person signs in: by the browser of this machine, or with a code at any other device."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from changewire.clock import Clock
from changewire.config.connections import Connection, OAuthAuth
from changewire.config.settings import HttpSettings
from changewire.connectors.definition import load_connector
from changewire.connectors.sign_in.loopback import Loopback
from changewire.connectors.sign_in.oauth import DeviceCode, OAuthApp
from changewire.connectors.sign_in.token_store import Grant, TokenStore
from changewire.connectors.transport.fetcher import Fetcher
from changewire.errors import UsageError
from changewire.secret import learn

WAIT_S = 600.0  # a person may have to look for a second factor first


@dataclass
class SigningIn:
    """Signing in to one connection; ``tokens`` keep what comes of it. Raises UsageError where nobody signs in."""

    connection: Connection
    tokens: TokenStore
    clock: Clock
    http: HttpSettings

    def __post_init__(self) -> None:
        auth = self.connection.auth
        if not isinstance(auth, OAuthAuth):
            raise UsageError(
                f"nobody signs in to connection {self.connection.name!r}: it uses {auth.type!r}, whose credentials "
                f"stand in the files; `changewire check {self.connection.name}` tries them"
            )
        connector = load_connector(self.connection.connector)
        timeout = (self.connection.timeout or self.http.timeout).total_seconds()
        private = self.connection.allow_private or self.http.allow_private
        self._fetcher = Fetcher(self.clock, read_s=timeout, allow_private=private)
        self.app = OAuthApp(self.connection, connector, self._fetcher, self.clock)
        self._port = auth.redirect_port or (connector.sign_in.redirect_port if connector.sign_in else None)

    @property
    def by_browser(self) -> bool:
        """Whether the server has a page for browsers."""
        return self.app.places.authorize is not None

    @property
    def by_code(self) -> bool:
        """Whether the server gives codes for other devices."""
        return self.app.places.device is not None

    def with_browser(self, show: Callable[[str, str], None]) -> Grant:
        """Let a person agree in a browser; ``show`` is told the page's address and where the browser comes back.

        Raises UsageError, ApiError, and ChangewireError when it is refused or takes too long.
        """
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
        learn(verifier, passing=True)
        with Loopback(self._port, state) as back:
            show(self.app.authorize_url(back.url, state, verifier), back.url)
            code = back.wait(self.clock, WAIT_S)
            return self._keep(lambda: self.app.exchange(code, back.url, verifier))

    def with_code(self, show: Callable[[DeviceCode], None]) -> Grant:
        """Let a person agree at another device; ``show`` is told what to do there. Raises UsageError, ApiError."""
        device = self.app.begin_device()
        show(device)
        return self.app.await_device(device, self._keep)

    def forget(self) -> bool | None:
        """End the sign-in at the server and delete it here; None: there was none, False: only deleted here.

        Raises ApiError, and then nothing is deleted.
        """
        with self.tokens.renewal(self.connection.name) as renewal:
            grant = renewal.read()
            if grant is None:
                return None
            revoked = self.app.revoke(grant)
            renewal.forget()
        return revoked

    def close(self) -> None:
        """Close all connections."""
        self._fetcher.close()

    def _keep(self, get: Callable[[], Grant]) -> Grant:
        """Nobody renews while an answer is on its way, or the old sign-in might be stored over the new one."""
        with self.tokens.renewal(self.connection.name) as renewal:
            renewal.reserve()
            try:
                grant = get()
            except BaseException:
                renewal.give_up()
                raise
            renewal.write(grant)
        return grant
