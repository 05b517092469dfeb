"""The sign-in of a person, renewed for as long as the person lets it."""

from __future__ import annotations

import threading

from changewire.clock import Clock, wall
from changewire.connectors.sign_in.oauth import SIGN_IN_AGAIN, OAuthApp
from changewire.connectors.sign_in.renewal import EARLY_S, Fetched, RenewingAuth
from changewire.connectors.sign_in.token_store import Grant, Renewal, TokenStore
from changewire.errors import ApiError, CredentialError, FailureClass, StateError


class UserSignIn(RenewingAuth):
    """Tokens from the store; the one process that finds them old renews them for all.

    The new refresh token is on the disk before the new access token is used. A process killed between the server's
    answer and that moment loses the sign-in: the server has given up the old refresh token, and nobody has the new one.
    """

    def __init__(self, app: OAuthApp, store: TokenStore, clock: Clock, stopping: threading.Event | None = None) -> None:
        super().__init__(clock, stopping)
        self._app, self._store = app, store
        self._unwritten: Grant | None = None  # got, but the disk did not take it

    def mark(self) -> str | None:
        """Changes when somebody signed in, by whichever process."""
        return self._store.mark(self._app.name)

    def fetch(self, refused: str | None, deadline: float | None) -> Fetched:
        """What is stored, renewed where that is old or was refused."""
        try:
            grant = self._stored()
            if grant is None or not self._usable(grant, refused):
                with self._store.renewal(self._app.name, deadline, self._stopping) as renewal:
                    grant = self._renewed(renewal, refused, deadline)
        except StateError as error:
            raise self._broken(f"{error}; mend that, or {self._advice}") from error
        return Fetched(grant.access_token, self._lives(grant), grant.region, grant.scopes)

    def _stored(self) -> Grant | None:
        grant = None if self._unwritten else self._store.read(self._app.name)
        if grant is not None and grant.client_id != self._app.auth.client_id:
            raise self._ended("was signed in to another app than client_id names now")
        return grant

    def _renewed(self, renewal: Renewal, refused: str | None, deadline: float | None) -> Grant:
        if self._unwritten is not None:
            return self._keep(renewal, self._unwritten)
        grant = self._stored()  # once more: somebody else may have renewed it while we waited
        if grant is None:
            raise self._ended("is not signed in")
        if self._usable(grant, refused):
            return grant
        if grant.refresh_token is None:
            raise self._ended("has come to the end of its sign-in, which cannot be renewed")
        renewal.reserve()
        try:
            new = self._app.refresh(grant, deadline)
        except ApiError as error:
            if error.failure is not FailureClass.TRANSIENT or not error.sent:
                renewal.give_up()
            if renewal.interrupted and isinstance(error, CredentialError) and error.reason == SIGN_IN_AGAIN:
                raise _explained(error) from error
            raise
        return self._keep(renewal, new)

    def _keep(self, renewal: Renewal, grant: Grant) -> Grant:
        self._unwritten = grant
        try:
            renewal.write(grant)
        except StateError as error:
            raise ApiError(f"{error}: free it, it is tried again", FailureClass.TRANSIENT, sent=False) from error
        self._unwritten = None
        return grant

    def _usable(self, grant: Grant, refused: str | None) -> bool:
        lives = self._lives(grant)
        return grant.access_token != refused and (lives is None or lives > EARLY_S)

    def _lives(self, grant: Grant) -> float | None:
        return None if grant.expires_at is None else (grant.expires_at - wall(self._clock)).total_seconds()

    def _ended(self, what: str) -> CredentialError:
        return self._broken(f"connection {self._app.name!r} {what}; {self._advice}")

    def _broken(self, message: str) -> CredentialError:
        error = CredentialError(message, self._app.name, self._advice)
        error.sent, error.reason = False, SIGN_IN_AGAIN
        return error

    @property
    def _advice(self) -> str:
        return f"run: changewire connect {self._app.name}"


def _explained(error: CredentialError) -> CredentialError:
    """The one loss that cannot be helped has its name."""
    message = f"{error} (an earlier renewal was cut off before its answer was stored: the new token went with it)"
    told = ApiError(message, error.failure, status=error.status, code=error.code, reason=error.reason)
    return CredentialError.of(told, error.connection, error.advice)
