"""A small real HTTP server on this machine, and connections that lead to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from changewire.config.connections import Connection
from changewire.values import dumps


@dataclass
class Seen:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    port: int  # the client's end of the connection


@dataclass
class Reply:
    """What the server is to answer."""

    status: int = 200
    body: bytes | dict[str, Any] | list[Any] = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Seen], Reply]


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class Server:
    """Answers by path; each request is kept in `seen`."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._routes: dict[str, Handler] = {}
        server = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                server.respond(self, Seen(self.command, self.path, headers, body, self.client_address[1]))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = answer  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        self._http = _Quiet(("127.0.0.1", 0), Answering)
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def on(self, path: str, *replies: Reply | Handler) -> None:
        """Answer ``path`` with these one after the other, the last one again and again."""
        left = list(replies)

        def handle(seen: Seen) -> Reply:
            reply = left.pop(0) if len(left) > 1 else left[0]
            return reply if isinstance(reply, Reply) else reply(seen)

        self._routes[path] = handle

    def route(self, path: str) -> Handler | None:
        """What answers ``path``; None: nothing does."""
        return self._routes.get(path)

    def respond(self, handler: BaseHTTPRequestHandler, seen: Seen) -> None:
        self.seen.append(seen)
        handle = self.route(seen.path.split("?")[0])
        reply = handle(seen) if handle else Reply(404, b"")
        body = reply.body if isinstance(reply.body, bytes) else dumps(reply.body)
        handler.send_response(reply.status)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **reply.headers}
        for name, value in headers.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body if handler.command != "HEAD" else b"")

    def paths(self) -> list[str]:
        return [seen.path for seen in self.seen]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def connection(base_url: str | None, connector: str = "zoom", **fields: Any) -> Connection:
    """A connection named ``work``; to Zoom it has a token of its own unless ``auth`` says otherwise."""
    auth = {"type": "bearer", "token": "the-bearer-token"} if connector == "zoom" else {"type": "none"}
    given = {"name": "work", "connector": connector, "base_url": base_url, "auth": auth, **fields}
    return Connection.model_validate(given)
