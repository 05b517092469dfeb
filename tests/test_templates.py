import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.secret import Secret
from changewire.templates import (
    LARGEST,
    TemplateError,
    condition,
    environment,
    expression_problems,
    names_used,
    render,
)
from changewire.values import dumps, loads

SCOPE: dict[str, Any] = {
    "payload": {
        "id": "007",
        "topic": "Weekly sync",
        "none": None,
        "yes": True,
        "list": [1, {"a": "ü"}],
        "items": ["x", "y"],
        "start": "2026-11-21T10:00:00Z",
        "deep": {"count": 3},
    },
    "steps": {"files": {"n": 2}},
    "secret": Secret("sesame-open"),
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ 3 }}", 3),
        ("{{ 3.5 }}", 3.5),
        ("{{ '3' }}", "3"),
        ("{{ payload.id }}", "007"),
        ("{{ payload.yes }}", True),
        ("{{ payload.none }}", None),
        ("{{ payload.list }}", [1, {"a": "ü"}]),
        ("{{ [1, 2] }}", [1, 2]),
        ("{{ (1, 2) }}", [1, 2]),
        ("{{ {'a': 1} }}", {"a": 1}),
        ("{{ payload.items }}", ["x", "y"]),
        ("{{ payload.deep.keys() }}", ["count"]),
        ("{{ payload.items | map('upper') }}", ["X", "Y"]),
        ("{{ payload['list'][1]['a'] }}", "ü"),
        ("{{ payload.deep.count > 2 }}", True),
        ("{{ 1 }}{{ 2 }}", "12"),
        ("{{ 1 }} ", "1 "),
        ("{{ payload.id }}\n", "007\n"),
        ("a{{ payload.none }}b", "ab"),
        ("is {{ payload.yes }}", "is true"),
        ("{{ payload.list }}!", '[1,{"a":"ü"}]!'),
        ("x{{ payload.deep }}", 'x{"count":3}'),
        ("<{{ '<b>&' }}>", "<<b>&>"),
        ("{% for x in [5] %}{{ x }}{% endfor %}", "5"),
        ("{% set x %}7{% endset %}{{ x }}", "7"),
        ("{% set x = 7 %}{{ x }}", "7"),
        ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(3) }}", "3"),
        ("{% if payload.yes %}{{ 4 }}{% endif %}", "4"),
        ("{# note #}", ""),
        ("plain { text }", "plain { text }"),
        ("{{ payload.gone | default('d') }}", "d"),
        ("{{ payload.gone.far.below | default('d') }}", "d"),
        ("{{ payload.gone is defined }}", False),
        ("{{ payload.items | length }}", 2),
        ("{{ payload.deep | tojson }}", '{"count":3}'),
        ("{{ '<a>' | json }}", '"<a>"'),
        ("{{ '[1]' | from_json }}", [1]),
        ("{{ 'Grüße, Welt!' | slug }}", "grue-welt"),
        ("{{ payload.start | date('%d.%m. %H:%M', 'Europe/Berlin') }}", "21.11. 11:00"),
        ("{{ payload.start | date }}", "2026-11-21T10:00:00Z"),
        ("{{ 0 | date }}", "1970-01-01T00:00:00Z"),
        ("{{ payload.start | add_duration('2h') }}", "2026-11-21T12:00:00Z"),
        ("{{ payload.start | add_duration('-1d') }}", "2026-11-20T10:00:00Z"),
        ("{{ payload.start | add_duration(30) }}", "2026-11-21T10:00:30Z"),
        (r"{{ 'a1b22' | regex_replace('(\\d+)', '<\\1>') }}", "a<1>b<22>"),
        (r"{{ 'a1b22' | regex_search('b(\\d+)') }}", "22"),
        ("{{ 'a' | regex_search('b') }}", None),
        ("{{ 'hé' | b64encode }}", "aMOp"),
        ("{{ 'aMOp' | b64decode }}", "hé"),
        ("{{ 'a' | hash('md5') }}", "0cc175b9c0f1b6a831c399e269772661"),
        ("{{ 'a b&c' | urlencode }}", "a%20b%26c"),
        ("{{ '%05d' | format(7) }}", "00007"),
        ("{{ 2 * 3 ** 2 % 5 }}", 3),
        ("{{ 'ab' * 2 }}", "abab"),
    ],
)
def test_an_expression_gives_its_own_value_and_text_around_it_makes_text(template: str, value: Any) -> None:
    result = render(template, SCOPE)
    assert (type(result), result) == (type(value), value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ payload.topc }}", "{{ payload.topc }}: there is no field 'topc' (did you mean 'topic'?)"),
        ("{{ paylod.id }}", "{{ paylod.id }}: there is no name 'paylod' (did you mean 'payload'?)"),
        (
            "{{ steps.zzz.a }}",
            "{{ steps.zzz.a }}: there is no field 'zzz'; known here: files",
        ),
        ("x {{ qqqqq }}", "x {{ qqqqq }}: there is no name 'qqqqq'; known here: payload, secret, steps"),
        ("{{ payload.topic.foo }}", "{{ payload.topic.foo }}: text has no field 'foo'"),
        (
            "{{ payload.deep.keys }}",
            "{{ payload.deep.keys }}: the result is a function, not plain data; is a pair of brackets missing?",
        ),
        ("{{ 1 / 0 }}", "{{ 1 / 0 }}: division by zero"),
        (
            "{{ 1 + 'a' }}",
            "{{ 1 + 'a' }}: a number and text cannot be put together with +: join with ~, or make a number of text with"
            " `| int`",
        ),
        ("{{ {1: 2} }}", "{{ {1: 2} }}: 1 cannot be a key: keys are text"),
        (
            "{{ 'x' | from_json }}",
            "{{ 'x' | from_json }}: from_json: not JSON, see character 0",
        ),
        (
            "{{ 'x' | date }}",
            "{{ 'x' | date }}: 'x' is not a moment: write 2026-11-21T10:00:00Z or seconds since 1970",
        ),
        (
            "{{ 0 | date(tz='Mars/Base') }}",
            "{{ 0 | date(tz='Mars/Base') }}: 'Mars/Base' is not a time zone; write one such as Europe/Berlin",
        ),
        (
            "{{ 'a' | regex_search('(a)\\\\1') }}",
            "{{ 'a' | regex_search('(a)\\\\1') }}: '(a)\\\\1' is not a regular expression:"
            " RE2 has no back-reference such as \\1",
        ),
        ("{{ 'a' * 2000000 }}", "{{ 'a' * 2000000 }}: not allowed: a result longer than 1048576 characters"),
        ("{{ 10 ** 1000 }}", "{{ 10 ** 1000 }}: not allowed: a power of such large numbers"),
        (
            "{{ '%9999999d' % 1 }}",
            "{{ '%9999999d' % 1 }}: not allowed: % on text; join with ~ or use the filter format",
        ),
        ("{{ '%99999d' | format(1) }}", "{{ '%99999d' | format(1) }}: format: '%99999d' is too wide"),
        (
            "{% for x in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}",
            "{% for x in range(99999) %}aaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}:"
            " the result is longer than 1048576 characters; take only the part needed",
        ),
        ("{{ 'a' | nofilter }}", "{{ 'a' | nofilter }}: there is no filter 'nofilter'"),
        (
            "{{ a b }}",
            "{{ a b }}: an operator is missing between 'a' and 'b', such as ~ to join them",
        ),
    ],
)
def test_an_error_says_what_is_wrong_in_which_expression(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(template, SCOPE)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}",
        "{{ payload.__class__.__mro__ }}",
        "{{ payload['__class__'] }}",
        "{{ (payload | attr('__class__')).__base__ }}",
        "{{ payload.update({'a': 1}) }}",
        "{{ payload['items'].append(1) }}",
        "{{ range.__globals__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ secret.reveal() }}",
        "{{ secret._value }}",
        "{{ secret | attr('reveal') }}",
        "{{ 'a'.ljust(99999999) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ lipsum }}",
        "{% include '/etc/passwd' %}",
        "{{ range(100000000) | list }}",
    ],
)
def test_nothing_outside_the_data_can_be_reached(template: str) -> None:
    before = dict(SCOPE["payload"])
    with pytest.raises(TemplateError):
        render(template, SCOPE)
    assert SCOPE["payload"] == before


