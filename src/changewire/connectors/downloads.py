"""Files: written while they arrive, and told from the error pages that come in their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import chain
from typing import BinaryIO
from urllib.parse import urlsplit

from changewire.connectors.definition import Connector
from changewire.connectors.failures import LONGEST_ERROR, Failure, judge
from changewire.connectors.fetcher import Stream
from changewire.connectors.messages import Request
from changewire.errors import FailureClass


@dataclass(frozen=True)
class DownloadInfo:
    """What was written."""

    size: int  # bytes
    content_type: str  # without parameters, in lower case; "" when the server gave none
    file_name: str | None  # as the server suggests it, unchecked: never use it as a path; None: it suggests none
    url: str  # where it came from in the end, after redirects


def host_allowed(origin: str, hosts: tuple[str, ...]) -> bool:
    """True when ``origin`` is https and its host one of ``hosts``; "*.zoom.us" means any below zoom.us."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    known = any(host == one or (one.startswith("*.") and host.endswith(one[1:])) for one in hosts)
    return known and parts.scheme == "https"


def save(
    connector: Connector, request: Request, stream: Stream, target: BinaryIO, *, allow_html: bool
) -> DownloadInfo | Failure:
    """Write the body to ``target``, or say which failure came in its place; nothing is written then."""
    kind = stream.headers.get("Content-Type", "").split(";")[0].strip().lower()
    chunks = iter(stream.chunks)
    head = _head(chunks)
    failure = judge(connector, request, stream.status, head)
    if failure is None and kind in {"text/html", "application/xhtml+xml"} and not allow_html:
        failure = Failure(
            FailureClass.BROKEN,
            stream.status,
            None,
            "a web page came in place of the file",
            "token",
            "check that it may be downloaded with these credentials and needs no passcode",
        )
    if failure is not None:
        return failure
    size = 0
    for chunk in chain([head], chunks):
        size += target.write(chunk)
    return DownloadInfo(size, kind, _file_name(stream), stream.url)


def _head(chunks: Iterator[bytes]) -> bytes:
    """The beginning of the body, at least as long as an error can be."""
    head = b""
    while len(head) <= LONGEST_ERROR and (chunk := next(chunks, b"")):
        head += chunk
    return head


def _file_name(stream: Stream) -> str | None:
    header = Message()
    header["Content-Disposition"] = stream.headers.get("Content-Disposition", "")
    return header.get_filename()
