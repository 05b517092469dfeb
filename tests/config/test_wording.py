"""What a model refuses is told in plain words, at the place in the file, with the nearest valid word."""

from datetime import timedelta
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from changewire.config.fields import Duration, Interval, Strict, Text, Whole, refused
from changewire.config.yaml_files import check, parse_yaml
from changewire.errors import ConfigError


class Cat(Strict):
    type: Literal["cat"]
    lives: Whole = 9


class Dog(Strict):
    type: Literal["dog"]
    tricks: tuple[Text, ...] = ()


class Owner(Strict):
    model_config = ConfigDict(ignored_types=(tuple,))

    name: Text
    mode: Literal["single", "queued"] = "single"
    age: Annotated[Whole, Field(ge=1, le=150)] = 30
    weight: Annotated[float, Field(gt=0, lt=500)] = 70.0
    awake: bool = True
    nap: Duration | None = None
    sleep: Interval = timedelta(hours=8)
    things: dict[str, int] = Field(default_factory=dict, validation_alias="with")
    pet: Annotated[Cat | Dog, Field(discriminator="type")] | None = None
    friends: tuple["Owner", ...] = ()

    @model_validator(mode="after")
    def _no_asleep_friends(self) -> "Owner":
        if self.friends and not self.awake:
            raise refused("who sleeps has no friends", code="conflict", at=("friends",), suggestion="dreams")
        return self


WRONG = [
    ("", "1:1: missing: 'name' is missing"),
    ("- a", "1:1: wrong_type: the file must be a mapping: lines of `key: value`"),
    ("nam: x\nname: y", "1:1: unknown_key: unknown key 'nam' -> name"),
    (
        "name: y\nzzz: 1",
        "2:1: unknown_key: unknown key 'zzz': possible are name, "
        "mode, age, weight, awake, nap, sleep, with, pet, friends",
    ),
    ("name: 5", "1:7: wrong_type: 'name' must be text: write it in quotes"),
    ("name: [a]", "1:7: wrong_type: 'name' must be text, not a list"),
    ("name:", "1:6: wrong_type: 'name' must be text, not empty"),
    ("name: ''", "1:7: wrong_value: 'name' must not be empty"),
    ("{name: y, mode: queud}", "1:17: wrong_value: 'mode' cannot be 'queud': write single or queued -> queued"),
    ("{name: y, age: x}", "1:16: wrong_type: 'age' must be a whole number, not 'x'"),
    ("{name: y, age: 1.5}", "1:16: wrong_type: 'age' must be a whole number, not 1.5"),
    ("{name: y, age: true}", "1:16: wrong_type: a whole number is wanted, not true or false"),
    ("{name: y, age: 0}", "1:16: out_of_range: 'age' must be at least 1, not 0"),
    ("{name: y, age: 151}", "1:16: out_of_range: 'age' must be at most 150, not 151"),
    ("{name: y, weight: heavy}", "1:19: wrong_type: 'weight' must be a number, not 'heavy'"),
    ("{name: y, weight: 0}", "1:19: out_of_range: 'weight' must be more than 0, not 0"),
    ("{name: y, weight: 500}", "1:19: out_of_range: 'weight' must be less than 500, not 500"),
    ("{name: y, awake: maybe}", "1:18: wrong_type: 'awake' must be true or false, not 'maybe'"),
    (
        "{name: y, nap: soon}",
        "1:16: wrong_value: 'nap': 'soon' is not a duration: write 30s, 5m, 1h30m, 2d or a number of seconds",
    ),
    ("{name: y, sleep: 1ms}", "1:18: out_of_range: '1ms' is too short: at least 1s"),
    ("{name: y, with: [1]}", "1:17: wrong_type: 'with' must be a mapping: lines of `key: value`"),
    ("{name: y, with: {a: b}}", "1:21: wrong_type: 'a' must be a whole number, not 'b'"),
    ("{name: y, friends: z}", "1:20: wrong_type: 'friends' must be a list: lines that begin with '- '"),
    ("{name: y, friends: [z]}", "1:21: wrong_type: item 1 of 'friends' must be a mapping: lines of `key: value`"),
    ("{name: y, friends: [{name: z}, {}]}", "1:32: missing: 'name' is missing"),
    ("{name: y, friends: [{name: z, wit: {}}]}", "1:31: unknown_key: unknown key 'wit' -> with"),
    ("{name: y, pet: {}}", "1:16: missing: 'type' is missing"),
    ("{name: y, pet: {type: cow}}", "1:23: wrong_value: 'type' cannot be 'cow': write cat or dog -> None"),
    ("{name: y, pet: {type: cat, live: 8}}", "1:28: unknown_key: unknown key 'live' -> lives"),
    (
        "{name: y, pet: {type: cat, tricks: []}}",
        "1:28: unknown_key: unknown key 'tricks': possible are type, lives",
    ),
    ("{name: y, pet: {type: cat, lives: x}}", "1:35: wrong_type: 'lives' must be a whole number, not 'x'"),
    ("{name: y, awake: false, friends: [{name: z}]}", "1:25: conflict: who sleeps has no friends -> dreams"),
]


def told(text: str, model: type[BaseModel] = Owner) -> list[str]:
    document = parse_yaml(text, "f.yaml")
    with pytest.raises(ConfigError) as caught:
        check(document, model, data={} if document.data is None else None)
    return [
        f"{p.line}:{p.column}: {p.code}: {p.message}" + (f" -> {p.suggestion}" if p.suggestion else "")
        for p in caught.value.problems
    ]


@pytest.mark.parametrize(("text", "expected"), WRONG, ids=lambda value: value[:30])
def test_each_mistake_is_told_in_plain_words(text: str, expected: str) -> None:
    assert told(text) == [expected.removesuffix(" -> None")]


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    found = told("age: 0\nnmae: x\nmode: singel\nfriends:\n  - {name: 3}\n")
    assert [line.split(": ")[0] for line in found] == ["1:6", "2:1", "3:7", "5:12"]


def test_a_misspelt_key_is_not_told_as_missing_too() -> None:
    assert told("nmae: x\n") == ["1:1: unknown_key: unknown key 'nmae' -> name"]


def test_a_part_of_a_file_is_checked_at_its_place() -> None:
    document = parse_yaml("people:\n  - name: x\n  - name: y\n    age: 0\n", "f.yaml")
    assert check(document, Owner, ["people", 0]).name == "x"
    with pytest.raises(ConfigError, match=r"^f.yaml:4:10: 'age' must be at least 1, not 0$"):
        check(document, Owner, ["people", 1])


def test_expanded_data_is_checked_at_the_places_of_the_file() -> None:
    document = parse_yaml("name: x\nage: ${AGE}", "f.yaml")
    assert check(document, Owner, data={"name": "x", "age": "44"}).age == 44
    with pytest.raises(ConfigError, match=r"^f.yaml:2:6: 'age' must be a whole number, not 'old'$"):
        check(document, Owner, data={"name": "x", "age": "old"})
