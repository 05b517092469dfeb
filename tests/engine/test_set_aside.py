"""An item that cannot be processed is set aside; the rest of its poll proceeds, and it fires once it can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.state.records import SetAsideItems, TriggerState
from tests.support.shop import Shop, WatchedShop

Make = Callable[..., WatchedShop]
CHANGED = ["created", "updated", "deleted"]


def nested(levels: int) -> Any:
    data: Any = "end"
    for _ in range(levels):
        data = [data]
    return data


POISONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no key": ({}, {"id": None}, "number 3 of the list: an item has no id"),
    "an empty key": ({}, {"id": ""}, "number 3 of the list: an item has no id"),
    "an object as its key": ({}, {"id": {"a": 1}}, "number 3 of the list: an item's key id is not a plain value"),
    "a list as its key": ({}, {"id": [4]}, "number 3 of the list: an item's key id is not a plain value"),
    "too deep": ({}, {"name": nested(120)}, "4: the item is nested deeper than 100 levels"),
    "ready fails": (
        {"ready": "{{ item.price + 1 > 0 }}"},
        {"price": "free"},
        "4: {{ item.price + 1 > 0 }}: ",
    ),
    "ready has no field": (
        {"ready": "{{ item.more.there }}", "compare": {"also_possible": ["more"]}},
        {"more": {}},
        "4: {{ item.more.there }}: there is no field 'there'",
    ),
    "comparison fails": (
        {"compare": {"volatile": [{"path": "name", "when": "{{ item.price > 5 }}"}]}},
        {"price": "free"},
        "4: {{ item.price > 5 }}: ",
    ),
    "no status": ({"kind": "status", "status": "state"}, {"state": None, "-state": True}, "4: item 4 has no field"),
    "payload fails": (
        {"payload": {"first": "{{ item.name[0] }}"}},
        {"name": ""},
        "4: first: {{ item.name[0] }}: text has no entry 0 (triggers/new_poison.yaml:",
    ),
    "payload divides by zero": (
        {"payload": {"share": "{{ 1 / item.price }}"}},
        {"price": 0},
        "4: share: {{ 1 / item.price }}: division by zero (triggers/new_poison.yaml:",
    ),
    "event type fails": (
        {"event_type": "{{ item.name[0] }}_seen"},
        {"name": ""},
        "4: {{ item.name[0] }}_seen: ",
    ),
    "one event type of several fails": (
        {"event_type": {"dear": "{{ item.price > 5 }}", "cheap": "otherwise"}},
        {"price": "free"},
        "4: {{ item.price > 5 }}: ",
    ),
    "event too large": (
        {"payload": {"name": "{{ item.name }}"}},
        {"name": "x" * 9_000_000},
        "4: new_poison of item 4 is an event of 9,000,",
    ),
}


def thing(number: int, **fields: Any) -> dict[str, Any]:
    return {"id": number, "name": f"thing {number}", "price": 1, "state": "open", "more": {"there": True}, **fields}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a home that watches a shop by a type of these parts, and took its baseline of two things."""
    made: list[WatchedShop] = []
    with Shop() as shop:

        def start(kind: str | list[str] = "created", **parts: Any) -> WatchedShop:
            watched = WatchedShop(tmp_path, shop)
            made.append(watched)
            sample = {"id": 1, "name": "thing 1", "price": 1, "state": "open", "more": {"there": True}}
            more = {"kind": kind, "sample": sample, **parts}
            if "deleted" in more["kind"]:
                more.setdefault("absences", 1)
            more = watched._type("new_poison", more)
            (watched.home / "triggers" / "new_poison.yaml").write_text(json.dumps(more, indent=1))
            shop.things = [thing(1), thing(2)]
            watched.watch("new_poison")
            assert watched.run(1) == []
            return watched

        yield start
        for each in made:
            each.turned.close()


