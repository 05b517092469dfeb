"""A small real SMTP server on this machine, with encryption, sign-in and refusals."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

# Made for these tests, trusted by nobody: `openssl req -x509 -newkey ec …`, for localhost, good until 2126.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgoSfbQTS3jaT8V9fc
HtdAQRY6/1CtMWUw9ioZykWbdO2hRANCAAQely7spuhHpyaTyhW0Tm1F2OSRmoBu
+lMKFHh7BbBw2+AGcS1GM5JHl2z5zMk50io5dVZZvMKkx7cAnMY1BjfE
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUT6QJSNKpFzYvANotUHHkHtFYvucwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTEyMTQwMFoYDzIxMjYxMDI4
MTIxNDAwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQely7spuhHpyaTyhW0Tm1F2OSRmoBu+lMKFHh7BbBw2+AGcS1GM5JH
l2z5zMk50io5dVZZvMKkx7cAnMY1BjfEo28wbTAdBgNVHQ4EFgQUsH7WU/O+lv6J
lqf9AHYnJfB73R8wHwYDVR0jBBgwFoAUsH7WU/O+lv6Jlqf9AHYnJfB73R8wDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhALldMTn24q0SyUpSQgJMNOOL/gkluOGxmVIBnEEPjSfUAiB1
h2msRULgYvkQfN127xH5zArX11brZW+P1chqJ+R1TA==
-----END CERTIFICATE-----
"""


@dataclass
class Taken:
    """One message as the server got it."""

    sender: str
    recipients: list[str]
    message: EmailMessage
    encrypted: bool
    signed_in: bool


@dataclass
class Behaviour:
    """What the server is like."""

    security: str = "starttls"  # starttls, ssl or none
    user: str | None = None  # who may sign in, with the password "open-sesame"; None: nobody needs to
    refused: dict[str, str] = field(default_factory=dict)  # recipient: what is answered
    data: str = "250 taken"  # what is answered to a message


class MailServer:
    """Takes messages into `taken`."""

    def __init__(self, folder: Path, behaviour: Behaviour) -> None:
        self.taken: list[Taken] = []
        self.behaviour = behaviour
        self.certificate = folder / "localhost.pem"
        self.certificate.write_text(CERTIFICATE)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(self.certificate)
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with _Session(server, self.request) as session:
                    session.run()

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Session:
    def __init__(self, server: MailServer, connection: ssl.SSLSocket) -> None:
        self.server, self.plain = server, connection
        self.connection = connection
        self.encrypted = self.signed_in = False
        self.sender, self.recipients = "", list[str]()

    def __enter__(self) -> _Session:
        if self.server.behaviour.security == "ssl":
            self._encrypt()
        self.file = self.connection.makefile("rb")
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.connection.close()

    def _encrypt(self) -> None:
        self.connection = self.server.tls.wrap_socket(self.plain, server_side=True)
        self.encrypted = True

    def say(self, *lines: str) -> None:
        self.connection.sendall("".join(f"{line}\r\n" for line in lines).encode())

    def run(self) -> None:
        try:
            self.say("220 here")
            while line := self.file.readline().decode().strip():
                if line.upper() == "QUIT":
                    self.say("221 bye")
                    return
                self.answer(line)
        except OSError:
            pass

    def answer(self, line: str) -> None:
        like = self.server.behaviour
        word = line.partition(" ")[0].upper()
        if word == "EHLO":
            offers = ["8BITMIME", *(["STARTTLS"] if like.security == "starttls" and not self.encrypted else [])]
            offers += ["AUTH PLAIN"] if like.user else []
            self.say("250-here", *(f"250-{one}" for one in offers), "250 SMTPUTF8")
        elif word == "STARTTLS":
            self.say("220 go on")
            self.file.close()
            self._encrypt()
            self.file = self.connection.makefile("rb")
        elif word == "AUTH":
            given = base64.b64decode(line.split()[2]).decode().split("\0")
            self.signed_in = given[1:] == [like.user, "open-sesame"]
            self.say("235 welcome" if self.signed_in else "535 wrong user name or password open-sesame")
        elif word == "MAIL":
            self.sender, self.recipients = line.partition("<")[2].partition(">")[0], []
            self.say("250 ok" if self.signed_in or not like.user else "530 sign in first")
        elif word == "RCPT":
            recipient = line.partition("<")[2].partition(">")[0]
            refusal = like.refused.get(recipient)
            if refusal is None:
                self.recipients.append(recipient)
            self.say(refusal or "250 ok")
        elif word == "DATA":
            self.take()
        else:
            self.say("250 ok")

    def take(self) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.file.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b"..") else line)
        message = message_from_bytes(b"".join(lines).replace(b"\r\n", b"\n"), policy=policy.default)
        assert isinstance(message, EmailMessage)
        taken = Taken(self.sender, self.recipients, message, self.encrypted, self.signed_in)
        if self.server.behaviour.data.startswith("2"):
            self.server.taken.append(taken)
        self.say(self.server.behaviour.data)
