from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from changewire.connectors.sign_in.token_store import PATIENCE_S, Grant, TokenStore
from changewire.errors import ApiError, FailureClass, StateError
from changewire.secret import mask
from changewire.testing import ManualClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
GRANT = Grant(
    "the-access-token", "the-refresh-token", NOON, ("a:read", "b:read"), "https://eu.example.com", "app", NOON
)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore.of_home(tmp_path, ManualClock())


def write(store: TokenStore, grant: Grant = GRANT, name: str = "me") -> None:
    with store.renewal(name) as renewal:
        renewal.reserve()
        renewal.write(grant)


@pytest.mark.parametrize("grant", [GRANT, Grant("only-this-token", None, None, None, None, "app", NOON)])
def test_what_is_stored_comes_back_whole(store: TokenStore, grant: Grant) -> None:
    write(store, grant)
    assert store.read("me") == grant


def test_nothing_of_it_can_be_read_in_the_file_or_the_words(store: TokenStore) -> None:
    write(store)
    for path in store.folder.iterdir():
        assert b"-token" not in path.read_bytes(), path
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert "-token" not in repr(GRANT)
    store.read("me")
    assert mask("the-access-token the-refresh-token") == "*** ***"


def test_connections_are_apart(store: TokenStore) -> None:
    write(store)
    assert store.read("you") is None
    assert store.mark("you") == ""


def test_the_mark_changes_with_each_sign_in_and_with_its_end(store: TokenStore) -> None:
    marks = [store.mark("me")]
    for _ in range(3):
        write(store)
        marks.append(store.mark("me"))
    with store.renewal("me") as renewal:
        renewal.forget()
    assert len(set(marks)) == 4
    assert store.mark("me") == ""
    assert store.read("me") is None


def test_one_at_a_time_may_renew_and_others_wait_for_a_minute(store: TokenStore) -> None:
    with store.renewal("me"), store.renewal("another"):
        with pytest.raises(ApiError) as caught, store.renewal("me"):
            pass
        assert store._clock.monotonic() == pytest.approx(PATIENCE_S, abs=1)
    assert caught.value.failure is FailureClass.TRANSIENT
    assert str(caught.value) == ("another process is renewing the sign-in of 'me' and takes long: it is tried again")
    with store.renewal("me"):
        pass


def test_a_renewal_that_never_ended_is_known_to_the_next(store: TokenStore) -> None:
    write(store)
    with store.renewal("me") as renewal:
        assert not renewal.interrupted
        renewal.reserve()
    with store.renewal("me") as renewal:
        assert renewal.interrupted
        assert renewal.read() == GRANT
        renewal.give_up()
    with store.renewal("me") as renewal:
        assert not renewal.interrupted


def test_a_file_that_was_changed_is_told(store: TokenStore) -> None:
    write(store)
    path = store.path("me")
    sealed = bytearray(path.read_bytes())
    sealed[40] ^= 1
    path.write_bytes(sealed)
    with pytest.raises(StateError) as caught:
        store.read("me")
    assert str(caught.value) == (
        "the sign-in of 'me' cannot be read: it was damaged, or sealed with another key than that of "
        f"{store.folder}/key: put both back from one backup, or sign in again with `changewire connect`"
    )


def test_one_that_is_no_sign_in_is_told(store: TokenStore) -> None:
    write(store)
    for inside in (b"no JSON", b"[]", b'{"v":1}', GRANT.to_bytes().replace(b'"expires_at":"', b'"expires_at":"x')):
        store.path("me").write_bytes(store.vault.seal(inside))
        with pytest.raises(StateError) as caught:
            store.read("me")
        assert str(caught.value) == f"{store.path('me')} is damaged: sign in again with `changewire connect me`"


def test_one_of_a_later_version_is_told(store: TokenStore) -> None:
    write(store)
    sealed = store.vault.seal(GRANT.to_bytes().replace(b'"v":1', b'"v":2'))
    store.path("me").write_bytes(sealed)
    with pytest.raises(StateError, match="it was stored by a later version"):
        store.read("me")


def test_no_room_is_told_before_anything_is_asked(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with store.renewal("me") as renewal, pytest.raises(StateError) as caught:
        renewal.reserve()
    assert str(caught.value) == f"the sign-in of 'me' cannot be stored in {store.folder}: no space left on device"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    store = TokenStore.of_home(tmp_path, ManualClock())
    with pytest.raises(StateError) as caught, store.renewal("me"):
        pass
    assert str(caught.value) == f"sign-ins cannot be kept in {tmp_path}/state/tokens: not a directory"
