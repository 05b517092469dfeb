from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from changewire.parameters import Parameter, ParameterProblem, check_values, spread
from changewire.secret import Secret


def one(value: Any, *, allow_templates: bool = False, **declared: Any) -> tuple[Any, list[str]]:
    values, problems = check_values({"x": Parameter(**declared)}, {"x": value}, allow_templates=allow_templates)
    return values.get("x"), [f"{p.code}: {p.message} -> {p.suggestion}" for p in problems]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("string", "a", "a"),
        ("string", 85746065432, "85746065432"),
        ("string", Secret("word-of-honour"), Secret("word-of-honour")),
        ("integer", 3, 3),
        ("integer", "3", 3),
        ("integer", " -3\n", -3),
        ("integer", 3.0, 3),
        ("integer", Secret("90210"), 90210),
        ("integer", "855 1234 0001", 85512340001),
        ("integer", "555-123-4567", 5551234567),
        ("number", "3", 3),
        ("number", "3.5", 3.5),
        ("number", 2, 2),
        ("boolean", True, True),
        ("boolean", "False", False),
        ("object", {"a": 1}, {"a": 1}),
        ("list", [1], [1]),
        ("any", [1], [1]),
        ("any", "x", "x"),
    ],
)
def test_a_value_is_brought_to_its_type(kind: str, value: Any, expected: Any) -> None:
    found, problems = one(value, type=kind)
    assert (type(found), found, problems) == (type(expected), expected, [])


@pytest.mark.parametrize(
    ("declared", "value", "problem"),
    [
        ({"type": "integer"}, "three", "wrong_type: x must be a whole number, not 'three' -> None"),
        ({"type": "integer"}, "855 1234-0001", "wrong_type: x must be a whole number, not '855 1234-0001' -> None"),
        ({"type": "integer"}, 3.5, "wrong_type: x must be a whole number, not 3.5 -> None"),
        ({"type": "integer"}, True, "wrong_type: x must be a whole number, not true -> None"),
        ({"type": "number"}, "nan", "wrong_type: x must be a number, not 'nan' -> None"),
        ({"type": "boolean"}, "no", "wrong_type: x must be true or false, not 'no' -> None"),
        ({"type": "boolean"}, 1, "wrong_type: x must be true or false, not 1 -> None"),
        ({"type": "string"}, True, "wrong_type: x must be text, not true; put it in quotes -> None"),
        ({"type": "string"}, {"a": 1}, "wrong_type: x must be text, not a mapping -> None"),
        ({"type": "object"}, [1], "wrong_type: x must be a mapping, not a list -> None"),
        ({"type": "list"}, "a", "wrong_type: x must be a list, not 'a' -> None"),
        (
            {"enum": ["append", "overwrite"]},
            "apend",
            "wrong_value: x must be one of append, overwrite, not 'apend' -> append",
        ),
        ({"type": "integer", "min": 1}, 0, "wrong_value: x must be at least 1, not 0 -> None"),
        ({"type": "integer", "max": 300}, "301", "wrong_value: x must be at most 300, not '301' -> None"),
        ({"min": 1}, "", "wrong_value: x must be at least 1 characters, not 0 -> None"),
        ({"type": "list", "max": 1}, [1, 2], "wrong_value: x must be at most 1 entries, not 2 -> None"),
        (
            {"type": "integer", "secret": True},
            "hush",
            "wrong_type: x must be a whole number, not *** -> None",
        ),
        ({"type": "integer"}, Secret("hush-hush"), "wrong_type: x must be a whole number, not *** -> None"),
    ],
)
def test_a_wrong_value_is_told_in_words(declared: dict[str, Any], value: Any, problem: str) -> None:
    assert one(value, **declared) == (None, [problem])


def test_defaults_fill_in_missing_is_told_and_unknown_has_the_nearest_word() -> None:
    declared = {
        "meeting_id": Parameter(required=True, description="the meeting's number"),
        "page_size": Parameter(type="integer", default=300),
        "note": Parameter(),
    }
    values, problems = check_values(declared, {"meting_id": 1, "note": None})
    assert values == {"page_size": 300}
    assert problems == [
        ParameterProblem(("meting_id",), "unknown_parameter", "there is no parameter 'meting_id'", "meeting_id"),
    ]
    _, problems = check_values(declared, {})
    assert problems == [
        ParameterProblem(("meeting_id",), "missing_parameter", "meeting_id is missing: the meeting's number"),
    ]
    _, problems = check_values(declared, {"meeting_id": 1, "zzz": 1})
    assert problems[0].message == "there is no parameter 'zzz'; known are meeting_id, page_size, note"


