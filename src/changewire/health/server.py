"""A small HTTP server for a few addresses that are only read. Whoever asks, however slowly, cannot hold the daemon."""

from __future__ import annotations

import contextlib
import http.server
import io
import ipaddress
import socket
import socketserver
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from changewire.clock import Clock
from changewire.config.fields import split_address
from changewire.errors import ChangewireError

AT_ONCE = 8  # connections; more are hung up on
ASK_WITHIN_S = 5.0  # for the whole request
TAKE_WITHIN_S = 5.0  # for the whole answer
MOST_ASKED = 16 * 1024  # bytes of a request with its headers
CLOSE_WITHIN_S = 0.5  # for answers that are under way
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Page:
    """What is answered."""

    status: int
    kind: str  # content type
    body: bytes


class CannotListen(ChangewireError):
    """The address cannot be listened on."""


class Server:
    """Answers GET at ``listen`` (host:port, port 0 for any free one) from threads of its own until `close`.

    ``page`` gives the answer for a path; None: there is nothing. Raises CannotListen.
    """

    def __init__(self, listen: str, page: Callable[[str], Page | None], clock: Clock) -> None:
        host, port = split_address(listen)
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._server = _Server(family, (str(address[0]), int(address[1])), page, clock)
        except (OSError, UnicodeError) as error:
            words = (getattr(error, "strerror", None) or str(error)).lower()
            raise CannotListen(
                f"config/changewire.yaml: 'serve.listen': cannot listen on {listen} ({words}): end what uses it, or "
                "write another address"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="changewire-serve", daemon=True
        )

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._server.server_address[:2]
        return f"http://[{host!s}]:{port}" if ":" in str(host) else f"http://{host!s}:{port}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Take nothing more, finish what is being answered, and hang up on the rest."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.end(CLOSE_WITHIN_S)


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    allow_reuse_address = True  # connections of the daemon before this one may still be closing
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, family: int, address: tuple[str, int], page: Callable[[str], Page | None], clock: Clock) -> None:
        self.address_family = family
        self.page, self.clock = page, clock
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)
        self.local_only = ipaddress.ip_address(str(self.server_address[0])).is_loopback

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._changed:
            full = len(self._open) >= AT_ONCE
            if not full:
                self._open.add(request)
        if full:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: who hangs up in between is no news."""

    def end(self, within_s: float) -> None:
        """Who has not asked by now is not answered any more; the others are, within some seconds."""
        self._hang_up(socket.SHUT_RD)
        with self._changed:
            self._changed.wait_for(lambda: not self._open, within_s)
        self._hang_up(socket.SHUT_RDWR)
        with self._changed:
            self._changed.wait_for(lambda: not self._open, within_s)

    def _hang_up(self, how: int) -> None:
        with self._changed:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(how)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "changewire", ""

    def handle(self) -> None:
        """Read one request within its time and size, answer it, and hang up."""
        head = self._head()
        if head is None:
            return
        self.connection.settimeout(TAKE_WITHIN_S)  # of one `sendall` as a whole
        self.rfile.close()
        self.rfile = io.BufferedReader(io.BytesIO(head))
        self.raw_requestline = self.rfile.readline(MOST_ASKED)
        if self.parse_request():
            self._send(self._page())

    def _head(self) -> bytes | None:
        """The request with its headers; None: it did not come in time, or is too long."""
        head, until = b"", self.server.clock.monotonic() + ASK_WITHIN_S
        while b"\r\n\r\n" not in head and b"\n\n" not in head:
            left = until - self.server.clock.monotonic()
            if left <= 0 or len(head) > MOST_ASKED:
                return None
            self.connection.settimeout(left)
            try:
                part = self.connection.recv(4096)
            except OSError:
                return None
            if not part:
                return None
            head += part
        return head

    def _page(self) -> Page:
        if self.command != "GET":
            return Page(405, TEXT, b"Only GET is answered here.\n")
        if self.server.local_only and not _local(self.headers.get("Host")):
            return Page(421, TEXT, b"Ask for this machine by its address or as localhost.\n")
        found = self.server.page(self.path.partition("?")[0])
        return found or Page(404, TEXT, b"There are /live, /health and /metrics here.\n")

    def _send(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Type", page.kind)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        if page.status == 405:
            self.send_header("Allow", "GET")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Who asks is no news."""


def _local(host: str | None) -> bool:
    """Whether a Host header names this machine by itself: a page elsewhere may let its own name point here."""
    if host is None:
        return True
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.strip("[]") == "localhost":
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
