"""The sandbox's HTTP server."""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import socket
import socketserver
import struct
import threading
from datetime import datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any

from changewire.sandbox.api.routes import all_scopes
from changewire.sandbox.clock import SandboxClock
from changewire.sandbox.control import Control, refuse_stranger
from changewire.sandbox.gateway import Gateway
from changewire.sandbox.switches import Switches
from changewire.sandbox.wire import Request, Response
from changewire.sandbox.world.populate import populate as fill
from changewire.sandbox.world.world import World


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], gateway: Gateway, control: Control) -> None:
        self.gateway = gateway
        self.control = control
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # The stock one looks up a host name, which can take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.local_only = ipaddress.ip_address(self.server_name).is_loopback

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: clients that hang up are part of the game."""

    def hang_up(self) -> None:
        """Close the connections that clients keep open."""
        with self._guard:
            left = list(self._open)
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 0
    server: _Server

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        control = request.path == "/sandbox" or request.path.startswith("/sandbox/")
        if control and (refusal := refuse_stranger(headers, local_only=self.server.local_only)) is not None:
            self._send(refusal)
            return
        handler = self.server.control if control else self.server.gateway
        self._send(handler.handle(request))

    # The names are the standard library's.
    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _do  # noqa: N815

    def _send(self, response: Response) -> None:
        if response.ending == "reset":
            self._reset()
            return
        lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
        if response.status != HTTPStatus.NO_CONTENT:
            lines.append(f"Content-Length: {len(response.body)}")
            if response.body:
                lines.append(f"Content-Type: {response.content_type}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        body = response.body
        if response.ending == "cut":
            body = body[: int(len(body) * response.keep)]
            self.close_connection = True
        self.wfile.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _reset(self) -> None:
        # Lingering for zero seconds makes the close a TCP reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


class Sandbox:
    """A Zoom account served over HTTP; as a context manager it serves from a thread of its own.

    ``port`` 0 takes any free one; a port in use raises OSError. ``populate`` fills the default
    world. ``scopes`` are the app's, None for all that are needed. ``start`` is the first instant
    of the sandbox's clock, None for the present. ``switches`` set further switches by name.
    """

    def __init__(
        self,
        port: int = 0,
        host: str = "127.0.0.1",
        plan: str = "business",
        seed: int = 1,
        populate: bool = True,
        scopes: list[str] | None = None,
        start: datetime | None = None,
        **switches: Any,
    ) -> None:
        self.switches = Switches()
        for name, value in {"plan": plan, **switches}.items():
            self.switches.set(name, value)
        self.clock = SandboxClock(start)
        self.world = World(self.clock, self.switches, seed)
        if populate:
            fill(self.world)
        self._gateway = Gateway(self.world, seed, list(all_scopes()) if scopes is None else scopes)
        self._control = Control(self.world, self._gateway, populate)
        self._server = _Server((host, port), self._gateway, self._control)
        self.url = f"http://{host}:{self._server.server_port}"
        self._gateway.site = self.url
        self._thread: threading.Thread | None = None

    def control(self, action: str, /, **arguments: Any) -> Any:
        """Do what ``POST /sandbox/<action>`` does; raises ControlError."""
        return self._control.call(action, **arguments)

    def start(self) -> None:
        """Serve from a daemon thread until :meth:`close`."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()

    def close(self) -> None:
        """Stop serving and hang up on clients."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.hang_up()
        self._server.server_close()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
