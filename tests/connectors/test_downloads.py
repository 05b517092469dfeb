from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from changewire.connectors.client import Client, DownloadInfo
from changewire.connectors.downloads import host_allowed
from changewire.errors import ApiError, FailureClass
from tests.connectors.server import Reply, Seen, Server

MakeClient = Callable[..., Client]
S2S = {"type": "server_to_server", "account_id": "acc", "client_id": "cid", "client_secret": "a-client-secret"}


def test_a_file_is_written_and_described(server: Server, make_client: MakeClient) -> None:
    body = bytes(range(256)) * 1000
    disposition = 'attachment; filename="../Weekly call.mp4"'
    server.on("/rec/1", Reply(body=body, headers={"Content-Type": "video/mp4", "Content-Disposition": disposition}))
    target = io.BytesIO()

    info = make_client().download(f"{server.url}/rec/1", target)
    assert target.getvalue() == body
    assert info == DownloadInfo(256_000, "video/mp4", "../Weekly call.mp4", f"{server.url}/rec/1")
    assert server.seen[0].headers["authorization"] == "Bearer the-bearer-token"


def test_a_json_file_is_a_file_too(server: Server, make_client: MakeClient) -> None:
    server.on("/summary", Reply(body={"summary": "short"}))
    target = io.BytesIO()

    assert make_client().download(f"{server.url}/summary", target).content_type == "application/json"
    assert target.getvalue() == b'{"summary":"short"}'


def test_redirects_to_other_hosts_never_see_the_token(
    server: Server, other_server: Server, make_client: MakeClient
) -> None:
    server.on("/rec/1", Reply(302, headers={"Location": f"{other_server.url}/file"}))
    other_server.on("/file", Reply(body=b"film", headers={"Content-Type": "video/mp4"}))
    target = io.BytesIO()

    info = make_client(allow_private=True).download(f"{server.url}/rec/1", target)
    assert (target.getvalue(), info.url) == (b"film", f"{other_server.url}/file")
    assert "authorization" not in other_server.seen[0].headers


def test_redirects_to_this_machine_are_refused(server: Server, other_server: Server, make_client: MakeClient) -> None:
    server.on("/rec/1", Reply(302, headers={"Location": f"{other_server.url}/file"}))

    with pytest.raises(ApiError, match="this machine itself, which is refused for addresses that come from data"):
        make_client().download(f"{server.url}/rec/1", io.BytesIO())
    assert not other_server.seen


@pytest.mark.parametrize(
    "url", ["https://evil.example/rec", "http://zoom.us/rec", "https://zoom.us.evil.example/", "https://azoom.us/"]
)
def test_zoom_files_come_from_zoom(make_client: MakeClient, url: str) -> None:
    with pytest.raises(ApiError, match=r"files of Zoom come from zoom\.us or \*\.zoom\.us, not from") as caught:
        make_client().download(url, io.BytesIO())
    assert (caught.value.failure, caught.value.sent) == (FailureClass.BAD_INPUT, False)


@pytest.mark.parametrize(
    ("reply", "failure", "words"),
    [
        (
            Reply(200, b"<html>Passcode</html>", {"Content-Type": "text/html;charset=utf-8"}),
            FailureClass.BROKEN,
            "a web page came in place of the file: check that it may be downloaded",
        ),
        (
            Reply(200, {"status": False, "errorCode": 124, "errorMessage": "Forbidden"}),
            FailureClass.CREDENTIAL,
            "code 124 to .*: Forbidden",
        ),
        (
            Reply(401, {"status": False, "errorCode": 124, "errorMessage": "Forbidden"}),
            FailureClass.CREDENTIAL,
            "answered 401, code 124",
        ),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), FailureClass.GONE, "answered 404"),
        (Reply(503, b""), FailureClass.TRANSIENT, "answered 503"),
    ],
    ids=["web page", "error as 200", "refused", "gone", "busy"],
)
def test_what_comes_in_place_of_a_file_is_an_error_and_not_written(
    server: Server, make_client: MakeClient, reply: Reply, failure: FailureClass, words: str
) -> None:
    server.on("/rec/1", reply)
    target = io.BytesIO()

    with pytest.raises(ApiError, match=words) as caught:
        make_client().download(f"{server.url}/rec/1", target)
    assert caught.value.failure is failure
    assert target.getvalue() == b""


def test_a_refused_token_is_replaced_once(server: Server, make_client: MakeClient) -> None:
    tokens = iter(["the-first-token", "the-second-token"])
    server.on("/oauth/token", lambda _: Reply(body={"access_token": next(tokens)}))

    def file(seen: Seen) -> Reply:
        if seen.headers["authorization"] == "Bearer the-second-token":
            return Reply(body=b"film", headers={"Content-Type": "video/mp4"})
        return Reply(body=b"<html>", headers={"Content-Type": "text/html"})

    server.on("/rec/1", file)
    target = io.BytesIO()

    make_client(auth=S2S).download(f"{server.url}/rec/1", target)
    assert target.getvalue() == b"film"


def test_a_file_that_is_too_long_is_left(server: Server, make_client: MakeClient) -> None:
    server.on("/rec/1", Reply(body=b"a" * 200_000, headers={"Content-Type": "video/mp4"}))

    with pytest.raises(ApiError, match="longer than the 100000 bytes allowed"):
        make_client().download(f"{server.url}/rec/1", io.BytesIO(), max_bytes=100_000)


def test_web_pages_can_be_asked_for(server: Server, make_client: MakeClient) -> None:
    server.on("/page", Reply(body=b"<html>", headers={"Content-Type": "text/html"}))
    target = io.BytesIO()

    make_client("http").download(f"{server.url}/page", target, allow_html=True)
    assert target.getvalue() == b"<html>"


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://zoom.us", True),
        ("https://us02web.zoom.us", True),
        ("https://a.b.zoom.us:8443", True),
        ("http://us02web.zoom.us", False),
        ("https://evilzoom.us", False),
        ("https://zoom.us.evil.example", False),
    ],
)
def test_which_hosts_may_see_the_token(origin: str, allowed: bool) -> None:
    assert host_allowed(origin, ("zoom.us", "*.zoom.us")) is allowed
