"""Expressions that cannot be read or worked out, in words for the person who wrote them."""

from __future__ import annotations

import pytest

from changewire.templates import TemplateError, expression_problems, render

# the text, the column (from 0) that is meant, the words
UNREADABLE = [
    ("{{ a b }}", 5, "an operator is missing between 'a' and 'b', such as ~ to join them"),
    ("{{ }}", 3, "there is nothing between '{{' and '}}'"),
    ("{{ a", 0, "'{{' is never closed with '}}'"),
    ("{{ a }", 5, "'}}' is wanted here, to end what '{{' began"),
    ("{{ a | }}", 7, "the name of a filter is missing behind '|'"),
    ("{{ a = b }}", 5, "'=' compares nothing: write '=='"),
    ("{{ a && b }}", 5, "write 'and' instead of '&&'"),
    ("{{ a || b }}", 6, "write 'or' instead of '||'"),
    ("{{ !a }}", 3, "write 'not' instead of '!'"),
    ("{{ a ? b : c }}", 5, "there is no '?' here: write a choice as `one if condition else other`"),
    ("{{ “x” }}", 3, "this is no quotation mark of a keyboard: write ' or \""),
    ("{{ f(a }}", 7, "')' is missing before this"),
    ("{{ a) }}", 4, "')' closes nothing"),
    ("{{ [1, 2 }}", 9, "']' is missing before this"),
    ("{{ 'abc }}", 3, "the quotation that begins here is never closed"),
    ("{{ if a }}x{{ endif }}", 6, "'if' is written as {% if … %}, or `one if condition else other`"),
    ("{% if a %}x", 0, "{% if %} is never closed: write {% endif %} behind it"),
    ("{% endif %}", 3, "{% endif %} belongs to nothing before it"),
    ("{% fi a %}x{% endif %}", 3, "there is no tag 'fi': most that is wanted takes if, for or set"),
    ("{% if a }x{% endif %}", 8, "'%}' is wanted here, to end what '{%' began"),
    ("{# note", 0, "the comment that begins here is never closed with #}"),
    ("{{ a.b. }}", 10, "the name of a field is missing behind '.'"),
    ("{{ a.0x }}", 6, "an operator is missing between '0' and 'x', such as ~ to join them"),
    ("{{ a[ }}", 6, "']' is missing before this"),
    ("{{ a == }}", 8, "a value is missing behind '=='"),
    ("{{ == a }}", 3, "a value is missing before '=='"),
    ("{{ ${X} }}", 3, "a variable cannot stand in an expression: write ${NAME} outside of {{ }}"),
    ("{{ a.$b }}", 5, "a variable cannot stand in an expression: write ${NAME} outside of {{ }}"),
    ("{{ {{ a }} }}", 3, "an expression has two braces, {{ }}, and cannot stand inside another one"),
    ("{% for x in %}a{% endfor %}", 12, "a value is missing behind 'in'"),
    ("{% for x y %}a{% endfor %}", 9, "'in' is missing before 'y'"),
    ("{% if a = 1 %}x{% endif %}", 8, "'=' compares nothing: write '=='"),
    ("{% else %}", 3, "{% else %} belongs to nothing before it"),
    ("{{ a is }}", 8, "the name of a test is missing behind 'is'"),
    ("{{ a if }}", 8, "a value is missing behind 'if'"),
    ("{{ not }}", 7, "a value is missing behind 'not'"),
    ("{{ a; b }}", 4, "';' does not belong into an expression"),
    ("{{ a\\b }}", 4, "'\\' cannot stand in an expression: put text in quotes"),
    ("{{ a <> b }}", 6, "write '!=' instead of '<>'"),
    ("{{ a === b }}", 7, "write '==' instead of '==='"),
    ("{{ 1a }}", 4, "an operator is missing between '1' and 'a', such as ~ to join them"),
    ("{{ a.'b' }}", 9, "the name of a field is missing behind '.'"),
    ("{{ a -> b }}", 6, "a value is missing before '>'"),
    ("{{ x => y }}", 5, "'=' compares nothing: write '=='"),
    ("{% raw %}a", 0, "{% raw %} is never closed: write {% endraw %} behind it"),
    ("{{ a(b=1, 2) }}", 10, "values without a name must stand before those with one, as in f(1, a=2)"),
    ("{% set 1 = 2 %}", 9, "only a name can stand before '='"),
    ("{% set x %}", 0, "{% set %} is never closed: write {% endset %} behind it"),
    ("{{ a|default('x' }}", 17, "')' is missing before this"),
    ("{{ a ~ }}", 7, "a value is missing behind '~'"),
    ("{%  %}", 4, "a word such as if, for or set must stand behind '{%'; a value is written in {{ }}"),
    ("{{ true }}{% endfor %}", 13, "{% endfor %} belongs to nothing before it"),
    ("{{ a\n  b }}", 7, "an operator is missing between 'a' and 'b', such as ~ to join them"),
    ('{{ payload.topic | default("x) }}', 27, "the quotation that begins here is never closed"),
    ("{{ a # b }}", 5, "'#' cannot stand in an expression: put text in quotes"),
    ("{{ a @ b }}", 5, "'@' cannot stand in an expression: put text in quotes"),
    ("{{ `a` }}", 3, "'`' cannot stand in an expression: put text in quotes"),
    ("{{ a.b c.d }}", 7, "an operator is missing between 'b' and 'c', such as ~ to join them"),
    ("{{{ a }}}", 2, "an expression has two braces, {{ }}, and cannot stand inside another one"),
    ("{{ a % }}", 7, "a value is missing behind '%'"),
    ("{% if a %}x{% else if b %}y{% endif %}", 19, "write {% elif … %} instead of {% else if … %}"),
    ("{% if a %}{% elseif b %}{% endif %}", 13, "write {% elif … %} instead of {% elseif … %}"),
    ("{{ None.x y}}", 10, "an operator is missing between 'x' and 'y', such as ~ to join them"),
    ("{{ a and }}", 9, "a value is missing behind 'and'"),
    ("{{ a or or b}}", 11, "an operator is missing between 'or' and 'b', such as ~ to join them"),
    ("{{ is a }}", 6, "an operator is missing between 'is' and 'a', such as ~ to join them"),
    ("{% macro %}{% endmacro %}", 9, "a name is missing behind 'macro'"),
    (
        "{% for a in b %}x{% endif %}",
        20,
        "{% endif %} belongs to nothing before it: {% for %} is still open, write {% endfor %} first",
    ),
    ("{% import 'x' %}", 14, "'as' is missing before '%}'"),
    ("{{ 5 5 }}", 5, "an operator is missing between '5' and '5', such as ~ to join them"),
    ("Hi {{ a }} and {{ b c }} {{ ? }}", 20, "an operator is missing between 'b' and 'c', such as ~ to join them"),
    ("{{ 'a' 5 }}", 7, "an operator is missing between 'a' and '5', such as ~ to join them"),
    ("{% if %}x{% endif %}", 6, "a value is missing behind 'if'"),
    ("{{ x | default(,) }}", 15, "a value is missing behind '('"),
    ("x {%- if a -%} y", 2, "{% if %} is never closed: write {% endif %} behind it"),
    ("{{ f(a b) }}", 7, "',' is missing before 'b'"),
    ("{{ a[1 2] }}", 7, "',' is missing before '2'"),
    ("{{ {'a' 1} }}", 8, "':' is missing before '1'"),
    ("{% blah", 3, "there is no tag 'blah': most that is wanted takes if, for or set"),
    ("{{ a.b | }} {{ c", 9, "the name of a filter is missing behind '|'"),
]


