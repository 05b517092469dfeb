from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from changewire.actions.calling import check_inputs, perform
from changewire.actions.flow.retry import failure_of
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.secret import Secret
from tests.actions.mail_server import Behaviour, MailServer
from tests.actions.rig import Rig

Start = Callable[..., MailServer]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    servers: list[MailServer] = []

    def begin(trusted: bool = True, **like: Any) -> MailServer:
        servers.append(MailServer(tmp_path, Behaviour(**like)))
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(servers[-1].certificate))
        return servers[-1]

    yield begin
    for server in servers:
        server.close()


def send(rig: Rig, server: MailServer, **given: Any) -> Any:
    usual = {
        "server": "localhost",
        "port": server.port,
        "security": server.behaviour.security,
        "from": "Changewire <cw@example.com>",
        "to": "ann@example.com",
        "subject": "Hello",
        "text": "Hi",
    }
    given = {name: value for name, value in (usual | given).items() if value is not None}
    action = rig.action("core.email")
    context = rig.context(deadline=rig.clock.monotonic() + 10, written=given)
    return perform(action, check_inputs(action, given), context)


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_a_message_is_sent_encrypted_and_signed_in(rig: Rig, start: Start, security: str) -> None:
    server = start(security=security, user="me")
    sent = send(rig, server, username="me", password=Secret("open-sesame"))
    assert sent == {"message_id": "<key_1@example.com>", "accepted": ["ann@example.com"], "refused": {}}
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("cw@example.com", ["ann@example.com"])
    assert (taken.encrypted, taken.signed_in) == (True, True)
    assert taken.message["Message-ID"] == "<key_1@example.com>"
    assert taken.message["From"] == "Changewire <cw@example.com>"
    assert taken.message["Date"] == "Sat, 21 Nov 2026 10:00:00 +0000"
    assert taken.message.get_content() == "Hi\n"


def test_text_html_and_attachments_travel_together(rig: Rig, start: Start) -> None:
    server = start(security="none")
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/downloads/Rec").mkdir(parents=True)
    (rig.home / "state/files/report.csv").write_text("a,b\n")
    (rig.home / "state/downloads/Rec/Grüße.mp4").write_bytes(b"\0\1")
    sent = send(
        rig,
        server,
        to=["Ann <ann@example.com>", "bob@example.com"],
        cc="cem@example.com",
        bcc=["dan@example.com", "ann@example.com"],
        reply_to="help@example.com",
        subject="Grüße\nBcc: evil@example.com",
        html="<p>Hi <b>Ann</b></p>",
        text=None,
        attachments=["report.csv", "state/downloads/Rec/Grüße.mp4"],
    )
    assert sent["accepted"] == ["ann@example.com", "bob@example.com", "cem@example.com", "dan@example.com"]
    message = server.taken[0].message
    assert message["Subject"] == "Grüße Bcc: evil@example.com"
    assert (message["Bcc"], message["Reply-To"], message["Cc"]) == (None, "help@example.com", "cem@example.com")
    body, html = message.get_body(("plain",)), message.get_body(("html",))
    assert body is not None
    assert html is not None
    assert (body.get_content(), html.get_content()) == ("Hi Ann\n", "<p>Hi <b>Ann</b></p>\n")
    files = [(one.get_filename(), one.get_content_type()) for one in message.iter_attachments()]
    assert files == [("report.csv", "text/csv"), ("Grüße.mp4", "video/mp4")]


def test_who_is_refused_is_told_and_the_others_get_it(rig: Rig, start: Start) -> None:
    server = start(security="none", refused={"bob@example.com": "550 nobody here"})
    sent = send(rig, server, to=["ann@example.com", "bob@example.com"])
    assert sent["accepted"] == ["ann@example.com"]
    assert sent["refused"] == {"bob@example.com": "nobody here"}


@pytest.mark.parametrize(
    ("like", "given", "failure", "undone", "words"),
    [
        ({"refused": {"ann@example.com": "550 nobody"}}, {}, "bad_input", False, "550 ann@example.com: nobody"),
        ({"refused": {"ann@example.com": "450 later"}}, {}, "transient", False, "450 ann@example.com: later"),
        ({"data": "452 no room"}, {}, "transient", False, "452 no room"),
        ({"data": "554 spam"}, {}, "bad_input", False, "554 spam"),
        (
            {"user": "me", "security": "starttls"},
            {"username": "me", "password": "wrong-one"},
            "credential",
            False,
            "app",
        ),
        ({"security": "none"}, {"security": "starttls"}, "bad_input", True, "localhost does not offer STARTTLS: set"),
        ({"security": "starttls", "user": "me"}, {}, "bad_input", False, "530"),
        ({}, {"port": 1}, "transient", True, "localhost cannot be reached, nothing listens on this port: check port"),
        ({}, {"security": "ssl"}, "transient", True, "localhost speaks no encryption on this port: check port and"),
    ],
)
def test_what_goes_wrong_is_told_by_its_kind(
    rig: Rig, start: Start, like: Any, given: Any, failure: str, undone: bool, words: str
) -> None:
    server = start(**{"security": "none"} | like)
    with pytest.raises(ApiError) as caught:
        send(rig, server, **given)
    assert caught.value.failure == failure
    assert failure_of(caught.value).undone is undone
    assert words in str(caught.value)
    assert "open-sesame" not in str(caught.value)
    assert server.taken == []


