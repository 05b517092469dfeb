from __future__ import annotations

import contextvars
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apprise
import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.clock import SystemClock
from changewire.config.settings import HttpSettings
from changewire.connectors.client import Client, Patience, Request
from changewire.connectors.partial_file import Part
from changewire.connectors.transport import lookups
from changewire.connectors.transport.deadlines import Exchange, current_exchange
from changewire.connectors.transport.lookups import CROWDED, Lookups
from changewire.errors import ApiError, FailureClass, ShutdownError
from tests.actions.rig import Rig
from tests.connectors.server import Server, connection

CLOCK = SystemClock()
NAME = "name.example"
ALLOWED_S, GRACE_S = 0.3, 5.0
UNRESOLVED = r"gave no complete answer within 0\.\ds: its name was not resolved"


class Resolver:
    """A resolver of a system whose DNS does not answer: questions hang until `answer` is set."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()
        self._resolve = lookups._resolve

    def __call__(self, host: Any, *rest: Any) -> Any:
        if not str(host).endswith("example"):
            return self._resolve(host, *rest)
        if rest[4] & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.asked.append(host)
        self.answer.wait()
        return self._resolve("127.0.0.1", *rest)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    one, before = Resolver(), set(threading.enumerate())
    monkeypatch.setattr(lookups, "_resolve", one)
    yield one
    one.answer.set()
    for thread in (
        set(threading.enumerate()) - before
    ):  # a lookup that is under way is shared with those of the next test
        if "lookup" in thread.name:
            thread.join()


def soon() -> float:
    return CLOCK.monotonic() + ALLOWED_S


def client(**more: Any) -> Client:
    patience = more.pop("patience", None)
    return Client(connection(more.pop("base_url", None), "http", **more), CLOCK, HttpSettings(), patience=patience)


def poll_or_step(folder: Path) -> None:
    client().send(Request("POST", f"http://{NAME}/x", body=b"{}"), deadline=soon())


def own_host(folder: Path) -> None:
    client(base_url=f"http://{NAME}").send(Request("POST", "/x", body=b"{}"), deadline=soon())


def download(folder: Path) -> None:
    client().download(f"http://{NAME}/x", Part(folder / "part"), deadline=soon())


def sign_in(folder: Path) -> None:
    auth = {"type": "client_credentials", "token_url": f"https://{NAME}/t", "client_id": "i", "client_secret": "s"}
    client(base_url="http://127.0.0.1:9", auth=auth).send(Request("GET", "/x"), deadline=soon())


def act(folder: Path, name: str, given: dict[str, Any]) -> None:
    rig = Rig(folder, clock=CLOCK)
    action = rig.action(name)
    perform(action, check_inputs(action, given), rig.context(written=given, deadline=soon()))


def mail(folder: Path) -> None:
    given = {"server": NAME, "from": "a@x.org", "to": "b@x.org", "text": "x", "security": "none"}
    act(folder, "core.email", given)


WAYS: list[Callable[[Path], None]] = [poll_or_step, own_host, download, sign_in, mail]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_name_that_is_never_resolved_ends_with_the_exchange(
    resolver: Resolver, tmp_path: Path, way: Callable[[Path], None]
) -> None:
    began = CLOCK.monotonic()
    with pytest.raises(ApiError, match=UNRESOLVED) as caught:
        way(tmp_path)
    assert ALLOWED_S <= CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
    assert (caught.value.failure, caught.value.sent) == (FailureClass.TRANSIENT, False)
    assert resolver.asked == [NAME]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
def test_a_notification_ends_with_its_step_if_a_name_is_never_resolved(resolver: Resolver, tmp_path: Path) -> None:
    apprise.Apprise.instantiate("json://127.0.0.1/")  # loads all services, which takes longer than the deadline
    began = CLOCK.monotonic()
    with pytest.raises(ApiError, match="was not accepted within its time") as caught:
        act(tmp_path, "core.notify", {"to": f"json://{NAME}/x", "body": "B"})
    assert CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
    assert not caught.value.sent


def test_equal_lookups_share_one(resolver: Resolver) -> None:
    failures: list[ApiError] = []
    together = threading.Barrier(8)

    def fail() -> None:
        together.wait()
        with pytest.raises(ApiError, match=UNRESOLVED) as caught:
            own_host(Path())
        failures.append(caught.value)

    threads = [threading.Thread(target=fail) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 8
    assert resolver.asked == [NAME]


def test_lookups_that_hang_are_said_to_use_up_the_room_for_others(resolver: Resolver) -> None:
    room = Lookups(most=2)

    def resolve(host: str) -> list[Any]:
        with Exchange(0.2) as exchange:
            return room.resolve((host, 80, 0, socket.SOCK_STREAM, 0, 0), exchange)

    for host in ("a.example", "b.example"):
        with pytest.raises(socket.gaierror, match="its name was not resolved"):
            resolve(host)
    for host in ("c.example", "d.example"):
        with pytest.raises(socket.gaierror, match=CROWDED.words):
            resolve(host)
    assert resolver.asked == ["a.example", "b.example"]
    resolver.answer.set()
    assert resolve("e.example")[0][4] == ("127.0.0.1", 80)


def test_a_lookup_whose_thread_cannot_be_started_leaves_no_trace(
    resolver: Resolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.answer.set()
    room = Lookups(most=1)
    query = (NAME, 80, 0, socket.SOCK_STREAM, 0, 0)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Exchange(GRACE_S) as exchange:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            with pytest.raises(socket.gaierror, match="can't start new thread"):
                room.resolve(query, exchange)
        assert room.resolve(query, exchange)[0][4] == ("127.0.0.1", 80)


def test_addresses_are_not_looked_up_in_other_threads(resolver: Resolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_LOOKUPS", None)
    with Exchange(GRACE_S):
        for host in ("127.0.0.1", "::1", b"127.0.0.1", None):
            assert socket.getaddrinfo(host, 80, type=socket.SOCK_STREAM)


def test_outside_of_an_exchange_names_are_looked_up_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "_LOOKUPS", None)
    assert socket.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)


def test_what_is_left_of_an_exchange_in_another_thread_bounds_nothing(resolver: Resolver) -> None:
    with Exchange(0.05) as exchange:
        context = contextvars.copy_context()
    assert context.run(current_exchange) is exchange
    assert context.run(socket.getaddrinfo, "localhost", 80, type=socket.SOCK_STREAM)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        context.run(socket.create_connection, listening.getsockname()).close()


def test_a_name_without_an_address_is_an_error_at_once(server: Server) -> None:
    with Exchange(GRACE_S), pytest.raises(socket.gaierror):
        socket.getaddrinfo("nothing.invalid", 80)
    with Exchange(GRACE_S), pytest.raises(UnicodeError):
        socket.getaddrinfo("a" * 70 + ".example", 80)


@pytest.mark.parametrize("way", ["own", "guarded"])
def test_a_wait_for_a_name_ends_when_the_process_stops(resolver: Resolver, way: str) -> None:
    stopping = threading.Event()
    one = client(base_url=f"http://{NAME}", patience=Patience(stopping=stopping))
    threading.Thread(target=stop_after_a_question, args=(resolver, stopping)).start()
    began = CLOCK.monotonic()
    with pytest.raises(ShutdownError) as caught:
        one.send(Request("POST", "/x" if way == "own" else f"http://other.{NAME}/x"), deadline=began + 60)
    assert CLOCK.monotonic() - began < 30
    assert not caught.value.sent
    one.close()


def stop_after_a_question(resolver: Resolver, stopping: threading.Event) -> None:
    while not resolver.asked:
        CLOCK.wait(0.01)
    stopping.set()
