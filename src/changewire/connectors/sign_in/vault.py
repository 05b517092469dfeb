"""Sealing what must not be read from a disk, a backup or a copied folder; the key is kept apart where that can be."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, Literal

from changewire.errors import StateError
from changewire.file_reader import read_file, unreadable_reason
from changewire.secret import learn

SERVICE = "changewire"
IN_KEYRING = "keyring"  # what the key's file says where the key itself is in the keyring


class Vault:
    """Seals and opens texts with a key of its own, made when first needed.

    The key is in the desktop's keyring where there is one (and the extra ``keyring`` is installed), else in the file
    ``key`` of ``folder``, which only its owner can read. Once made, it stays where it is.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "key"
        self._account = hashlib.sha256(os.path.realpath(folder).encode()).hexdigest()[:16]
        self._fernet: Any = None

    def seal(self, text: bytes) -> bytes:
        """``text`` encrypted and signed. Raises StateError where there can be no key."""
        sealed: bytes = self._locksmith().encrypt(text)
        return sealed

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. Raises StateError where it was damaged, or sealed with another key."""
        from cryptography.fernet import InvalidToken

        try:
            text: bytes = self._locksmith().decrypt(sealed)
        except InvalidToken as error:
            raise StateError(
                f"it was damaged, or sealed with another key than that of {self._path}: put both back from one backup, "
                "or sign in again with `changewire connect`"
            ) from error
        return text

    @property
    def place(self) -> Literal["keyring", "file"] | None:
        """Where the key is; None: there is none yet."""
        written = self._written()
        return None if written is None else "keyring" if written == IN_KEYRING else "file"

    def _locksmith(self) -> Any:
        if self._fernet is None:
            from cryptography.fernet import Fernet

            key = self._key()
            learn(key)
            try:
                self._fernet = Fernet(key)
            except ValueError as error:
                raise StateError(f"{self._path} holds no key: delete it, and sign in again") from error
        return self._fernet

    def _key(self) -> str:
        written = self._written() or self._make()
        if written != IN_KEYRING:
            return written
        key = _from_keyring(self._account)
        if key is None:
            raise StateError(
                f"its key is in the keyring of the person who signed in, which this process cannot reach: run it in "
                f"that person's session, or delete {self._path} and sign in again with the keyring switched off "
                "(PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring)"
            )
        return key

    def _written(self) -> str | None:
        try:
            return read_file(self._path).decode("ascii").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._path} cannot be read: {unreadable_reason(error)}") from error
        except UnicodeDecodeError as error:
            raise StateError(f"{self._path} holds no key: delete it, and sign in again") from error

    def _make(self) -> str:
        """A new key. Of two, threads or processes, that make one at once, both take the one that was there first."""
        from cryptography.fernet import Fernet

        key = Fernet.generate_key().decode()
        own = self._path.with_name(f"key.{os.getpid()}.{threading.get_ident()}")
        try:
            file = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(file, "w") as stream:
                stream.write(IN_KEYRING if _into_keyring(self._account, key) else key)
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(own, self._path)
            own.unlink()
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror or error}") from error
        return self._written() or key


def _into_keyring(account: str, key: str) -> bool:
    """Whether there is a keyring that keeps ``key``, or one that it keeps already. Keyrings fail in many ways."""
    try:
        import keyring

        if keyring.get_password(SERVICE, account) is None:
            keyring.set_password(SERVICE, account, key)
        return keyring.get_password(SERVICE, account) is not None
    except Exception:
        return False


def _from_keyring(account: str) -> str | None:
    try:
        import keyring

        return keyring.get_password(SERVICE, account)
    except Exception:
        return None
