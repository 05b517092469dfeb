from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import PasswordSetError

from changewire.connectors.sign_in.vault import Vault
from changewire.errors import StateError
from changewire.secret import mask


class InMemory(KeyringBackend):
    """A keyring that works."""

    priority = 1

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Locked(InMemory):
    """One that nobody unlocks."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError("locked")


@pytest.fixture
def usual() -> Iterator[None]:
    before = keyring.get_keyring()
    yield
    keyring.set_keyring(before)


def test_what_is_sealed_is_opened_and_nothing_of_it_can_be_read(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal(b"a text of which nobody knows")
    assert b"nobody" not in sealed
    assert Vault(tmp_path).open(sealed) == b"a text of which nobody knows"


def test_without_a_keyring_the_key_is_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    vault = Vault(tmp_path)
    assert vault.place is None
    vault.seal(b"x")
    assert vault.place == "file"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert mask(f"the key {(tmp_path / 'key').read_text()}") == "the key ***"


@pytest.mark.usefixtures("usual")
def test_with_a_keyring_the_file_says_only_that(tmp_path: Path) -> None:
    keyring.set_keyring(InMemory())
    sealed = Vault(tmp_path).seal(b"x")
    assert (tmp_path / "key").read_text() == "keyring"
    assert Vault(tmp_path).place == "keyring"
    assert Vault(tmp_path).open(sealed) == b"x"


@pytest.mark.usefixtures("usual")
def test_two_homes_have_two_keys_in_one_keyring(tmp_path: Path) -> None:
    ring = InMemory()
    keyring.set_keyring(ring)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Vault(tmp_path / name).seal(b"x")
    assert len(set(ring.kept.values())) == 2


@pytest.mark.usefixtures("usual")
def test_a_keyring_that_does_not_work_is_as_good_as_none(tmp_path: Path) -> None:
    keyring.set_keyring(Locked())
    assert Vault(tmp_path).open(Vault(tmp_path).seal(b"x")) == b"x"
    assert Vault(tmp_path).place == "file"


@pytest.mark.usefixtures("usual")
def test_a_keyring_out_of_reach_is_told_with_the_ways_out(tmp_path: Path) -> None:
    keyring.set_keyring(InMemory())
    sealed = Vault(tmp_path).seal(b"x")
    keyring.set_keyring(InMemory())
    with pytest.raises(StateError) as caught:
        Vault(tmp_path).open(sealed)
    assert str(caught.value) == (
        "its key is in the keyring of the person who signed in, which this process cannot reach: run it in that "
        f"person's session, or delete {tmp_path}/key and sign in again with the keyring switched off "
        "(PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring)"
    )


def test_many_at_once_make_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda _: Vault(tmp_path).seal(b"x"), range(8)))
    assert {Vault(tmp_path).open(one) for one in sealed} == {b"x"}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b"no key at all", "{folder}/key holds no key: delete it, and sign in again"),
        (b"\xff\xfe", "{folder}/key holds no key: delete it, and sign in again"),
        (b"A" * 43 + b"=", "it was damaged, or sealed with another key than that of {folder}/key"),
    ],
)
def test_a_key_that_does_not_fit_is_told(tmp_path: Path, key: bytes, words: str) -> None:
    sealed = Vault(tmp_path).seal(b"x")
    (tmp_path / "key").write_bytes(key)
    with pytest.raises(StateError) as caught:
        Vault(tmp_path).open(sealed)
    assert str(caught.value).startswith(words.format(folder=tmp_path))
