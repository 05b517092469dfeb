from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from changewire.clock import SystemClock
from changewire.connectors.transport.fetcher import Fetcher, Outgoing
from changewire.errors import ApiError, FailureClass
from tests.connectors.encrypted import Encrypted, serve_encrypted
from tests.connectors.raw import raw_server
from tests.connectors.server import Reply, Server

OPEN = {"Accept": "*/*"}
PRIVATE = {**OPEN, "Authorization": "Bearer abc"}


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    one = Fetcher(SystemClock(), connect_s=2.0, read_s=2.0, allow_private=True)
    yield one
    one.close()


def get(origin: str, target: str = "/", **more: object) -> Outgoing:
    return Outgoing("GET", origin, target, PRIVATE, away=OPEN, **more)  # type: ignore[arg-type]


def send(fetcher: Fetcher, out: Outgoing, deadline: float | None = None, max_bytes: int = 1000) -> bytes:
    return fetcher.send(out, deadline=deadline, max_bytes=max_bytes).body


def test_a_thread_keeps_its_connection(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(body=b"x"))
    for _ in range(3):
        send(fetcher, get(server.url))
    thread = threading.Thread(target=send, args=(fetcher, get(server.url)))
    thread.start()
    thread.join()

    first, second, third, other = (seen.port for seen in server.seen)
    assert first == second == third != other


def test_what_is_sent_arrives(server: Server, fetcher: Fetcher) -> None:
    server.on("/a%2Fb", Reply(201, b"done"))
    out = Outgoing("POST", server.url, "/a%2Fb?c=%20", {"X-One": "1"}, b"body")

    reply = fetcher.send(out, deadline=None, max_bytes=10)
    assert (reply.status, reply.body, reply.url) == (201, b"done", f"{server.url}/a%2Fb?c=%20")
    seen = server.seen[0]
    assert (seen.method, seen.path, seen.headers["x-one"], seen.body) == ("POST", "/a%2Fb?c=%20", "1", b"body")


def test_a_packed_answer_is_unpacked(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(body=gzip.compress(b"a" * 1000), headers={"Content-Encoding": "gzip"}))

    assert send(fetcher, get(server.url)) == b"a" * 1000


def test_a_packed_answer_is_measured_unpacked(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(body=gzip.compress(b"a" * 10_000_000), headers={"Content-Encoding": "gzip"}))

    with pytest.raises(ApiError, match="is longer than the 1000 bytes allowed") as caught:
        send(fetcher, get(server.url))
    assert caught.value.failure is FailureClass.BROKEN


def test_an_answer_may_be_as_long_as_allowed_and_no_longer(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(body=b"a" * 1001))

    assert len(send(fetcher, get(server.url), max_bytes=1001)) == 1001
    with pytest.raises(ApiError, match="is longer than the 1000 bytes allowed: ask for less or allow more"):
        send(fetcher, get(server.url))
    assert len(send(fetcher, get(server.url), max_bytes=1001)) == 1001


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("a\r\nX-Evil: 1", "a header has a line break or another character that headers cannot carry"),
        ("\N{SNOWMAN}", "a header has characters that headers cannot carry, as letters outside of Latin-1"),
    ],
)
def test_a_header_that_cannot_be_sent_is_told(server: Server, fetcher: Fetcher, value: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        send(fetcher, Outgoing("GET", server.url, "/", {"X-One": value}))
    host = server.url.removeprefix("http://")
    assert str(caught.value) == f"this request to {host} cannot be sent: {words}"
    assert (caught.value.failure, caught.value.sent) == (FailureClass.BAD_INPUT, False)
    assert not server.seen


def test_a_target_can_never_hold_another_request(server: Server, fetcher: Fetcher) -> None:
    server.on("/a%20b%0D%0AX:1", Reply())

    send(fetcher, get(server.url, "/a b\r\nX:1"))
    assert server.paths() == ["/a%20b%0D%0AX:1"]


def test_nobody_there_means_that_nothing_was_sent(fetcher: Fetcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ApiError) as caught:
        send(fetcher, get(f"http://127.0.0.1:{port}"))
    words = "cannot be reached: check the address, the network and the firewall"
    assert str(caught.value) == f"127.0.0.1:{port} {words}"
    assert (caught.value.failure, caught.value.sent, caught.value.status) == (FailureClass.TRANSIENT, False, None)


def test_an_unknown_name_is_told(fetcher: Fetcher) -> None:
    with pytest.raises(ApiError, match="has a name that cannot be resolved: check its spelling") as caught:
        send(fetcher, get("http://nothing.invalid"))
    assert not caught.value.sent


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"nonsense\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"],
    ],
    ids=["nothing", "nonsense", "cut body", "cut chunk", "broken chunk"],
)
def test_an_answer_that_breaks_off_is_no_answer(fetcher: Fetcher, pieces: list[bytes]) -> None:
    with raw_server(pieces, pieces) as origin, pytest.raises(ApiError) as caught:
        send(fetcher, get(origin))
    assert (caught.value.failure, caught.value.sent) == (FailureClass.TRANSIENT, True)
    host, ends = origin.removeprefix("http://"), "where that lasts, check the network"
    assert str(caught.value) in {
        f"{host} broke the connection off before it answered: {ends}",
        f"{host} answered something that is not HTTP: check the address and the port",
        f"{host} broke off in the middle of its answer (the connection was closed): {ends}",
    }


