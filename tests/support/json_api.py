"""A small JSON API with one list and one document, which answers badly when told to."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from changewire.values import dumps

PAGE = 3
BAD: dict[str, tuple[int, bytes]] = {
    "500": (500, b'{"message": "sorry"}'),
    "429": (429, b'{"message": "slow down"}'),
    "html": (200, b"<html>Please sign in</html>"),
    "empty": (200, b""),
    "object": (200, b"{}"),
    "bad_json": (200, b'{"data": [,'),
    "no_list": (200, b'{"data": {"id": 1}}'),
}


class JsonApi:
    """Serves ``records`` at ``/records``, three a page, ``rows`` at ``/rows``, and ``document`` at ``/document``.

    ``before_answer`` is called with the path of each request, for example to advance a manual clock.
    """

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.document: dict[str, Any] = {}
        self.bad: deque[str] = deque()  # for the next answers: a word of `BAD`, "cut", "reset" or "good"
        self.before_answer: Callable[[str], None] = lambda path: None
        self.date: str | None = None  # the Date header; None: the real time
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                api.before_answer(self.path)
                status, body, ending = api.answer(self.path)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body if ending != "cut" else body[: len(body) // 2])
                self.close_connection = ending == "cut"

            def date_time_string(self, timestamp: float | None = None) -> str:
                return api.date or super().date_time_string(timestamp)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, target: str) -> tuple[int, bytes, str]:
        """Status, body and how the answer ends."""
        word, url = self.bad.popleft() if self.bad else "good", urlsplit(target)
        if word in ("object", "no_list") and url.path == "/document":
            word = "500"  # as a document, any object is a good answer
        if word in BAD:
            return (*BAD[word], "good")
        data: Any = self.document
        if url.path == "/rows":
            data = {"data": self.rows}
        elif url.path == "/records":
            start = int(parse_qs(url.query).get("cursor", ["0"])[0])
            begin = max(0, start - 1) if word == "shift" else start
            more = start + PAGE < len(self.records)
            data = {"data": self.records[begin : start + PAGE], "next": str(start + PAGE) if more else ""}
        return 200, dumps(data), word

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
