"""Values that become one segment of a path."""

from __future__ import annotations

from urllib.parse import quote


def encode_segment(value: object, uuid: bool = False) -> str:
    """``value`` percent-encoded so that it stays one segment, whatever it contains.

    With ``uuid`` a value that begins with "/" or contains "//" is encoded twice, as Zoom asks for its meeting
    UUIDs and for these only. Raises ValueError for what cannot be a segment: nothing, "." and "..".

    >>> encode_segment("jane+x@example.com")
    'jane%2Bx%40example.com'
    >>> encode_segment("/a//b==", uuid=True)
    '%252Fa%252F%252Fb%253D%253D'
    """
    text = str(value)
    if text in {"", ".", ".."}:
        raise ValueError(f"{text!r} cannot be part of a path: give the id that is meant")
    once = quote(text, safe="")
    return quote(once, safe="") if uuid and (text.startswith("/") or "//" in text) else once
