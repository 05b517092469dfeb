from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.patterns import LONGEST_TEXT, MOST_WORK, compile_pattern
from changewire.texts import regex_findall, regex_replace, regex_search, regex_test


@pytest.mark.parametrize(
    ("pattern", "unit", "count"),
    [
        (r"(a+)+b", "a", 99_000),
        (r"(a|a)*b", "a", 99_000),
        (r"\s+$", " ", 99_000),
        (r"^(\s*\w*\s*)*;", " ", 99_000),
        (r"(.*)(.*)(.*)(.*)=", "x", 99_000),
        (r"(\w+@)+\w+\.\w+!", "ä@", 30_000),
        (r"(<!--.*?-->\s*)*<html", "<!---->", 14_000),
        (r"(a?){200}a{200}b", "a", 50_000),
    ],
)
def test_no_pattern_backtracks(pattern: str, unit: str, count: int) -> None:
    text = unit * count + "\0"
    began = time.thread_time()
    assert regex_test(text, pattern) is (pattern == r"\s+$" and False)
    assert time.thread_time() - began < 5, "Python's own engine takes minutes to centuries"


def test_more_work_than_a_second_of_it_is_refused_before_it_begins() -> None:
    text = "a" * 200_000
    assert regex_test(text, "(a?){20}b") is False
    with pytest.raises(ValueError, match="takes too long on 200000 characters: shorten the text"):
        regex_test(text, "(a?){500}a{500}b")
    assert compile_pattern("b").matches("a" * LONGEST_TEXT)
    with pytest.raises(ValueError, match="takes too long"):
        regex_search("a" * (LONGEST_TEXT + 1), "b")
    assert MOST_WORK // LONGEST_TEXT >= 60, "short patterns may read the longest text"


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(?=a)", "RE2 has no look-ahead (?=…): match more and take a group"),
        ("(?!a)", "RE2 has no look-ahead (?!…): test for the unwanted text with a second expression"),
        ("(?<=a)b", "RE2 has no look-behind (?<…): match more and take a group"),
        ("(?<!a)b", "RE2 has no look-behind (?<…): match more and take a group"),
        (r"(a)\1", r"RE2 has no back-reference such as \1"),
        ("(?P<n>a)(?P=n)", "RE2 has no back-reference (?P=…)"),
        ("(a)?(?(1)b|c)", "RE2 has no condition (?(…)"),
        ("(?>a)", "RE2 has no atomic group (?>…), and needs none: write (?:…)"),
        ("a++", "a repetition cannot be repeated: RE2 has no possessive ++, *+ or ?+ (at '++')"),
        ("a{1001}", "the numbers in { } go up to 1000, all repetitions together, the lower one first (at '{1001}')"),
        ("[b-a]", "a range in [ ] is unknown, or does not begin with the lower character (at 'b-a')"),
        ("a\\", "it ends with a single backslash"),
        (r"\h", r"there is no escape \h"),
        ("*", "there is nothing to repeat before *, +, ? or { (at '*')"),
        ("(", "a ( is never closed (at '(')"),
        (")", "a ) closes nothing (at ')')"),
        ("(?z)", "this does not follow (?"),
        ("a" * 501, None),
    ],
)
def test_what_cannot_be_is_said_in_words(pattern: str, words: str | None) -> None:
    expected = f"{pattern!r} is not a regular expression: {words}"
    with pytest.raises(ValueError) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == (expected if words else "a regular expression may have at most 500 characters")


@pytest.mark.parametrize("text", ["Grüße, Welt_1 ３!", "abc 12\n", "a\u00a0b\u2003c", "", "漢字 x", "tab\there"])
@pytest.mark.parametrize(
    "pattern",
    [
        r"\w+",
        r"\W+",
        r"\d",
        r"\D+",
        r"\s",
        r"\S+",
        r"[\w-]+",
        r"[\s,]+",
        r"[^\s\d]+",
        r"[]\d]",
        r"[^]a]+",
        "x*",
        r"(\w)(\w)?",
        r"(?i)GRÜ",
        r"\u00fc",
        r"(?P<first>\w)",
        "[[:alpha:]]",
        r"\w+\Z",
        r"\x41|\t",
        "$",
        r"(?m)$",
        "",
    ],
)
def test_patterns_mean_what_they_mean_in_python(pattern: str, text: str) -> None:
    if pattern in {"[[:alpha:]]"}:
        assert regex_findall(text, pattern) == re.findall("[a-zA-Z]", text)
        return
    expected = [list(found) if isinstance(found, tuple) else found for found in re.findall(pattern, text)]
    if pattern == "$":
        expected = [""]  # Python finds a second end before a last line break
    assert regex_findall(text, pattern) == expected


@pytest.mark.parametrize(
    ("text", "pattern", "new", "result"),
    [
        ("a1b22", r"(\d+)", r"<\1>", "a<1>b<22>"),
        ("Grüße", r"(?P<vowel>[üe])", r"\g<vowel>\g<0>\g<1>", "Grüüüßeee"),
        ("abxd", "x*", "-", "-a-b--d-"),
        ("a.b", r"\.", r"\\\n\t", "a\\\n\tb"),
        ("ab", "(a)|(b)", r"[\2]", "[][b]"),
        ("ä\ud83dx", "x", "é", "ä\ufffdé"),
        ("aaa", "a", "漢", "漢漢漢"),
    ],
)
def test_replacements_are_written_as_in_python(text: str, pattern: str, new: str, result: str) -> None:
    assert regex_replace(text, pattern, new) == result


@pytest.mark.parametrize("new", [r"\2", r"\g<nix>", "a\\", r"\q", r"\g<"])
def test_a_replacement_that_cannot_be_is_said_in_words(new: str) -> None:
    with pytest.raises(ValueError, match="names a group that the expression does not have, or ends with"):
        regex_replace("a", "(a)", new)


def test_a_replacement_never_makes_a_huge_text() -> None:
    with pytest.raises(ValueError, match="the result is longer than 1048576 characters"):
        regex_replace("a" * 100_000, "a", "b" * 1000)


@given(st.text(st.characters(exclude_categories=())), st.text("ab(|)*+?[]^$\\w{}1,.:<>=!äP-", max_size=12))
def test_any_pattern_on_any_text_gives_a_result_or_a_sentence(text: str, pattern: str) -> None:
    try:
        compile_pattern(pattern)
    except ValueError as error:
        words = str(error)
    else:
        assert regex_test(text, pattern) is bool(regex_findall(text, pattern))
        assert regex_test(text, pattern) or regex_search(text, pattern) is None
        return
    assert "regular expression" in words
