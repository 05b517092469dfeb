"""Which changes are our own: by address, value and time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from changewire.state.records import ItemRecord, WriteRecord
from changewire.testing import START
from changewire.triggers.binding import Reader, watch_for
from changewire.triggers.definition import TriggerType
from changewire.triggers.echoing import LAG, judge, made_key, still_counts
from changewire.triggers.noticed import Memory, Watch
from changewire.triggers.noticing import notice
from changewire.values import dumps

KIND = {
    "type": "http.things",
    "title": "Things",
    "description": "Things.",
    "request": {"path": "/v1/things"},
    "items": "[*]",
    "key": "id",
    "kind": ["created", "updated", "deleted"],
    "absences": 1,
    "compare": {"lists": {"lines": {"key": "sku"}}},
    "event_type": "thing",
    "sample": {"id": "a", "n": 1, "at": "", "tags": [], "lines": [{"sku": "x", "price": 1}]},
}
MINUTE = timedelta(minutes=1)
OLD = {"id": "a", "n": 1, "at": "", "tags": ["p"], "lines": [{"sku": "x", "price": 1}]}


def kind(**more: Any) -> TriggerType:
    return TriggerType.model_validate({**KIND, **more})


def write(path: str = "/v1/things/a", method: str = "PATCH", done: bool = True, **body: Any) -> WriteRecord:
    key = body.pop("key", None)
    return WriteRecord("t", "r", "steps/0", method, path, body, key, START, START if done else None)


def verdict(of: TriggerType, new: dict[str, Any] | None, *writes: WriteRecord, old: dict[str, Any] | None = OLD) -> str:
    watch: Watch = watch_for(of, (), 1)
    reader = Reader(of, {name: parameter.default for name, parameter in of.parameters.items()})
    scope = reader.scope(START)
    remembered = {} if old is None else {"a": ItemRecord("a", "old", dumps(old), 1, None, 0, 0)}
    memory = Memory(remembered, START - MINUTE, watch.rules.fingerprint)
    (noticed,) = notice([] if new is None else [(new, scope)], watch, memory, START + MINUTE).noticed
    found = judge(noticed, watch, reader, writes, START + MINUTE, START + MINUTE)
    return "echo" if found.echo else "unclear" if found.unclear else "past" if found.settled else "event"


@pytest.mark.parametrize(
    ("new", "writes", "expected"),
    [
        ({"n": 2}, [write(n=2)], "echo"),
        ({"n": 2.0}, [write(n=2)], "echo"),
        ({"n": 2}, [write(n=2, at="x")], "echo"),
        ({"n": 2}, [write(n=3)], "past"),
        ({"n": "2"}, [write(n=2)], "past"),
        ({"n": 2, "at": "x"}, [write(n=2)], "past"),
        ({"n": 2, "at": "x"}, [write(n=2), write(at="x")], "echo"),
        ({"n": 2}, [write(n=2), write(n=3)], "past"),
        ({"n": 3}, [write(n=2), write(n=3)], "echo"),
        ({"n": 2}, [write(n=2), write(n=3, done=False)], "echo"),
        ({"n": 3}, [write(n=2), write(n=3, done=False)], "unclear"),
        ({"n": 2}, [write(n=2, done=False)], "unclear"),
        ({"n": 2}, [write(n=3, done=False)], "event"),
        ({"tags": ["q", "p"]}, [write(tags=["p", "q"])], "echo"),
        ({"tags": []}, [write(tags=None)], "echo"),
        ({"tags": []}, [write(n=1)], "event"),
        ({"lines": [{"sku": "x", "price": 2}]}, [write(lines=[{"sku": "x", "price": 2}])], "echo"),
        ({"lines": [{"sku": "x", "price": 2}]}, [write(lines=[{"sku": "y", "price": 2}])], "event"),
        ({"at": "2026-12-01T10:00:00.000Z"}, [write(at="2026-12-01T10:00:00Z")], "echo"),
        ({"at": "2026-12-01T10:00:00Z"}, [write(at="2026-12-01T10:00:00")], "past"),
        ({"n": 2}, [write("/v1/things/b", n=2)], "event"),
        ({"n": 2}, [write("/v1/others/a", n=2)], "event"),
        ({"n": 2}, [write("/v1/things", n=2)], "event"),
        ({"n": 2}, [write("/v1/things/a/parts", n=2)], "event"),
        ({"n": 2}, [write("/v1/things/%61?x=1", n=2)], "echo"),
        ({"n": 2}, [write(method="DELETE", n=2)], "event"),
        ({"n": 2}, [WriteRecord("t", "r", "s", "PATCH", "/v1/things/a", None, None, START, START)], "event"),
        ({"n": 2}, [WriteRecord("t", "r", "s", "PATCH", "/v1/things/a", {"n": 2}, None, START + 2 * MINUTE)], "event"),
    ],
)
def test_a_change_is_ours_by_address_and_value(new: dict[str, Any], writes: list[WriteRecord], expected: str) -> None:
    assert verdict(kind(), {**OLD, **new}, *writes) == expected


@pytest.mark.parametrize(("path", "expected"), [("/one/a", "echo"), ("/other/one/a", "event"), ("/one", "event")])
def test_a_single_item_is_ours_by_the_address_that_is_read(path: str, expected: str) -> None:
    one = kind(items="", request={"path": "/one/a"}, kind="updated")
    assert verdict(one, {**OLD, "n": 2}, write(path, n=2)) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (write("/v1/things", "POST", key="a"), "echo"),
        (write("/v1/things", "POST", key="b"), "event"),
        (write("/v1/things", "POST", done=False), "unclear"),
        (write("/v1/others", "POST", key="a"), "event"),
        (write("/v1/archive/things", "POST", key="a"), "event"),
        (write("/v1/archive/things", "POST", done=False), "event"),
        (write("/things", "POST", key="a"), "event"),
        (write("/v1/things/a", "PUT"), "echo"),
        (write("/v1/archive/things/a", "PUT"), "event"),
        (write("/v1/things/b", "PUT"), "event"),
        (write("/v1/things/a", "PATCH"), "event"),
    ],
)
def test_what_was_made_is_ours_by_its_key(written: WriteRecord, expected: str) -> None:
    assert verdict(kind(), OLD, written, old=None) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/users/me/things/a", "echo"),
        ("/v1/users/ann@example.com/things/a", "echo"),
        ("/v1/things/a", "echo"),
        ("/things/a", "event"),
        ("/v1/rooms/me/things/a", "event"),
        ("/v1/users/me/archive/things/a", "event"),
    ],
)
def test_an_owner_has_several_names_and_a_list_one_place(path: str, expected: str) -> None:
    owned = kind(request={"path": "/v1/users/{user}/things"}, parameters={"user": {"type": "string", "default": "me"}})
    assert verdict(owned, {**OLD, "n": 2}, write(path, n=2)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/users/me/channels/1/things/a", "echo"),
        ("/users/ann@example.com/channels/1/things/a", "echo"),
        ("/channels/1/things/a", "echo"),
        ("/channels/2/things/a", "event"),
        ("/users/me/channels/2/things/a", "event"),
        ("/things/a", "echo"),
    ],
)
def test_what_is_removed_from_another_list_of_the_kind_is_no_echo(path: str, expected: str) -> None:
    names = {"user": {"type": "string", "default": "me"}, "channel": {"type": "string", "default": "1"}}
    inner = kind(request={"path": "/users/{user}/channels/{channel}/things"}, parameters=names)
    assert verdict(inner, None, write(path, "DELETE")) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (write(method="DELETE"), "echo"),
        (write(method="DELETE", done=False), "unclear"),
        (write("/v1/things/b", "DELETE"), "event"),
        (write("/v1/archive/things/a", "DELETE"), "event"),
        (write(method="PATCH"), "event"),
    ],
)
def test_what_was_deleted_is_ours_by_its_address(written: WriteRecord, expected: str) -> None:
    assert verdict(kind(), None, written) == expected


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        ({"id": 7, "n": 1}, "7"),
        ({"data": {"id": "a:b"}}, "a%3Ab"),
        ({"data": {"id": 7}, "owner": {"id": 8}}, None),
        ({"name": "x"}, None),
        ([{"id": 7}], None),
        (None, None),
        ({"id": {"no": 1}}, None),
    ],
)
def test_the_key_of_what_was_made_stands_in_the_answer(answer: Any, key: str | None) -> None:
    assert made_key(answer, watch_for(kind(), (), 1), Reader(kind(), {}), START) == key


def test_a_write_counts_for_a_while_and_in_the_next_poll_at_least() -> None:
    done = write(n=1)
    assert still_counts(done, None, MINUTE, 2)
    assert still_counts(done, START + LAG - MINUTE, MINUTE, 2)
    assert not still_counts(done, START + LAG, MINUTE, 2)
    assert still_counts(done, START - timedelta(days=1), MINUTE, 2), "a daily poll sees it the day after"
    assert still_counts(done, START + LAG, timedelta(hours=1), 2)


def test_a_write_without_an_answer_holds_up_nothing_for_long() -> None:
    lost = write(done=False)
    assert still_counts(lost, START - timedelta(days=1), timedelta(days=1), 2)
    assert still_counts(lost, lost.sent_at + LAG - MINUTE, timedelta(hours=1), 2)
    assert not still_counts(lost, lost.sent_at + LAG, timedelta(hours=1), 2)
