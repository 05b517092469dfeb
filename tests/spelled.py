"""Thirty and more spellings of a text, as programs write them, for the tests of what is masked."""

from __future__ import annotations

import base64
import html
import json
import quopri
import re
import textwrap
import urllib.parse
from collections.abc import Callable


def _each(spell: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(map(spell, text))


def _every_other(spell: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "".join(spell(char) if place % 2 else char for place, char in enumerate(text))


def _bytes(before: str, digits: str = "02x") -> Callable[[str], str]:
    return _each(lambda char: "".join(f"{before}{byte:{digits}}" for byte in char.encode()))


def _utf16(before: str, digits: str = "04x") -> Callable[[str], str]:
    return _each(
        lambda char: "".join(
            f"{before}{int.from_bytes(unit, 'big'):{digits}}"
            for pair in [char.encode("utf-16-be")]
            for unit in (pair[:2], pair[2:])
            if unit
        )
    )


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _quote(text: str) -> str:
    return urllib.parse.quote(text, safe="")


def _base64(before: str, encode: Callable[[bytes], bytes] = base64.b64encode) -> Callable[[str], str]:
    return lambda text: encode(f"{before}{text}".encode()).decode()


def _folded(text: str) -> str:
    return "\r\n".join(textwrap.wrap(base64.b64encode(f"user:{text}".encode()).decode(), 7))


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "JSON": _json,
    "JSON with all slashes escaped": lambda text: _json(text).replace("/", r"\/"),
    "JSON, for HTML": lambda text: (
        json.dumps(text, ensure_ascii=False)[1:-1]
        .replace("&", r"\u0026")
        .replace("<", r"\u003c")
        .replace("=", r"\u003D")
    ),
    "JSON in JSON": lambda text: _json(_json(text).replace("/", r"\/")),
    "JSON in JSON in JSON": lambda text: _json(_json(_json(text))),
    "\\u each": _utf16(r"\u"),
    "\\u in capitals": _utf16(r"\u", "04X"),
    "%u each": _utf16("%u"),
    "percent": _quote,
    "percent in small letters": _bytes("%"),
    "percent in capitals": _bytes("%", "02X"),
    "percent twice": lambda text: _quote(_quote(text)),
    "percent of every other character": _every_other(_bytes("%")),
    "a form": urllib.parse.quote_plus,
    "percent in JSON": lambda text: _json(_quote(text).lower() if text.islower() else _quote(text)).replace(
        "%", r"\u0025"
    ),
    "HTML": html.escape,
    "HTML in decimal": _each(lambda char: f"&#{ord(char)};"),
    "HTML in hexadecimal": _each(lambda char: f"&#x{ord(char):X};"),
    "HTML without semicolons": lambda text: re.sub(r"[^\w](?!\d)", lambda found: f"&#{ord(found[0])}", text),
    "HTML twice": lambda text: html.escape(html.escape(text)),
    "HTML in a URL": lambda text: _quote(html.escape(text)),
    "Python": lambda text: repr(text)[1:-1],
    "Python's bytes": lambda text: repr(text.encode())[2:-1],
    "\\x each": _bytes(r"\x"),
    "\\x in capitals": _bytes(r"\x", "02X"),
    "octal": _bytes("\\", "03o"),
    "JavaScript's braces": _each(lambda char: rf"\u{{{ord(char):x}}}"),
    "a regular expression": _each(lambda char: char if char.isalnum() else f"\\{char}"),
    "base64": _base64(""),
    "base64 from the second byte": _base64("a"),
    "base64 from the third byte": _base64("ab"),
    "base64 for URLs": _base64("user:", base64.urlsafe_b64encode),
    "base64 in lines": _folded,
    "base64 in JSON": lambda text: _json(_base64("id:")(text)).replace("/", r"\/"),
    "base64 in a URL": lambda text: _quote(_base64("id:")(text)),
    "base64 of a URL": lambda text: base64.b64encode(_quote(text).encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "quoted-printable": lambda text: quopri.encodestring(text.encode(), quotetabs=True).decode(),
    "quoted-printable each": _bytes("=", "02X"),
    "quoted-printable in lines": lambda text: "=\r\n".join(textwrap.wrap(text, 9, drop_whitespace=False)),
    "lines": lambda text: "\r\n".join(textwrap.wrap(text, 11, drop_whitespace=False)),
    "full width": _each(lambda char: chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char),
    "invisible breaks": lambda text: "\u200b".join(textwrap.wrap(text, 5, drop_whitespace=False)),
}
