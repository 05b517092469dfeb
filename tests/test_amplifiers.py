from __future__ import annotations

import time
import tracemalloc

import pytest

from changewire.templates import TemplateError, render

SCOPE = {"text": "a" * (1 << 20), "words": ["a" * (1 << 20)] * 1000, "lines": "\n" * 1_000_000, "ones": [[1]] * 99_999}


@pytest.mark.parametrize(
    "expression",
    [
        "words | join",
        "words | join(text)",
        "text.join(text)",
        "''.join(words)",
        "text | replace('a', text)",
        "text.replace('a', text)",
        "text.replace('', text)",
        "lines | indent(9999)",
        "lines | indent(text)",
        "[1] | batch(10**9, 0) | list",
        "[1] | slice(10**9) | list",
        "ones | sum(start=[]) | length",
        "'%s' * 1000 | format(*words)",
        "('%9999d' * 9999) | format(*range(9999))",
        "'a'.encode().ljust(10**10)",
        "(5).to_bytes(10**10)",
        "text | regex_replace('', text)",
        "text | urlize",
        "text | wordwrap",
        "text | striptags",
    ],
)
def test_nothing_makes_much_out_of_little(expression: str) -> None:
    tracemalloc.start()
    began = time.thread_time()
    try:
        with pytest.raises(TemplateError):
            render(f"{{{{ {expression} }}}}", SCOPE)
        assert tracemalloc.get_traced_memory()[1] < 256 << 20
    finally:
        tracemalloc.stop()
    assert time.thread_time() - began < 20


@pytest.mark.parametrize(
    "template",
    [
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | length }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}{{ n.x | length }}",
        "{% set n = namespace(x=9) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}{{ n.x > 1 }}",
        "{% set x %}{% for i in range(99999) %}{{ text }}{% endfor %}{% endset %}{{ x | length }}",
        "{% macro m() %}{% for i in range(99999) %}{{ text }}{% endfor %}{% endmacro %}{{ m() | length }}",
        "{% filter length %}{% for i in range(99999) %}{{ text }}{% endfor %}{% endfilter %}",
    ],
)
def test_no_loop_doubles_for_ever(template: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            render(template, SCOPE)
        assert tracemalloc.get_traced_memory()[1] < 512 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("['a', 1, none] | join(', ')", "a, 1, None"),
        ("[{'n': 1}, {'n': 2}] | join('-', attribute='n')", "1-2"),
        ("'a-b-c' | replace('-', '+', 1)", "a+b-c"),
        ("'a-b'.replace('-', '') ~ ','.join(['x', 'y'])", "abx,y"),
        ("'a\nb' | indent(2)", "a\n  b"),
        ("[1, 2, 3] | batch(2, 0) | list", [[1, 2], [3, 0]]),
        ("[1, 2, 3] | slice(2) | list", [[1, 2], [3]]),
        ("[1, 2, 3] | sum", 6),
        ("[{'n': 1}, {'n': 2}] | sum(attribute='n', start=1)", 4),
        ("[1] + [2]", [1, 2]),
        ("'a' + 'b'", "ab"),
        ("6 * 7", 42),
    ],
)
def test_ordinary_use_is_as_before(expression: str, value: object) -> None:
    assert render(f"{{{{ {expression} }}}}", {}) == value
