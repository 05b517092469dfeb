"""Type files that cannot be used: where it is wrong and in which words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from changewire.catalog import builtin_folder
from changewire.connectors.definition import Paging
from changewire.triggers.definition import RequestSpec, TriggerType
from changewire.triggers.loading import checkout_types, installed_types, load_trigger_types
from tests.support.mutations import places

GOOD = """\
type: http.thing
title: Thing
description: A thing.
parameters:
  name: {type: string, required: true}
request:
  path: /things/{name}
items: rows
key: id
kind: updated
compare:
  volatile: [seen]
  lists: {lines: {key: sku, only_if: "{{ entry.n > 0 }}"}}
event_type: thing
payload: {event_type: "{{ event_type }}", item: "{{ item }}"}
sample: {id: 1, seen: x, lines: [{sku: a, n: 1}]}
"""


def problems(tmp_path: Path, text: str, name: str = "thing.yaml") -> list[str]:
    (tmp_path / name).write_text(text)
    return [str(problem) for problem in load_trigger_types([tmp_path])[1]]


def test_a_good_one_is_found_by_name_with_an_interval(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD) == []
    found, _ = load_trigger_types([tmp_path, tmp_path / "not there"])
    assert list(found) == ["http.thing"]
    assert found["http.thing"].parameters.keys() == {"name", "interval"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "kind: updated",
            "kind: changed",
            "10:7: 'kind' cannot be 'changed': write created, updated, status or deleted",
        ),
        (
            "items: rows",
            "items: 'rows[*]'",
            "8:8: 'items': 'rows[*]' is no place of a list: write a, [*], a[*].b or [*].b",
        ),
        ("key: id", "kye: id", "9:1: unknown key 'kye' (did you mean 'key'?)"),
        ("key: id", "key: uid", "9:6: tried on the sample: an item has no uid, so it cannot be told from others"),
        ("key: id", "key: 'lines[*].sku'", "9:6: 'key': 'lines[*].sku' must name one field: [*] cannot stand in it"),
        ("key: id", "key: parameters.name", "the file: `items` names a list, so `key` must say which field"),
        (
            "kind: updated",
            "kind: status",
            "the file: `status` names the watched field of kind: status, and of no other",
        ),
        ("kind: updated", "kind: status\nstatus: sate", "11:9: sate leads nowhere in the sample"),
        ("kind: updated", "kind: created\ncreated_at: made", "11:13: made leads nowhere in the sample"),
        (
            "[seen]",
            "[sen]",
            "12:13: sen is neither in the sample nor among `also_possible`, so it would never fit anything",
        ),
        ("[seen]", "[seen]\n  ordered: [line]", "13:12: line is neither in the sample nor among `also_possible`"),
        ("[seen]", "[seen]\n  only: ['lines[*].n']", "13:10: item 1 of 'only': 'lines[*].n' must name one field"),
        ("[seen]", "['a b']", "'a b' is not a path: it goes wrong at ' b'; write a.b, list[*].c or a[\"b.c\"]"),
        (
            "{name}",
            "{nmae}",
            "7:9: the path asks for {nmae}, which is no parameter of this type (did you mean 'name'?)",
        ),
        ("key: id", "key: '{{ parameters.nmae }}'", "the file: key: {{ parameters.nmae }}: there is no field 'nmae'"),
        ("key: id", "key: '{{ a }}'", "9:6: tried on the sample: '{{ a }}' is not a path: it goes wrong at ' a }}'"),
        ("kind: updated", "kind: created\ncreated_at: '{{ a }}'", "11:13: '{{ a }}' is not a path: it goes wrong"),
        ("[seen]", "['{{ a }}']", "12:13: '{{ a }}' is not a path: it goes wrong at ' a }}'"),
        ("[seen]", "[seen]\n  also_possible: ['{{ a }}']", "13:18: '{{ a }}' is not a path: it goes wrong at ' a }}'"),
        ("[seen]", "[seen]\n  text_sets: {seen: ''}", "13:21: 'seen' must not be empty"),
        (
            "lines: [{sku: a, n: 1}]",
            "lines: true",
            "tried on the sample: the sample has another form than this asks for",
        ),
        ("entry.n > 0", "entry.n >", "{{ entry.n > }}: a value is missing behind '>'"),
        ("entry.n > 0", "entry.m > 0", "12:3: tried on the sample: {{ entry.m > 0 }}: there is no field 'm'"),
        (
            "kind: updated",
            "kind: updated\nready: '{{ item.redy }}'",
            "11:8: tried on the sample: {{ item.redy }}: there is",
        ),
        (
            "event_type: thing\n",
            "event_type: '{{ item.x }}'\n",
            "14:13: tried on the sample: {{ item.x }}: there is no",
        ),
        ('"{{ item }}"', '"{{ itm }}"', "15:10: tried on the sample: item: {{ itm }}: there is no name 'itm'"),
        ('"{{ item }}"', '"{{ item | shorten }}"', "15:49: {{ item | shorten }}: there is no filter 'shorten'"),
        (
            "http.thing",
            "htp.thing",
            "1:7: there is no connector 'htp'; known are core, http, zoom (did you mean 'http'?)",
        ),
        (
            "http.thing",
            "thing",
            "1:7: 'type': 'thing' is not a type's name: write connector.what_is_noticed in small letters",
        ),
    ],
)
def test_a_bad_one_is_told_where_and_why(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert old in GOOD
    (found,) = problems(tmp_path, GOOD.replace(old, new, 1))
    assert found.startswith("triggers/thing.yaml:")
    assert problem in found
    assert load_trigger_types([tmp_path])[0] == {}


def test_several_problems_are_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("[seen]", "[sen]").replace("{name}", "{nmae}")
    assert len(problems(tmp_path, text)) == 2


def test_one_name_may_stand_in_one_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text(GOOD)
    (found,) = problems(tmp_path, GOOD, "a.yaml")
    assert found == "triggers/sub/b.yaml:1:7: http.thing stands in triggers/a.yaml as well"


def test_the_first_folder_goes_before_the_others(tmp_path: Path) -> None:
    for name, title in (("own", "Mine"), ("builtin", "Theirs")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thing.yaml").write_text(GOOD.replace("title: Thing", f"title: {title}"))
    found, wrong = load_trigger_types([tmp_path / "own", tmp_path / "builtin"])
    assert (found["http.thing"].title, wrong) == ("Mine", [])


def test_a_file_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("type: [")
    (found,) = problems(tmp_path, GOOD)
    assert found.startswith("triggers/broken.yaml:2:1: ")
    assert list(load_trigger_types([tmp_path])[0]) == ["http.thing"]


def test_built_in_types_lie_in_files_of_their_names_and_yield_to_own_ones(tmp_path: Path) -> None:
    folder = builtin_folder("triggers")
    eager, wrong = load_trigger_types([folder])
    found = installed_types({}, folder)
    assert wrong == []
    assert dict(found) == eager
    assert (len(found), "zoom.not_there" in found, found.get("zoom.not_there")) == (len(eager), False, None)
    (tmp_path / "thing.yaml").write_text(GOOD.replace("http.thing", "http.new_item"))
    own, _ = load_trigger_types([tmp_path])
    assert installed_types(own, folder)["http.new_item"].title == "Thing"


def test_types_that_somebody_works_on_are_the_same_when_they_are_read_one_by_one(tmp_path: Path) -> None:
    folder = builtin_folder("triggers")
    found = checkout_types(folder)
    assert found is not None
    assert dict(found) == load_trigger_types([folder])[0]
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "wrong.yaml").write_text(GOOD.replace("http.thing", "http.wrong").replace("key: id", "key: uid"))
    (tmp_path / "broken.yaml").write_text("type: http.broken\nkey: [")
    found = checkout_types(tmp_path)
    assert found is not None
    assert dict(found) == load_trigger_types([tmp_path])[0]
    assert list(found) == ["http.thing"]
    assert ("http.wrong" in found, found.get("http.wrong"), found.get("http.broken")) == (False, None, None)


@pytest.mark.parametrize("text", ["{type: http.other}", "type:  http.other", "type: http.thing"])
def test_where_a_file_does_not_say_plainly_which_type_it_is_all_have_to_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(text)
    assert checkout_types(tmp_path) is None


class TestOperations:
    TEXT = """\
