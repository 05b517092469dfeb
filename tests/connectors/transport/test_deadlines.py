from __future__ import annotations

import gzip
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.partial_file import Part
from changewire.connectors.transport.deadlines import Exchange
from changewire.connectors.transport.fetcher import Fetcher, Outgoing
from changewire.errors import ApiError, FailureClass
from tests.actions.mail_server import CERTIFICATE
from tests.connectors.raw import raw_server
from tests.connectors.server import Reply, Server, connection
from tests.support.processes import wait_for
from tests.support.slow_server import BODY_SHAPES, HEAD_SHAPES, SHAPES, Shape, SlowServer, slow_server

CLOCK = SystemClock()
ALLOWED_S = 0.4
GRACE_S = 5.0  # generous: the machine may be busy
ADVICE = "where that lasts, check the network, or allow a longer timeout"
STATUS, HEADERS, BODY = "the status line did not end", "the headers did not end", "the body did not end"
STATUS_SHAPES = {"silence", "version", "status line", "status code"}


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    one = Fetcher(CLOCK, allow_private=True)
    yield one
    one.close()


@pytest.fixture
def api() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "certificate.pem"
    path.write_text(CERTIFICATE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    return path


def late(fetcher: Fetcher, out: Outgoing, allowed_s: float = ALLOWED_S) -> ApiError:
    """The error of an exchange that must end at its deadline."""
    began = CLOCK.monotonic()
    with pytest.raises(ApiError) as caught:
        fetcher.send(out, deadline=began + allowed_s, max_bytes=1 << 30)
    assert allowed_s <= CLOCK.monotonic() - began < allowed_s + GRACE_S
    assert caught.value.failure is FailureClass.TRANSIENT
    return caught.value


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def get(url: str) -> Outgoing:
    return Outgoing("GET", url, "/", {"Accept": "*/*"})


def post(url: str, body: bytes = b"{}") -> Outgoing:
    return Outgoing("POST", url, "/", {"Accept": "*/*"}, body)


def words(server: SlowServer, stage: str) -> str:
    return f"{urlsplit(server.url).netloc} gave no complete answer within 0.4s: {stage}; {ADVICE}"


@pytest.mark.parametrize("name", SHAPES)
def test_an_answer_that_never_ends_is_cut_at_the_deadline(fetcher: Fetcher, name: str) -> None:
    stage = STATUS if name in STATUS_SHAPES else HEADERS if name in HEAD_SHAPES else BODY
    with slow_server(SHAPES[name]) as server:
        error = late(fetcher, get(server.url))
        assert str(error) == words(server, stage)
        assert error.sent
        assert server.left.wait(GRACE_S)  # the connection is gone on the other side as well
        assert server.connections == 1  # what was cut is not asked again


@pytest.mark.parametrize("name", ["silence", "header lines", "trailer lines", "gzip members", "chunk"])
def test_a_write_that_is_cut_may_have_been_done(fetcher: Fetcher, name: str) -> None:
    with slow_server(SHAPES[name]) as server:
        assert late(fetcher, post(server.url)).sent
        assert server.connections == 1


@pytest.mark.parametrize("name", ["silence", "header lines", "chunk extension", "gzip name", "trailer name"])
def test_an_encrypted_answer_that_never_ends_is_cut(name: str, certificate: Path) -> None:
    fetcher = Fetcher(CLOCK, allow_private=True)
    with slow_server(SHAPES[name], certificate) as server:
        stage = STATUS if name == "silence" else HEADERS if name in HEAD_SHAPES else BODY
        assert str(late(fetcher, get(server.url))) == words(server, stage)
    fetcher.close()


@pytest.mark.parametrize(
    "shape",
    [
        Shape(b"", asked=False),
        Shape(b"\x16\x03\x03\x40\x00", b"\x02", asked=False),  # a record of 16 KiB
        Shape(b"\x16", asked=False),
        Shape(b"", b"\x15\x03\x03\x00\x02\x01\x5a", asked=False),  # warnings without an end
    ],
    ids=["silence", "record", "half a header", "warnings"],
)
def test_a_handshake_that_never_ends_is_cut_and_nothing_was_sent(shape: Shape) -> None:
    fetcher = Fetcher(CLOCK, allow_private=True)
    with slow_server(shape) as server, pytest.raises(ApiError) as caught:
        fetcher.send(post(f"https://127.0.0.1:{server.port}"), deadline=CLOCK.monotonic() + ALLOWED_S, max_bytes=1000)
    assert not caught.value.sent
    assert caught.value.failure is FailureClass.TRANSIENT
    fetcher.close()


class Unwilling(SlowServer):
    """Takes a few bytes of a request at a time, or none."""

    def answer(self, connection: socket.socket) -> None:
        while not self._ending.wait(self.shape.pause_s):
            if self.shape.asked:
                connection.recv(16)


@pytest.mark.parametrize("reads", [False, True], ids=["never", "slowly"])
def test_a_server_that_does_not_take_our_body_is_left_at_the_deadline(fetcher: Fetcher, reads: bool) -> None:
    server = Unwilling(Shape(b"", asked=reads))
    error = late(fetcher, post(server.url, b"x" * 32_000_000))
    assert str(error) == words(server, "it did not take the whole request")
    assert error.sent
    server.close()


def test_redirects_that_drip_end_with_the_exchange_that_they_belong_to(fetcher: Fetcher) -> None:
    shape = Shape(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n", b"\r\n", pause_s=0.15)
    with slow_server(shape) as server:
        error = late(fetcher, get(server.url))
    assert "gave no complete answer within 0.4s" in str(error)
    assert server.connections > 1


def test_a_kept_connection_is_cut_as_well(fetcher: Fetcher) -> None:
    class Second(SlowServer):
        def answer(self, connection: socket.socket) -> None:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            super().answer(connection)

    server = Second(SHAPES["trailer lines"])
    assert fetcher.send(get(server.url), deadline=CLOCK.monotonic() + GRACE_S, max_bytes=10).body == b"{}"
    assert str(late(fetcher, get(server.url))) == words(server, BODY)
    assert server.connections == 1
    server.close()


def test_a_proxy_that_never_opens_the_connection_is_left_and_nothing_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for shape in (SHAPES["silence"], SHAPES["header lines"], SHAPES["status line"]):
        with slow_server(shape) as server:
            monkeypatch.setenv("https_proxy", server.url)
            fetcher = Fetcher(CLOCK, allow_private=True)
            error = late(fetcher, post("https://api.example"))
            assert (
                str(error)
                == f"api.example gave no complete answer within 0.4s: the proxy did not open the connection; {ADVICE}"
            )
            assert not error.sent
            fetcher.close()


def test_a_host_that_accepts_no_connection_is_left_at_the_deadline(fetcher: Fetcher) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:  # the queue of connections is full after them
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        error = late(fetcher, post(f"http://127.0.0.1:{full.getsockname()[1]}"))
        assert "did not accept the connection" in str(error)
        assert not error.sent
        for each in waiting:
            each.close()


@pytest.mark.parametrize("name", ["trailer lines", "gzip members", "header lines", "body until the connection closes"])
def test_after_a_cut_the_next_exchange_works(fetcher: Fetcher, name: str) -> None:
    with slow_server(SHAPES[name]) as server:
        late(fetcher, get(server.url))
        server.shape = Shape(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        assert fetcher.send(get(server.url), deadline=CLOCK.monotonic() + GRACE_S, max_bytes=10).body == b"{}"


def test_cut_exchanges_leave_no_thread_and_no_descriptor(fetcher: Fetcher) -> None:
    with slow_server(SHAPES["trailer lines"]) as server:
        late(fetcher, get(server.url), 0.05)
        held, threads = descriptors(), threading.active_count()
        for _ in range(20):
            server.left.clear()
            late(fetcher, get(server.url), 0.05)
            assert server.left.wait(GRACE_S)
        assert descriptors() <= held + 1
        assert threading.active_count() <= threads + 1
        assert [each.name for each in threading.enumerate()].count("changewire-deadlines") == 1


def test_many_exchanges_end_at_deadlines_of_their_own(fetcher: Fetcher) -> None:
    """One that begins later and ends earlier wakes the watchdog early."""
    ended: list[float] = []

    def fetch(allowed_s: float) -> None:
        late(fetcher, get(server.url), allowed_s)
        ended.append(allowed_s)

    with slow_server(SHAPES["chunk extension"]) as server:
        threads = [threading.Thread(target=fetch, args=(allowed_s,)) for allowed_s in (2.0, 1.0, 0.1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert ended == [0.1, 1.0, 2.0]


class TestDownloads:
    def client(self, url: str) -> Client:
        return Client(connection(url, "http"), CLOCK, HttpSettings())

    @pytest.mark.parametrize("name", ["header lines", "gzip name", "chunk size", "trailer lines", "chunks of one byte"])
    def test_a_download_ends_at_its_deadline(self, tmp_path: Path, name: str) -> None:
        with slow_server(SHAPES[name]) as server:
            client, began = self.client(server.url), CLOCK.monotonic()
            with pytest.raises(ApiError, match=r"gave no complete answer within 0\.4s: the (headers|body) did not end"):
                client.download(f"{server.url}/x", Part(tmp_path / "part"), deadline=began + ALLOWED_S)
            assert CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
            client.close()

    @pytest.mark.parametrize("name", sorted({*BODY_SHAPES} - {"body that stops"}))
    def test_without_a_deadline_it_ends_when_too_little_comes(self, name: str) -> None:
        fetcher = Fetcher(CLOCK, read_s=0.2, slow_s=0.4, allow_private=True)
        began = CLOCK.monotonic()
        server = SlowServer(SHAPES[name])
        with fetcher.open(get(server.url)) as stream, pytest.raises(ApiError) as caught:
            list(stream.chunks)
        assert CLOCK.monotonic() - began < GRACE_S
        assert any(text in str(caught.value) for text in ("sent less than 64 KiB within 0.4s", "nothing more came"))
        server.close()
        fetcher.close()

    def test_one_that_is_fast_enough_takes_as_long_as_it_takes(self) -> None:
        fetcher = Fetcher(CLOCK, read_s=0.1, slow_s=0.2, allow_private=True)
        body = os.urandom(70_000) * 12
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        pieces = [head, *(body[at : at + 70_000] for at in range(0, len(body), 70_000))]
        with raw_server(pieces, pause_s=0.05) as origin, fetcher.open(get(origin)) as stream:
            assert b"".join(stream.chunks) == body
        fetcher.close()

    def test_time_in_which_we_write_is_not_the_servers(self) -> None:
        fetcher = Fetcher(CLOCK, read_s=0.1, slow_s=0.2, allow_private=True)
        server = Server()
        server.on("/", Reply(body=b"x" * 300_000))
        with fetcher.open(get(server.url)) as stream:
            size = 0
            for chunk in stream.chunks:
                size += len(chunk)
                if size == len(chunk):
                    CLOCK.wait(1.0)  # a disk that is slow
        assert size == 300_000
        server.close()
        fetcher.close()


def test_the_time_of_a_token_bounds_the_exchange_that_it_is_for() -> None:
    for name in ("header lines", "trailer lines", "gzip comment"):
        with slow_server(SHAPES[name]) as tokens:
            app = {"client_id": "i", "client_secret": "s", "token_url": f"{tokens.url}/token"}
            client = Client(
                connection("http://127.0.0.1:9", "http", auth={"type": "client_credentials", **app}),
                CLOCK,
                HttpSettings(),
            )
            began = CLOCK.monotonic()
            with pytest.raises(ApiError, match=r"gave no complete answer within 0\.\ds"):
                client.granted_scopes(began + ALLOWED_S)
            assert CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
            client.close()


@pytest.mark.parametrize("name", ["silence", "header lines", "trailer lines", "gzip members"])
def test_a_write_whose_token_never_came_was_not_sent(api: Server, name: str) -> None:
    with slow_server(SHAPES[name]) as tokens:
        auth = {"type": "client_credentials", "token_url": f"{tokens.url}/t", "client_id": "i", "client_secret": "s"}
        client = Client(connection(api.url, "http", auth=auth), CLOCK, HttpSettings())
        for _ in range(2):  # the second one is told what the first one met
            with pytest.raises(ApiError, match="gave no complete answer within") as caught:
                client.send(Request("POST", "/x", body=b"{}"), deadline=CLOCK.monotonic() + ALLOWED_S)
            assert not caught.value.sent
        client.close()
    assert not api.seen


def test_a_library_that_connects_after_the_end_is_refused() -> None:
    with slow_server(SHAPES["silence"]) as server, Exchange(0.05) as exchange:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            assert sock.recv(1) == b""
        assert exchange.expired
        with pytest.raises(TimeoutError):
            socket.create_connection(("127.0.0.1", server.port))


def test_an_answer_in_time_is_whole(fetcher: Fetcher) -> None:
    packed = gzip.compress(b"[1]") + gzip.compress(b"\n")
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (1, packed[at : at + 1]) for at in range(len(packed)))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw_server([b"HTTP/1.1 100 Continue\r\n\r\n", head, chunks, b"0\r\nX: y\r\n\r\n"]) as origin:
        reply = fetcher.send(get(origin), deadline=CLOCK.monotonic() + GRACE_S, max_bytes=100)
    assert reply.body == b"[1]\n"


def test_deadlines_are_kept_after_a_look_that_failed() -> None:
    failed = threading.Event()

    class Failing(Exchange):
        def expire(self) -> None:
            if not failed.is_set():
                failed.set()
                raise MemoryError
            super().expire()

    with Failing(0.05), Exchange(0.1) as other:
        assert wait_for(lambda: other.expired)
    assert failed.is_set()
