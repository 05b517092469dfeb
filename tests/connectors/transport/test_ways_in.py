"""Every way in which data may name an address, held against addresses that it may and may not lead to.

A new way is one function more. What opens connections is listed by file at the end, so that none can be forgotten.
"""

from __future__ import annotations

import ast
import ipaddress
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from changewire.actions.calling import check_inputs, perform
from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Request
from changewire.connectors.definition import SignIn, load_connector
from changewire.connectors.partial_file import Part
from changewire.connectors.transport.guard import refusal
from changewire.errors import ChangewireError
from changewire.triggers.binding import Reader
from changewire.triggers.polling import Allowance, fetch_detail, read
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server, connection
from tests.triggers.kinds import NOW, kind_of

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
ROOT = Path(__file__).parents[3]
NAME = "data.example"
REFUSED = "refused for addresses that come from data"


def _listed(text: str) -> list[str]:
    return text.split()


PRIVATE = _listed("""
0.0.0.0 0.0.0.1 0.1.2.3 0.255.255.255 10.0.0.0 10.0.0.5 10.1.2.3 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200
100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 168.63.129.16 169.254.0.0 169.254.1.1
169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.16.0.1 172.20.1.1 172.31.255.255 192.0.0.0 192.0.0.1
192.0.0.8 192.0.0.11 192.0.0.170 192.0.0.171 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.1 192.0.2.255 192.88.99.0
192.88.99.1 192.88.99.255 192.168.0.0 192.168.0.1 192.168.1.1 192.168.255.255 198.18.0.0 198.18.0.1 198.19.255.255
198.51.100.1 198.51.100.255 203.0.113.0 203.0.113.7 203.0.113.255 224.0.0.1 224.0.0.251 239.255.255.250 239.255.255.255
240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255
:: ::1 ::2 ::7f00:1 ::a00:5 ::808:808
::ffff:192.168.0.1 ::ffff:0.0.0.0 ::ffff:127.0.0.1 ::ffff:10.0.0.5 ::ffff:169.254.169.254 ::ffff:8.8.8.8
::ffff:0:7f00:1 ::ffff:0:808:808 64:ff9b::7f00:1 64:ff9b::a00:5 64:ff9b::a9fe:a9fe 64:ff9b::c0a8:101 64:ff9b::e000:1
64:ff9b:1::1 64:ff9b:1::808:808 64:ff9b:1:ffff:ffff:ffff:7f00:1 64:ff9c::1 100::1 100::ffff 100:0:0:1::1 200::1 400::1
1000::1 2001::1 2001::4136:e378:8000:63bf:3fff:fdd2 2001:0:7f00:1::1 2001:1::4 2001:2::1 2001:2:0:ffff::1 2001:10::1
2001:1f:ffff::1 2001:40::1 2001:1ff:ffff::1 2001:db8::1 2001:db8:ffff::1 2002:7f00:1:: 2002:a00:5::1 2002:a9fe:a9fe::1
2002:c0a8:101::1 2002:6440:1::1 2002:c000:201::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 5f00:ffff::1 6000::1 8000::1
a000::1 c000::1 e000::1 f000::1 f800::1 fc00::1 fc00:ffff::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fdff:ffff::1
fe00::1 fe80::1 fe80::a00:27ff:fe00:1 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff02::fb ff05::2 ff0e::1 ffff::1
2606:4700::5efe:10.0.0.5 2606:4700::200:5efe:127.0.0.1
""")
PUBLIC = _listed("""
1.0.0.1 1.1.1.1 8.8.8.8 9.9.9.9 9.255.255.255 11.0.0.0 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255
128.0.0.0 168.63.129.15 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.0.9 192.0.0.10
192.0.1.0 192.31.196.1 192.52.193.1 192.88.98.255 192.167.255.255 192.169.0.0 192.175.48.1 198.17.255.255 198.20.0.0
198.51.101.0 203.0.114.0 223.255.255.255 64:ff9b::808:808 64:ff9b::101:101 2000::1 2001:1::1 2001:1::2 2001:1::3
2001:3::1 2001:4:112::1 2001:20::1 2001:30::1 2001:200::1 2001:4860:4860::8888 2002:808:808::1 2400:cb00::1
2606:4700::1111 2620:4f:8000::1 2620:fe::fe 2a00:1450:4001::1 3ffe::1 4.4.4.4 20.0.0.1 52.84.0.1 104.16.0.1
140.82.112.3 151.101.1.1 185.199.108.153 208.67.222.222 2600:9000::1 2607:f8b0::1 2800::1 2c0f:fb50::1
""")


