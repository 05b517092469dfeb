"""A small HTTPS server on this machine that redirects."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.actions.mail_server import CERTIFICATE


class _Redirecting(BaseHTTPRequestHandler):
    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(307)
        self.send_header("Location", unquote(self.path.partition("?")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


class Encrypted:
    """Answers every request with a redirect to the address in its query."""

    def __init__(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting)
        self._http.daemon_threads = True
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.url = f"https://localhost:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def serve_encrypted(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Encrypted]:
    """A server whose certificate is trusted by clients that are made afterwards."""
    certificate = folder / "certificate.pem"
    certificate.write_text(CERTIFICATE)
    patch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    server = Encrypted(certificate)
    yield server
    server.close()
