"""The path language: ``topic``, ``settings.audio``, ``files[*].url``, ``prices["a.b"]``.

A path is anchored at the item and names exactly one place in it; ``[*]`` stands for every entry of a list and ``*`` for
every key of an object. Nothing matches by accident: ``url`` is not ``old_url`` and not ``a.url``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from changewire.values import Json

EACH: Final = "[*]"
"""The token for "every entry of this list"."""
ANY_KEY: Final = "*"
"""The token for "every key of this object"."""

Tokens: TypeAlias = tuple[str, ...]

_TOKEN = re.compile(r"""(?P<each>\[\*\])|\["(?P<quoted>(?:[^"\\]|\\.)+)"\]|(?P<dot>\.?)(?P<name>\*|[^.\[\]"*\s]+)""")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""What `get` gives where there is nothing; None is a value like any other."""


@functools.lru_cache(4096)
def parse_path(text: str) -> Tokens:
    """The tokens of a path; the empty text is the item itself. Raises ValueError saying where it stops making sense.

    >>> parse_path("files[*].url")
    ('files', '[*]', 'url')
    """
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or (found["name"] and bool(found["dot"]) is not bool(tokens)):
            raise ValueError(
                f'{text!r} is not a path: it goes wrong at {text[at:]!r}; write a.b, list[*].c or a["b.c"]'
            )
        tokens.append(found["each"] or found["name"] or re.sub(r"\\(.)", r"\1", found["quoted"]))
        at = found.end()
    return tuple(tokens)


def format_path(tokens: Sequence[str]) -> str:
    """The text of a path, as `parse_path` reads it; entries of keyed lists (``[key]``) stay as they are."""
    text = ""
    for token in tokens:
        if token.startswith("[") and token.endswith("]"):
            text += token
        elif re.fullmatch(r'[^.\[\]"*\s]+', token) or token == ANY_KEY:
            text += f".{token}" if text else token
        else:
            text += '["' + token.replace("\\", "\\\\").replace('"', '\\"') + '"]'
    return text


def get(data: Json, tokens: Tokens) -> Any:
    """What is at a path without ``[*]``; `MISSING` where there is nothing."""
    for token in tokens:
        if not isinstance(data, dict) or token not in data:
            return MISSING
        data = data[token]
    return data


def exists(data: Json, tokens: Tokens) -> bool:
    """Whether a path leads anywhere in ``data``; one entry or key that goes on is enough for ``[*]`` and ``*``."""
    if not tokens:
        return True
    head, rest = tokens[0], tokens[1:]
    if head == EACH:
        return isinstance(data, list) and any(exists(entry, rest) for entry in data)
    if not isinstance(data, dict):
        return False
    if head == ANY_KEY:
        return any(exists(value, rest) for value in data.values())
    return head in data and exists(data[head], rest)


def all_paths(data: Json, at: Tokens = ()) -> Iterable[Tokens]:
    """Every path in ``data`` down to the leaves, list entries as ``[*]``."""
    if at:
        yield at
    if isinstance(data, dict):
        for key, value in data.items():
            yield from all_paths(value, (*at, key))
    elif isinstance(data, list):
        for entry in data:
            yield from all_paths(entry, (*at, EACH))


def is_entry(token: str) -> bool:
    """Whether a token stands for list entries: ``[*]``, or ``[key]`` in a keyed list."""
    return token.startswith("[") and token.endswith("]")


def general(tokens: Sequence[str]) -> Tokens:
    """The path with each entry of a keyed list written as ``[*]``."""
    return tuple(EACH if is_entry(token) else token for token in tokens)
