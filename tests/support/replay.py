"""A server that records the answers of another one and then answers with them, tampered with on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

DATES = frozenset({"from", "to", "month", "year"})  # they move with the clock, and the recorded answers do not
UNKNOWN = b'{"code": 3001, "message": "Meeting does not exist."}'


@dataclass(frozen=True)
class Recorded:
    """One answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def unchanged(target: str, answer: Recorded) -> Recorded:
    """The answer as it was recorded."""
    return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about clients that hang up in the middle of an answer."""


class Replay:
    """Answers of the server at ``source``. Until `freeze` each request is forwarded and its answer is recorded.

    After that, ``tamper`` gets the target and the recorded answer of each GET, and what it returns is sent.
    """

    def __init__(self, source: str) -> None:
        self._source = urlsplit(source)
        self.answers: dict[str, Recorded] = {}
        self._preset: set[str] = set()
        self.frozen = False
        self.tamper: Callable[[str, Recorded], Recorded] = unchanged
        replay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 0

            def do(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = replay.answer(self.command, self.path, dict(self.headers.items()), sent)
                headers = {"Content-Type": "application/json", **answer.headers, "Content-Length": len(answer.body)}
                lines = [f"HTTP/1.1 {answer.status} -", *(f"{name}: {value}" for name, value in headers.items())]
                self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body)

            do_GET = do_POST = do  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def preset(self, path: str, body: bytes) -> None:
        """Answer requests for a path with this body, although the source does not have it."""
        self.answers[path] = Recorded(200, body)
        self._preset.add(path)

    def freeze(self) -> None:
        """Answer with what was recorded from now on; sign-ins are still forwarded."""
        self.frozen = True

    def answer(self, method: str, target: str, headers: Mapping[str, str], sent: bytes) -> Recorded:
        """The answer to one request."""
        key = _without_dates(target)
        if method == "GET" and (self.frozen or key in self._preset):
            known = self.answers.get(key) or self._similar(key)
            return self.tamper(key, known) if known is not None else Recorded(404, UNKNOWN)
        answer = self._forward(method, target, headers, sent)
        if method == "GET":
            self.answers[key] = answer
        return answer

    def _similar(self, key: str) -> Recorded | None:
        """The answer to a request for another record of the same list. None if there is none."""
        folder, _, _ = key.partition("?")[0].rpartition("/")
        return next((self.answers[known] for known in self.answers if known.rpartition("/")[0] == folder), None)

    def _forward(self, method: str, target: str, headers: Mapping[str, str], sent: bytes) -> Recorded:
        there = HTTPConnection(self._source.hostname or "", self._source.port, timeout=30)
        try:
            there.request(method, target, sent, {k: v for k, v in headers.items() if k.lower() != "accept-encoding"})
            answer = there.getresponse()
            return Recorded(answer.status, answer.read())
        finally:
            there.close()

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


def _without_dates(target: str) -> str:
    url = urlsplit(target)
    query = sorted((name, value) for name, value in parse_qsl(url.query, keep_blank_values=True) if name not in DATES)
    return f"{url.path}?{urlencode(query)}" if query else url.path
