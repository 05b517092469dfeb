"""Which values are secrets, and which parts of a secret are secrets of their own."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

SHORTEST_GUESS = 8  # characters of a value that is taken for a secret because it looks like one
_SHORTEST_LINE = 16
_USER_INFO = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{1,30}://)[^\s/?#\"'<>@]{1,300}@")
_QUERY = re.compile(r"([?&;])([\w.%\[\]-]{1,60})=[^\s&;#\"'<>*]{4,}")
_BOT = re.compile(r"bot(\d+:[\w-]{8,})")  # Telegram writes this word and the token in one part of a path
_KEY_LINE = re.compile(r"[\w+/=-]{16,}")
_NAMES = (
    "secret|token|passw(?:or)?d|passphrase|passcode|pwd|credential|key(?!word|board)|auth(?!ors?(?:$|[_-]))|cookie|signature|webhook"
    "|session_?id|dsn|assertion|jwt|bearer"
)
_IDENTIFIER = re.compile(
    r"(?:^|[_-])(?:(?:id|uuid|guid|channel|user|account|project|folder|team|room|group|meeting|webinar|recipient|sender)s?"
    r"|username|name|number|phone|e?mail|region|zone|locale|host|plan|title|subject|message|text|greeting|label|prefix)$",
    re.IGNORECASE,
)
_SWITCHES = frozenset(("true", "false", "yes", "no", "on", "off", "none", "null"))
_SECRET_NAME = re.compile(f"{_NAMES}|^(?:pass|pw|pin|sig|sid|otp)$|[_-](?:pass|pw|pin|sig|sid|otp)$", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][\w+.-]{0,30}://[^\s,;\"'<>]+")
_NUMBER = re.compile(r"[+-]?\d[\d.,:_TZ+ /-]*[A-Za-z]{0,4}")
_MAIL = re.compile(r"[^\s@:/]+@[\w-]+(?:\.[\w-]+)+(?:[,; ]+[^\s@:/]+@[\w-]+(?:\.[\w-]+)+)*")
_HOST = re.compile(r"(?:[\w-]+\.)+[A-Za-z]{2,}(?::\d+)?|localhost(?::\d+)?|\[?[0-9a-fA-F:.]+\]?(?::\d+)?")
_PATH = re.compile(r"(?:[A-Za-z]:)?[~.]{0,2}[/\\]?(?:[\w.@ -]+[/\\])*[\w.@ -]+[/\\]?")
_WORD = re.compile(r"[A-Za-z]+(?:[-_. ](?:[A-Za-z]+|\d{1,4}))?")
_TOKEN = re.compile(r"[\w.~+/=:-]{8,}")
_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_WORDLIKE = re.compile(r"[A-Za-z]*\d{0,4}|\d+|v\d+[a-z]*\d*|[a-z]{1,2}\d+", re.IGNORECASE)
_SCHEME = re.compile(
    r"(?:^|[\s:\"'])(?:bearer|basic|token|apikey|bot)[ =]+(?:token=)?\"?([^\s\"',;&]{8,})", re.IGNORECASE
)
_PAIR = re.compile(r"(?:^|[;&])\s*[\w.-]+=([^;&\s]{8,})")


def names_secret(name: str) -> bool:
    """Whether a variable, field, header or query parameter of that name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def is_secret(name: str, value: str) -> bool:
    """Whether the variable ``name`` with that value is a secret: its name says so, or it looks like one.

    Words, numbers, mail addresses, hosts, paths, and http addresses without credentials do not look like one, nor do
    values under eight characters. The value of a variable such as ``TEAM_ID`` or ``CHANNEL`` is none, whatever it looks
    like: it is in the answers of APIs, and steps need it.
    """
    if names_secret(name):
        return value.lower() not in _SWITCHES
    harmless = _IDENTIFIER.search(name) or (" " in value and not any(map(looks_random, value.split())))
    if harmless and not secret_parts(value):  # an address in `MAIL` may have a password in it
        return False
    is_word = _WORD.fullmatch(value) is not None and not looks_random(value)
    return len(value) >= SHORTEST_GUESS and not is_word and not is_common(value)


