"""Files: written while they arrive, gone on with where they broke off, and told from what comes in their place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from itertools import chain
from typing import Literal
from urllib.parse import urlsplit

from changewire.connectors.definition import Connector
from changewire.connectors.failures import LONGEST_ERROR, Failure, judge
from changewire.connectors.partial_file import Held, Part, Progress, strong_validator
from changewire.connectors.remote_numbers import whole_number
from changewire.connectors.transport.fetcher import Stream
from changewire.connectors.transport.messages import Request
from changewire.errors import ApiError, FailureClass

_SNIFFED = 16384  # bytes of the beginning of a file that tell what it is
_LONGEST_HEADER = 4096  # characters of a header that the standard library takes apart in quadratic time
_BOM = b"\xef\xbb\xbf"
_TAGS = (b"<!doctype html", b"<html", b"<head", b"<body")
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True)
class Expected:
    """What is known of a file before it comes."""

    size: int | None = None  # bytes; any other size is an error. None: any but none
    ending: str = ""  # in lower case, without the dot: the beginning must be that of such a file; "" tells nothing
    html: bool = False  # True: a web page may be what is wanted


@dataclass(frozen=True)
class DownloadInfo:
    """What was written."""

    size: int  # bytes
    content_type: str  # without parameters, in lower case; "" when the server gave none
    file_name: str | None  # as the server suggests it, unchecked: never use it as a path; None: it suggests none
    url: str  # where it came from in the end, after redirects
    resumed_at: int = 0  # bytes that were there before


def host_allowed(origin: str, hosts: tuple[str, ...]) -> bool:
    """True when ``origin`` is https and its host one of ``hosts``; "*.zoom.us" means any below zoom.us."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    known = any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in hosts)
    return known and parts.scheme == "https"


def save(
    connector: Connector,
    request: Request,
    stream: Stream,
    part: Part,
    held: Held | None,
    expected: Expected,
    progress: Progress | None,
) -> DownloadInfo | Failure | Literal["stale"]:
    """Write the body to ``part``, or say which failure came in its place; nothing is written then.

    "stale": what is ``held`` cannot be gone on with, and is forgotten. Raises ApiError where the file is not the one
    that is expected, OSError where it cannot be written.
    """
    if held is not None and stream.status in {206, 416}:
        if stream.status == 416 or not _goes_on(stream, held):
            part.clear()
            return "stale"
        return _write(stream, part, iter(stream.chunks), held.size, held.total, expected, progress)
    head, rest = _head(iter(stream.chunks))
    failure = judge(connector, request, stream.status, head) or _not_the_file(stream, head, expected)
    if failure is not None:
        return failure
    total = _length(stream)
    _check_size(total, expected)
    part.begin(stream.headers, total)
    return _write(stream, part, chain([head] if head else [], rest), 0, total, expected, progress)


def _write(
    stream: Stream,
    part: Part,
    chunks: Iterator[bytes],
    at: int,
    total: int | None,
    expected: Expected,
    progress: Progress | None,
) -> DownloadInfo:
    known = total if total is not None else expected.size
    part.write(chunks, at, known, progress)
    size = part.size
    if total is not None and size < total:
        host = urlsplit(stream.url).netloc
        message = f"{host} broke off after {size} of {total} bytes: it is gone on with"
        raise ApiError(message, FailureClass.TRANSIENT)
    if size == 0 or (total is not None and size > total) or (expected.size is not None and size != expected.size):
        part.clear()
    _check_size(size, expected)
    if total is not None and size > total:
        raise ApiError(f"{size} bytes came where {total} were announced", FailureClass.BROKEN)
    kind = stream.headers.get("Content-Type", "").split(";")[0].strip().lower()
    return DownloadInfo(size, kind, _file_name(stream), stream.url, at)


def _goes_on(stream: Stream, held: Held) -> bool:
    """Whether a partial answer is exactly the rest of what is held."""
    found = re.fullmatch(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", stream.headers.get("Content-Range", "").strip())
    if found is None or tuple(map(int, found.groups())) != (held.size, held.total - 1, held.total):
        return False
    if "ETag" in stream.headers and held.validator.startswith('"'):
        return strong_validator(stream.headers) == held.validator
    return _encoding(stream) == ""


def _length(stream: Stream) -> int | None:
    """Bytes of the whole file; None where it is not told, or told of a compressed form."""
    return whole_number(stream.headers.get("Content-Length", "")) if _encoding(stream) == "" else None


def _encoding(stream: Stream) -> str:
    return stream.headers.get("Content-Encoding", "").strip().lower().removeprefix("identity")


def _check_size(size: int | None, expected: Expected) -> None:
    if size is not None and expected.size is not None and size != expected.size:
        message = f"the file has {size} bytes where {expected.size} were expected; it may still be processed"
        raise ApiError(message, FailureClass.BROKEN)
    if size == 0:
        raise ApiError("the file is empty; it may still be processed", FailureClass.BROKEN)


def _not_the_file(stream: Stream, head: bytes, expected: Expected) -> Failure | None:
    if stream.status == 206:
        return Failure(FailureClass.BROKEN, 206, None, "a part came where the whole file was asked for", None, None)
    kind = stream.headers.get("Content-Type", "").split(";")[0].strip().lower()
    if not expected.html and (kind in _PAGE_TYPES or _is_page(head)):
        return Failure(
            FailureClass.BROKEN,
            stream.status,
            None,
            "a web page came in place of the file",
            "token",
            "check that it may be downloaded with these credentials and needs no passcode",
        )
    if head and not _may_be(expected.ending, head):
        message = f"what came ({kind or 'no content type'}) does not begin as a file of type {expected.ending} does"
        return Failure(FailureClass.BROKEN, stream.status, None, message, None, "it may still be processed")
    return None


def _is_page(head: bytes) -> bool:
    """Whether a body begins as a web page does, behind any blanks and comments within the first bytes."""
    rest = head[:_SNIFFED].removeprefix(_BOM).lstrip()
    while rest.startswith(b"<!--"):
        _, closed, rest = rest.partition(b"-->")
        rest = rest.lstrip()
        if not closed:
            return False
    words = b" ".join(rest[:64].lower().split())
    return any(words.startswith(tag) and not words[len(tag) : len(tag) + 1].isalnum() for tag in _TAGS)


def _may_be(ending: str, head: bytes) -> bool:
    """Whether a body can be a file with this ending; True for endings whose files may begin with anything."""
    if ending in {"mp4", "m4a"}:
        return head[4:8] == b"ftyp"
    if ending == "vtt":
        return head.removeprefix(_BOM).startswith(b"WEBVTT")
    if ending == "json":
        return head.removeprefix(_BOM).lstrip()[:1] in {b"[", b"{"}
    return True


def _head(chunks: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The beginning of the body, at least as long as an error can be, and the rest; where it breaks off, that does."""
    head = b""
    try:
        while len(head) <= LONGEST_ERROR and (chunk := next(chunks, b"")):
            head += chunk
    except ApiError as error:
        return head, _broken(error)
    return head, chunks


def _broken(error: ApiError) -> Iterator[bytes]:
    raise error
    yield b""


def _file_name(stream: Stream) -> str | None:
    """What Content-Disposition suggests. Plain UTF-8 in it is read as such, as browsers do."""
    text = stream.headers.get("Content-Disposition", "")[:_LONGEST_HEADER]
    with suppress(UnicodeError):
        text = text.encode("latin-1").decode("utf-8")
    header = Message()
    header["Content-Disposition"] = " ".join(text.split())
    try:
        return header.get_filename()
    except (LookupError, UnicodeError, ValueError):  # an encoding that nobody knows
        return None
