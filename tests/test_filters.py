from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from changewire.filters import BORROWED, FILTERS, documented
from changewire.templates import TemplateError, render

SCOPE: dict[str, Any] = {
    "t": "2026-11-21T10:30:15Z",
    "people": [
        {"name": "Ann", "age": 31, "team": {"id": 2}},
        {"name": "Bob", "age": 25, "team": {"id": 1}},
        {"name": "Cem", "team": {"id": 2}},
    ],
    "text": "The quick brown fox jumps",
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # moments
        ("t | date('%d.%m.%Y %H:%M', 'Europe/Berlin')", "21.11.2026 11:30"),
        ("t | date(tz='Asia/Kolkata')", "2026-11-21T16:00:15+05:30"),
        ("'2026-11-21' | date('%A')", "Saturday"),
        ("1795000000 | date", "2026-11-18T11:06:40Z"),
        ("t | add_duration('90m')", "2026-11-21T12:00:15Z"),
        ("'2026-03-28T11:00:00Z' | add_days(1, 'Europe/Berlin')", "2026-03-29T12:00:00+02:00"),
        ("'2026-03-28T11:00:00Z' | add_duration('1d') | date(tz='Europe/Berlin')", "2026-03-29T13:00:00+02:00"),
        ("t | add_days(-21)", "2026-10-31T10:30:15Z"),
        ("'2026-01-31' | add_months(1)", "2026-02-28T00:00:00Z"),
        ("'2026-01-31' | add_months(-2)", "2025-11-30T00:00:00Z"),
        ("'2026-12-15' | add_months(1)", "2027-01-15T00:00:00Z"),
        ("t | start_of('day', 'Europe/Berlin')", "2026-11-21T00:00:00+01:00"),
        ("t | start_of('week')", "2026-11-16T00:00:00Z"),
        ("t | start_of('month')", "2026-11-01T00:00:00Z"),
        ("t | start_of('year')", "2026-01-01T00:00:00Z"),
        ("t | start_of('hour')", "2026-11-21T10:00:00Z"),
        ("t | end_of('day')", "2026-11-21T23:59:59Z"),
        ("t | end_of('week')", "2026-11-22T23:59:59Z"),
        ("'2026-02-10' | end_of('month')", "2026-02-28T23:59:59Z"),
        ("t | end_of('year')", "2026-12-31T23:59:59Z"),
        ("t | end_of('minute')", "2026-11-21T10:30:59Z"),
        ("t | date_diff('2026-11-20T10:30:15Z', 'hours')", 24),
        ("'2026-11-20' | date_diff('2026-11-21', 'days')", -1),
        ("'21.11.2026 11:30' | parse_date('%d.%m.%Y %H:%M', 'Europe/Berlin')", "2026-11-21T11:30:00+01:00"),
        ("t | timestamp", 1795257015),
        ("t | weekday", 6),
        # lists and records
        ("people | pluck('name')", ["Ann", "Bob", "Cem"]),
        ("people | pluck('age')", [31, 25, None]),
        ("people | map(attribute='name') | join(', ')", "Ann, Bob, Cem"),
        ("people | where('team.id', 2) | pluck('name')", ["Ann", "Cem"]),
        ("people | sort_by('age') | pluck('name')", ["Bob", "Ann", "Cem"]),
        ("people | sort_by('age', reverse=true) | pluck('name')", ["Ann", "Bob", "Cem"]),
        ("(people | group_by('team.id'))['2'] | pluck('name')", ["Ann", "Cem"]),
        ("(people | index_by('name')).Bob.age", 25),
        ("[3, 1, 3, 2] | unique | sort", [1, 2, 3]),
        ("people | unique(attribute='team.id') | pluck('name')", ["Ann", "Bob"]),
        ("people[:2] | sum(attribute='age')", 56),
        ("[1, [2, [3]]] | flatten", [1, 2, [3]]),
        ("[1, [2, [3]]] | flatten(9)", [1, 2, 3]),
        ("[0, none, '', [], {}, false, 'a'] | compact", [0, False, "a"]),
        ("people[0] | field('team.id')", 2),
        ("people | field('1.name')", "Bob"),
        ("people[0] | field('team.nix', 'none')", "none"),
        ("{'a': 1, 'b': 2, 'c': 3} | pick('a', 'z')", {"a": 1}),
        ("{'a': 1, 'b': 2} | omit('a')", {"b": 2}),
        ("{'a': 1} | merge({'a': 2}, {'b': 3})", {"a": 2, "b": 3}),
        ("people | selectattr('name', 'matching', '^[AB]') | pluck('name')", ["Ann", "Bob"]),
        # numbers
        ("2.5 | round", 3),
        ("-2.5 | round", -3),
        ("1.005 | round(2)", 1.01),
        ("1234 | round(-2)", 1200),
        ("2.1 | round(method='ceil')", 3),
        ("'2.9' | round(method='floor')", 2),
        ("1234.5 | number(2)", "1,234.50"),
        ("1234567.891 | number(2, '.', ',')", "1.234.567,89"),
        ("1234.5 | number(0, ' ')", "1 235"),
        ("48213344 | size", "48.2 MB"),
        ("999 | size", "999 B"),
        # text
        ("'Grüße, Welt!' | slug", "grue-welt"),
        ("text | truncate(15)", "The quick…"),
        ("text | truncate(16)", "The quick brown…"),
        ("text | truncate(10, true, '...')", "The qui..."),
        ("text | truncate(100)", "The quick brown fox jumps"),
        ("'a, b,c' | split(',')", ["a", " b", "c"]),
        ("'a  b c' | split", ["a", "b", "c"]),
        ("'<p>Hi &amp; <b>you</b></p><script>x()</script><p>there<br>now</p>' | strip_html", "Hi & you\n\nthere\nnow"),
        (r"'a1b22' | regex_replace('(\\d+)', '<\\1>')", "a<1>b<22>"),
        (r"'a1b22' | regex_search('b(\\d+)')", "22"),
        (r"'a1b22' | regex_findall('\\d+')", ["1", "22"]),
        (r"'a=1,b=2' | regex_findall('(\\w)=(\\w)')", [["a", "1"], ["b", "2"]]),
        ("'Weekly sync' | regex_test('(?i)SYNC')", True),
        ("'abc' is matching('^a')", True),
        # encodings
        ("'hé' | b64encode", "aMOp"),
        ("'??>' | b64encode(urlsafe=true)", "Pz8-"),
        ("'Pz8-' | b64decode", "??>"),
        ("'aMOp' | b64decode", "hé"),
        ("'a b&c' | urlencode", "a%20b%26c"),
        ("{'q': 'a b', 'n': 1} | urlencode", "q=a+b&n=1"),
        ("'a%20b+c' | urldecode", "a b+c"),
        ("'a%20b+c' | urldecode(plus=true)", "a b c"),
        ("'a' | hash('md5')", "0cc175b9c0f1b6a831c399e269772661"),
        ("{'b': 1} | hash | length", 64),
        ("'say \"hi\", you' | csv", '"say ""hi"", you"'),
        ("['a', 1, none, true] | csv", "a,1,,true"),
        ("['=1+1', '-5', '+49 30', '@x'] | csv", "'=1+1,-5,'+49 30,'@x"),
        ("'=1+1' | csv(safe=false)", "=1+1"),
        ("['a;b', 'c'] | csv(';')", '"a;b";c'),
        ("people[:1] | json", '[{"name":"Ann","age":31,"team":{"id":2}}]'),
        ("'[1]' | from_json", [1]),
        ("nix.far | default('d')", "d"),
        ("'' | default('d', true)", "d"),
    ],
)
def test_a_filter_gives(expression: str, value: Any) -> None:
    result = render(f"{{{{ {expression} }}}}", SCOPE)
    assert (type(result), result) == (type(value), value)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("'x' | add_days(1)", "'x' is not a moment: write 2026-11-21T10:00:00Z or seconds since 1970"),
        ("t | date('%9999999d')", "date: '%9999999d' is too wide"),
        ("t | start_of('eon')", "'eon' is not known; use year, month, week, day, hour, minute"),
        ("t | date_diff(t, 'years')", "'years' is not known; use seconds, minutes, hours, days, weeks"),
        ("t | add_months(999999)", "the moment that comes out is not between the years 1 and 9999"),
        ("t | add_days(9999999)", "the moment that comes out is not between the years 1 and 9999"),
        ("t | weekday('Mars')", "'Mars' is not a time zone; write one such as Europe/Berlin"),
        ("'1.2.' | parse_date('%Y')", "'1.2.' is not written as '%Y' says"),
        ("[{'a': 1}, {'a': 'x'}] | sort_by('a')", "sort_by: the values of 'a' are of several types and have no order"),
        ("'x' | round", "'x' is not a number"),
        ("true | number", "True is not a number"),
        ("1 | round(99)", "at most 30 digits"),
        ("1 | round(method='up')", "round: 'up' is not known; use common, ceil, floor"),
        ("'ä' | b64decode", "b64decode: this is not base64 of UTF-8 text"),
        ("'x' | hash('crc')", "hash: 'crc' is not known; use sha256, sha512, sha1 or md5"),
        ("'a' | regex_findall('[')", "'[' is not a regular expression: a [ is never closed (at '[')"),
    ],
)
def test_a_filter_says_what_is_wrong(expression: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render(f"{{{{ {expression} }}}}", SCOPE)
    assert str(caught.value).partition("}}: ")[2] == message


def test_an_unknown_name_is_told_whatever_filter_it_goes_through() -> None:
    for name in FILTERS:
        with pytest.raises(TemplateError):
            render(f"{{{{ nix | {name} }}}}", SCOPE)
    with pytest.raises(TemplateError, match="there is no name 'nix'"):
        render("{{ nix | field('a') }}", SCOPE)


def test_every_filter_is_documented_in_one_table() -> None:
    table = documented()
    assert {line.name for line in table} == FILTERS.keys() | BORROWED.keys()
    assert not FILTERS.keys() & BORROWED.keys()
    assert BORROWED.keys() <= SandboxedEnvironment().filters.keys()
    assert all(line.text.endswith((".", "`.")) and len(line.text) < 120 for line in table)
    assert next(line.usage for line in table if line.name == "date") == "date(pattern=None, tz='UTC')"


@given(st.text(), st.integers(0, 40), st.booleans())
def test_a_truncated_text_is_never_too_long(text: str, length: int, killwords: bool) -> None:
    found = FILTERS["truncate"](text, length, killwords)
    assert len(found) <= length
    assert found == text or len(text) > length


@given(st.text())
def test_encodings_lead_back(text: str) -> None:
    for urlsafe in (False, True):
        assert FILTERS["b64decode"](FILTERS["b64encode"](text, urlsafe)) == text