def test_a_certificate_that_nobody_signed_is_refused(rig: Rig, start: Start) -> None:
    server = start(trusted=False, security="starttls")
    with pytest.raises(ApiError, match="a certificate that cannot be trusted") as caught:
        send(rig, server)
    assert caught.value.failure is FailureClass.TRANSIENT
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"to": []}, "to names nobody"),
        ({"to": "ann"}, "to: 'ann' is not an e-mail address"),
        ({"to": "a@x.org\nBcc: b@x.org"}, "to: an address is one line"),
        ({"cc": "@"}, "cc: '@' is not an e-mail address"),
        ({"from": ["a@x.org", "b@x.org"]}, "from must be text, not a list"),
        ({"from": "a@x.org, b@x.org"}, "from must be one address"),
        ({"text": None}, "a message needs text or html"),
        ({"attachments": ["nix.pdf"]}, "there is no file 'state/files/nix.pdf' in this home"),
        ({"attachments": ["state/downloads/../changewire.db"]}, "must be the path of a file below"),
        ({"attachments": ["../../changewire.db"]}, "must be the path of a file below"),
        ({"username": "me", "security": "none"}, "a password is not sent without encryption"),
    ],
)
def test_a_message_that_cannot_be_is_refused(rig: Rig, start: Start, given: Any, message: str) -> None:
    server = start(security="none")
    with pytest.raises(UsageError) as caught:
        send(rig, server, **given)
    assert message in str(caught.value)
    assert server.taken == []


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("{{ payload.to }}", "a@x.org, b@x.org"),
        ("{{ payload.to }}", ["a@x.org", "b@x.org"]),
        ("{{ payload.to }}", ["a@x.org, b@x.org"]),
        ("{{ payload.name }} <{{ payload.to }}>", "b@x.org, Ann <a@x.org>"),
        ("team@x.org, {{ payload.to }}", "team@x.org, a@x.org, b@x.org"),
        (["team@x.org", "{{ payload.to }}"], ["team@x.org", "a@x.org, b@x.org"]),
        (["team@x.org", "{{ payload.to }}"], ["team@x.org", ["a@x.org", "b@x.org"]]),
        (None, "a@x.org, b@x.org"),
    ],
)
@pytest.mark.parametrize("name", ["to", "cc", "bcc", "reply_to"])
def test_an_expression_gives_one_recipient(rig: Rig, start: Start, name: str, written: Any, given: Any) -> None:
    server = start(security="none")
    values = {"server": "localhost", "port": server.port, "security": "none", "from": "a@x.org", "text": "x"}
    values |= {"to": "ann@x.org", name: given}
    action = rig.action("core.email")
    context = rig.context(written={**values, name: written})
    with pytest.raises(UsageError, match=f"^{name}: an expression gives one address"):
        perform(action, check_inputs(action, values), context)
    assert server.taken == []


def test_a_written_list_takes_an_expression_for_each_recipient(rig: Rig, start: Start) -> None:
    server = start(security="none")
    values = {"server": "localhost", "port": server.port, "security": "none", "from": "a@x.org", "text": "x"}
    written = {**values, "to": ["team@x.org", "{{ payload.to }}"], "cc": "b@x.org, {{ payload.cc }}"}
    values |= {"to": ["team@x.org", "ann@x.org"], "cc": "b@x.org, c@x.org"}
    action = rig.action("core.email")
    perform(action, check_inputs(action, values), rig.context(written=written))
    assert server.taken[0].recipients == ["team@x.org", "ann@x.org", "b@x.org", "c@x.org"]


