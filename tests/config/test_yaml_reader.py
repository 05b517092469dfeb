"""YAML text becomes the data that YAML 1.2 says, or a problem at its exact place."""

import json
import math
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from changewire.config.yaml_reader import MAX_DEPTH, load
from changewire.errors import ConfigError
from changewire.values import Json

PLAIN = [
    ("no", "no"),
    ("on", "on"),
    ("yes", "yes"),
    ("12:30", "12:30"),
    ("0123", "0123"),
    ("-01", "-01"),
    ("01.5", "01.5"),
    ("1_000", "1_000"),
    ("2026-11-01", "2026-11-01"),
    ("2026-11-01T08:00:00Z", "2026-11-01T08:00:00Z"),
    ("1.2.3", "1.2.3"),
    ("=", "="),
    ("${NAME:-x}", "${NAME:-x}"),
    ("'5'", "5"),
    ('"true"', "true"),
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("null", None),
    ("~", None),
    ("", None),
    ("0", 0),
    ("-0", 0),
    ("+5", 5),
    ("85746065432", 85746065432),
    ("18446744073709551615", 2**64 - 1),
    ("-9223372036854775808", -(2**63)),
    ("0x1F", 31),
    ("0o17", 15),
    ("1.5", 1.5),
    (".5", 0.5),
    ("1.", 1.0),
    ("1e5", 100000.0),
    ("-1.5E-3", -0.0015),
    ("{a: 1, b: [x, {c: null}]}", {"a": 1, "b": ["x", {"c": None}]}),
    ("|\n  two\n  lines\n", "two\nlines\n"),
    (">-\n  one\n  line\n", "one line"),
    ("[&x {a: 1}, *x]", [{"a": 1}, {"a": 1}]),
    ("[&x text, *x]", ["text", "text"]),
    ('{"<<": 1}', {"<<": 1}),
]


@pytest.mark.parametrize(("text", "data"), PLAIN)
def test_values_follow_yaml_1_2(text: str, data: Json) -> None:
    found = load(f"value: {text}", "f.yaml")["value"]
    assert found == data
    assert type(found) is type(data)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_nothing_is_none(text: str) -> None:
    assert load(text, "f.yaml") is None