def test_an_answer_that_is_not_http_is_told(fetcher: Fetcher) -> None:
    pieces = [b"SSH-2.0-OpenSSH_9.2\r\n"]
    with raw_server(pieces, pieces) as origin, pytest.raises(ApiError) as caught:
        send(fetcher, get(origin))
    told = "answered something that is not HTTP: check the address and the port"
    assert str(caught.value) == f"{origin.removeprefix('http://')} {told}"


def test_what_cannot_be_unpacked_is_told(fetcher: Fetcher) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain"]
    with raw_server(pieces, pieces) as origin, pytest.raises(ApiError) as caught:
        send(fetcher, get(origin))
    told = "broke off in the middle of its answer (what it compressed cannot be unpacked)"
    assert str(caught.value).startswith(f"{origin.removeprefix('http://')} {told}: ")


def test_a_get_on_a_connection_that_just_closed_is_asked_again(fetcher: Fetcher) -> None:
    with raw_server([], [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]) as origin:
        assert send(fetcher, get(origin)) == b"ok"


def test_a_post_is_never_sent_twice(fetcher: Fetcher) -> None:
    good = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]
    with raw_server([], good) as origin:
        with pytest.raises(ApiError, match="broke the connection off before it answered") as caught:
            send(fetcher, Outgoing("POST", origin, "/", OPEN, b"x"))
        assert send(fetcher, get(origin)) == b"ok"
    assert caught.value.sent


def test_the_deadline_holds_against_a_server_that_drips(fetcher: Fetcher) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", *[b"a"] * 100]
    clock = SystemClock()
    start = clock.monotonic()
    with raw_server(pieces, pause_s=0.02) as origin, pytest.raises(ApiError, match="the body did not end"):
        send(fetcher, get(origin), deadline=start + 0.2)
    assert clock.monotonic() - start < 1.0


def test_the_deadline_holds_against_a_server_whose_headers_never_end(fetcher: Fetcher) -> None:
    pieces = [b"HTTP/1.1 200 OK\r\n", *[b"X"] * 200]
    clock = SystemClock()
    start = clock.monotonic()
    with raw_server(pieces, pause_s=0.02) as origin, pytest.raises(ApiError, match="the headers did not end") as caught:
        send(fetcher, get(origin), deadline=start + 0.2)
    assert clock.monotonic() - start < 2.0
    assert caught.value.sent


def test_a_silent_server_is_left_at_the_deadline(fetcher: Fetcher) -> None:
    with raw_server([b"HTTP/1.1 200"], pause_s=0.5) as origin, pytest.raises(ApiError) as caught:
        send(fetcher, get(origin), deadline=SystemClock().monotonic() + 0.1)
    words = "gave no complete answer within 0.1s: the status line did not end"
    advice = "where that lasts, check the network, or allow a longer timeout"
    assert str(caught.value) == f"{origin.removeprefix('http://')} {words}; {advice}"


def test_without_time_nothing_is_sent(server: Server, fetcher: Fetcher) -> None:
    with pytest.raises(ApiError, match="there was no time left") as caught:
        send(fetcher, get(server.url), deadline=SystemClock().monotonic() - 1)
    assert not caught.value.sent
    assert not server.seen


def test_credentials_stay_with_the_first_host(server: Server, other_server: Server, fetcher: Fetcher) -> None:
    server.on("/a", Reply(302, headers={"Location": "/b"}))
    server.on("/b", Reply(307, headers={"Location": f"{other_server.url}/c"}))
    other_server.on("/c", Reply(302, headers={"Location": f"{server.url}/d"}))
    server.on("/d", Reply(body=b"end"))

    assert send(fetcher, get(server.url, "/a")) == b"end"
    assert [seen.headers.get("authorization") for seen in server.seen] == ["Bearer abc"] * 3
    assert "authorization" not in other_server.seen[0].headers


