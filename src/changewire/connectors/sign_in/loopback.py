"""The way back from the browser: a server on this machine that waits for one answer and no other."""

from __future__ import annotations

import hmac
import html
import http.server
import socketserver
from typing import Any
from urllib.parse import parse_qs, urlsplit

from changewire.clock import Clock
from changewire.errors import ChangewireError
from changewire.secret import learn, masked_excerpt

HOST = "127.0.0.1"
PATH = "/callback"
LOOK_S = 0.5  # how often the end of the wait is looked at
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:18vh auto;padding:0 1rem}}</style></head>
<body><h1>{title}</h1><p>{text}</p></body></html>
"""
_STRAY = (
    "This answer belongs to another sign-in (its state is wrong), so it was not used. "
    "Changewire goes on waiting: go to the address that the terminal shows."
)


class SignInRefused(ChangewireError):
    """The sign-in was refused, or did not come to an end."""

    exit_code = 3


class Loopback:
    """Listens for the browser's answer on ``port`` of this machine, None: any free one; a context manager.

    Raises ChangewireError where the port is in use.
    """

    def __init__(self, port: int | None, state: str) -> None:
        self._state = state
        self._code: str | None = None
        self._refusal: SignInRefused | None = None
        self._strays = 0  # answers of other sign-ins
        try:
            self._server = _Server((HOST, port or 0), self)
        except OSError as error:
            message = f"port {port} of this machine is in use, and the browser is to come back there: end what uses it"
            raise ChangewireError(message) from error
        self.url = f"http://{HOST}:{self._server.server_address[1]}{PATH}"

    def wait(self, clock: Clock, seconds: float) -> str:
        """The code that the browser brings. Raises SignInRefused."""
        end = clock.monotonic() + seconds
        while self._code is None and self._refusal is None:
            if clock.monotonic() >= end:
                stray = "; an answer of another sign-in came, and was not used" if self._strays else ""
                raise SignInRefused(f"nobody signed in within {seconds / 60:.0f} minutes{stray}: begin again")
            self._server.handle_request()
        if self._code is None:
            raise self._refusal or SignInRefused()
        return self._code

    def answer(self, target: str) -> tuple[int, str, str]:
        """Status, title and text of the page for a request; what it says about the sign-in is kept.

        An answer of another sign-in, as of a page that was left open, or a made-up one, ends nothing.
        """
        parts = urlsplit(target)
        if parts.path != PATH:
            return 404, "Nothing here", "This address only waits for the end of a sign-in."
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if not hmac.compare_digest(query.get("state", "").encode(), self._state.encode()):
            self._strays += 1
            return 400, "Not signed in", _STRAY
        if "error" in query:
            said = masked_excerpt(query.get("error_description") or query["error"], 300)
            return self._refuse(f"it was refused: {said}")
        if not query.get("code"):
            return self._refuse("the answer held no code")
        learn(query["code"], passing=True)
        self._code = query["code"]
        return 200, "Signed in", "Changewire goes on in the terminal. You can close this page."

    def _refuse(self, why: str) -> tuple[int, str, str]:
        self._refusal = SignInRefused(f"nobody is signed in: {why}")
        return 400, "Not signed in", f"{why[:1].upper()}{why[1:]}. Look at the terminal, and begin again there."

    def __enter__(self) -> Loopback:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server_close()


class _Server(socketserver.TCPServer):
    timeout = LOOK_S
    allow_reuse_address = True  # a browser's earlier connection may still be closing

    def __init__(self, address: tuple[str, int], loopback: Loopback) -> None:
        self.loopback = loopback
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    timeout = 5  # browsers open connections in advance and say nothing

    def do_GET(self) -> None:
        """The browser's answer, or something that it asks for by the way."""
        own = f"{HOST}:{self.server.server_address[1]}"
        if self.headers.get("Host") != own:  # a page elsewhere may let its own name point here
            self.send_error(421)
            return
        status, title, text = self.server.loopback.answer(self.path)
        body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
            ("Connection", "close"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The address holds the code: it is not for any log."""
