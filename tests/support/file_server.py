"""A real HTTP server for files that does to its clients what servers, proxies and networks do."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class File:
    """What lies at a path. ``ranges`` False: it is only handed out whole."""

    body: bytes
    etag: str | None = '"one"'
    content_type: str = "video/mp4"
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True


@dataclass
class Fault:
    """What happens to one answer. ``cut``: bytes of its body that are sent before the connection ends."""

    cut: int | None = None
    longer: int = 0  # bytes that Content-Length promises too much
    content_range: str | None = None  # instead of the true one
    status: int | None = None  # instead of a file
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0  # after each piece
    piece: int = 65536
    hold: threading.Event | None = None  # waited for in the middle


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0  # bytes of body


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class FileServer:
    """Serves `files` by path; each answer takes the next of `faults`, later ones are healthy."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.faults: list[Fault | None] = []
        self.asked: list[Asked] = []
        server = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *args: object) -> None:
                pass

        self._http = _Quiet(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.split("?")[0]
        asked = Asked(path, {name.lower(): value for name, value in handler.headers.items()})
        self.asked.append(asked)
        fault = (self.faults.pop(0) if self.faults else None) or Fault()
        file = self.files.get(path)
        if fault.status is not None or file is None:
            status, headers, body = fault.status or 404, dict(fault.headers), fault.body
        else:
            status, headers, body = self._file(file, asked, fault)
        asked.status = status
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body) + fault.longer))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with contextlib.suppress(OSError):
            self._send(handler, asked, fault, body)

    def _file(self, file: File, asked: Asked, fault: Fault) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": file.content_type, **file.headers}
        if file.etag is not None:
            headers["ETag"] = file.etag
        found = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", ""))
        if found is None or not file.ranges or asked.headers.get("if-range") not in (None, file.etag):
            return 200, headers, file.body
        start = int(found[1])
        if start >= len(file.body):
            return 416, {"Content-Range": f"bytes */{len(file.body)}"}, b""
        told = fault.content_range or f"bytes {start}-{len(file.body) - 1}/{len(file.body)}"
        return 206, {**headers, "Content-Range": told}, file.body[start:]

    def _send(self, handler: BaseHTTPRequestHandler, asked: Asked, fault: Fault, body: bytes) -> None:
        end = len(body) if fault.cut is None else min(fault.cut, len(body))
        for at in range(0, end, fault.piece):
            piece = body[at : min(at + fault.piece, end)]
            handler.wfile.write(piece)
            asked.sent += len(piece)
            if fault.pause_s:
                time.sleep(fault.pause_s)
            if fault.hold is not None and at + fault.piece >= end // 2:
                fault.hold.wait(30)
        if end < len(body) or fault.longer:
            handler.close_connection = True
