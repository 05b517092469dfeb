"""What is added to a request so that the API knows who asks."""

from __future__ import annotations

import base64
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from changewire.errors import ApiError, CredentialError
from changewire.secret import learn
from changewire.values import scalar_text

_CREDENTIAL = re.compile("token$|secret|assertion|password|ticket|device_code|^authorization_code$", re.IGNORECASE)
_MOST_CREDENTIALS = 16
SIGN_IN_S = 60.0  # that a sign-in takes at most if nothing else bounds it


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

    def scopes(self, deadline: float | None = None) -> frozenset[str] | None:
        """What these credentials may do, signing in where necessary; None: nobody said. Raises ApiError."""

    def mark(self) -> str | None:
        """A word that changes when a person signed in anew; None: nobody can, other than by editing files."""


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

    def scopes(self, deadline: float | None = None) -> frozenset[str] | None:
        """Such credentials do not tell."""
        return None

    def mark(self) -> str | None:
        """They stand in the files."""
        return None


def basic(user: str, password: str) -> str:
    """The value of an Authorization header for a user name and password; `mask` knows it afterwards."""
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    learn(encoded)
    return f"Basic {encoded}"


def learn_answer(data: object) -> None:
    """Have `mask` hide the credentials in a server's answer to a sign-in, also in one that refuses it.

    Only the first of very many, so that those of other connections stay known.
    """
    waiting, left = deque([data]), _MOST_CREDENTIALS
    while waiting and left:
        one = waiting.popleft()
        for name, value in one.items() if isinstance(one, dict) else ():
            if isinstance(value, str) and left and _CREDENTIAL.search(str(name)):
                learn(value, passing=True)
                left -= 1
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def words_of(data: Mapping[str, object], *names: str) -> str:
    """Return what a server says in the first of its fields that has words, or ""."""
    return next((words for name in names if (words := scalar_text(data.get(name)))), "")


def again(error: ApiError) -> ApiError:
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