class Network:
    """DNS and the outside world: names lead where they are told, and connections are noted and not opened."""

    def __init__(self, patch: pytest.MonkeyPatch, here: set[int]) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.asked: list[str] = []  # names that were looked up
        self.reached: list[str] = []  # addresses that would have been connected to
        look_up, connect = socket.getaddrinfo, socket.socket.connect

        def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            if host not in self.addresses:
                return look_up(host, port, *rest, **more)
            self.asked.append(host)
            return [entry for text in self.addresses[host] for entry in look_up(text, port, *rest, **more)]

        def note(sock: socket.socket, address: Any) -> None:
            if address[0] == "127.0.0.1" and address[1] in here:
                return connect(sock, address)
            sys.audit("socket.connect", sock, address)  # as the connection that this stands for does
            self.reached.append(str(ipaddress.ip_address(address[0])))
            raise ConnectionRefusedError(111, "no network in tests")

        patch.setenv("SSL_CERT_FILE", os.devnull)  # nothing gets as far as a certificate, and reading all takes long
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr(socket.socket, "connect", note)
        patch.setattr(urllib3.util.connection, "HAS_IPV6", True)


class Place:
    """What the ways need: a home, and an API at the connection's own address."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server, self.clock = folder, server, SystemClock()
        self.rig = Rig(folder, clock=self.clock)
        self.client = self.make_client(server.url)

    def make_client(self, base_url: str | None, connector: str = "http", **fields: Any) -> Client:
        return Client(connection(base_url, connector, **fields), self.clock, HttpSettings())

    def allowance(self) -> Allowance:
        return Allowance(deadline=self.clock.monotonic() + 30, clock=self.clock)

    def act(self, name: str, written: dict[str, Any], given: dict[str, Any]) -> None:
        action = self.rig.action(name)
        perform(action, check_inputs(action, given), self.rig.context(written=written))


def action_url(place: Place, host: str) -> None:
    place.act("http.request", {"url": "{{ payload.url }}"}, {"url": f"http://{host}/x"})


def action_url_with_a_connection(place: Place, host: str) -> None:
    place.client.send(Request("GET", f"http://{host}/x"))


def detail_path(place: Place, host: str) -> None:
    reader = Reader(kind_of("created", detail={"path": "{{ item.self }}"}), {})
    scope = reader.scope(NOW)
    fetch_detail(reader, place.client, place.allowance(), scope, {"id": 1, "self": f"http://{host}/x"})


def next_link(place: Place, host: str) -> None:
    place.server.on("/things", Reply(body=[{"id": 1}], headers={"Link": f'<http://{host}/x>; rel="next"'}))
    read(Reader(kind_of("created", paging={"kind": "link"}), {}), place.client, place.allowance(), NOW)


def next_url(place: Place, host: str) -> None:
    place.server.on("/things", Reply(body={"rows": [{"id": 1}], "next": f"http://{host}/x"}))
    paging = {"kind": "next_url", "token_field": "next"}
    read(Reader(kind_of("created", paging=paging, items="rows"), {}), place.client, place.allowance(), NOW)


def redirect(place: Place, host: str) -> None:
    place.server.on("/r", Reply(302, headers={"Location": f"http://{host}/x"}))
    place.client.send(Request("GET", "/r"))


def notify(place: Place, host: str) -> None:
    place.act("core.notify", {"to": "{{ payload.to }}"}, {"to": f"json://{host}/x", "body": "B"})


def mail(place: Place, host: str) -> None:
    given = {"server": host.strip("[]"), "from": "a@x.org", "to": "b@x.org", "text": "x", "security": "none"}
    place.act("core.email", {**given, "server": "{{ payload.server }}"}, given)


def encrypted_mail(place: Place, host: str) -> None:
    given = {"server": host.strip("[]"), "from": "a@x.org", "to": "b@x.org", "text": "x", "security": "ssl"}
    place.act("core.email", {**given, "server": "{{ payload.server }}"}, given)


def download(place: Place, host: str) -> None:
    place.client.download(f"http://{host}/x", Part(place.folder / "x.part"))


def sign_in(place: Place, host: str) -> None:
    place.server.on("/token", Reply(302, headers={"Location": f"http://{host}/x"}))
    app = {"client_id": "i", "client_secret": "s"}
    auth = {"type": "client_credentials", "token_url": f"{place.server.url}/token", **app}
    place.make_client(place.server.url, auth=auth).sign_in()


def region(place: Place, host: str) -> None:
    place.server.on("/oauth/token", Reply(body={"access_token": "a-token", "api_url": f"http://{host}"}))
    near = SignIn(host=place.server.url, region_field="api_url")
    auth = {"type": "server_to_server", "account_id": "a", "client_id": "i", "client_secret": "s"}
    with pytest.MonkeyPatch.context() as patch:
        connector = load_connector("zoom").model_copy(update={"sign_in": near})
        patch.setattr("changewire.connectors.client.load_connector", lambda _name: connector)
        place.make_client(None, "zoom", auth=auth).send(Request("GET", "/x"))


Way = Callable[[Place, str], None]
WAYS: list[Way] = [
    action_url,
    action_url_with_a_connection,
    detail_path,
    next_link,
    next_url,
    redirect,
    notify,
    mail,
    encrypted_mail,
    download,
    sign_in,
    region,
]
by_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Place]:
    one = Place(tmp_path_factory.mktemp("home"), server)
    yield one
    one.client.close()
    one.rig.clients.close()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, server: Server) -> Network:
    return Network(monkeypatch, {server.port})


def test_the_table_is_as_large_as_it_says() -> None:
    assert len({*PRIVATE, *PUBLIC}) == len(PRIVATE) + len(PUBLIC) >= 200
    assert all(refusal(ipaddress.ip_address(address)) for address in PRIVATE)
    assert not any(refusal(ipaddress.ip_address(address)) for address in PUBLIC)


def outcome(place: Place, network: Network, way: Way, host: str, *addresses: str) -> tuple[bool, set[str]]:
    """Whether ``host``, a name for ``addresses``, is refused, and which addresses would have been connected to."""
    network.reached.clear()
    if addresses:
        network.addresses[host] = list(addresses)
    with pytest.raises(ChangewireError) as caught:
        way(place, host)
    return REFUSED in str(caught.value), set(network.reached)


@by_way
def test_data_leads_to_public_addresses_only(place: Place, network: Network, way: Way) -> None:
    found = {address: outcome(place, network, way, NAME, address) for address in [*PRIVATE, *PUBLIC]}
    expected: dict[str, tuple[bool, set[str]]] = dict.fromkeys(PRIVATE, (True, set()))
    expected |= {address: (False, {str(ipaddress.ip_address(address))}) for address in PUBLIC}
    assert found == expected


@by_way
def test_every_spelling_of_a_private_address_is_refused(place: Place, network: Network, way: Way) -> None:
    hosts = ["127.1", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "0x7f000001", "10.5", "192.168.257", "LOCALHOST"]
    assert {host: outcome(place, network, way, host)[1] for host in hosts} == {host: set() for host in hosts}


@by_way
def test_a_name_that_leads_outside_and_inside_never_leads_inside(place: Place, network: Network, way: Way) -> None:
    for outside, inside in [("8.8.8.8", "127.0.0.1"), ("2606:4700::1111", "10.0.0.5"), ("8.8.8.8", "::1")]:
        for addresses in [(outside, inside), (inside, outside)]:
            assert inside not in outcome(place, network, way, NAME, *addresses)[1]


@by_way
def test_the_address_that_was_judged_is_the_one_that_is_connected_to(place: Place, network: Network, way: Way) -> None:
    """A name server that answers with another address each time: a public one first, this machine from then on."""

    class Rebinding(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter(["93.184.216.34" if len(network.asked) % 2 else "127.0.0.1"])

    network.addresses[NAME] = Rebinding()
    for _ in range(2):
        with pytest.raises(ChangewireError):
            way(place, NAME)
    assert "127.0.0.1" not in network.reached


def test_what_stands_literally_in_a_trigger_may_be_private_on_all_pages(place: Place, network: Network) -> None:
    server = place.server
    server.on(
        "/literal",
        Reply(body={"rows": [{"id": 1}], "next_page_token": "2"}),
        Reply(body={"rows": [{"id": 2}]}),
    )
    client = place.make_client(None)
    for path, parameters in [
        (f"{server.url}/literal", {}),
        (f"{server.url}/{{{{ 'literal' }}}}", {}),
        ("{{ parameters.path }}", {"path": f"{server.url}/literal"}),
    ]:
        kind = kind_of("created", request={"path": path}, paging={"kind": "token"}, items="rows")
        before = len(server.seen)
        read(Reader(kind, parameters), client, place.allowance(), NOW)
        assert len(server.seen) > before
    other = kind_of("created", request={"path": "{{ parameters.a ~ parameters.b }}"}, items="rows")
    with pytest.raises(ChangewireError, match=REFUSED):
        read(Reader(other, {"a": "http://127.0.0.1:", "b": f"{server.port}/"}), client, place.allowance(), NOW)
    client.close()


def test_a_token_in_the_place_of_a_host_is_never_looked_up(place: Place, network: Network) -> None:
    network.addresses |= dict.fromkeys(("slack.com", "hooks.slack.com"), PUBLIC[:1])
    network.addresses["T1JJ3T3L2"] = PRIVATE[:1]
    token = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"
    with pytest.raises(ChangewireError, match="was not accepted"):
        place.act("core.notify", {"to": f"{token}{{{{ payload.channel }}}}"}, {"to": f"{token}%23general", "body": "B"})
    assert set(network.asked) == {"hooks.slack.com"}
    assert set(network.reached) == {PUBLIC[0]}


SECRETS = {"type": "bearer", "token": "open-sesame-token"}


@pytest.mark.parametrize("kind", [{"kind": "link"}, {"kind": "next_url", "token_field": "next"}])
def test_another_origin_gets_neither_credentials_nor_headers(place: Place, kind: dict[str, str]) -> None:
    """Both the next page and a detail are elsewhere."""
    other = Server()
    link = f"{other.url}/page"
    head = {"Link": f'<{link}>; rel="next"'} if kind["kind"] == "link" else {}
    place.server.on("/things", Reply(body={"rows": [{"id": 1}], "next": link}, headers=head))
    other.on("/page", Reply(body={"rows": [{"id": 2}]}))
    other.on("/detail", Reply(body={"id": 2}))
    request = {"path": "/things", "headers": {"X-Key": "open-sesame"}}
    detail = {"path": "{{ item.self }}", "headers": {"X-Key": "open-sesame"}}
    reader = Reader(kind_of("created", request=request, detail=detail, paging=kind, items="rows"), {})
    client = place.make_client(place.server.url, auth=SECRETS, allow_private=True)
    assert [item["id"] for item, _ in read(reader, client, place.allowance(), NOW).items] == [1, 2]
    fetch_detail(reader, client, place.allowance(), reader.scope(NOW), {"self": f"{other.url}/detail"})
    assert place.server.seen[-1].headers["authorization"] == "Bearer open-sesame-token"
    assert len(other.seen) == 2
    assert not any("open-sesame" in value for seen in other.seen for value in seen.headers.values())
    client.close()
    other.close()


OPENING = _listed("""
    socket ssl smtplib ftplib telnetlib imaplib poplib nntplib xmlrpc asyncio http.client urllib.request requests
    urllib3 httpx aiohttp websockets paramiko apprise webbrowser socketserver http.server authlib.integrations
