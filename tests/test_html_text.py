from __future__ import annotations

import html
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.html_text import html_to_text
from changewire.texts import strip_html


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>Hi &amp; <b>you</b></p><script>x('<p>')</script><p>there<br>now</p>", "Hi & you\n\nthere\nnow"),
        ("a < b and 1 <2", "a < b and 1 <2"),
        ("a <b and no end", "a <b and no end"),
        ('<a title="x > y">link</a>', "link"),
        ("<a title='x > y' href=z>link</a>", "link"),
        ('<a title="never closed>link</a> behind', "link behind"),
        ("x<!-- <p>no</p> -->y<!-->z<!--->!", "xyz!"),
        ("<!DOCTYPE html><?xml version='1.0'?><![if !mso]>seen<![endif]>", "seen"),
        ("<![9[ a > b", "b"),
        ("a<![CDATA[x]]>b", "ab"),
        ("<STYLE>p{}</sTyLe>shown", "shown"),
        ("<script>never closed", ""),
        ("a<template>x<template>y</template>z</template>b", "ab"),
        ("&lt;b&gt; &#8364; &#x20ac; &pound &nope; &#99999999999; &#xffffffffff;", "<b> € € £ &nope; \ufffd \ufffd"),
        ("<ul><li>one<li>two</ul>", "one\ntwo"),
        ("İ<script>x</script>İ", "İİ"),
        ("<>", "<>"),
        ("</>x", "</>x"),
        ("", ""),
    ],
)
def test_html_is_read_as_a_person_sees_it(source: str, text: str) -> None:
    assert html_to_text(source) == text


HOSTILE = [
    "<a ",
    "<![9[",
    "<!---->",
    "<!--",
    "<div>",
    "<a b='",
    "<a b='\">",
    "</",
    "<",
    "<a<",
    "<script>",
    "<template>",
]
HOSTILE += ["&", "&#", "&amp", "&#" + "9" * 5000 + ";", "<?", "<!", "<!-", "-->", '"', "'>", "\n", "\0", "<p\n", "</p"]


@pytest.mark.parametrize("unit", HOSTILE, ids=[unit[:8] for unit in HOSTILE])
@pytest.mark.parametrize("end", ["", ">", "-->", "</script>", '">'])
def test_html_of_any_shape_is_read_in_linear_time(unit: str, end: str) -> None:
    source = unit * (150_000 // len(unit)) + end
    began = time.thread_time()
    strip_html(source)
    assert time.thread_time() - began < 5, "`<a ` took 243 seconds, `<![9[` raised an AssertionError"


PIECES = st.sampled_from([*HOSTILE, "x", " ", "=", "/", ">", "]]>", "<p>", "<br/>", "</script", "&lt;", "\ud83d", "ä"])


@given(st.lists(PIECES | st.text(st.characters(exclude_categories=()), max_size=3), max_size=40).map("".join))
def test_any_text_is_read_without_an_error(source: str) -> None:
    assert isinstance(html_to_text(source), str)


@given(st.text())
def test_text_that_was_escaped_comes_out_as_it_was_but_for_space(text: str) -> None:
    plain = text.replace("\r", " ")
    lines = [" ".join(line.split()) for line in plain.split("\n")]
    assert html_to_text(html.escape(plain)).split() == "\n".join(lines).split()
