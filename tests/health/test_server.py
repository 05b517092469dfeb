"""The small HTTP server: what it answers, and that nobody can hold it."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from changewire.clock import SystemClock
from changewire.health.server import ASK_WITHIN_S, AT_ONCE, MOST_ASKED, CannotListen, Page, Server
from changewire.testing import ManualClock

GO_ON = threading.Event()


def page(path: str) -> Page | None:
    if path == "/held":
        GO_ON.wait(5)
    return Page(200, "text/plain", b"well\n") if path in ("/live", "/held") else None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def server(clock: ManualClock) -> Iterator[Server]:
    with closing(Server("127.0.0.1:0", page, clock)) as running:
        running.start()
        yield running


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers."""
    place = urlsplit(server.url)
    with closing(http.client.HTTPConnection(str(place.hostname), place.port, timeout=10)) as connection:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())


def plug(server: Server, sent: bytes = b"") -> socket.socket:
    """A connection that said so much so far."""
    place = urlsplit(server.url)
    connection = socket.create_connection((str(place.hostname), int(place.port or 0)), timeout=10)
    connection.sendall(sent)
    return connection


def rest(connection: socket.socket) -> bytes:
    """What still comes, until the other side hangs up."""
    found = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while part := connection.recv(4096):
            found += part
    return found


def test_a_page_is_answered_and_nothing_is_kept(server: Server) -> None:
    status, body, headers = ask(server, "/live?verbose=1")
    assert (status, body) == (200, b"well\n")
    assert headers["Content-Length"] == "5"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE"])
def test_nothing_but_get_is_answered(server: Server, method: str) -> None:
    status, _, headers = ask(server, "/live", method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize("path", ["/", "/lives", "/live/", "/../live", "http://example.com/live", "*"])
def test_other_paths_are_not_there(server: Server, path: str) -> None:
    assert ask(server, path, Host="localhost")[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9310", 200),
        ("localhost", 200),
        ("localhost:80", 200),
        ("[::1]:9310", 200),
        ("rebound.example.com", 421),
        ("127.0.0.1.example.com:9310", 421),
        ("", 421),
    ],
)
def test_a_page_elsewhere_cannot_let_its_name_point_here(server: Server, host: str, status: int) -> None:
    assert ask(server, "/live", Host=host)[0] == status


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_other_addresses_are_asked_by_any_name(listen: str, clock: ManualClock) -> None:
    with closing(Server(listen, page, clock)) as server:
        server.start()
        assert ask(server, "/live", Host="watch.example.com:9310")[0] == 200


NO_REQUESTS = [
    b"\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /live HTTP/7\r\n\r\n",
    b"\x16\x03\x01\x00\n\n",
    b"GET /live HTTP/1.1\r\n" + b"x" * 300 + b"\r\n\r\n",
]


@pytest.mark.parametrize("said", NO_REQUESTS)
def test_what_is_no_request_does_no_harm(server: Server, said: bytes) -> None:
    rest(plug(server, said))
    assert ask(server, "/live")[0] == 200


def test_a_client_that_drips_is_hung_up_on(server: Server, clock: ManualClock) -> None:
    slow = plug(server, b"GET /live HTTP/1.1\r\nHost")
    assert ask(server, "/live")[0] == 200  # so the slow one is heard
    clock.advance(6)
    slow.settimeout(ASK_WITHIN_S / 2)  # a new span for each drop would take longer
    slow.sendall(b":")
    assert rest(slow) == b""


def test_a_request_without_an_end_is_hung_up_on(server: Server) -> None:
    endless = plug(server)
    with contextlib.suppress(ConnectionError):
        for _ in range(MOST_ASKED // 1024 + 8):
            endless.sendall(b"X: " + b"x" * 1019 + b"\r\n")
    assert rest(endless) == b""
    assert ask(server, "/live")[0] == 200


def test_only_so_many_are_heard_at_once(server: Server) -> None:
    silent = [plug(server) for _ in range(AT_ONCE)]
    assert rest(plug(server, b"GET /live HTTP/1.0\r\n\r\n")) == b""
    for each in silent:
        each.close()
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if rest(plug(server, b"GET /live HTTP/1.0\r\n\r\n")):
            return
    pytest.fail("nobody is answered any more")


def test_closing_finishes_what_is_being_answered_and_waits_for_nobody_else() -> None:
    GO_ON.clear()
    server = Server("127.0.0.1:0", page, SystemClock())
    server.start()
    silent, held = plug(server), plug(server, b"GET /held HTTP/1.0\r\n\r\n")
    assert rest(plug(server, b"GET /live HTTP/1.0\r\n\r\n")).endswith(b"well\n")  # so the two are heard
    begun = time.monotonic()
    closing_down = threading.Thread(target=server.close)
    closing_down.start()
    assert rest(silent) == b""
    GO_ON.set()
    assert rest(held).endswith(b"well\n")
    closing_down.join(5)
    assert time.monotonic() - begun < 4
    with pytest.raises(ConnectionRefusedError):
        plug(server)


def test_an_address_in_use_is_told_with_its_setting(server: Server, clock: ManualClock) -> None:
    taken = server.url.removeprefix("http://")
    with pytest.raises(CannotListen) as told:
        Server(taken, page, clock)
    assert str(told.value) == (
        f"config/changewire.yaml: 'serve.listen': cannot listen on {taken} (address already in use): "
        "end what uses it, or write another address"
    )


@pytest.mark.parametrize("listen", ["no-such-host.invalid:80", "203.0.113.1:80", f"{'a' * 80}.example:80"])
def test_an_address_that_is_not_here_is_told(listen: str, clock: ManualClock) -> None:
    with pytest.raises(CannotListen, match="cannot listen on"):
        Server(listen, page, clock)
