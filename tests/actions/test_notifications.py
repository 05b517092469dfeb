from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any
from urllib.parse import unquote

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.actions.supervisor import Supervisor
from changewire.errors import ApiError, UsageError
from changewire.state.records import RunState
from tests.actions.rig import Rig
from tests.connectors.server import Reply, Server

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
MAIL = "mailtos://me:word@example.com?from=me@example.com&to="


def notify(rig: Rig, written: str, to: str) -> Any:
    action = rig.action("core.notify")
    return perform(action, check_inputs(action, {"to": to, "body": "B"}), rig.context(written={"to": written}))


@pytest.mark.parametrize("written", ["{{ payload.to }}", "json://{{ payload.host }}/", "json://127.0.0.1:{{ 1 }}/"])
def test_an_address_from_data_must_not_be_local(rig: Rig, server: Server, written: str) -> None:
    with pytest.raises(ApiError, match="this machine itself, which is refused for addresses that come from data"):
        notify(rig, written, f"json://127.0.0.1:{server.port}/")
    assert not server.seen


def test_a_literal_host_is_the_users_own(rig: Rig, server: Server) -> None:
    server.on("/hook/a", Reply())
    assert notify(rig, f"json://127.0.0.1:{server.port}/hook/{{{{ x }}}}", f"json://127.0.0.1:{server.port}/hook/a")
    assert len(server.seen) == 1


@pytest.mark.parametrize("place", ["http://127.0.0.2:{port}/", "http://[::1]:{port}/", "http://10.0.0.5/"])
def test_a_literal_host_cannot_redirect_into_a_private_network(rig: Rig, server: Server, place: str) -> None:
    server.on("/hook/a", Reply(302, headers={"Location": place.format(port=server.port)}))
    with pytest.raises(ApiError, match="refused for addresses that come from data"):
        notify(rig, f"json://127.0.0.1:{server.port}/hook/{{{{ x }}}}", f"json://127.0.0.1:{server.port}/hook/a")
    assert len(server.seen) == 1


@pytest.mark.parametrize("scheme", ["syslog", "dbus", "mqtt", "irc", "rsyslog"])
def test_services_that_cannot_be_guarded_take_no_address_from_data(rig: Rig, scheme: str) -> None:
    with pytest.raises(UsageError, match=r"is not an address that Apprise understands|cannot be guarded"):
        notify(rig, "{{ payload.to }}", f"{scheme}://127.0.0.1/topic")


@pytest.mark.parametrize(
    "to",
    [
        "json://example.com, json://127.0.0.1/",
        "json://example.com json://127.0.0.1/",
        "json://example.com\njson://127.0.0.1/",
        f"{MAIL}a@x.org,b@x.org",
        f"{MAIL}a@x.org%2Cb@x.org",
        f"{MAIL}a@x.org%252Cb@x.org",
        f"{MAIL}a@x.org;b@x.org",
        f"{MAIL}a@x.org&cc=b@x.org",
        "tgram://123456789:abcdefg_hijklmnopqrstuvwxyzabcdefg/12/34/",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/%23a/%23b/",
    ],
)
def test_an_address_from_data_has_one_recipient(rig: Rig, to: str) -> None:
    with pytest.raises(UsageError, match=r"^to: an address that comes from data (is one address|has one recipient)"):
        notify(rig, "{{ payload.to }}", to)


@pytest.mark.parametrize("value", ["plain", "a?x=1&y=2#z", "ann@example.com", "%23general", "@evil.example:80", "100%"])
def test_data_stays_in_its_place_of_an_address(rig: Rig, server: Server, value: str) -> None:
    to = f"json://127.0.0.1:{server.port}/hook/{{{{ payload.name }}}}/end"
    rig.start(f'steps: [{{use: core.notify, with: {{to: "{to}", body: B}}}}]', {"name": value})
    rig.go()
    assert [unquote(seen.path) for seen in server.seen] == [f"/hook/{unquote(value)}/end"]
    assert "?" not in server.seen[0].path