REFUSED = [
    ("a: 1\nb: 2\na: 3", "3:1", "duplicate_key", "'a' is already there in line 1: keep one of the two"),
    ("x: {c: 1, c: 2}", "1:11", "duplicate_key", "'c' is already there in line 1: keep one of the two"),
    ("1: x", "1:1", "key_not_text", "a key must be text: put 1 in quotes"),
    ("a:\n  true: x", "2:3", "key_not_text", "a key must be text: put true in quotes"),
    ("? [a]\n: b", "1:3", "key_not_text", "a list cannot be a key: put text with [ ] in quotes"),
    (
        "message: {{ payload.id }}",
        "1:11",
        "key_not_text",
        'a { } cannot be a key: put an expression in quotes, as in "{{ payload.id }}"',
    ),
    ("a: 1\n<<: 2", "2:1", "merge_key", "merge keys (<<) are not used here: write the keys out"),
    ("a: !x 1", "1:4", "tag", "tags (!…) are not used here: write plain values, and text in quotes"),
    ("a: !!str 1", "1:4", "tag", "tags (!…) are not used here: write plain values, and text in quotes"),
    ("a: !x\n  b: 1", "1:4", "tag", "tags (!…) are not used here: write plain values, and text in quotes"),
    ("a: *x", "1:4", "unknown_anchor", "there is no anchor &x above: put text that begins with * in quotes"),
    ("a: &x [*x]", "1:8", "unknown_anchor", "there is no anchor &x above: put text that begins with * in quotes"),
    (
        "a: 1\n---\nb: 2",
        "2:1",
        "several_documents",
        "a second document begins here: make it a file of its own",
    ),
    ("a: .inf", "1:4", "number", "the number .inf is out of range: put it in quotes if it is text"),
    ("a: -.Inf", "1:4", "number", "the number -.Inf is out of range: put it in quotes if it is text"),
    ("a: .nan", "1:4", "number", "the number .nan is out of range: put it in quotes if it is text"),
    ("a: 1e999", "1:4", "number", "the number 1e999 is out of range: put it in quotes if it is text"),
    (
        "a: 18446744073709551616",
        "1:4",
        "number",
        "the number 18446744073709551616 is out of range: put it in quotes if it is text",
    ),
    (
        "a: x\x00y",
        "1:5",
        "character",
        'an invisible character stands here: write it as "\\u0000", in double quotes',
    ),
    (
        "a: 1\nb: 'x\u2028y'",
        "2:6",
        "character",
        'an invisible character stands here: write it as "\\u2028", in double quotes',
    ),
    ("[" * 60, "1:51", "too_deep", "more than 50 levels inside each other"),
    ("- " * 100_000, "1:101", "too_deep", "more than 50 levels inside each other"),
    (
        "a: b: c",
        "1:5",
        "yaml",
        "a ':' cannot be here: quote text that has ': ' in it, or mend the indent",
    ),
    (
        "a:\n\tb: 1",
        "2:1",
        "yaml",
        "a tab stands here: indent with spaces",
    ),
    (
        "a: @x",
        "1:4",
        "yaml",
        "text that begins with @ must be in quotes",
    ),
    ("a: 'x\nb: 1", "1:4", "yaml", "the quotation that begins here is never closed"),
    ("a: [1, 2", "1:4", "yaml", "the list that begins here is not closed with ], or a comma is missing"),
    (
        "{a: ${X}}",
        "1:6",
        "yaml",
        "a comma or } is missing: put text that holds { } [ ] , # in quotes",
    ),
    ("cron: */5 * * * *", "1:7", "yaml", "text that begins with * or & must be in quotes"),
    ("a: 1\nb\nc: 1", "2:1", "yaml", "this is not `key: value`: a ':' with a space behind it is missing"),
    (
        'a: "\\q"',
        "1:5",
        "yaml",
        "unknown escape in double quotes: write \\\\ for a backslash, or use single quotes",
    ),
    (
        "- a\nb: c",
        "2:1",
        "yaml",
        "this line does not fit the list around it: mend the indent, or begin with '- '",
    ),
    (
        "a: 1\n- b",
        "2:1",
        "yaml",
        "this line does not fit the mapping around it: mend the indent, or write `key: value`",
    ),
    ("a: 1\n\tb: 2", "2:1", "yaml", "a tab stands here: indent with spaces"),
    ("a: %x", "1:4", "yaml", "text that begins with % must be in quotes"),
    ("a: }", "1:4", "yaml", "a value is missing before this, or text that begins with } is not in quotes"),
    ("a: [}", "1:5", "yaml", "a value is missing before this, or text that begins with } is not in quotes"),
    ("a: >x\n b", "1:5", "yaml", "nothing can stand here behind | or >: begin the text on the next line, indented"),
    (
        "a: 'it's'",
        "1:8",
        "yaml",
        "the quotation ends before this: put the whole text in quotes, and double each ' inside: ''",
    ),
    (
        'a: "x" y',
        "1:8",
        "yaml",
        'the quotation ends before this: put the whole text in quotes, and write \\" for each " inside',
    ),
    ("a: [Team] Weekly", "1:11", "yaml", "the list ends before this: put text that begins with [ in quotes"),
    ("a: {{ b }} c", "1:12", "yaml", "what { } holds ends before this: put text that begins with { in quotes"),
    ("a: - b", "1:4", "yaml", "a list begins on a line of its own: put '- ' on the next line, indented"),
    (
        "a: b\n...\nc",
        "3:1",
        "yaml",
        "the data has ended before this: mend the brackets, or take out a line '...'",
    ),
    ("{a: b}}", "1:7", "yaml", "the data has ended before this: mend the brackets, or take out a line '...'"),
    ("%YAML 9\n---\na", "1:8", "yaml", "a line that begins with % is no data: put text in quotes"),
    ("!:% b", "1:3", "yaml", "tags (!…) are not used here: write plain values, and text in quotes"),
    ("%", "1:2", "yaml", "a line that begins with % is no data: put text in quotes"),
    (
        'a: "\\x4"',
        "1:7",
        "yaml",
        "unknown escape in double quotes: write \\\\ for a backslash, or use single quotes",
    ),
]