def test_trusted_hosts_get_the_credentials_too(server: Server, other_server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(302, headers={"Location": f"{other_server.url}/"}))
    other_server.on("/", Reply(body=b"end"))

    send(fetcher, get(server.url, trusted=lambda origin: origin == other_server.url))
    assert other_server.seen[0].headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize(("status", "method"), [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")])
def test_a_redirected_post_becomes_what_browsers_make_of_it(
    server: Server, fetcher: Fetcher, status: int, method: str
) -> None:
    server.on("/a", Reply(status, headers={"Location": "/b"}))
    server.on("/b", Reply())

    send(fetcher, Outgoing("POST", server.url, "/a", OPEN, b"x"))
    assert (server.seen[1].method, server.seen[1].body) == (method, b"x" if method == "POST" else b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307])
@pytest.mark.parametrize("place", ["http://127.0.0.1:{free}/", "http://nothing.invalid/", "https://127.0.0.1:{port}/"])
def test_a_write_that_was_redirected_to_where_nothing_answers_may_have_been_done(
    server: Server, fetcher: Fetcher, status: int, place: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        free = listening.getsockname()[1]
    server.on("/a", Reply(status, headers={"Location": place.format(free=free, port=server.port)}))

    out = Outgoing("POST", server.url, "/a", OPEN, b"x" if status != 307 else None)
    with pytest.raises(ApiError) as caught:
        send(fetcher, out)
    assert caught.value.sent


def test_redirects_come_to_an_end(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(302, headers={"Location": "/"}))

    with pytest.raises(ApiError, match="redirects more than 5 times: check the address"):
        send(fetcher, get(server.url))
    assert len(server.seen) == 6


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_never_goes_to_another_origin(
    server: Server, other_server: Server, fetcher: Fetcher, status: int, method: str
) -> None:
    server.on("/a", Reply(status, headers={"Location": f"{other_server.url}/b"}))
    other_server.on("/b", Reply())
    out = Outgoing(method, server.url, "/a", OPEN, b"password=open-sesame")

    if method == "POST" and status in {301, 302}:
        send(fetcher, out)
    else:
        with pytest.raises(ApiError, match=f"redirects this {method} to .*, and its body stays here"):
            send(fetcher, out)
    assert all(seen.body == b"" for seen in other_server.seen)


@pytest.mark.parametrize("place", ["http://[::1", "http://a:b/", "https://[v1.x]/", "//[", "http://h\\@x/", "//a\tb/"])
def test_a_redirect_that_cannot_be_read_is_told(server: Server, fetcher: Fetcher, place: str) -> None:
    server.on("/", Reply(302, headers={"Location": place}))

    with pytest.raises(ApiError, match="redirects to an address that cannot be used") as caught:
        send(fetcher, get(server.url))
    assert caught.value.failure is FailureClass.BROKEN


@pytest.fixture
def encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Encrypted]:
    """A server with TLS whose certificate is trusted; it redirects to the address in its query."""
    with serve_encrypted(tmp_path, monkeypatch) as one:
        yield one


def test_credentials_and_bodies_are_not_sent_on_without_encryption(server: Server, encrypted: Encrypted) -> None:
    server.on("/x", Reply(body=b"open"))
    fetcher = Fetcher(SystemClock(), allow_private=True)  # reads which certificates are trusted
    for out in (
        get(encrypted.url, f"/?{server.url}/x"),
        Outgoing("POST", encrypted.url, f"/?{server.url}/x", OPEN, b"x", OPEN),
        get(encrypted.url, f"/?{encrypted.url.replace('https', 'http')}/x"),
    ):
        with pytest.raises(ApiError, match=r"its body stays here|is not encrypted: credentials are not sent on"):
            send(fetcher, out)
    assert not server.seen
    assert send(fetcher, Outgoing("GET", encrypted.url, f"/?{server.url}/x", OPEN, away=OPEN)) == b"open"
    fetcher.close()


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.com/", "http://a:b@example.com/"])
def test_redirects_lead_to_the_web_only(server: Server, fetcher: Fetcher, place: str) -> None:
    server.on("/", Reply(302, headers={"Location": place}))

    with pytest.raises(ApiError, match="this is no address that can be asked"):
        send(fetcher, get(server.url))


class TestGuard:
    @pytest.fixture
    def guarded(self) -> Iterator[Fetcher]:
        one = Fetcher(SystemClock())
        yield one
        one.close()

    def test_an_address_from_data_must_not_be_local(self, server: Server, guarded: Fetcher) -> None:
        with pytest.raises(ApiError, match="refused for addresses that come from data"):
            send(guarded, get(server.url))
        assert not server.seen

    def test_an_address_from_the_users_own_files_may(self, server: Server, guarded: Fetcher) -> None:
        server.on("/", Reply(body=b"ok"))

        assert send(guarded, get(server.url, own=(server.url,))) == b"ok"
        with pytest.raises(ApiError, match="this machine itself"):
            send(guarded, get(server.url, own=(f"{server.url}1",)))

    def test_every_redirect_to_another_host_is_checked(
        self, server: Server, other_server: Server, guarded: Fetcher
    ) -> None:
        server.on("/", Reply(302, headers={"Location": f"{other_server.url}/"}))

        with pytest.raises(ApiError, match=r"leads to 127\.0\.0\.1, this machine itself"):
            send(guarded, get(server.url, own=(server.url,)))
        assert not other_server.seen


def test_a_stream_gives_what_arrives(server: Server, fetcher: Fetcher) -> None:
    server.on("/", Reply(body=b"a" * 300_000))

    with fetcher.open(get(server.url)) as stream:
        sizes = [len(chunk) for chunk in stream.chunks]
    assert sum(sizes) == 300_000
    assert max(sizes) <= 65536


def test_after_close_a_fetcher_can_be_used_again(server: Server, fetcher: Fetcher) -> None:
    server.on("/", lambda seen: Reply(body=seen.method.encode()))
    send(fetcher, get(server.url))
    fetcher.close()

    assert send(fetcher, get(server.url)) == b"GET"
