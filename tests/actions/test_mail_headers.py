"""Header fields from text of any origin are one line, and an address is one recipient."""

from __future__ import annotations

import base64
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changewire.actions.mail_headers import count_addresses, header_text, parse_addresses

BREAKS = ["\r\n", "\n", "\r", "\x85", "\u2028", "\x0b", "\x0c", "\x1c", "\0", "\x1b"]


def encoded(text: str, way: str) -> str:
    raw = text.encode()
    if way == "q":
        return "=?utf-8?q?" + "".join(f"={byte:02X}" for byte in raw) + "?="
    return f"=?UTF-8?B?{base64.b64encode(raw).decode()}?="


def sent(name: str, text: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message[name] = text
    return message.as_bytes()


@pytest.mark.parametrize("way", ["plain", "q", "b", "q twice", "b in q"])
@pytest.mark.parametrize("end", BREAKS, ids=ascii)
def test_no_text_becomes_a_header_of_its_own(end: str, way: str) -> None:
    text = f"Hello{end}Bcc: evil@example.com{end}{end}body"
    for step in {"plain": "", "q": "q", "b": "b", "q twice": "qq", "b in q": "bq"}[way]:
        text = encoded(text, step)
    assert header_text(text) == "Hello Bcc: evil@example.com body"
    assert sent("Subject", header_text(text)) == b"Subject: Hello Bcc: evil@example.com body\r\n\r\n"


def test_words_that_are_encoded_too_often_stay_encoded() -> None:
    text = "a\r\nBcc: evil@example.com"
    for _ in range(12):
        text = encoded(text, "b")
    assert len(sent("Subject", header_text(text)).decode().replace("\r\n ", " ").splitlines()) == 2


@given(
    st.text()
    | st.lists(st.sampled_from(["=?utf-8?q?", "=0A", "?=", "=?", "\r\n", "a", "_", " "]), max_size=12).map("".join)
)
def test_any_text_is_one_field_that_is_read_back(text: str) -> None:
    line = header_text(text)
    raw = sent("Subject", line)
    unfolded = raw.replace(b"\r\n ", b" ")
    assert unfolded.count(b"\r\n") == 2
    assert b"\n" not in unfolded.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("ann@example.com", ["ann@example.com"]),
        ("Ann <ann@example.com>", ["Ann <ann@example.com>"]),
        ("J. Doe <j.doe+a@example.com>", ['"J. Doe" <j.doe+a@example.com>']),
        ('"Doe, Ann" <a@example.com>, b@example.com', ['"Doe, Ann" <a@example.com>', "b@example.com"]),
        ("Müller <m@grüße.example>", ["Müller <m@xn--gre-6ka8l.example>"]),
        ("用户@例え.jp", ["用户@xn--r8jz45g.jp"]),
        ("a@example.com (b@example.com)", ["a@example.com"]),
        ("a@example.com,", ["a@example.com"]),
        ("root@localhost", ["root@localhost"]),
        (encoded('x" <evil@example.com>,', "q") + " <a@example.com>", ['"x\\" <evil@example.com>," <a@example.com>']),
        (
            encoded("x\r\nBcc: evil@example.com", "b") + " <a@example.com>",
            ['"x Bcc: evil@example.com" <a@example.com>'],
        ),
    ],
)
def test_addresses_are_read(text: str, addresses: list[str]) -> None:
    assert [str(found) for found in parse_addresses(text)] == addresses


@pytest.mark.parametrize(
    "text",
    [
        *("ann", "@", "ann@", "@example.com", "a b@example.com", "a..b@example.com", "a@example..com", "a@-x.example"),
        *("a@example.com; b@example.com", "<a@example.com><b@example.com>", "a@example.com <b@example.com>"),
        *(
            "a@example.com b@example.com",
            "list: a@example.com, b@example.com;",
            "list:;",
            "a@example.com:b@example.com",
        ),
        *("<a@example.com", "a@example.com>", '"a b"@example.com', '"a@example.com, b"@example.com', "a@[127.0.0.1]"),
        *("a@example.com\0", "a@exam\u2028ple.com", "a@example.com\u200b", "a\x85b@example.com", "a@example.com\r\nb"),
        *(
            "Doe, Ann <a@example.com>",
            f"{'a' * 65}@example.com",
            f"a@{'b.' * 130}com",
            "a@exa mple.com",
            "a@b@example.com",
        ),
        *("a@xn--\u00e4.example", "a@example.com%0a", "a@example.com'", "a\ud800@example.com"),
    ],
    ids=ascii,
)
def test_what_mail_systems_may_read_in_two_ways_is_no_address(text: str) -> None:
    with pytest.raises(ValueError):
        parse_addresses(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [("x", 1), ("x <x>", 1), ("team@example.com, x", 2), ("a@x.org, b@x.org", 2), ("g: a@x.org, b@x.org;", 2), ("", 0)],
)
def test_recipients_are_counted(text: str, count: int) -> None:
    assert count_addresses(text) == count
