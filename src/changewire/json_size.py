"""How much memory JSON text takes as data, estimated from its bytes before it is decoded."""

from __future__ import annotations

MOST_MEMORY = 192 << 20  # bytes that one answer may take as data, unless more bytes of JSON were asked for
PER_BYTE = 2  # bytes of memory allowed for each byte of JSON that was asked for
_LIST, _MAPPING, _FIELD, _VALUE, _TEXT = 88, 232, 64, 40, 56  # bytes that Python takes, beside the characters
_PARSER = 3  # bytes that the parser itself takes for each byte of JSON while it works
_WORST = 113  # bytes of memory that one byte of JSON can take, and never more


class TooLargeError(ValueError):
    """JSON text that would take more memory as data than is allowed."""


def decoded_size(body: bytes) -> int:
    """Return an estimate, rather too high, of the bytes of memory that JSON text takes as data."""
    fields, quotes = body.count(b":"), body.count(b'"')
    texts = max(quotes // 2 - fields, quotes // 4)  # the names of fields are shared
    return (
        body.count(b"[") * _LIST
        + body.count(b"{") * _MAPPING
        + fields * _FIELD
        + body.count(b",") * _VALUE
        + texts * _TEXT
        + len(body) * (_width(body) + _PARSER)
    )


def check_size(body: bytes, most: int) -> None:
    """Raise TooLargeError if the data of JSON text would take more than ``most`` bytes of memory."""
    if len(body) * _WORST <= most:
        return
    size = decoded_size(body)
    if size > most:
        raise TooLargeError(
            f"{len(body)} bytes of JSON would take some {size >> 20} MB of memory as data,"
            f" more than the {most >> 20} MB allowed"
        )


def _width(body: bytes) -> int:
    """Return the bytes that a character takes: one rare character makes all of its text wide."""
    if b"\xf0" in body or b"\\ud" in body or b"\\uD" in body:
        return 4
    return 1 if body.isascii() and b"\\u" not in body else 2
