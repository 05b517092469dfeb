"""Secrets as a type of their own, and the mask that keeps them out of everything that is shown or stored.

A known secret is found in any text in the spellings of `changewire.spellings`: escaped for JSON, URLs, HTML, MIME or a
programming language, also escaped again, all of its characters or some of them; in base64, hexadecimal, and over line
breaks. Results of expressions that hold a part of a secret (capitals, a digest, eight characters or more) are passed to
`learn_derived` and masked as long as they are among the latest. Not found: parts under eight characters, and what
another program computes from a secret that was sent to it, such as a digest, or a compressed or reversed text.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Any

from changewire.secret_search import SecretSearch
from changewire.secret_values import hide_in_addresses, secret_parts
from changewire.spellings import encoded_forms
from changewire.values import dumps_text


class Secret:
    """A text that never shows itself. ``reveal()`` is the only way to its value, and each use can be searched for.

    Making one also teaches `mask` the value, so that it is found again in any of its spellings. Without ``searched``
    only this object is hidden: the value may be in many texts that are no secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str, *, searched: bool = True) -> None:
        self._value = value
        if searched:
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
SHORTEST_PART = 8
"""Characters under which a part of a secret is in ordinary text by chance, and under which a secret may be an ordinary
word: in answers of APIs it stays, for `when` to see."""
TOKENS_KEPT = 256
"""How many of the tokens that come and go stay known: the latest ones, and with them those still in use."""
DERIVED_KEPT = 64
"""How many of the texts that expressions made of secrets stay known; they are masked as soon as they are stored."""
_lock = threading.Lock()
_lasting: dict[str, set[str]] = {}
_passing: deque[tuple[str, set[str]]] = deque(maxlen=TOKENS_KEPT)
_made: deque[tuple[str, set[str]]] = deque(maxlen=DERIVED_KEPT)
_search: SecretSearch | None = SecretSearch(())  # None: something was learnt since it was built


def _forms(value: str) -> set[str]:
    return {form for form in encoded_forms(value) if len(form.strip()) >= SHORTEST}


def learn(value: str, *, passing: bool = False) -> None:
    """From now on `mask` hides ``value`` in all its spellings. Values under four characters are not hidden.

    So it does with the parts of ``value`` that are secrets of their own, such as the password in an address.
    ``passing``: a token that is replaced every hour; only the latest of these stay known.
    """
    global _search
    with _lock:
        if value in _lasting:
            return
        if passing:
            _learn_passing(value)
            return
        for part in (value, *secret_parts(value)):
            if part not in _lasting and len(part.strip()) >= SHORTEST:
                _lasting[part] = _forms(part)
                _search = None


def _learn_passing(value: str) -> None:
    global _search
    if (known := next((one for one in _passing if one[0] == value), None)) is not None:
        _passing.remove(known)
        _passing.append(known)
    elif len(value.strip()) >= SHORTEST:
        _passing.append((value, _forms(value)))
        _search = None


def learn_derived(source: str, made: Any) -> None:
    """If ``source`` contains a known secret and ``made``, which was made of it, something else: hide that as well.

    Looks into lists and mappings; ignores parts under eight characters.
    """
    if mask(source) == source:
        return
    if isinstance(made, dict | list | tuple):
        for inner in made.values() if isinstance(made, dict) else made:
            learn_derived(source, inner)
    elif isinstance(made, str) and mask(made) == made and made not in mask(source):
        _learn_made(source, made)


def _learn_made(source: str, made: str) -> None:
    global _search
    if len(made.strip()) < (SHORTEST if len(made) >= len(source) else SHORTEST_PART):
        return
    with _lock:
        _made.append((made, {made}))
        _search = None


def _known() -> SecretSearch:
    """The search for all that is known by now."""
    global _search
    search = _search
    if search is None:
        with _lock:
            known = [*_lasting.values(), *(forms for _, forms in _passing), *(forms for _, forms in _made)]
            search = _search = SecretSearch(set().union(*known))
    return search


def mask(text: str, at_least: int = 0) -> str:
    """``text`` with every known secret, however it is spelled, replaced by ``***``; those under ``at_least`` stay."""
    spans = _known().spans(text, at_least)
    if not spans:
        return text
    parts: list[str] = []
    end = 0
    for start, stop in spans:
        parts += (text[end:start], STARS)
        end = stop
    return "".join(parts) + text[end:]


def mask_message(text: str) -> str:
    """As `mask`, for words that only people read: credentials in addresses are hidden as well, known or not."""
    return hide_in_addresses(mask(text), STARS)


def mask_evidence(data: Any) -> Any:
    """As `mask_data`, for data that only people read: credentials in addresses are hidden as well, known or not."""
    if isinstance(data, dict):
        return {mask_evidence(key): mask_evidence(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [mask_evidence(value) for value in data]
    return mask_message(data) if isinstance(data, str) else mask_data(data)


def masked_excerpt(text: str, longest: int, end: str = "") -> str:
    """Return the beginning of ``text`` as `mask_message` gives it, of at most ``longest`` characters.

    ``end``: the last of them if there was more. Masks before it cuts, so that no half of a secret is left at the end.
    """
    text = mask_message(text)
    return text if len(text) <= longest else text[: longest - len(end)] + end


def masked_json(data: Any, at_least: int = 0) -> str:
    """The canonical JSON text of `mask_data`. Most data hold no secret, which is seen in their text at once."""
    with suppress(TypeError):  # not plain: a `Secret`, or what JSON has no word for
        text = dumps_text(data)
        if not _known().finds(text, at_least):
            return text
    return dumps_text(mask_data(data, at_least))


def mask_data(data: Any, at_least: int = 0) -> Any:
    """The same for plain JSON data; `Secret` objects, and whole numbers with the digits of a secret, become ``***``."""
    if isinstance(data, str):
        return mask(data, at_least)
    if isinstance(data, dict):
        masked = {key: mask_data(value, at_least) for key, value in data.items()}
        return {mask(k, at_least) if isinstance(k, str) else k: value for k, value in masked.items()}
    if isinstance(data, list | tuple):
        return [mask_data(v, at_least) for v in data]
    if type(data) is int and str(data) in _lasting and len(str(data)) >= at_least:
        return STARS
    return STARS if isinstance(data, Secret) else data
