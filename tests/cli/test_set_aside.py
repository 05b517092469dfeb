"""Items that cannot be processed, as people and programs see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import changewire, lines
from tests.support.shop import Shop, WatchedShop


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedShop]:
    """A home with an item that has no key, and one of which no event can be made."""
    with Shop() as shop:
        records = WatchedShop(tmp_path, shop)
        records.watch("new_name")
        records.run(1)
        shop.things = [{"id": 1, "name": "thing"}, {"name": "nobody"}, {"id": 3, "name": ""}]
        assert records.run(61) == ["1"]
        yield records
        records.turned.close()


def call(watched: WatchedShop, *words: str) -> Any:
    return changewire(*words, CHANGEWIRE_HOME=str(watched.home))


def test_status_calls_a_person_at_once(watched: WatchedShop) -> None:
    done = call(watched, "--json", "status")
    assert done.exit_code == 3
    (shown,) = [each for each in lines(done.stdout)[0]["attention"] if each["state"] == "set_aside"]
    assert (shown["kind"], shown["name"]) == ("trigger", "watch/trigger")
    assert shown["next"] == "`changewire explain watch/trigger`"
    assert shown["message"].startswith("2 items set aside, the first: number 2 of the list: an item has no id")
    done = call(watched, "status")
    assert done.exit_code == 3
    assert "2 items set aside, the first: number 2 of the list" in done.stderr
    assert "waits for answers" not in done.output


def test_explain_lists_them_with_reason_and_line(watched: WatchedShop) -> None:
    (told,) = lines(call(watched, "--json", "explain", "watch").stdout)
    assert [(each["item"], each["event"]) for each in told["set_aside"]] == [
        ("number 2 of the list", False),
        ("3", True),
    ]
    assert told["set_aside"][0]["excerpt"] == '{"name":"nobody"}'
    text = call(watched, "explain", "watch").stdout
    assert "2 items set aside; each fires once it can be processed:" in text
    assert "3 (since " in text
    assert "{{ item.name[0] }}: text has no entry 0 (triggers/new_name.yaml:" in text
    assert "2 cannot be processed and are set aside" in text


def test_nobody_is_called_once_they_can_be_processed(watched: WatchedShop) -> None:
    watched.shop.things = [{"id": 1, "name": "thing"}, {"id": 2, "name": "nobody"}, {"id": 3, "name": "good"}]
    assert sorted(watched.run(61)) == ["2", "3"]
    done = call(watched, "--json", "status")
    assert [each for each in lines(done.stdout)[0]["attention"] if each["state"] == "set_aside"] == []
    assert watched.said("items_processed") == ["watch/trigger: all items can be processed again"]
