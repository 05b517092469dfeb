from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import urllib3

from changewire.connectors.transport.addresses import literal_origin, refuse_parent, same_place, split_url
from changewire.connectors.transport.routes import Router
from changewire.errors import ApiError, FailureClass
from tests.connectors.server import Reply, Server

MISREAD = "it holds a backslash or a control character, which programs read differently"


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("https://api.zoom.us/v2/users?a=b", "https://api.zoom.us", "/v2/users?a=b"),
        ("HTTPS://API.Zoom.us", "https://api.zoom.us", "/"),
        ("https://api.zoom.us:443/", "https://api.zoom.us", "/"),
        ("http://127.0.0.1:8080/x", "http://127.0.0.1:8080", "/x"),
        ("http://[::1]:8080/x", "http://[::1]:8080", "/x"),
        ("https://example.com/a b?c=d e#f", "https://example.com", "/a%20b?c=d%20e"),
        ("https://example.com/a%2Fb", "https://example.com", "/a%2Fb"),
        ("https://münchen.example/", "https://xn--mnchen-3ya.example", "/"),
    ],
)
def test_urls_are_split_in_the_form_in_which_they_are_sent(url: str, origin: str, target: str) -> None:
    assert split_url(url) == (origin, target)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "it must begin with http:// or https:// and name a host"),
        ("file:///etc/passwd", "it must begin with http:// or https:// and name a host"),
        ("example.com", "write it like https://example.com/a, not 'example.com'"),
        ("", "write it like https://example.com/a, not ''"),
        ("https://user:word@example.com/", "it carries a user name: put credentials into a connection"),
        ("https:///x", "write it like https://example.com/a, not 'https:///x'"),
        ("http://example.com:99999/", "write it like https://example.com/a, not 'http://example.com:99999/'"),
        ("http://me:word@example.com:99999/", "write it like https://example.com/a"),
        (
            "https://a.example\\@b.example/",
            MISREAD,
        ),
        ("https://a.example\\..\\b", MISREAD),
        ("https://a.exa\tmple/", MISREAD),
        (
            "https://a.example/x\r\nHost: b",
            MISREAD,
        ),
        ("http://a b/", "write it like https://example.com/a, not 'http://a b/'"),
        ("https://*.example", "write it like https://example.com/a, not 'https://*.example'"),
    ],
)
def test_addresses_that_cannot_be_asked(url: str, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        split_url(url)
    assert str(caught.value) == f"this is no address that can be asked: {words}"
    assert (caught.value.failure, caught.value.sent) == (FailureClass.BAD_INPUT, False)


@pytest.mark.parametrize(
    ("origin", "other", "same"),
    [
        ("http://a.example", "http://a.example", True),
        ("http://a.example", "https://a.example", True),
        ("https://a.example", "http://a.example", False),
        ("http://a.example:80", "https://a.example:8443", False),
        ("https://a.example", "https://b.example", False),
    ],
)
def test_only_encryption_may_be_added_to_a_place(origin: str, other: str, same: bool) -> None:
    assert same_place(origin, other) is same


@pytest.mark.parametrize(
    ("text", "whole", "origin"),
    [
        ("https://10.0.0.5/", False, "https://10.0.0.5"),
        ("HTTPS://Nas.Example:443/x?y=", False, "https://nas.example"),
        ("http://10.0.0.5:8080?q=", False, "http://10.0.0.5:8080"),
        ("https://10.0.0.5", True, "https://10.0.0.5"),
        ("https://10.0.0.5", False, None),  # what follows may be .example.com
        ("https://10.0.0.5:80", False, None),  # or 80
        ("https://user@", False, None),
        ("https://user@10.0.0.5/", False, None),
        ("https://", False, None),
        ("https://10.0.0.5\\", False, None),
        ("/items/", True, None),
        ("", False, None),
        ("", True, None),
    ],
)
def test_an_origin_is_literal_if_scheme_host_and_port_are_complete(text: str, whole: bool, origin: str | None) -> None:
    assert literal_origin(text, whole) == origin


@pytest.mark.parametrize(
    "path",
    [
        "/a/../b",
        "/..",
        "../a",
        "/a/..",
        "/a/%2e%2e/b",
        "/a/.%2E/b",
        "/a/..%2fb",
        "/a%2f..%2fb",
        "/a/..\\b",
        "/a%5C..%5cb",
        "/a/..;/b",
        "/a/..;x=1",
        "/..?x",
    ],
)
def test_a_path_cannot_lead_out_of_its_folder(path: str) -> None:
    with pytest.raises(ApiError, match=r"leads out of its folder by '\.\.'"):
        refuse_parent(path)


@pytest.mark.parametrize("path", ["/a/b..c/d", "/...", "/a..", "/..a", "/a?x=/../b", "/a/%252e%252e/b", "/"])
def test_dots_in_a_name_are_a_name(path: str) -> None:
    refuse_parent(path)


def test_a_guarded_way_to_this_machine_is_refused(server: Server) -> None:
    with pytest.raises(ApiError, match="this machine itself"):
        Router({}).route(server.url, guarded=True)


def test_a_pinned_connection_goes_to_the_checked_address_whatever_the_name_says(server: Server) -> None:
    server.on("/", Reply(body=b"here"))
    route = Router({}).make(f"http://somewhere.invalid:{server.port}", {}, "127.0.0.1")
    answer = route.pool.urlopen("GET", "/", headers=route.headers, retries=False)
    route.pool.close()

    assert answer.data == b"here"
    assert server.seen[0].headers["host"] == f"somewhere.invalid:{server.port}"


def test_a_way_is_kept_while_its_name_leads_there(server: Server) -> None:
    router = Router({})
    route = router.route(server.url, guarded=False)

    assert router.route(server.url, guarded=False, known=route) is route
    route.pool.close()


def test_a_proxy_gets_whole_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.invalid:3128")
    monkeypatch.setenv("no_proxy", "direct.example")
    router = Router({})

    assert router.route("http://far.example", guarded=False).prefix == "http://far.example"
    assert router.route("http://direct.example", guarded=False).prefix == ""


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: object) -> None:
        pass


def _certificate(folder: Path, name: str) -> Path:
    pem = folder / "certificate.pem"
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -days 2"
    extra = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(pem), "-out", str(folder / "only.pem")]
    subprocess.run([*command.split(), *extra], check=True, capture_output=True)
    pem.write_text(pem.read_text() + (folder / "only.pem").read_text())
    return pem


def test_a_pinned_connection_expects_the_certificate_of_the_name(tmp_path: Path) -> None:
    pem = _certificate(tmp_path, "named.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server = HTTPServer(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        for host, good in [("named.example", True), ("other.example", False)]:
            router = Router({"REQUESTS_CA_BUNDLE": str(pem)})
            route = router.make(f"https://{host}:{server.server_port}", {}, "127.0.0.1")
            if good:
                assert route.pool.urlopen("GET", "/", retries=False).data == b"ok"
            else:
                with pytest.raises(urllib3.exceptions.SSLError):
                    route.pool.urlopen("GET", "/", retries=False)
            route.pool.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
