"""The sign-ins of people: kept encrypted, one file for each connection, replaced whole or not at all.

A refresh token works once, so that losing the next one means signing in again. What can be lost is narrowed to the
moment between the server's answer and the rename: the room on the disk is taken before anything is asked, one process
at a time renews, and nobody uses what is not stored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from changewire.clock import Clock, from_text, to_text
from changewire.connectors.sign_in.vault import Vault
from changewire.errors import ApiError, FailureClass, ShutdownError, StateError
from changewire.file_reader import read_file, unreadable_reason
from changewire.secret import learn
from changewire.values import dumps, loads

RESERVED = 65536  # bytes; no sign-in is longer
LOOK_AGAIN_S = 0.05
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Grant:
    """What a person allowed an app: the tokens and what is known of them."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)  # None: the sign-in ends with the access token
    expires_at: datetime | None  # of the access token; None: when it is refused
    scopes: tuple[str, ...] | None  # None: the server did not say
    region: str | None  # host of the API, where the sign-in named one
    client_id: str  # of the app that it was given to
    signed_in_at: datetime  # when the person did

    def to_bytes(self) -> bytes:
        """As it is stored, before it is sealed."""
        data = asdict(self)
        for name in ("expires_at", "signed_in_at"):
            data[name] = to_text(data[name]) if data[name] else None
        return dumps({"v": 1, **data})

    @classmethod
    def from_bytes(cls, text: bytes) -> Grant:
        """The opposite. Raises ValueError, KeyError or TypeError for anything else, StateError for a later form."""
        data: dict[str, Any] = loads(text)
        if data.pop("v") != 1:
            raise StateError("it was stored by a later version of Changewire: install that one")
        expires, scopes = data["expires_at"], data["scopes"]
        data |= {
            "expires_at": from_text(expires) if expires else None,
            "signed_in_at": from_text(data["signed_in_at"]),
            "scopes": None if scopes is None else tuple(scopes),
        }
        return cls(**data)


class Renewal:
    """The right to replace one connection's sign-in, while nobody else may; see `TokenStore.renewal`."""

    def __init__(self, store: TokenStore, name: str) -> None:
        self._store, self._name = store, name
        self._new = store.path(name).with_suffix(".new")
        self.interrupted = self._new.exists()  # an earlier renewal was killed before its answer was stored

    def read(self) -> Grant | None:
        """What is stored now; None: nothing. Raises StateError."""
        return self._store.read(self._name)

    def reserve(self) -> None:
        """Make sure that an answer can be stored, before it is asked for. Raises StateError."""
        try:
            file = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, RESERVED)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, grant: Grant) -> None:
        """Store ``grant``; when this returns it outlives a power cut. Raises StateError."""
        sealed = self._store.vault.seal(grant.to_bytes())
        try:
            file = os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "r+b") as stream:
                stream.write(sealed)
                stream.truncate()
                stream.flush()
                os.fsync(file)
            self._new.replace(self._store.path(self._name))
            self._store.sync_folder()
        except OSError as error:
            raise self._unwritable(error) from error

    def give_up(self) -> None:
        """The answer was a refusal, or there is nothing to store: the room is free again."""
        with contextlib.suppress(OSError):
            self._new.unlink(missing_ok=True)

    def forget(self) -> None:
        """Delete what is stored. Raises StateError."""
        try:
            self.give_up()
            self._store.path(self._name).unlink(missing_ok=True)
            self._store.sync_folder()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StateError:
        reason = (error.strerror or str(error)).lower()
        return StateError(f"the sign-in of {self._name!r} cannot be stored in {self._store.folder}: {reason}")


class TokenStore:
    """The sign-ins of a home, in ``folder`` (``state/tokens``); safe for threads and for several processes."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder, self._clock = folder, clock
        self.vault = Vault(folder)

    @classmethod
    def of_home(cls, home: Path, clock: Clock) -> TokenStore:
        """That of a home."""
        return cls(home / "state" / "tokens", clock)

    def path(self, name: str) -> Path:
        """The file of a connection. Names of connections are harmless as names of files."""
        return self.folder / f"{name}.token"

    def read(self, name: str) -> Grant | None:
        """The sign-in of a connection; None: there is none. Raises StateError where it cannot be read."""
        try:
            sealed = read_file(self.path(name))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self.path(name)} cannot be read: {unreadable_reason(error)}") from error
        try:
            grant = Grant.from_bytes(self.vault.open(sealed))
        except (ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self.path(name)} is damaged: sign in again with `changewire connect {name}`") from error
        except StateError as error:
            raise StateError(f"the sign-in of {name!r} cannot be read: {error}") from error
        learn_tokens(grant)
        return grant

    def mark(self, name: str) -> str:
        """A word that changes whenever the sign-in of a connection does; "" where there is none. Costs one look."""
        try:
            found = self.path(name).stat()
        except OSError:
            return ""
        return f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}"

    @contextmanager
    def renewal(
        self, name: str, deadline: float | None = None, stopping: threading.Event | None = None
    ) -> Iterator[Renewal]:
        """Be the only one, over all threads and processes, who may replace the sign-in of ``name``.

        ``deadline`` is a moment of the clock's `monotonic`, None: a minute. Raises ApiError (transient) when others
        take too long, ShutdownError when ``stopping`` is set meanwhile, StateError where the folder cannot be used.
        """
        file = self._open_lock(name)
        try:
            self._await(file, name, deadline, stopping)
            yield Renewal(self, name)
        finally:
            os.close(file)

    def sync_folder(self) -> None:
        """Names of files are on the disk, too."""
        file = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def _open_lock(self, name: str) -> int:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StateError(f"sign-ins cannot be kept in {self.folder}: {reason}") from error

    def _await(self, file: int, name: str, deadline: float | None, stopping: threading.Event | None) -> None:
        end = self._clock.monotonic() + PATIENCE_S if deadline is None else deadline
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._clock.monotonic() >= end:
                    message = f"another process is renewing the sign-in of {name!r} and takes long: it is tried again"
                    raise ApiError(message, FailureClass.TRANSIENT, sent=False) from None
                if self._clock.wait(LOOK_AGAIN_S, stopping):
                    raise ShutdownError from None
            else:
                return


def learn_tokens(grant: Grant) -> None:
    """From now on the tokens are masked wherever they turn up."""
    for token in (grant.access_token, grant.refresh_token):
        if token:
            learn(token, passing=True)