@pytest.mark.parametrize("value", ["a,b", "a b", "a;b", "a/b", "a\nb", "a%2Fb", "a%2cb", "a%252Cb", "..\\b"])
@pytest.mark.parametrize("name", ["to", "To"])
def test_data_that_would_be_several_parts_of_an_address_is_refused(
    rig: Rig, server: Server, value: str, name: str
) -> None:
    to = f"json://127.0.0.1:{server.port}/{{{{ payload.name }}}}"
    rig.start(f'steps: [{{use: core.notify, with: {{{name}: "{to}", body: B}}}}]', {"name": value})
    assert rig.go() is RunState.PAUSED
    assert "what goes into an address cannot hold blanks" in (rig.reason or "")
    assert not server.seen


def sent_text(rig: Rig, server: Server, body: str, topic: str) -> str:
    server.on("/hook", Reply())
    to = f"json://127.0.0.1:{server.port}/hook"
    rig.start(
        f"steps: [{{use: core.notify, with: {{to: '{to}', title: T, body: {json.dumps(body)}}}}}]", {"topic": topic}
    )
    rig.go()
    return str(json.loads(server.seen[-1].body)["message"])


@pytest.mark.parametrize(
    "mention",
    [
        *("<!channel>", "<!here|x>", "@channel", "@here", "@everyone", "@ALL", "@room", "<@U024BE7LH>", "<@!123456>"),
        *(
            "<@&123456>",
            "<!subteam^S012|team>",
            "&lt;!channel&gt;",
            "&lt;@U1&gt;",
            "!channel>",
            "< @U1>",
            "<at>Ann</at>",
        ),
    ],
)
def test_a_mention_from_data_notifies_no_one(rig: Rig, server: Server, mention: str) -> None:
    text = sent_text(rig, server, "New: {{ payload.topic }}", f"a {mention} b")
    assert mention not in text
    assert text.replace("\u200b", "") == f"New: a {mention} b"


@pytest.mark.parametrize("mention", ["<!channel>", "@everyone", "<@U024BE7LH>", "<at>Ann</at>"])
def test_a_mention_that_the_workflow_writes_is_sent(rig: Rig, server: Server, mention: str) -> None:
    text = sent_text(rig, server, f"{mention} {{{{ payload.topic }}}}", "ann@example.com, @halle, call@here.org")
    assert text == f"{mention} ann@example.com, @halle, call@here.org"


@pytest.fixture
def supervisor(rig: Rig) -> Iterator[Supervisor]:
    with closing(Supervisor(rig.log, 2)) as made:
        yield made


def notify_in_process(rig: Rig, supervisor: Supervisor, written: str, to: str, within_s: float) -> Any:
    action = rig.action("core.notify")
    deadline = rig.clock.monotonic() + within_s
    context = rig.context(written={"to": written}, supervisor=supervisor, deadline=deadline)
    return perform(action, check_inputs(action, {"to": to, "body": "B"}), context)


def test_an_address_from_data_is_guarded_in_the_process_of_the_action_as_well(
    rig: Rig, server: Server, supervisor: Supervisor
) -> None:
    to = f"json://127.0.0.1:{server.port}/"
    with pytest.raises(ApiError, match="this machine itself, which is refused for addresses that come from data"):
        notify_in_process(rig, supervisor, "{{ payload.to }}", to, 60)
    assert not server.seen
    server.on("/", Reply())
    assert notify_in_process(rig, supervisor, to, to, 60) == {"sent": True}
    assert len(server.seen) == 1


def test_a_service_whose_answer_never_ends_is_ended_at_the_limit_of_the_step(rig: Rig, supervisor: Supervisor) -> None:
    ended = threading.Event()

    class Dripping(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
            with suppress(OSError):
                while not ended.wait(0.2):
                    self.wfile.write(b"X-Trailer: more\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as dripping:
        dripping.daemon_threads = True
        threading.Thread(target=dripping.serve_forever, args=(0.05,), daemon=True).start()
        to = f"json://127.0.0.1:{dripping.server_address[1]}/"
        with pytest.raises(ApiError, match="was not accepted within its time"):
            notify_in_process(rig, supervisor, to, to, 5)
        ended.set()
        dripping.shutdown()
