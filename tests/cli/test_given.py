"""What is written behind ``call ACTION``, read by the types of the parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from changewire.cli.given import open_value, read_given
from changewire.errors import UsageError
from changewire.parameters import Parameter
from changewire.values import Json

VALUES: list[tuple[str, Json]] = [
    ("3", 3),
    ("-1.5", -1.5),
    ("true", True),
    ("null", None),
    ("", ""),
    ("no", "no"),
    ("0123", "0123"),
    ("12:30", "12:30"),
    ("2026-11-21", "2026-11-21"),
    ("a: b", "a: b"),
    ("- a", "- a"),
    ("# not a comment", "# not a comment"),
    ("x=y", "x=y"),
    ('"3"', "3"),
    ('{"a": [1, "2"]}', {"a": [1, "2"]}),
    ("[1, 2]", [1, 2]),
    ("{{ payload.id }}", "{{ payload.id }}"),
    ("https://example.com/?a=1#b", "https://example.com/?a=1#b"),
]
PARAMETERS = {
    "topic": Parameter(),
    "userId": Parameter(),
    "size": Parameter(type="integer"),
    "ids": Parameter(type="list"),
    "days": Parameter(type="list", entries=Parameter(type="date")),
    "settings": Parameter(type="object", fields={"note": Parameter(), "on": Parameter(type="boolean")}),
    "start_time": Parameter(type="date-time"),
    "any": Parameter(type="any"),
    "from": Parameter(),
    "begin_time": Parameter(),
}


def read(*words: str) -> dict[str, Json]:
    return read_given(words, PARAMETERS, lambda text, kind: f"{kind} {text}")


@pytest.mark.parametrize(("text", "value"), VALUES, ids=[text or "empty" for text, _ in VALUES])
def test_where_the_type_is_open_a_value_is_read_as_in_a_workflow(text: str, value: Json) -> None:
    found = open_value("name", text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["topic=0123"], {"topic": "0123"}),
        (["topic=true"], {"topic": "true"}),
        (["topic=3"], {"topic": "3"}),
        (['topic="quoted"'], {"topic": '"quoted"'}),
        (["topic="], {"topic": ""}),
        (["topic:=null"], {"topic": None}),
        (['topic:="@all"'], {"topic": "@all"}),
        (['topic:="{{ as it is }}"'], {"topic": "{{ as it is }}"}),
        (["user_id=007"], {"user_id": "007"}),
        (["size=3"], {"size": "3"}),
        (["size:=3"], {"size": 3}),
        (["ids=a"], {"ids": ["a"]}),
        (["ids=a", "ids=b"], {"ids": ["a", "b"]}),
        (['ids=["a"]', "ids=b"], {"ids": ["a", "b"]}),
        (["days=today"], {"days": ["date today"]}),
        (["settings.note=007"], {"settings.note": "007"}),
        (["settings.new=7"], {"settings.new": 7}),
        (["settings__on=true"], {"settings__on": "true"}),
        (['settings={"on": true}'], {"settings": {"on": True}}),
        (["settings={on: true}"], {"settings": {"on": True}}),
        (['settings={"note": "${NOTE}"}'], {"settings": {"note": "${NOTE}"}}),
        (["settings=${SETTINGS}"], {"settings": "${SETTINGS}"}),
        (["start_time=tomorrow"], {"start_time": "date-time tomorrow"}),
        (["start_time=${DAY}"], {"start_time": "${DAY}"}),
        (["any=3"], {"any": 3}),
        (["from=-7d"], {"from": "date -7d"}),
        (["from=2026"], {"from": "2026"}),
        (["begin_time=next monday 9:00"], {"begin_time": "date-time next monday 9:00"}),
        (["begin_time=2026-11-01T09:00:00"], {"begin_time": "2026-11-01T09:00:00"}),
        (["begin_time=2026-11-01 9:00"], {"begin_time": "date-time 2026-11-01 9:00"}),
        (["begin_time=tomorow 9:00"], {"begin_time": "date-time tomorow 9:00"}),
        (["begin_time=09:00"], {"begin_time": "09:00"}),
        (["begin_time=2026-11-01"], {"begin_time": "2026-11-01"}),
        (["topic=today"], {"topic": "today"}),
        (["unknown=3"], {"unknown": 3}),
        (["topic=a=b:=c"], {"topic": "a=b:=c"}),
    ],
)
def test_a_value_is_read_by_the_type_of_its_parameter(words: list[str], values: dict[str, Json]) -> None:
    assert read(*words) == values


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["topic"], "'topic' has no value: write topic=VALUE"),
        (["85746065432"], "'85746065432' is not NAME=VALUE"),
        (["=3"], "'=3' is not NAME=VALUE"),
        (["a=1", "a=2"], "a is given twice"),
        (["any={"], "any: '{' is no JSON: "),
        (["topic:="], "topic: '' is no JSON: it is empty"),
        (["topic:=[1,"], "topic: '[1,' is no JSON: it ends too early, with a bracket or quotation open"),
        (["topic:={a: 1}"], "topic: '{a: 1}' is no JSON: a key in double quotes is missing at character 2"),
        (["topic:=1 2"], "topic: '1 2' is no JSON: something follows from character 3 on, where it is whole"),
        (["settings=x"], "settings: 'x' is no JSON: "),
        (["settings={on: true"], "settings: '{on: true' is no JSON: "),
        (["topic:=x"], "topic: 'x' is no JSON: no value begins like character 1; text stands in double quotes"),
        (["topic={{ payload.topic }}"],
            "topic: '{{ payload.topic }}' is an expression, and only a run fills it in: write its value"),
        (['settings={"note": "{{ x }}"}'], "settings: '{\"note\": \"{{ x }}\"}' is an expression"),
        (["topic=@nowhere.txt"],
            "topic: nowhere.txt: no such file or directory; for text that begins with @ write topic:="),
    ],
)  # fmt: skip
def test_what_is_no_value_is_wrong_use(words: list[str], told: str) -> None:
    with pytest.raises(UsageError) as error:
        read(*words)
    assert str(error.value).startswith(told)


def test_a_value_without_a_name_is_told_where_it_belongs_if_there_is_one_place() -> None:
    with pytest.raises(UsageError) as error:
        read_given(["85746065432"], {"meetingId": Parameter(required=True), "again": Parameter()}, lambda text, _: text)
    assert str(error.value) == "'85746065432' is not NAME=VALUE: write meetingId=85746065432"


def test_a_file_gives_its_text_or_its_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"on": true}\n')
    (tmp_path / "a.txt").write_text("line one\nline two\n")
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe")
    found: dict[str, Any] = read(f"topic=@{tmp_path}/a.txt", f"settings:=@{tmp_path}/a.json")
    assert found == {"topic": "line one\nline two", "settings": {"on": True}}
    with pytest.raises(UsageError, match="is no text in UTF-8"):
        read(f"topic=@{tmp_path}/a.bin")
