"""Mail servers and services whose answers never end: real sockets, short deadlines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apprise
import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.actions.flow.retry import failure_of
from changewire.clock import SystemClock
from changewire.errors import ApiError, FailureClass
from tests.actions.rig import Rig
from tests.support.slow_server import SHAPES, Shape, SlowServer, slow_server

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
CLOCK = SystemClock()
ALLOWED_S, GRACE_S = 0.5, 5.0
EHLO = b"250-here\r\n250 8BITMIME\r\n"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    one = Rig(tmp_path_factory.mktemp("home"), clock=CLOCK)
    apprise.Apprise.instantiate("json://127.0.0.1/")  # loads all services, which takes longer than the deadlines here
    yield one
    one.clients.close()


def act(rig: Rig, name: str, given: dict[str, Any]) -> ApiError:
    """The error of an action that must end at its deadline."""
    action = rig.action(name)
    values, began = check_inputs(action, given), CLOCK.monotonic()
    with pytest.raises(ApiError) as caught:
        perform(action, values, rig.context(written=given, deadline=began + ALLOWED_S))
    assert CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
    assert caught.value.failure is FailureClass.TRANSIENT
    return caught.value


class SlowMailServer(SlowServer):
    """Answers properly until ``at``, a command or "" for the greeting, and with its shape from then on."""

    def __init__(self, at: str, shape: Shape) -> None:
        self._at = at
        super().__init__(shape)

    def answer(self, connection: socket.socket) -> None:
        file = connection.makefile("rb")
        word = ""
        while word != self._at:
            connection.sendall({"": b"220 here\r\n", "EHLO": EHLO, "DATA": b"354 go on\r\n"}.get(word, b"250 ok\r\n"))
            line = file.readline()
            while word == "DATA" and line not in (b".\r\n", b""):
                line = file.readline()
            if not line:
                return
            word = line.decode().split(" ")[0].strip().upper()
        super().answer(connection)


LINES = Shape(b"", b"250-more\r\n", asked=False)
MAIL_SHAPES = {
    "greeting that is silent": ("", Shape(b"", asked=False), "the greeting did not end"),
    "greeting that drips": ("", Shape(b"220 ", b"x", asked=False), "the greeting did not end"),
    "greeting of endless lines": ("", Shape(b"", b"220-x\r\n", asked=False), "the greeting did not end"),
    "EHLO of endless lines": ("EHLO", LINES, "it did not begin a session"),
    "EHLO that drips": ("EHLO", Shape(b"250 ", b"x", asked=False), "it did not begin a session"),
    "MAIL": ("MAIL", LINES, "it did not acknowledge the message"),
    "RCPT": ("RCPT", Shape(b"25", b"0", asked=False), "it did not acknowledge the message"),
    "RCPT that stops in its code": ("RCPT", Shape(b"25", asked=False), "it did not acknowledge the message"),
    "DATA": ("DATA", LINES, "it did not acknowledge the message"),
    "end of the message": (".", LINES, "it did not acknowledge the message"),
    "end of the message, half a code": (".", Shape(b"25", asked=False), "it did not acknowledge the message"),
}


@pytest.mark.parametrize("name", MAIL_SHAPES)
def test_a_mail_server_that_never_ends_a_reply_is_left_at_the_deadline(rig: Rig, name: str) -> None:
    at, shape, words = MAIL_SHAPES[name]
    server = SlowMailServer(at, shape)
    given = {"server": "127.0.0.1", "port": server.port, "security": "none", "from": "a@x.org", "to": "b@x.org"}
    error = act(rig, "core.email", {**given, "text": "x"})
    assert words in str(error)
    begun = at not in ("", "EHLO")
    assert (error.sent, failure_of(error).undone) == (begun, not begun)
    server.close()


def test_a_message_that_was_taken_is_sent_even_if_the_goodbye_never_ends(rig: Rig) -> None:
    server = SlowMailServer("QUIT", LINES)
    given = {"server": "127.0.0.1", "port": server.port, "security": "none", "from": "a@x.org", "to": "b@x.org"}
    action = rig.action("core.email")
    values, began = check_inputs(action, {**given, "text": "x"}), CLOCK.monotonic()
    sent = perform(action, values, rig.context(written=given, deadline=began + ALLOWED_S))
    assert CLOCK.monotonic() - began < ALLOWED_S + GRACE_S
    assert sent["accepted"] == ["b@x.org"]
    server.close()


@pytest.mark.parametrize("security", ["ssl", "starttls"])
def test_a_handshake_with_a_mail_server_that_never_ends_is_cut(rig: Rig, security: str) -> None:
    class Silent(SlowServer):
        def answer(self, connection: socket.socket) -> None:
            if security == "starttls":
                connection.sendall(b"220 here\r\n")
                connection.recv(1000)
                connection.sendall(b"250-here\r\n250 STARTTLS\r\n")
                connection.recv(1000)
                connection.sendall(b"220 go on\r\n")
            super().answer(connection)

    server = Silent(Shape(b"\x16\x03\x03\x40\x00", b"\x02", asked=False))
    given = {"server": "127.0.0.1", "port": server.port, "security": security, "from": "a@x.org", "to": "b@x.org"}
    error = act(rig, "core.email", {**given, "text": "x"})
    assert not error.sent
    server.close()


@pytest.mark.parametrize("name", ["silence", "status line", "header lines", "100-continue without an end"])
def test_a_service_that_never_answers_a_notification_is_left_at_the_deadline(rig: Rig, name: str) -> None:
    with slow_server(SHAPES[name]) as server:
        error = act(rig, "core.notify", {"to": f"json://127.0.0.1:{server.port}/x", "body": "B"})
    assert str(error) == (
        "the notification to json:… was not accepted within its time; check the address and that the service is up, "
        "or allow a longer timeout"
    )
    assert error.sent


def test_several_services_of_one_address_end_together(rig: Rig) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(slow_server(SHAPES["header value"])) for _ in range(3)]
        to = ", ".join(f"json://127.0.0.1:{server.port}/x" for server in servers)
        assert "was not accepted within its time" in str(act(rig, "core.notify", {"to": to, "body": "B"}))
        assert all(server.left.wait(GRACE_S) for server in servers)
        assert [server.connections for server in servers] == [1, 1, 1]


def test_a_mail_service_of_a_notification_ends_at_the_deadline(rig: Rig, tmp_path: Path) -> None:
    server = SlowMailServer("EHLO", LINES)
    to = f"mailto://me:word@127.0.0.1:{server.port}?smtp=127.0.0.1&from=me@x.org&to=b@x.org&mode=insecure"
    assert "was not accepted" in str(act(rig, "core.notify", {"to": to, "body": "B"}))
    server.close()
