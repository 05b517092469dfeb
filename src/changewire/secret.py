"""Secrets as a type of their own, and the mask that keeps them out of everything that is shown or stored.

What can be promised: a known secret is found as it is, trimmed, percent-encoded, hexadecimal, escaped for JSON, HTML or
Python, and in base64 of either alphabet wherever it begins in it; inside any text. What an expression makes of a secret
by a filter, a method or a slice (capitals, a digest, a part of eight characters or more) is told to `learn_derived` and
hidden as well, as long as it is among the latest of these. What cannot be promised: parts under eight characters,
characters taken apart one by one, and what another program makes of a secret that was sent to it.
"""

from __future__ import annotations

import base64
import html
import json
import threading
import urllib.parse
from collections import deque
from contextlib import suppress
from typing import Any

from changewire.values import dumps_text


class Secret:
    """A text that never shows itself. ``reveal()`` is the only way to its value, and each use can be searched for.

    Making one also teaches `mask` the value, so that it is found again inside URLs, headers, JSON and base64.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        learn(value)

    def reveal(self) -> str:
        """The value itself, for the one place that must send it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)


STARS = "***"
SHORTEST = 4  # characters; masking shorter values would blot out ordinary text
SHORTEST_ENCODED = 8  # characters; a shorter piece of base64 turns up in ordinary identifiers by chance
TOKENS_KEPT = 64
"""How many of the tokens that come and go stay known: the latest ones, and with them those still in use."""
DERIVED_KEPT = 64
"""How many of the texts that expressions made of secrets stay known; they are masked as soon as they are stored."""
_lock = threading.Lock()
_lasting: dict[str, set[str]] = {}
_passing: deque[tuple[str, set[str]]] = deque(maxlen=TOKENS_KEPT)
_made: deque[tuple[str, set[str]]] = deque(maxlen=DERIVED_KEPT)
_forms: tuple[str, ...] = ()
_shapes: tuple[tuple[int, str], ...] = ()  # of each form its length, and how it looks inside the text of JSON


def _derived(value: str) -> set[str]:
    raw = value.encode()
    forms = {value, value.strip(), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)}
    forms |= {urllib.parse.quote(value), html.escape(value), json.dumps(value)[1:-1]}
    forms |= {json.dumps(value, ensure_ascii=False)[1:-1], raw.hex(), repr(value)[1:-1]}
    encoded_forms = set()
    for offset in range(3):  # base64 of a text that contains the value depends on where it begins in it
        encoded = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        middle = encoded[-(-offset * 8 // 6) : len(raw) * 8 // 6 - 1 or None]
        encoded_forms |= {middle, middle.replace("+", "-").replace("/", "_")}
    forms |= {form for form in encoded_forms if len(form) >= SHORTEST_ENCODED}
    return {form for form in forms if len(form) >= SHORTEST}


def learn(value: str, *, passing: bool = False) -> None:
    """From now on `mask` hides ``value`` and its usual encodings. Values under four characters are not hidden.

    ``passing``: a token that is replaced every hour; only the latest of these stay known.
    """
    if len(value.strip()) < SHORTEST:
        return
    with _lock:
        if value in _lasting or any(value == known for known, _ in _passing):
            return
        if passing:
            _passing.append((value, _derived(value)))
        else:
            _lasting[value] = _derived(value)
        _renew()


def learn_derived(source: str, made: Any) -> None:
    """``made`` came out of ``source``: where that holds a known secret and ``made`` another form of it, hide it, too.

    Lists and mappings are gone through; parts under eight characters are let go.
    """
    if mask(source) == source:
        return
    if isinstance(made, dict | list | tuple):
        for inner in made.values() if isinstance(made, dict) else made:
            learn_derived(source, inner)
    elif isinstance(made, str) and mask(made) == made and made not in mask(source):
        _learn_made(source, made)


def _learn_made(source: str, made: str) -> None:
    if len(made.strip()) < (SHORTEST if len(made) >= len(source) else SHORTEST_ENCODED):
        return
    with _lock:
        _made.append((made, {made, urllib.parse.quote(made, safe=""), json.dumps(made)[1:-1]}))
        _renew()


def _renew() -> None:
    global _forms, _shapes
    known = [*_lasting.values(), *(forms for _, forms in _passing), *(forms for _, forms in _made)]
    _forms = tuple(sorted(set().union(*known), key=len, reverse=True))
    _shapes = tuple((len(form), _in_json(form)) for form in _forms)


def _in_json(form: str) -> str:
    try:
        return dumps_text(form)[1:-1]
    except TypeError:  # half of a pair of surrogates, which JSON cannot hold
        return form


def mask(text: str, at_least: int = 0) -> str:
    """``text`` with every known secret, also encoded ones, replaced by ``***``; those under ``at_least`` stay."""
    for form in _forms:
        if len(form) < at_least:
            break  # they are sorted, the longest first
        if form in text:
            text = text.replace(form, STARS)
    return text


def masked_json(data: Any, at_least: int = 0) -> str:
    """The canonical JSON text of `mask_data`. Most data hold no secret, which is seen in their text at once."""
    with suppress(TypeError):  # not plain: a `Secret`, or what JSON has no word for
        text = dumps_text(data)
        if not any(length >= at_least and shape in text for length, shape in _shapes):
            return text
    return dumps_text(mask_data(data, at_least))


def mask_data(data: Any, at_least: int = 0) -> Any:
    """The same for plain JSON data; `Secret` objects become ``***``."""
    if isinstance(data, str):
        return mask(data, at_least)
    if isinstance(data, dict):
        masked = {key: mask_data(value, at_least) for key, value in data.items()}
        return {mask(k, at_least) if isinstance(k, str) else k: value for k, value in masked.items()}
    if isinstance(data, list | tuple):
        return [mask_data(v, at_least) for v in data]
    return STARS if isinstance(data, Secret) else data
