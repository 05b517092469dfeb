"""Tokens that end: one sign-in at a time, renewed early, and a failure answers for the next ones for a while."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from changewire.clock import Clock
from changewire.connectors.sign_in.credentials import SIGN_IN_S, Credentials, again
from changewire.errors import ApiError, FailureClass, ShutdownError

EARLY_S = 60.0  # a token is renewed so long before it ends
REMEMBER_S = 2.0  # how long a failed sign-in answers for the next ones: those that were under way with it
LOOK_S = 0.1  # between two looks whether the wait for another request's sign-in is over
FORCED_S = 5.0  # an API that refuses every new token is not asked for another one more often


@dataclass(frozen=True)
class Fetched:
    """A token as it was just got."""

    token: str = field(repr=False)
    lives_s: float | None  # None: until it is refused
    region: str | None = None
    scopes: tuple[str, ...] | None = None  # None: the server did not say


class RenewingAuth(ABC):
    """Bearer tokens that are fetched when needed; thread-safe. Subclasses say how in `fetch`."""

    def __init__(self, clock: Clock, stopping: threading.Event | None = None) -> None:
        self._clock, self._stopping = clock, stopping
        self._lock = threading.Lock()  # for moments
        self._renewing = threading.Lock()  # for as long as a server takes
        self._current: Credentials | None = None
        self._token: str | None = None
        self._scopes: tuple[str, ...] | None = None
        self._renew_at = 0.0
        self._failure: ApiError | None = None
        self._failure_until = 0.0
        self._failed_with: str | None = None
        self._forced_at: float | None = None

    @abstractmethod
    def fetch(self, refused: str | None, deadline: float | None) -> Fetched:
        """A token other than ``refused``. One caller at a time. Raises ApiError."""

    def mark(self) -> str | None:
        """No person signs in here."""
        return None

    def get(self, deadline: float | None = None) -> Credentials:
        """The present token, or a new one a minute before it ends."""
        current = self._current
        if current is not None and self._clock.monotonic() < self._renew_at:
            return current
        with self._turn(deadline):
            current = self._current
            if current is not None and self._clock.monotonic() < self._renew_at:
                return current
            return self._renew(deadline)

    def sign_in(self) -> bool:
        """Get a token, also right after a sign-in that failed."""
        deadline = self._clock.monotonic() + SIGN_IN_S
        with self._turn(deadline):
            self._failure = None
            self._renew(deadline)
        return True

    def scopes(self, deadline: float | None = None) -> frozenset[str] | None:
        """What the present token may do."""
        self.get(deadline)
        return None if self._scopes is None else frozenset(self._scopes)

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

    @contextmanager
    def _turn(self, deadline: float | None) -> Iterator[None]:
        """Be the only one who renews. Raises ApiError at ``deadline`` (None: after a minute), and ShutdownError."""
        end = self._clock.monotonic() + SIGN_IN_S if deadline is None else deadline
        while not self._renewing.acquire(timeout=LOOK_S):
            if self._stopping is not None and self._stopping.is_set():
                raise ShutdownError
            if self._clock.monotonic() >= end:
                message = "another request is signing in and takes long: it is tried again"
                raise ApiError(message, FailureClass.TRANSIENT, sent=False)
        try:
            yield
        finally:
            self._renewing.release()

    def _renew(self, deadline: float | None) -> Credentials:
        now, mark = self._clock.monotonic(), self.mark()
        if self._failure is not None and now < self._failure_until and mark == self._failed_with:
            raise again(self._failure)
        # A token that is merely old may be handed out again by whoever renewed it in the meantime.
        refused = self._token if self._current is None else None
        try:
            fetched = self.fetch(refused, deadline)
        except ApiError as error:
            self._failure, self._failed_with = error, mark
            self._failure_until = now + REMEMBER_S
            raise
        self._failure = None
        lives = fetched.lives_s
        credentials = Credentials({"Authorization": f"Bearer {fetched.token}"}, region=fetched.region)
        with self._lock:
            self._renew_at = float("inf") if lives is None else now + max(lives - EARLY_S, lives / 2)
            self._token, self._scopes, self._current = fetched.token, fetched.scopes, credentials
        return credentials