""")
FETCHED = {way.__name__ for way in WAYS} - {"notify", "mail", "encrypted_mail"}
OPENERS: dict[str, set[str]] = {  # what uses a library that can open connections, with the ways that lead through it
    "actions/core/mail.py": {"mail", "encrypted_mail"},
    "actions/core/notifications.py": {"notify"},
    "src/changewire/actions/forms.py": set(),  # encodes forms
    "src/changewire/actions/processes/pool.py": set(),  # a pair of sockets to each process of its own
    "src/changewire/cli/connecting.py": set(),  # opens the page of a sign-in in the browser
    "src/changewire/connectors/sign_in/loopback.py": set(),  # listens
    "src/changewire/connectors/transport/addresses.py": set(),  # encodes addresses
    "src/changewire/connectors/transport/fetcher.py": FETCHED,
    "src/changewire/connectors/transport/connections.py": FETCHED,
    "src/changewire/connectors/transport/deadlines.py": FETCHED | {"notify", "mail", "encrypted_mail"},
    "src/changewire/connectors/transport/lookups.py": FETCHED | {"notify", "mail", "encrypted_mail"},
    "src/changewire/connectors/transport/routes.py": FETCHED,
    "src/changewire/connectors/transport/sockets.py": {"notify", "mail", "encrypted_mail"},
    "src/changewire/health/server.py": set(),  # listens
}
CALLERS = {  # what gives the fetcher something to send, and so decides which origins are not guarded
    "src/changewire/connectors/destinations.py",
    "src/changewire/connectors/sign_in/auth.py",
    "src/changewire/connectors/sign_in/oauth.py",
}


def _sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in ("src/changewire", "actions", "triggers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "sandbox" not in path.relative_to(ROOT).parts:  # it is a server, and nothing imports it but the demo
                yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


def _opens(tree: ast.AST) -> bool:
    return any(name == one or name.startswith(f"{one}.") for name in _imports(tree) for one in OPENING)


def test_nothing_else_opens_connections() -> None:
    assert {path for path, tree in _sources() if _opens(tree)} == OPENERS.keys()
    assert set().union(*OPENERS.values()) == {way.__name__ for way in WAYS}


def test_nothing_else_says_which_origins_are_not_guarded() -> None:
    calls = {
        path
        for path, tree in _sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Outgoing"
    }
    assert calls == CALLERS
