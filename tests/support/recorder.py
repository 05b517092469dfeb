"""A server that steps call, and that remembers each call."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients are killed here."""


class Recorder:
    """Remembers what was sent to it: path, idempotency key and JSON body. Gives the JSON in ``pages`` to who asks.

    From the ``hold_from``-th call on (None: never) nobody is answered before ``go`` is set.
    ``before_answer`` is called with the path of each request, for example to advance a manual clock.
    """

    def __init__(self, hold_from: int | None = None) -> None:
        self.calls: list[tuple[str, str, Any]] = []
        self.pages: dict[str, Any] = {}  # by path
        self.go = threading.Event()
        self.before_answer: Callable[[str], None] = lambda path: None
        calls, go, pages, recorder = self.calls, self.go, self.pages, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                calls.append((self.path, self.headers.get("Idempotency-Key") or "", json.loads(body or b"null")))
                if hold_from is not None and len(calls) >= hold_from:
                    go.wait(30)
                recorder.before_answer(self.path)
                self._answer(200, {})

            def do_GET(self) -> None:
                recorder.before_answer(self.path)
                self._answer(200, pages[self.path]) if self.path in pages else self._answer(404, {})

            def _answer(self, status: int, data: Any) -> None:
                body = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Recorder:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def times(self, key: str) -> int:
        """How often an idempotency key came."""
        return sum(1 for _, known, _ in self.calls if known == key)
