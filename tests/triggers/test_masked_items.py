"""Secrets in the answers of APIs are remembered nowhere, and change nothing of what is noticed."""

from __future__ import annotations

from typing import Any

import pytest

from changewire.secret import STARS, learn
from changewire.triggers import pending
from changewire.triggers.noticed import item_key
from changewire.triggers.set_aside import SetAside
from tests.triggers.kinds import SCOPE, Watcher, kind_of

OLD, NEW = "echoed-0a1b2c3d", "echoed-4e5f6a7b"


def bodies(watcher: Watcher) -> str:
    return "".join((record.body or b"").decode() for record in watcher.items.values())


@pytest.mark.parametrize("kind", ["updated", "status", "deleted"])
def test_an_item_is_remembered_without_the_secrets_in_it(kind: str) -> None:
    learn(OLD)
    watcher = Watcher(kind_of(kind, **({"status": "status"} if kind == "status" else {})))
    watcher.read({"id": 1, "status": "open", "link": f"https://x.example/?t={OLD}", "again": OLD.encode().hex()})
    assert STARS in bodies(watcher)
    assert OLD not in bodies(watcher)
    assert OLD.encode().hex() not in bodies(watcher)


def test_a_secret_that_is_replaced_is_no_change_and_hides_no_other() -> None:
    learn(OLD)
    watcher = Watcher(kind_of(sample={"id": 1, "token": "x", "n": 1}))
    watcher.read({"id": 1, "token": OLD, "n": 1})
    learn(NEW)
    assert watcher.read({"id": 1, "token": NEW, "n": 1}) == []
    assert watcher.read({"id": 1, "token": OLD, "n": 2}) == ["1:n"]


def test_a_value_that_is_found_to_be_a_secret_later_is_no_change() -> None:
    watcher = Watcher(kind_of(sample={"id": 1, "token": "x", "n": 1}))
    watcher.read({"id": 1, "token": OLD, "n": 1})
    learn(OLD)
    assert watcher.read({"id": 1, "token": OLD, "n": 1}) == []
    assert watcher.read({"id": 1, "token": OLD, "n": 2}) == ["1:n"]
    assert OLD not in bodies(watcher)


def test_keys_are_without_secrets_and_stay_different() -> None:
    learn(OLD)
    kind = kind_of(key="self")
    keys: list[Any] = [item_key({"self": f"/items/{n}?t={OLD}"}, kind, SCOPE) for n in (1, 2, 2)]
    assert keys[0] != keys[1] == keys[2]
    assert not any(OLD in key for key in keys)
    assert keys[0].startswith(f"/items/1?t={STARS}~")


def test_a_change_that_waits_for_its_details_is_stored_without_secrets() -> None:
    watcher = Watcher(kind_of(sample={"id": 1, "token": "x", "n": 1}))
    watcher.read({"id": 1, "token": "none", "n": 1})
    learn(OLD)
    watcher.read({"id": 1, "token": OLD, "n": 2})
    text = pending.to_text(watcher.last.noticed[0])
    assert OLD not in text
    assert STARS in text


@pytest.mark.parametrize("before", range(380, 400, 4))
def test_the_excerpt_of_an_item_set_aside_keeps_no_half_of_a_secret(before: int) -> None:
    learn(OLD)
    aside = SetAside(None, ["x" * before, OLD], ValueError("wrong"), 1)
    assert OLD[:8] not in aside.excerpt
    assert len(aside.excerpt) <= 400