def test_one_of_some_words_may_come_as_a_secret() -> None:
    assert one(Secret("append"), enum=["append"]) == ("append", [])


def test_names_may_be_spelled_as_apis_spell_them() -> None:
    declared = {"meeting_id": Parameter(), "page_size": Parameter(type="integer")}
    assert check_values(declared, {"meetingId": "7", "pageSize": 3}) == ({"meeting_id": "7", "page_size": 3}, [])
    _, problems = check_values(declared, {"meetingId": "7", "meeting_id": "8", "pageSize": "x"})
    assert [(p.path, p.code) for p in problems] == [
        (("meetingId",), "unknown_parameter"),
        (("pageSize",), "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("written", "value", "meant"),
    [
        ("settings__host_video", True, {"host_video": True}),
        ("settings__host__video", True, {"host_video": True}),
        ("settings.hostVideo", True, {"host_video": True}),
        ("settings__breakout__room__enable", True, {"breakout_room": {"enable": True}}),
        ("settings__breakout__room__rooms", [], {"breakout_room": {"rooms": []}}),
        ("settings__brand__new", 1, {"brand": {"new": 1}}),
    ],
)
def test_fields_of_an_object_may_be_written_flat(written: str, value: Any, meant: dict[str, Any]) -> None:
    room = Parameter(type="object", fields={"enable": Parameter(type="boolean"), "rooms": Parameter(type="list")})
    fields = {"host_video": Parameter(type="boolean"), "host": Parameter(), "breakout_room": room}
    declared = {"settings": Parameter(type="object", fields=fields)}
    assert check_values(declared, {written: value}) == ({"settings": meant}, [])


@pytest.mark.parametrize("text", ["{{ payload.n }}", "{% if x %}1{% endif %}", "${SIZE}"])
def test_what_is_worked_out_later_passes_only_where_it_may(text: str) -> None:
    assert one(text, type="integer", allow_templates=True) == (text, [])
    assert one(text, type="integer")[1]


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "integer", "default": "many"},
        {"required": True, "default": 1},
        {"type": "text"},
        {"kind": "string"},
    ],
)
def test_a_declaration_that_cannot_be_is_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Parameter(**declared)


@given(st.integers(-(10**15), 10**15))
def test_a_whole_number_survives_as_text(number: int) -> None:
    assert one(str(number), type="integer") == (number, [])
    assert one(number, type="string") == (str(number), [])


def test_a_meeting_number_may_be_written_as_zoom_shows_it() -> None:
    assert one("855 1234 0001", uuid=True) == ("85512340001", [])
    assert one("855 1234 0001") == ("855 1234 0001", [])
    assert one("Jw8pN4rHQ2u5o0kXyB6s+g==", uuid=True) == ("Jw8pN4rHQ2u5o0kXyB6s+g==", [])


def test_a_field_written_beside_its_object_is_told_where_it_belongs() -> None:
    parameters = {
        "topic": Parameter(),
        "settings": Parameter(type="object", fields={"join_before_host": Parameter(type="boolean")}),
    }
    (problem,) = check_values(parameters, {"joinBeforeHost": True})[1]
    assert problem.message == "there is no parameter 'joinBeforeHost'"
    assert problem.suggestion == "settings.join_before_host"


def test_a_field_of_a_body_that_nobody_describes_is_told_how_it_is_written() -> None:
    (problem,) = check_values({"userId": Parameter(), "body": Parameter(type="object")}, {"topic": "Standup"})[1]
    assert problem.message == (
        "there is no parameter 'topic'; known are userId, body; a field of the body is written body.topic"
    )


def test_what_is_inside_is_spread_out_by_the_names_that_lead_there() -> None:
    email = Parameter()
    invitees = Parameter(type="list", entries=Parameter(type="object", fields={"email": email}))
    settings = Parameter(type="object", fields={"invitees": invitees, "audio": Parameter()})
    names = [name for name, _ in spread({"topic": Parameter(), "settings": settings})]
    assert names == ["topic", "settings", "settings.invitees", "settings.invitees[].email", "settings.audio"]