def is_common(value: str) -> bool:
    """Whether ``value`` is a number, date, mail address, host, path or http address in which nothing looks random."""
    if _NUMBER.fullmatch(value) or _MAIL.fullmatch(value):
        return True
    if _URL.fullmatch(value):
        return value.lower().startswith(("http:", "https:")) and not any(url_parts(value))
    if _HOST.fullmatch(value) or (_PATH.fullmatch(value) and ("/" in value or "\\" in value)):
        return not any(map(looks_random, re.split(r"[/\\.:]", value)))
    return False


def looks_random(text: str) -> bool:
    """Whether ``text`` looks like a token: eight characters or more that are no words with a number behind them."""
    if not _TOKEN.fullmatch(text):
        return False
    return any(_is_random(piece) for piece in _BETWEEN.split(text))


def _is_random(piece: str) -> bool:
    if len(piece) >= 5 and not piece.isdigit() and not _WORDLIKE.fullmatch(piece):
        return True
    if not piece.isalpha() or len(piece) < SHORTEST_GUESS:
        return False
    changes = sum(one.islower() and other.isupper() for one, other in pairwise(piece))
    return len(piece) >= 24 or (changes >= 2 and changes * 4 >= len(piece))


def secret_parts(value: str) -> set[str]:
    """The parts of a secret that are secrets of their own.

    Of URLs (also those of notification services) the password, queries and what looks random; of an Authorization
    header its token; of cookies their values; of JSON its texts that look random; of a key its lines.
    """
    parts = {part for found in _URL.finditer(value) for part in url_parts(found[0])}
    for found in _SCHEME.finditer(value):
        parts |= {found[1], *_password_of(found[1])}
    parts |= {found[1] for found in _PAIR.finditer(value) if looks_random(found[1])}
    if value.lstrip()[:1] in ("{", "["):
        with suppress(ValueError):
            parts |= set(_texts(orjson.loads(value)))
    if "\n" in value:
        lines = [line.strip() for line in value.splitlines()]
        parts |= {line for line in lines if _KEY_LINE.fullmatch(line) and not line.startswith("--")}
    return parts - {value}


def url_parts(url: str, *, guess: bool = True) -> Iterator[str]:
    """The parts of an address that are secrets, each as it is written and percent-decoded.

    The password, and queries whose name says so; with ``guess``, and in addresses of notification services, also what
    looks random.
    """
    try:
        split = urlsplit(url)
        queries = parse_qsl(split.query)
    except ValueError:
        return
    before, _, host = split.netloc.rpartition("@")
    user, _, password = before.partition(":")
    parts = [password, *(text for name, text in queries if names_secret(name))]
    service = split.scheme.lower() not in ("http", "https")
    if service:
        parts += [label for label in host.split(":") if len(label) >= _SHORTEST_LINE or looks_random(label)]
    if guess or service:
        guessed = [user, split.fragment, *split.path.split("/"), *(text for _, text in queries)]
        parts += [part for part in guessed if looks_random(unquote(part))]
        parts += [found[1] for found in map(_BOT.fullmatch, guessed) if found]
    for part in filter(None, parts):
        yield from {part, unquote(part)}


def hide_in_addresses(text: str, stars: str) -> str:
    """``text`` with ``stars`` for user names and passwords in addresses, and for queries whose name says so."""
    if "@" in text:
        text = _USER_INFO.sub(rf"\1{stars}@", text)
    return _QUERY.sub(
        lambda found: f"{found[1]}{found[2]}={stars}" if names_secret(unquote(found[2])) else found[0], text
    )


def _password_of(token: str) -> Iterator[str]:
    """The password of the token of Basic authentication."""
    with suppress(binascii.Error, UnicodeDecodeError, ValueError):
        _, colon, password = base64.b64decode(token, validate=True).decode().partition(":")
        if colon:
            yield password


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        if looks_random(data) or "PRIVATE KEY" in data:
            yield data
    elif isinstance(data, dict | list):
        for inner in data.values() if isinstance(data, dict) else data:
            yield from _texts(inner)
