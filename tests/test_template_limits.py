"""What an expression may make on its way to a result: small values that mean much, and every word on hostile values."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tracemalloc
import unicodedata

import pytest

from changewire.effort import LARGEST
from changewire.errors import nearest
from changewire.templates import TemplateError, render
from changewire.value_size import DEEPEST_VALUE, Sizes, TooLargeValueError
from tests.support.hostile_expressions import words

SCOPE = {"text": "a" * LARGEST, "path": "a." * 99_999}


def loop(start: str, step: str, times: int = 60) -> str:
    return f"{{% set n = namespace(x={start}) %}}{{% for i in range({times}) %}}{{% set n.x = {step} %}}{{% endfor %}}"


MACRO = "{{% set n = namespace(x=[]) %}}{{% macro m() %}}{{% set n.x = {} %}}{{% endmacro %}}"
BUILT = {
    "lists": loop("['a']", "[n.x, n.x]"),
    "tuples": loop("('a',)", "(n.x, n.x)"),
    "mappings": loop("{}", "{'a': n.x, 'b': n.x}"),
    "dict()": loop("{}", "dict(a=n.x, b=n.x)"),
    "merged mappings": loop("{}", "{'a': n.x} | merge({'b': n.x})"),
    "pairs of mappings": loop("{}", "{'a': n.x.items(), 'b': n.x.items()}"),
    "arguments": MACRO.format("varargs") + "{% for i in range(60) %}{{ m(n.x, n.x) }}{% endfor %}",
    "named arguments": MACRO.format("kwargs") + "{% for i in range(60) %}{{ m(a=n.x, b=n.x) }}{% endfor %}",
    "repeated lists": loop("['a']", "[n.x * 1000]"),
    "batches": loop("['a']", "[1] | batch(1000, n.x) | list"),
    "defaults": loop("['a']", "([''] * 1000) | map('default', n.x, true) | list"),
    "deep lists": loop("[]", "[n.x]", 99_999),
    "deep tuples": loop("(1, 2)", "(n.x, 1)", 99_999),
    "deep mappings": loop("{}", "{'a': n.x}", 99_999),
    "kept texts": loop("[]", "n.x + [text ~ i]", 99_999),
    "nested texts": loop("[]", "[n.x, text ~ i]", 99_999),
    "joined texts": loop("'a'", "n.x ~ n.x"),
    "large numbers": loop("9", "n.x * n.x"),
}
USES = ("n.x", "n.x == n.x[0]", "[n.x, n.x] | sort", "n.x ~ ''", "n.x | json", "{n.x: 1} | length", "n.x | string")


@pytest.mark.parametrize("name", BUILT)
def test_a_small_value_that_means_much_is_refused(name: str) -> None:
    tracemalloc.start()
    try:
        for use in USES:
            began = time.thread_time()
            with pytest.raises(TemplateError, match=r"on the way to the result|a number of more than"):
                render(f"{BUILT[name]}{{{{ {use} }}}}", SCOPE)
            assert time.thread_time() - began < 20
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "expression",
    [
        "([{}] * 99999) | sort(attribute=path)",
        "([{}] * 99999) | map(attribute=path) | list",
        "([{'a': 1}] * 99999) | pluck(path)",
        "([''] * 99999) | map('default', ['a' * 1000] * 1000, true) | sort",
        "range(99999) | map('string') | map('replace', '1', text) | list",
        "{% macro m(x) %}{{ m(x ~ text) }}{% endmacro %}{{ m('') }}",
        "text.rfind('a' * 500000 ~ 'b')",
        "text.rsplit('b' ~ 'a' * 500000)",
        "text.strip('b' * 500000)",
        "text | trim('b' * 500000)",
        "text | date",
        "0 | date('%c' * 1000)",
        "text | parse_date('%d' * 1000)",
        "'%s' * 100 | format(*([['a' * 1000] * 100] * 100))",
        "('[' * 200 ~ '1,' * 500000 ~ '1' ~ ']' * 200) | from_json | json(2)",
        "('[],' * 500000) | from_json",
        "('f' * 99999) | int(0, 16)",
        "10 ** 10 ** 8",
        "1e308 * 10",
    ],
)
def test_an_expression_is_refused_or_ends_in_little_time_and_memory(expression: str) -> None:
    tracemalloc.start()
    began = time.thread_time()
    try:
        template = expression if "{%" in expression else f"{{{{ {expression} }}}}"
        if expression == "1e308 * 10":
            assert render(template, SCOPE) is None
        else:
            with pytest.raises(TemplateError) as caught:
                render(template, SCOPE)
            assert len(str(caught.value)) < 5000
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 20


@pytest.mark.parametrize(
    ("template", "value"),
    [
        (loop("[]", "n.x + [i]", 5000) + "{{ n.x | length }}", "5000"),
        (loop("''", "n.x ~ 'line ' ~ i ~ '\n'", 5000) + "{{ n.x | length }}", "48890"),
        ("{{ [payload, payload.id, {'a': [payload]}] }}", [{"id": 7}, 7, {"a": [{"id": 7}]}]),
        ("{% for name, value in payload.items() %}{{ name }}={{ value }}{% endfor %}", "id=7"),
        ("{{ payload.items() | list }}", [["id", 7]]),
        ("{{ payload.keys() }}", ["id"]),
        ("{{ 1 in [payload.id, 1] }}", True),
        ("{{ {payload.id | string: (1, 2)} }}", {"7": [1, 2]}),
        ("{{ ('a', payload.id) ~ true ~ none }}", "('a', 7)TrueNone"),
        ("{{ ' a-'.rsplit('-') ~ ' x '.strip() }}", "[' a', '']x"),
        ("{{ 'xax' | trim('x') }}", "a"),
        ("{{ {'a': [1]} | json(2) }}", '{\n  "a": [\n    1\n  ]\n}'),
    ],
)
def test_ordinary_expressions_are_not_limited(template: str, value: object) -> None:
    assert render(template, {"payload": {"id": 7}}) == value


@pytest.mark.parametrize("length", [10, 100_000])
def test_an_error_quotes_only_the_beginning_of_a_value(length: int) -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{ text | date }}", {"text": "secret-less " * length})
    assert "is not a moment" in str(caught.value) or str(caught.value).endswith("…")
    assert len(str(caught.value)) < 5000


def test_accents_in_any_order_take_linear_time() -> None:
    text = "e" + "\u0327\u0301" * 200_000 + "!"
    began = time.thread_time()
    assert render("{{ text | slug }}", {"text": text}) == "e"
    assert time.thread_time() - began < 10
    assert unicodedata.normalize("NFKD", "é")[0] == render("{{ 'é' | slug }}", {})


def test_the_closest_word_is_looked_for_in_linear_time() -> None:
    began = time.thread_time()
    assert nearest("a" * 100_000, ["a" * 99_999]) is None
    assert nearest("status", ["x" * 99_999, "state", *(f"field_{n}" for n in range(100_000))]) == "state"
    assert time.thread_time() - began < 10


def test_a_size_counts_everything_as_often_as_it_is_reached() -> None:
    inner = ["abc", 1]
    assert Sizes().of([inner, inner], 100) == (12, 2)
    assert Sizes().of({"ab": inner}, 100) == (9, 2)
    with pytest.raises(TooLargeValueError, match="more than 11 characters and entries"):
        Sizes().of([inner, inner], 11)
    deep: object = 1
    for _ in range(DEEPEST_VALUE + 1):
        deep = [deep]
    with pytest.raises(TooLargeValueError, match="levels"):
        Sizes().of(deep, 10_000)


def tried(kind: str, part: int, parts: int) -> list[dict[str, object]]:
    command = [sys.executable, "-m", "tests.support.hostile_expressions", kind, str(part), str(parts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    *bad, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last["tried"] > len(words(kind))
    return bad


KINDS = ("filters", "tests", "globals", "operators", "methods")


@pytest.mark.parametrize("kind", KINDS)
def test_no_word_takes_long_or_much_memory_on_hostile_values(kind: str) -> None:
    assert tried(kind, 0, {"filters": 120}.get(kind, 8)) == []


@pytest.mark.torture
@pytest.mark.parametrize("part", range(1, 6))
def test_no_filter_takes_long_or_much_memory_on_many_hostile_values(part: int) -> None:
    assert tried("filters", part, 50) == []