class Hostile:
    """Data whose parts raise whatever there is."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        AssertionError("we should not get here"),
        RecursionError(),
        MemoryError(),
        KeyError("k"),
        OverflowError("big"),
        AssertionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
        OSError(22, "no"),
        StopIteration(),
        NotImplementedError(),
        EOFError(),
        ValueError("Exceeds the limit (4300 digits)"),
        ImportError("no module"),
    ],
    ids=repr,
)
def test_whatever_an_expression_raises_is_its_error_and_says_something(error: Exception) -> None:
    def fail(_: Any) -> Any:
        raise error

    for template, scope in (("{{ 1 | fail }}", {}), ("a {{ x.y }}", {"x": Hostile(error)})):
        with pytest.raises(TemplateError, match=r": .+$") as caught:
            environment({"fail": fail}).render({"with": [template]}, scope)
        assert caught.value.path == ("with", 0)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ payload.topic | regex_test('(?=a)') }}", "'(?=a)' is not a regular expression: RE2 has no look-ahead"),
        ("{{ ['a'] | map('regex_replace', '(a', 'b') | list }}", "a ( is never closed"),
        ("{{ payload.l | selectattr('n', 'matching', '(?<!a)b') | list }}", "RE2 has no look-behind"),
        ("{{ 'a' is matching('a++') }}", "RE2 has no possessive ++"),
        ("{{ payload.l | reject('matching', '(?>a)') | list }}", "RE2 has no atomic group"),
        ("{{ " + "9" * 5000 + " }}", "a number has thousands of digits: put it in quotes"),
    ],
)
def test_what_stands_in_an_expression_as_it_is_is_checked_without_data(template: str, words: str) -> None:
    ((_, told, _),) = expression_problems(template)
    assert words in told


def test_patterns_that_come_from_data_and_replacements_are_not_checked_without_data() -> None:
    assert expression_problems("{{ x | regex_replace(payload.p, '[') ~ ('a' | replace('matching', '[')) }}") == []


def test_data_is_never_a_template() -> None:
    assert render("{{ x }} and {{ x }}", {"x": "{{ 1 + 1 }}"}) == "{{ 1 + 1 }} and {{ 1 + 1 }}"


def test_lists_and_mappings_are_gone_through_and_errors_tell_the_place() -> None:
    given = {"a": ["{{ payload.deep.count }}", 5, None], "b": {"c": "t"}}
    assert render(given, SCOPE) == {"a": [3, 5, None], "b": {"c": "t"}}
    with pytest.raises(TemplateError, match=r"^a\.1\.b: \{\{ nix \}\}: there is no name 'nix'"):
        render({"a": [1, {"b": "{{ nix }}"}]}, SCOPE)


def test_a_secret_stays_a_secret_alone_and_is_itself_inside_text() -> None:
    assert render("{{ secret }}", SCOPE) == Secret("sesame-open")
    assert render("Bearer {{ secret }}", SCOPE) == "Bearer sesame-open"
    assert render(Secret("{{ no }}"), SCOPE) == Secret("{{ no }}")


def test_an_error_never_shows_a_secret() -> None:
    with pytest.raises(TemplateError, match=r"\*\*\*"):
        render("{{ 1 + 'x' }} sesame-open", SCOPE)


def test_a_large_value_is_refused() -> None:
    with pytest.raises(TemplateError, match="longer than"):
        render("{{ x }}", {"x": ["a" * LARGEST, "b"]})


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("{{ payload.yes }}\n", True),
        ("{{ payload.none }}", False),
        ("{{ payload.deep.count > 5 }}", False),
        ("{{ payload.deep.count > 5 }} \n{# why #}", False),
        ("{% if payload.yes %}true{% endif %}", True),
        ("{{ [] }}", False),
        (True, True),
        (False, False),
    ],
)
def test_a_condition_holds_or_not(value: Any, holds: bool) -> None:
    assert condition(value, SCOPE) is holds


def test_syntax_is_checked_without_data() -> None:
    given: Any = {"a": ["{{ ok }}", "{{ a b }}"], "c": "{% include 'x' %}", "d": "{{ 1 | nix }}", "e": 5}
    assert expression_problems(given) == [
        (("a", 1), "{{ a b }}: an operator is missing between 'a' and 'b', such as ~ to join them", "{{ a "),
        (("c",), "a template cannot use other files", ""),
        (("d",), "{{ 1 | nix }}: there is no filter 'nix'", ""),
    ]


def test_names_used_are_the_ones_asked_of_the_scope() -> None:
    given = [
        "{{ steps.files.n + payload['a'].b }}",
        {"x": "{% for f in steps.x %}{{ f.name }}{% endfor %}"},
        "steps.no",
        "{{ payload.email.endswith('x') and range(event.hops) }}",
    ]
    assert names_used(given) == {"steps.files.n", "payload.a.b", "steps.x", "payload.email", "event.hops"}


def test_own_filters_can_be_added() -> None:
    assert environment({"twice": lambda x: x * 2}).render("{{ 2 | twice }}", {}) == 4


def test_many_threads_can_render_at_once() -> None:
    results: list[Any] = []

    def work() -> None:
        results.extend(render(f"{{{{ x + {n} }}}}", {"x": 1}) for n in range(50))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(list(range(1, 51)) * 8)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_data_comes_out_of_an_expression_as_it_was_and_as_a_copy(data: Any) -> None:
    found = render("{{ data }}", {"data": data})
    assert found == data
    assert repr(found) == repr(data), "1, 1.0 and true are told apart, and keys keep their order"
    assert found is not data or not isinstance(data, dict | list)


ANYTHING = st.recursive(
    st.integers() | st.floats() | st.text(st.characters(exclude_categories=()), max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("a\ud83d", max_size=2), inner, max_size=4),
    max_leaves=9,
)


@given(ANYTHING)
def test_what_comes_out_of_an_expression_can_be_stored(data: Any) -> None:
    for template in ("{{ data }}", "{{ {'a': [data]} }}", "{{ data }}!"):
        found = render(template, {"data": data})
        assert loads(dumps(found)) == found


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ 2**63 + 2**63 }}", "18446744073709551616"),
        ("{{ [n * 4] }}", ["36893488147419103232"]),
        ("{{ n * 2 - 1 }}", 2**64 - 1),
        ("{{ text | float }}", None),
        ("{{ '\\ud83d' }}", "\ufffd"),
        ("{{ {'\\ude00': 1} }}", {"\ufffd": 1}),
        ("a{{ '\\ud83d' }}b", "a\ufffdb"),
        ("{{ '\\ud83d' ~ '\\ude00' }}", "\U0001f600"),
    ],
)
def test_what_json_cannot_hold_becomes_what_it_can(template: str, value: Any) -> None:
    assert render(template, {"n": 2**63, "text": "1e999"}) == value


@pytest.mark.parametrize(
    "template",
    [
        "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro a(n) %}{{ a(n - 1) ~ a(n - 1) if n else '' }}{% endmacro %}{{ a(60) }}",
    ],
)
def test_no_expression_goes_on_for_ever(template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changewire.effort.LONGEST_S", 0.05)
    with pytest.raises(TemplateError, match=r"more than 0\.05 seconds of work; loop over less"):
        render(template, SCOPE)
    assert render("{% for x in range(3) %}{{ loop.index }}/{{ loop.length }} {% endfor %}", SCOPE) == "1/3 2/3 3/3 "


DEEP = [
    "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "{{ " + " or ".join(f"a == {n}" for n in range(300)) + " }}",
    "{{ a" + "|string" * 3000 + " }}",
    "{% if a %}" * 100 + "{% endif %}" * 100,
]


@pytest.mark.parametrize("text", DEEP, ids=["parentheses", "or", "filters", "if"])
def test_an_expression_that_python_cannot_compile_is_told_before_it_runs(text: str) -> None:
    ((_, told, _),) = expression_problems(text)
    assert told.endswith(": more than 90 levels inside each other: take a list and 'in', or 'set' parts of it before")
    with pytest.raises(TemplateError, match="more than 90 levels inside each other"):
        render(text, {"a": 1})


def test_what_only_python_finds_too_deep_is_an_error_in_words() -> None:
    loops = "{% for a in [1] %}" * 21 + "{% endfor %}" * 21
    with pytest.raises(TemplateError, match="too long or nested too deeply: "):
        render(loops, {})


def test_long_expressions_that_are_not_deep_are_fine() -> None:
    assert render("{{ a in [" + ", ".join(map(str, range(1000))) + "] }}", {"a": 999}) is True
    assert render("{{ a }}" * 1000, {"a": 1}) == "1" * 1000