def poisoned(fields: dict[str, Any]) -> dict[str, Any]:
    item = thing(4, **fields)
    return {name: value for name, value in item.items() if not (name == "id" and value is None)}


def aside(watched: WatchedShop) -> list[SetAsideItems]:
    return watched.turned.store.set_aside()


def attention(watched: WatchedShop) -> list[str]:
    return [each.message for each in watched.turned.daemon._serving._checkup.attention() if each.state == "set_aside"]


@pytest.mark.parametrize("poison", POISONS)
def test_the_rest_of_a_poll_proceeds_and_the_item_fires_once_it_can_be_processed(make: Make, poison: str) -> None:
    parts, fields, words = POISONS[poison]
    watched = make(**parts)
    bad = poisoned(fields)
    if bad.pop("-state", None):
        del bad["state"]
    watched.shop.things = [thing(1), thing(2), bad, thing(3)]
    good = [] if parts.get("kind") == "status" else ["3"]
    assert watched.run(61) == good
    (item,) = aside(watched)
    assert (item.count, item.polls) == (1, 1)
    (message,) = attention(watched)
    assert message.startswith(f"1 item set aside: {words}")
    assert watched.trigger("watch").state is TriggerState.OK
    assert watched.run(185) == []
    (again,) = aside(watched)
    assert (again.since, again.polls) == (item.since, 4)
    watched.shop.things = [thing(1), thing(2), thing(4), thing(3), thing(5)]
    if parts.get("kind") == "status":
        watched.shop.things[0]["state"] = "closed"
        assert watched.run(62) == ["1"]
    else:
        assert sorted(watched.run(125)) == ["4", "5"]
    assert attention(watched) == []
    assert watched.run(125) == []


@pytest.mark.parametrize("poison", [name for name in POISONS if "kind" not in POISONS[name][0]])
def test_an_item_that_turns_bad_is_not_deleted_and_its_change_is_noticed_later(make: Make, poison: str) -> None:
    parts, fields, _ = POISONS[poison]
    watched = make(CHANGED, **parts)
    watched.shop.things = [thing(1), thing(2), thing(4)]
    assert watched.run(61) == ["4"]
    watched.shop.things = [thing(1, name="changed"), thing(2), poisoned(fields)]
    assert watched.run(61) == ["1"]
    assert len(attention(watched)) == 1
    assert watched.run(185) == []
    watched.shop.things = [thing(1, name="changed"), thing(2), thing(4, name="another")]
    assert watched.run(61) == ["4"]
    assert aside(watched) == []
    assert watched.run(125) == []


@pytest.mark.parametrize("kind", [CHANGED, "status"])
def test_a_change_of_which_no_event_can_be_made_and_that_is_taken_back_fires_nothing(make: Make, kind: Any) -> None:
    watched = make(kind, status="state" if kind == "status" else None, payload={"first": "{{ 1 / item.price }}"})
    watched.shop.things[0] |= {"price": 0, "state": "closed"}
    assert watched.run(125) == []
    assert len(aside(watched)) == 1
    watched.shop.things[0] = thing(1)
    assert watched.run(125) == []
    assert aside(watched) == []
    watched.shop.things[0] |= {"price": 2, "state": "closed"}
    assert watched.run(61) == ["1"]


def test_changes_of_which_no_event_can_be_made_become_one_event_of_all_of_them(make: Make) -> None:
    watched = make(CHANGED, payload={"share": "{{ 1 / item.price }}", "name": "{{ item.name }}"})
    for name in ("first", "second", "third"):
        watched.shop.things[0] |= {"price": 0, "name": name}
        assert watched.run(61) == []
    assert [key for key, _ in watched.waiting()] == ["1"]
    watched.shop.things[0] |= {"price": 2}
    assert watched.run(61) == ["1"]
    (event,) = watched.turned.store.events()
    assert event.payload == {"share": 0.5, "name": "third"}
    changes = {change["path"]: (change["old"], change["new"]) for change in event.changes}
    assert changes == {"name": ("thing 1", "third"), "price": (1, 2)}