type: zoom.thing
title: Thing
description: A thing.
parameters: {user_id: }
request: {operation: meetings}
items: meetings
key: id
kind: created
sample: {id: 1}
"""

    def kind(self, tmp_path: Path, text: str) -> tuple[TriggerType, RequestSpec]:
        assert problems(tmp_path, text) == []
        kind = load_trigger_types([tmp_path])[0]["zoom.thing"]
        assert kind.request is not None
        return kind, kind.request

    def test_say_path_label_pages_and_scopes(self, tmp_path: Path) -> None:
        kind, request = self.kind(tmp_path, self.TEXT)
        assert (request.path, request.label) == ("/users/{user_id}/meetings", "MEDIUM")
        assert request.query == {"page_size": "{{ parameters.page_size }}"}
        assert kind.paging == Paging(kind="token")
        assert kind.needs.scopes.granular == ("meeting:read:list_meetings", "meeting:read:list_meetings:admin")
        assert kind.parameters["user_id"].default == "me"
        size = kind.parameters["page_size"]
        assert (size.type, size.default, size.max, size.tuning) == ("integer", 30, 300, True)

    def test_say_nothing_of_pages_where_there_is_one_item(self, tmp_path: Path) -> None:
        kind, request = self.kind(tmp_path, self.TEXT.replace("items: meetings\n", "").replace("key: id", "key: id"))
        assert (kind.paging, request.query) == (None, {})
        assert "page_size" not in kind.parameters

    def test_yield_to_what_is_written(self, tmp_path: Path) -> None:
        more = "parameters: {user_id: {required: true}, page_size: {default: 7}}\nneeds: {plan: business}\n"
        text = self.TEXT.replace("parameters: {user_id: }\n", more)
        text = text.replace("{operation: meetings}", "{operation: MEETINGS, label: HEAVY, path: '/users/x/meetings'}")
        kind, request = self.kind(tmp_path, text.replace("/users/x/", "/users/{user_id:uuid}/"))
        assert (request.path, request.label) == ("/users/{user_id:uuid}/meetings", "HEAVY")
        assert (kind.parameters["user_id"].required, kind.parameters["user_id"].default) == (True, None)
        assert (kind.parameters["page_size"].default, kind.parameters["page_size"].max) == (7, 300)
        assert kind.needs.plan == "business"
        assert kind.needs.scopes.classic == ("meeting:read", "meeting:read:admin")

    def test_of_further_requests_are_noted(self, tmp_path: Path) -> None:
        text = self.TEXT.replace("items:", "detail: {operation: user, path: '/users/{item.host_id}'}\nitems:")
        (note,) = self.kind(tmp_path, text)[0].needs.notes
        assert note == "Also user:read:user or user:read:user:admin with granular scopes: get a user."

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("meetings}", "meting}", "5:11: zoom has no operation 'meting': write `path` (did you mean 'meeting'?)"),
            ("meetings}", "meetingCreate}", "5:11: meetingCreate changes something, and a trigger only reads"),
            ("meetings}", "meetings, path: /users/x}", "5:32: the path of meetings is /users/{userId}/meetings, to be"),
            ("zoom.thing", "http.thing", "5:11: http has no table of operations: write `path`"),
        ],
    )
    def test_that_do_not_fit_are_told(self, tmp_path: Path, old: str, new: str, problem: str) -> None:
        (found,) = problems(tmp_path, self.TEXT.replace(old, new, 1))
        assert problem in found


@pytest.mark.parametrize("name", ["new_user", "meeting_deleted", "new_meeting_question", "user_settings_changed"])
def test_a_value_of_any_other_form_is_a_problem_with_a_place(tmp_path: Path, name: str) -> None:
    text = (builtin_folder("triggers") / "zoom" / f"{name}.yaml").read_text()
    data = yaml.safe_load(text)
    others: tuple[Any, ...] = (7, "$$", [], {"a": {"b": 1}}, None)
    for holder, key in list(places(data)):
        kept = holder[key]
        for other in others:
            holder[key] = other
            for problem in problems(tmp_path, yaml.safe_dump(data)):
                assert re.match(r"\S*thing\.yaml:\d+:\d+: ", problem), (problem, key, other)
        holder[key] = kept
