"""A server whose answers never end, in as many places as an answer has: each piece is on its way for ever."""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PAUSE_S = 0.02
_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_GZIP = _OK + b"Content-Encoding: gzip\r\n\r\n"
_GZIP_HEAD = b"\x1f\x8b\x08%c\x00\x00\x00\x00\x00\x03"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n"
_EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"  # of a deflate stream: no data, and not the last one
_EMPTY_CHUNKED_MEMBER = b"%x\r\n%s\r\n" % (len(gzip.compress(b"")), gzip.compress(b""))


@dataclass(frozen=True)
class Shape:
    """An answer that begins with ``first`` and goes on with ``then`` for ever."""

    first: bytes
    then: bytes = b""  # empty: nothing more comes
    pause_s: float = PAUSE_S
    asked: bool = True  # whether the server reads a request before it speaks


HEAD_SHAPES = {
    "silence": Shape(b""),
    "version": Shape(b"HTTP/1.", b"1"),
    "status line": Shape(b"HTTP/1.1 200 O", b"K"),
    "status code": Shape(b"HTTP/1.1 2", b"0"),
    "100-continue without an end": Shape(b"", _CONTINUE + b"\r\n"),
    "flood of 100-continue": Shape(b"", (_CONTINUE + b"\r\n") * 200, pause_s=0.0),
    "headers of a 100-continue": Shape(_CONTINUE, b"X: y\r\n", pause_s=0.05),
    "header name": Shape(_OK, b"X"),
    "header value": Shape(_OK + b"X: ", b"y"),
    "header lines": Shape(_OK, b"X: y\r\n", pause_s=0.05),
    "continued header lines": Shape(_OK + b"X: y\r\n", b" z\r\n", pause_s=0.05),
    "headers without their empty line": Shape(_OK + b"Content-Length: 2\r\n"),
    "headers of a redirect": Shape(b"HTTP/1.1 302 Found\r\nLocation: /", b"x"),
}
BODY_SHAPES = {
    "body of a known length": Shape(_OK + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "body until the connection closes": Shape(_OK + b"\r\n", b"x"),
    "body that stops": Shape(_OK + b"Content-Length: 10\r\n\r\n[1, 2"),
    "blanks before the body": Shape(_OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "chunk size": Shape(_CHUNKED, b"0"),
    "chunk extension": Shape(_CHUNKED + b"5;", b"x"),
    "value of a chunk extension": Shape(_CHUNKED + b'5;name="', b"x"),
    "chunk": Shape(_CHUNKED + b"fffff\r\n", b"x"),
    "chunks of one byte": Shape(_CHUNKED, b"1\r\nx\r\n"),
    "chunk without its line end": Shape(_CHUNKED + b"1\r\nx"),
    "line end after a chunk": Shape(_CHUNKED + b"1\r\nx\r"),
    "trailer name": Shape(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X"),
    "trailer lines": Shape(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: y\r\n"),
    "trailer without its empty line": Shape(_CHUNKED + b"2\r\n{}\r\n0\r\n"),
    "trailer lines of a connection that closes": Shape(
        _OK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"
    ),
    "body of HTTP/1.0": Shape(b"HTTP/1.0 200 OK\r\n\r\n", b"x"),
    "gzip header": Shape(_GZIP + b"\x1f\x8b\x08"),
    "gzip name": Shape(_GZIP + _GZIP_HEAD % 8, b"x"),
    "gzip comment": Shape(_GZIP + _GZIP_HEAD % 16, b"x"),
    "gzip extra field": Shape(_GZIP + _GZIP_HEAD % 4 + b"\xff\xff", b"x"),
    "gzip members": Shape(_GZIP, gzip.compress(b"")),
    "flood of gzip members": Shape(_GZIP, gzip.compress(b"") * 500, pause_s=0.0),
    "gzip members in chunks": Shape(
        _OK + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", _EMPTY_CHUNKED_MEMBER
    ),
    "gzip blocks": Shape(_GZIP + _GZIP_HEAD % 0, _EMPTY_BLOCK),
    "gzip checksum": Shape(_GZIP + gzip.compress(b"{}")[:-6]),
    "deflate blocks": Shape(_OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(b"")[:2], _EMPTY_BLOCK),
}
SHAPES = {**HEAD_SHAPES, **BODY_SHAPES}


class SlowServer:
    """Answers every request with a shape, until the client hangs up. ``certificate``: with TLS."""

    def __init__(self, shape: Shape, certificate: Path | None = None) -> None:
        self.shape = shape
        self.connections = 0
        self.left = threading.Event()  # set when a client has hung up
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._ending = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}" if certificate is None else f"https://localhost:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Hang up on everybody."""
        self._ending.set()
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._ending.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):
            encrypted = connection if self._tls is None else self._tls.wrap_socket(connection, server_side=True)
            with encrypted:
                self.answer(encrypted)
        connection.close()
        self.left.set()

    def answer(self, connection: socket.socket) -> None:
        """Answer one connection until it is closed. Raises OSError."""
        if self.shape.asked:
            connection.recv(65536)
        connection.sendall(self.shape.first)
        if not self.shape.then:
            while connection.recv(65536):
                pass
            return
        while not self._ending.wait(self.shape.pause_s):
            connection.sendall(self.shape.then)


@contextmanager
def slow_server(shape: Shape, certificate: Path | None = None) -> Iterator[SlowServer]:
    """A server while it is needed."""
    server = SlowServer(shape, certificate)
    try:
        yield server
    finally:
        server.close()