ENCODED = "=?utf-8?q?Hi=0D=0ABcc=3A_evil=40x.org=0D=0A=0D=0Abody?="
FIELDS = {"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}


@pytest.mark.parametrize(
    ("given", "field", "shown"),
    [
        ({"subject": ENCODED}, "Subject", "Hi Bcc: evil@x.org body"),
        ({"subject": "Hi\x85Bcc: evil@x.org"}, "Subject", "Hi Bcc: evil@x.org"),
        ({"from": f"{ENCODED} <cw@example.com>"}, "From", '"Hi Bcc: evil@x.org body" <cw@example.com>'),
        ({"to": f"{ENCODED} <ann@example.com>"}, "To", '"Hi Bcc: evil@x.org body" <ann@example.com>'),
        ({"cc": f"{ENCODED} <c@example.com>"}, "Cc", '"Hi Bcc: evil@x.org body" <c@example.com>'),
        ({"reply_to": f"{ENCODED} <r@example.com>"}, "Reply-To", '"Hi Bcc: evil@x.org body" <r@example.com>'),
    ],
)
def test_no_value_becomes_a_header_of_its_own(rig: Rig, start: Start, given: Any, field: str, shown: str) -> None:
    server = start(security="none")
    send(rig, server, **given)
    [taken] = server.taken
    assert set(taken.message.keys()) == FIELDS | {field}
    assert taken.message[field] == shown
    assert taken.recipients == ["ann@example.com", *(["c@example.com"] if field == "Cc" else [])]
    assert taken.message.get_content() == "Hi\n"


@pytest.mark.parametrize("name", [ENCODED, ENCODED.replace("=0D", "").lower(), 'a"; x="b.txt', "a'=?x.txt"])
def test_the_name_of_a_file_becomes_no_header(rig: Rig, start: Start, name: str) -> None:
    server = start(security="none")
    (rig.home / "state/files").mkdir(parents=True)
    (rig.home / "state/files" / name).write_text("x")
    send(rig, server, attachments=[name])
    (part,) = server.taken[0].message.iter_attachments()
    assert set(part.keys()) == {"Content-Type", "Content-Disposition", "Content-Transfer-Encoding", "MIME-Version"}
    assert [name for name, _ in part.get_params([], "Content-Disposition")] == ["attachment", "filename"]
    assert not set("\r\n\x1b") & set(str(part.get_filename()))


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\r\r\n", "\n\r"])
@pytest.mark.parametrize("form", ["text", "html"])
def test_a_body_ends_no_message(rig: Rig, start: Start, form: str, end: str) -> None:
    server = start(security="none")
    body = f"first{end}.{end}MAIL FROM:<evil@x.org>{end}RCPT TO:<b@x.org>{end}DATA{end}..x{end}.{end}QUIT{end}ende ü"
    send(rig, server, **{"text": None, form: body})
    [taken] = server.taken
    assert (taken.sender, taken.recipients) == ("cw@example.com", ["ann@example.com"])
    part = taken.message.get_body(("plain" if form == "text" else "html",))
    assert part is not None
    lines = part.get_content().split()
    assert lines[:2] == ["first", "."]
    assert lines[-3:] == ["QUIT", "ende", "ü"]


@pytest.mark.parametrize(
    "data",
    [
        *("a@x.org; b@x.org", "a@x.org b@x.org", "<a@x.org><b@x.org>", "g: a@x.org, b@x.org;", "a@x.org\x85,b@x.org"),
        *('"a@x.org" b@x.org', "a@x.org <b@x.org>", "a@x.org\0", "a@x.org\u2028b@x.org"),
    ],
)
def test_data_that_may_be_read_as_several_recipients_is_refused(rig: Rig, start: Start, data: str) -> None:
    server = start(security="none")
    values = {
        "server": "localhost",
        "port": server.port,
        "security": "none",
        "from": "a@x.org",
        "text": "x",
        "to": data,
    }
    action = rig.action("core.email")
    context = rig.context(written={**values, "to": "{{ payload.to }}"})
    with pytest.raises(UsageError, match=r"^to: .*(is not an e-mail address|gives one address)"):
        perform(action, check_inputs(action, values), context)
    assert server.taken == []


def test_a_domain_of_other_letters_is_sent_as_mail_servers_know_it(rig: Rig, start: Start) -> None:
    server = start(security="none")
    send(rig, server, to="ann@grüße.example")
    assert server.taken[0].recipients == ["ann@xn--gre-6ka8l.example"]


def test_a_server_whose_name_comes_from_data_must_be_public(rig: Rig, start: Start) -> None:
    server = start(security="none")
    action = rig.action("core.email")
    given = {"server": "localhost", "port": server.port, "from": "a@x.org", "to": "b@x.org", "text": "x"}
    context = rig.context(written={"server": "{{ payload.server }}"})
    with pytest.raises(ApiError, match="refused for addresses that come from data"):
        perform(action, check_inputs(action, given), context)
