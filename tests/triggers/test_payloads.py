"""What a change becomes: event types, ids, payloads."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from changewire.errors import PollError
from changewire.state.records import EventRecord
from changewire.triggers.payloads import make_events, refuse_larger
from changewire.values import dumps
from tests.triggers.kinds import NOW, SCOPE, Watcher, kind_of

FILES = {"id": 1, "files": [{"id": "a", "status": "raw"}]}


def events(watcher: Watcher) -> list[EventRecord]:
    return [
        event
        for noticed in watcher.last.noticed
        for event in make_events(
            noticed, watcher.kind, SCOPE, trigger_id="t", epoch=1, trigger="t", workflow="w", now=NOW
        )
    ]


def after(*items: Any, **parts: Any) -> list[EventRecord]:
    """The events of the last of these items, each in a reading of its own."""
    watcher = Watcher(kind_of(**parts))
    for item in items:
        watcher.read(*item if isinstance(item, list) else [item])
    return events(watcher)


WORDS = {
    "added": "{{ changes | added('files') }}",
    "completed": "{{ changes | became('files', 'status', 'done') }}",
    "other": "otherwise",
}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([{"id": "a", "status": "raw"}, {"id": "b", "status": "raw"}], ["added"]),
        ([{"id": "a", "status": "done"}], ["completed"]),
        ([{"id": "a", "status": "raw"}, {"id": "b", "status": "done"}], ["added", "completed"]),
        ([{"id": "a", "status": "done"}, {"id": "b", "status": "raw"}], ["added", "completed"]),
        ([{"id": "a", "status": "raw2"}], ["other"]),
        ([], ["other"]),
    ],
)
def test_each_event_type_whose_condition_holds_is_an_event(files: list[Any], words: list[str]) -> None:
    found = after(FILES, {"id": 1, "files": files}, event_type=WORDS, payload=None, sample=FILES)
    assert [event.event_type for event in found] == words
    assert [event.payload["event_type"] for event in found] == words
    assert len({event.id for event in found}) == len(words)


def test_events_of_one_change_have_the_same_ids_whoever_finds_them() -> None:
    changed = {"id": 1, "files": [{"id": "b", "status": "done"}]}
    first, second = (after(FILES, changed, event_type=WORDS, sample=FILES) for _ in range(2))
    assert [event.id for event in first] == [event.id for event in second]


def test_a_change_for_which_no_condition_holds_is_remembered_and_is_no_event() -> None:
    watcher = Watcher(kind_of("status", event_type={"closed": "{{ item.status == 'shut' }}"}))
    found = []
    for status in ("open", "half", "shut", "open"):
        watcher.read({"id": 1, "status": status})
        found += [(event.event_type, event.changes[0]["old"]) for event in events(watcher)]
    assert found == [("closed", "half")]


def test_a_condition_may_be_the_kind_of_change() -> None:
    words = {"joined": "created", "left": "deleted"}
    parts = {"kind": ["created", "deleted"], "absences": 1, "event_type": words}
    assert [event.event_type for event in after([], {"id": 1}, **parts)] == ["joined"]
    assert [(event.event_type, event.kind) for event in after({"id": 1}, [], **parts)] == [("left", "deleted")]


def test_another_condition_is_refused() -> None:
    with pytest.raises(ValidationError, match="'gone' is no condition: write created, updated, status, deleted, other"):
        kind_of(event_type={"x": "gone"})


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("created", {"event_type": "thing", "row": {"id": 2, "n": "b"}}),
        (
            "updated",
            {"event_type": "thing", "row": {"id": 1, "n": "b"}, "changes_detected": {"n": {"old": "a", "new": "b"}}},
        ),
    ],
)
def test_a_name_is_enough_for_a_payload(kind: str, payload: dict[str, Any]) -> None:
    number = payload["row"]["id"]
    (event,) = after({"id": 1, "n": "a"}, {"id": number, "n": "b"}, kind=kind, payload="row", sample={"id": 1, "n": ""})
    assert event.payload == payload


def test_left_out_the_event_type_is_the_name_of_the_type_and_the_payload_has_the_item() -> None:
    kind = kind_of("created", event_type=None, payload=None)
    assert (kind.event_type, kind.payload) == ("thing", {"event_type": "{{ event_type }}", "item": "{{ detail }}"})


@pytest.mark.parametrize(
    ("item", "payload"),
    [
        ({"id": 2, "n": 7, "rows": [1], "on": True, "rest": 1}, {"n": "7", "rows": [1], "on": True, "size": 0}),
        ({"id": 2, "n": None, "size": ""}, {"n": "", "rows": [], "on": False, "size": 0}),
    ],
)
def test_fields_stand_in_the_payload_by_themselves(item: dict[str, Any], payload: dict[str, Any]) -> None:
    fields = {"n": "", "rows": [], "on": False, "size": 0}
    (event,) = after({"id": 1}, item, kind="created", fields=fields, payload=None)
    assert event.payload == payload


def test_fields_may_stand_beside_what_is_written_out() -> None:
    (event,) = after([], {"id": 1}, kind="created", fields={"n": "none"}, payload={"key": "{{ item.id }}"})
    assert event.payload == {"key": 1, "n": "none"}


NUMBERS = [number / 7 for number in range(100_000)]


def test_a_long_list_of_which_an_entry_changed_is_once_in_its_event() -> None:
    payload = {"changes": "{{ changes | as_fields }}", "item": "{{ item }}"}
    (event,) = after({"id": 1, "n": NUMBERS}, {"id": 1, "n": [*NUMBERS, "x"]}, payload=payload)
    assert event.payload["item"]["n"] == [*NUMBERS, "x"]
    assert event.payload["changes"]["n"]["new"]["cut"] == ["x"]
    once = len(dumps(NUMBERS))
    assert once < len(dumps([event.payload, event.changes])) < once + 1_000


def test_an_event_type_is_decided_by_whole_values() -> None:
    entry = {"id": 1, "text": "x" * 100_000, "status": "done"}
    words = {"done": "{{ (changes | added('files')).0.status == 'done' }}", "other": "otherwise"}
    (event,) = after({"id": 1}, {"id": 1, "files": [entry]}, event_type=words, sample=FILES)
    assert event.event_type == "done"
    assert event.changes[0]["new"] == {"cut": {"id": 1}, "bytes": len(dumps(entry))}


def test_an_event_that_is_too_large_is_refused_with_its_item_and_the_way_out() -> None:
    found = after({"id": 1, "n": ""}, {"id": 1, "n": "x" * 1_000})
    refuse_larger(found, 2_100)
    with pytest.raises(PollError) as error:
        refuse_larger(found, 2_000)
    assert str(error.value) == (
        "thing of item 1 is an event of 2,059 bytes, and `poll: event` in config/changewire.yaml allows 2,000: "
        "raise the limit, take less of the item into the `payload` of the trigger type, or watch a smaller part"
    )


def test_an_event_that_cannot_be_stored_is_refused_with_its_item() -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    (event,) = after([], {"id": 1}, kind="created", payload={"n": "{{ item.id }}"})
    event.payload = {"deep": deep}
    with pytest.raises(PollError) as error:
        refuse_larger([event], 1_000_000)
    assert str(error.value) == (
        "thing of item 1 cannot be stored (Recursion limit reached): change the `payload` of the trigger type"
    )