@pytest.mark.parametrize(("repaired", "fired"), [("{{ item.name }}", ["4"]), ("{{ item.id }}", ["4"])])
def test_an_event_that_cannot_be_made_is_made_once_the_type_is_repaired(
    make: Make, repaired: str, fired: list[str]
) -> None:
    watched = make(payload={"first": "{{ item.name[0] }}"})
    watched.shop.things = [thing(1), thing(2), thing(4, name=""), thing(3)]
    assert watched.run(61) == ["3"]
    watched.shop.things = []
    kind = watched.home / "triggers" / "new_poison.yaml"
    kind.write_text(kind.read_text().replace("{{ item.name[0] }}", repaired))
    watched.turned.daemon.reload()
    assert watched.run(61) == fired
    assert watched.run(185) == []
    assert aside(watched) == []


def test_file_and_line_of_the_expression_are_said(make: Make) -> None:
    watched = make(payload={"first": "{{ item.name[0] }}"})
    line = 1 + (watched.home / "triggers" / "new_poison.yaml").read_text().split("item.name[0]")[0].count("\n")
    watched.shop.things = [thing(1), thing(2), thing(4, name=""), thing(3)]
    watched.run(61)
    assert aside(watched)[0].reason.endswith(f"(triggers/new_poison.yaml:{line})")


@pytest.mark.parametrize("key", ["ready", "event_type"])
def test_an_expression_that_fails_for_every_item_is_a_failed_poll_with_file_and_line(make: Make, key: str) -> None:
    expression = "{{ item.price + 1 > 0 }}"
    watched = make(CHANGED, **{key: expression})
    kind = watched.home / "triggers" / "new_poison.yaml"
    watched.shop.things = [thing(number, price="free") for number in range(1, 5)]
    assert watched.run(61) == []
    record = watched.trigger("watch")
    assert record.failures == 1
    line = 1 + kind.read_text().split("item.price + 1")[0].count("\n")
    assert f"(triggers/new_poison.yaml:{line})" in (record.error or "")
    watched.shop.things = [thing(number) for number in range(1, 5)]
    assert sorted(set(watched.run(3600))) == ["3", "4"]
    assert watched.trigger("watch").state is TriggerState.OK


@pytest.mark.parametrize(
    "things",
    [
        [{"name": "a"}, {"name": "b"}],
        [{"id": {}, "name": "a"}, {"name": "b"}],
        [thing(1, id=nested(120)), thing(2, id=[])],
        ["a", 5, None],
    ],
)
def test_an_answer_of_which_no_item_can_be_processed_changes_nothing(make: Make, things: list[Any]) -> None:
    watched = make(CHANGED)
    watched.shop.things = things
    assert watched.run(185) == []
    assert watched.trigger("watch").state is TriggerState.FAILING
    assert aside(watched) == []
    watched.shop.things = [thing(1), thing(2)]
    assert watched.run(900) == []
    assert watched.trigger("watch").state is TriggerState.OK


def test_no_item_counts_as_deleted_while_one_may_be_the_missing_one(make: Make) -> None:
    watched = make(CHANGED)
    watched.shop.things = [thing(1), {**thing(2), "id": None}]
    assert watched.run(245) == []
    watched.shop.things = [thing(1), thing(2)]
    assert watched.run(61) == []
    watched.shop.things = [thing(1)]
    assert watched.run(61) == ["2"]


def test_an_item_without_a_key_that_was_always_there_holds_up_no_deletion(make: Make) -> None:
    watched = make(CHANGED)
    total = {"total": 2}
    watched.shop.things = [thing(1), thing(2), total]
    assert watched.run(61) == []
    watched.shop.things = [thing(1), {"total": 1}]
    assert watched.run(61) == ["2"]
    watched.shop.things = [{"total": 1}, {**thing(1), "id": None}, thing(3)]
    assert watched.run(245) == ["3"]


