"""Changes that are no event yet, as people and programs see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import changewire, lines
from tests.support.shop import Shop, WatchedShop


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedShop]:
    """A home with a pending change, of which two others became events."""
    with Shop() as shop:
        records = WatchedShop(tmp_path, shop)
        records.watch()
        records.run(1)
        shop.status = {"2": 403}
        records.sell(1, 2, 3)
        assert records.run(61) == ["1", "3"]
        yield records
        records.turned.close()


def call(watched: WatchedShop, *words: str) -> Any:
    return changewire(*words, CHANGEWIRE_HOME=str(watched.home))


def test_status_counts_pending_changes(watched: WatchedShop) -> None:
    (shown,) = lines(call(watched, "--json", "status").stdout)
    assert shown["triggers"][0]["pending"] == 1
    assert [each for each in shown["attention"] if each["state"] == "pending"] == []


def test_status_calls_a_person_once_a_request_was_refused_five_times(watched: WatchedShop) -> None:
    while watched.waiting() != [("2", 5)]:
        watched.run(60)
    done = call(watched, "--json", "status")
    (shown,) = [each for each in lines(done.stdout)[0]["attention"] if each["state"] == "pending"]
    assert done.exit_code == 3
    assert (shown["kind"], shown["name"], shown["next"]) == (
        "trigger",
        "watch/trigger",
        "`changewire explain watch/trigger`",
    )
    words = "1 change waits for answers to requests about single items; refused up to 5 times: "
    assert shown["message"].startswith(words)
    assert "answered 403 to /things/2" in shown["message"]
    assert words in call(watched, "status").output
    (found,) = [each for each in watched.turned.daemon._serving._checkup.attention() if each.state == "pending"]
    assert found.view() == shown


def test_pending_changes_of_a_trigger_that_is_paused_by_hand_need_nobody(watched: WatchedShop) -> None:
    while watched.waiting() != [("2", 5)]:
        watched.run(60)
    assert call(watched, "pause", "watch").exit_code == 0
    (shown,) = lines(call(watched, "--json", "status").stdout)
    assert shown["triggers"][0]["pending"] == 1
    assert [each for each in shown["attention"] if each["state"] == "pending"] == []


def test_explain_says_how_many_changes_are_pending_and_why(watched: WatchedShop) -> None:
    shown = lines(call(watched, "--json", "explain", "watch").stdout)[0]
    assert (shown["pending"]["count"], shown["pending"]["tries"]) == (1, 1)
    assert "answered 403 to /things/2" in shown["pending"]["reason"]
    assert shown["judged"]["held"] == [{"key": "2", "verdict": "pending"}]
    text = call(watched, "explain", "watch").stdout
    assert "refused up to 1 time: " in text
    assert "next request: " in text
    assert "1 changed, and become events once the requests about them are answered (2)" in text


def test_reset_says_how_many_pending_changes_it_drops(watched: WatchedShop) -> None:
    done = call(watched, "reset", "watch", "--yes")
    assert "3 items and 1 pending change, watched since" in done.stderr
    assert "forgot 3 items and 1 pending change" in done.stdout
    assert watched.waiting() == []
    (shown,) = lines(call(watched, "--json", "reset", "watch", "--yes").stdout)
    assert (shown["items"], shown["pending"]) == (0, 0)