@pytest.mark.parametrize(("text", "column", "words"), UNREADABLE, ids=[text for text, _, _ in UNREADABLE])
def test_what_cannot_be_read_is_told_with_its_column(text: str, column: int, words: str) -> None:
    [problem] = expression_problems(text)
    assert (problem.message.removeprefix(f"{' '.join(text.split())}: "), problem.before) == (words, text[:column])


@pytest.mark.parametrize("text", [text for text, _, _ in UNREADABLE])
def test_the_words_are_not_those_of_the_parser(text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text, {})
    for word in ("token", "print statement", "statement block", "Jinja", "Encountered", "unexpected", "Missing"):
        assert word not in str(caught.value)


# the text, the words
FAILING = [
    (
        "{{ 1 + 'a' }}",
        "a number and text cannot be put together with +: join with ~, or make a number of text with `| int`",
    ),
    (
        "{{ 'a' + 1 }}",
        "text and a number cannot be put together with +: join with ~, or make a number of text with `| int`",
    ),
    ("{{ 'a' < 1 }}", "text and a number cannot be compared with <: make a number of text with `| int`"),
    ("{{ a.b.c }}", "text has no field 'c'"),
    ("{{ n.x }}", "nothing (null) has no field 'x'"),
    ("{{ 5 | length }}", "a number has no length"),
    ("{{ -'a' }}", "text cannot have - before it"),
    ("{{ 'x'() }}", "text cannot be called with ( )"),
    ("{% for x in 5 %}{% endfor %}", "a number has no entries to go through"),
    ("{{ 1 in 5 }}", "nothing can be `in` a number"),
    ("{{ 'x' | default(1,2,3,4) }}", "default does not take these values between its brackets"),
    ("{{ l[5] }}", "a list has no entry 5"),
    ("{{ ''.__class__ }}", "not allowed: text has no field '__class__' that may be used here"),
    ("{{ 'a'.ljust(9) }}", "not allowed: text has no field 'ljust' that may be used here"),
    ("{{ 1 / 0 }}", "division by zero"),
    ("{{ l.x }}", "a list has no field 'x'"),
    ("{{ 3 | join }}", "a number has no entries to go through"),
    ("{{ d.keys }}", "the result is a function, not plain data; is a pair of brackets missing?"),
    (
        "{{ 'x' | int + 'a' }}",
        "a number and text cannot be put together with +: join with ~, or make a number of text with `| int`",
    ),
    (
        "{{ l | sum }}",
        "a number and text cannot be put together with +: join with ~, or make a number of text with `| int`",
    ),
    ("{{ range('a') }}", "a whole number is wanted, not text"),
    ("{{ range(10**9) }}", "a range of more than 100,000 numbers"),
    ("{{ l | map('nope') | list }}", "there is no filter 'nope'"),
    ("{{ l | sort(attribute=1) }}", "a number has no entry 1"),
    ("{% macro a(n) %}{{ a(n) }}{% endmacro %}{{ a(1) }}", "it calls itself without end"),
    ("{{ 'a' | format(1) }}", "there are more or fewer values than %s"),
    ("{{ 5 | dictsort }}", "a number has no field 'items'"),
]


@pytest.mark.parametrize(("text", "words"), FAILING, ids=[text for text, _ in FAILING])
def test_what_cannot_be_worked_out_is_told_without_words_of_python(text: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(text, {"a": {"b": "t"}, "n": None, "l": ["x", 1], "d": {}})
    assert str(caught.value) == f"{text}: {words}"