@pytest.mark.parametrize("kind", ["created", CHANGED])
def test_what_cannot_be_compared_at_the_first_poll_is_not_new_later(make: Make, kind: Any) -> None:
    watched = make(kind, compare={"volatile": [{"path": "name", "when": "{{ item.price > 5 }}"}]})
    watched.shop.things = [thing(1), thing(2), thing(7, price="free")]
    watched.clock.advance(30)  # no answer of before is used
    watched.turned.store.forget(watched.trigger("watch").id, watched.clock.now())
    assert watched.run(1) == []
    watched.shop.things = [thing(1), thing(2), thing(8)]
    assert watched.run(61) == ["8"]
    watched.shop.things = [thing(1), thing(2), thing(7), thing(8)]
    assert watched.run(61) == []


def test_what_cannot_be_said_to_be_ready_at_the_first_poll_fires_once_it_is(make: Make) -> None:
    watched = make(ready="{{ item.more.there }}", compare={"also_possible": ["more"]})
    watched.shop.things = [thing(1), thing(7, more={})]
    watched.clock.advance(30)  # no answer of before is used
    watched.turned.store.forget(watched.trigger("watch").id, watched.clock.now())
    assert watched.run(1) == []
    watched.shop.things = [thing(1), thing(7)]
    assert watched.run(61) == ["7"]


def test_many_items_are_counted_and_the_first_hundred_are_kept(make: Make) -> None:
    watched = make()
    watched.shop.things = [thing(1), thing(2), *({"name": "x" * 5000, "n": n} for n in range(250)), thing(3)]
    assert watched.run(61) == ["3"]
    found = aside(watched)
    assert (len(found), sum(each.count for each in found)) == (101, 250)
    assert max(len(each.excerpt or "") for each in found) <= 400
    assert attention(watched)[0].startswith("250 items set aside, the first: number 3 of the list: ")


def test_no_secret_is_kept_of_an_item(make: Make) -> None:
    watched = make()
    (watched.home / "config" / ".env").write_text("SHOP_TOKEN=tok-5f3a9be1c2\n")
    connections = json.loads(watched.connections())
    connections["shop"]["auth"] = {"type": "bearer", "token": "${SHOP_TOKEN}"}
    (watched.home / "config" / "connections.yaml").write_text(json.dumps(connections))
    watched.turned.daemon.reload()
    watched.shop.things = [thing(1), thing(2), {"name": "tok-5f3a9be1c2"}]
    watched.run(61)
    (item,) = aside(watched)
    assert "tok-5f3a9be1c2" not in f"{item.excerpt}{item.reason}"
    assert "***" in (item.excerpt or "")


def test_reset_forgets_and_a_rename_keeps_what_is_set_aside(make: Make) -> None:
    watched = make()
    watched.shop.things = [thing(1), thing(2), {"name": "x"}]
    watched.run(61)
    before = aside(watched)
    watched.edit(watch=None, other={**watched.flow("new_poison"), "name": "other"})
    (after,) = aside(watched)
    assert (after.trigger, after.since) == ("other/trigger", before[0].since)
    watched.turned.store.forget(after.trigger_id, watched.clock.now())
    assert aside(watched) == []


def test_an_item_whose_deletion_cannot_be_proven_because_of_its_own_data_is_shown(make: Make) -> None:
    evidence = {"path": "/things/{item.state}", "errors": [{"status": 410}]}
    watched = make(["created", "deleted"], evidence=evidence)
    watched.shop.things = [{**thing(1), "state": None}, thing(2), thing(3)]
    watched.run(61)
    watched.shop.status = {"open": 410}
    watched.shop.things = [thing(3)]
    watched.run(122)
    assert watched.events() == [("watch", "3"), ("watch", "2")]
    (item,) = aside(watched)
    assert (item.name, watched.trigger("watch").state) == ("1", TriggerState.OK)