@pytest.mark.parametrize(("text", "place", "code", "message"), REFUSED, ids=lambda v: str(v)[:20])
def test_what_cannot_be_read_is_told_at_its_place(text: str, place: str, code: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, "f.yaml")
    [problem] = caught.value.problems
    assert f"{problem.line}:{problem.column}" == place
    assert (problem.file, problem.code, problem.message) == ("f.yaml", code, message)


LETTERS = [*"ab:-?|>[]{},'\"#&*!%@` \n\t\\", "{{ a }}", "a: b", "\n  ", "- ", "---", "..."]


@given(st.lists(st.sampled_from(LETTERS), max_size=12).map("".join))
def test_nothing_is_told_in_the_words_of_the_library(text: str) -> None:
    told = ""
    try:
        load(text, "f.yaml")
    except ConfigError as error:
        told = str(error)
    assert not [word for word in ("expected", "did not find", "found ", "token", "node", "None") if word in told], told


def test_all_problems_of_a_file_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load("a: 1\na: 2\n5: !x 3\n", "f.yaml")
    assert [(p.line, p.code) for p in caught.value.problems] == [
        (2, "duplicate_key"),
        (3, "key_not_text"),
        (3, "tag"),
    ]


def test_anchors_cannot_grow_a_small_file_into_huge_data() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(ConfigError, match=r"5:.*repeats more than 100000 values"):
        load("\n".join(lines), "f.yaml")


def test_the_deepest_allowed_nesting_is_read() -> None:
    data = load("[" * MAX_DEPTH + "]" * MAX_DEPTH, "f.yaml")
    depth = 0
    while data:
        data, depth = data[0], depth + 1
    assert depth == MAX_DEPTH - 1


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
    | st.sampled_from([text for text, _ in PLAIN] + ["<<", "*x", "&x", "!x", "# x", "- x", "? x", "a: b", "{{ x }}"])
)
kept_apart = {"\x85", "\u2028", "\u2029"}  # refused when they stand in a file as they are
documents = st.dictionaries(
    texts,
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=15),
    max_size=5,
)


@given(documents, st.booleans(), st.sampled_from([None, True, False]))
def test_whatever_data_is_dumped_as_yaml_reads_back_equal(data: Json, unicode: bool, flow: bool | None) -> None:
    text = yaml.dump(data, Dumper=Dumper12, allow_unicode=unicode, default_flow_style=flow, sort_keys=False)
    if not kept_apart & set(text):
        assert_same(load(text, "f.yaml"), data)


@given(st.dictionaries(texts, scalars, max_size=5))
def test_json_text_is_yaml(data: Json) -> None:
    text = json.dumps(data, ensure_ascii=True)
    if "\\ud" not in text:  # halves of a character, which YAML has no word for
        assert_same(load(text, "f.yaml"), data)


class Dumper12(yaml.SafeDumper):
    """Writes text in quotes wherever YAML 1.2 would take it for something else, and nowhere else."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text)


def _number(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(number))


def _rule(tag: str, pattern: str, starts: str) -> None:
    Dumper12.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(starts) or None)


Dumper12.yaml_implicit_resolvers = {}
_rule("null", r"^(?:null|Null|NULL|~|)$", "nN~")
_rule("null", r"^$", "")
_rule("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF")
_rule("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", "-+0123456789")
_rule("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_rule("float", r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+.")
_rule("merge", r"^<<$", "<")
Dumper12.add_representer(str, _text)
Dumper12.add_representer(float, _number)


def assert_same(found: Json, given: Json) -> None:
    """Equal, with the same types: 1, 1.0 and True are three things."""
    assert type(found) is type(given)
    if isinstance(given, dict):
        assert list(found) == list(given)
        for key in given:
            assert_same(found[key], given[key])
    elif isinstance(given, list):
        assert len(found) == len(given)
        for one, other in zip(found, given, strict=True):
            assert_same(one, other)
    else:
        assert found == given
        if isinstance(given, float):
            assert math.copysign(1, found) == math.copysign(1, given)
