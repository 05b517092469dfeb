"""The code of the core action that sends mail."""

from __future__ import annotations

import mimetypes
import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from changewire.actions.context import ActionContext
from changewire.actions.files import stored_file
from changewire.actions.inputs import revealed
from changewire.actions.mail_headers import count_addresses, header_text, parse_addresses
from changewire.actions.provenance import own_text
from changewire.connectors.transport.deadlines import HANDSHAKE, Exchange, Stage
from changewire.connectors.transport.sockets import open_socket
from changewire.errors import ApiError, FailureClass, UsageError
from changewire.file_reader import TooLargeFileError, read_file
from changewire.secret import mask
from changewire.templates import has_expression, text_of
from changewire.texts import strip_html
from changewire.values import Json, valid_text

_PORTS = {"starttls": 587, "ssl": 465, "none": 25}
_LARGEST = 25 * 1024 * 1024  # bytes of all attachments; servers take little more
_EXPRESSION = re.compile(r"\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}|\{#(?:(?!\{#).)*?#\}", re.DOTALL)
_GREETING = Stage("the greeting did not end", sent=False)
_SIGN_IN = Stage("it did not begin a session", sent=False)
_MESSAGE = Stage("it did not acknowledge the message")
_HERE = "[127.0.0.1]"  # who we are to the server; looking our own name up may take long


def email(context: ActionContext, values: Mapping[str, Json]) -> Json:
    """Send a message over SMTP."""
    given = revealed(dict(values))
    message, everybody = _message(context, given)
    if given.get("username") and given["security"] == "none":
        raise UsageError("a password is not sent without encryption: set security to starttls or ssl")
    with _session(context, given) as session:
        refused = session.send_message(message, to_addrs=everybody)
    return {
        "message_id": message["Message-ID"],
        "accepted": [address for address in everybody if address not in refused],
        "refused": {address: _words(reason[1]) for address, reason in refused.items()},
    }


def _message(context: ActionContext, given: Mapping[str, Json]) -> tuple[EmailMessage, list[str]]:
    """The message, and the bare addresses of everybody who gets it."""
    message = EmailMessage(policy=SMTP)
    sender = _addresses("from", given["from"], context)
    if len(sender) != 1:
        raise UsageError("from must be one address")
    message["From"] = sender
    everybody: list[str] = []
    for name, header in (("to", "To"), ("cc", "Cc"), ("bcc", ""), ("reply_to", "Reply-To")):
        addresses = _addresses(name, given.get(name), context)
        if header and addresses:
            message[header] = addresses
        everybody += [one.addr_spec for one in addresses] if name != "reply_to" else []
    if not everybody:
        raise UsageError("to names nobody")
    message["Subject"] = header_text(text_of(given["subject"]))
    message["Date"] = format_datetime(context.clock.now())
    message["Message-ID"] = f"<{context.idempotency_key}@{sender[0].domain}>"
    _fill(message, given.get("text"), given.get("html"))
    _attach(context, message, given["attachments"])
    return message, list(dict.fromkeys(everybody))


def _addresses(name: str, value: Json, context: ActionContext) -> list[Address]:
    texts = [text_of(one) for one in (value if isinstance(value, list) else [value]) if one]
    if any("\n" in text or "\r" in text for text in texts):
        raise UsageError(f"{name}: an address is one line")
    _refuse_lists(name, value, context.written.get(name))
    try:
        return [address for text in texts for address in parse_addresses(text)]
    except ValueError as error:
        raise UsageError(
            f"{name}: {str(error)!r} is not an e-mail address; write ann@example.com or Ann <ann@example.com>, and "
            "commas between several"
        ) from None


def _refuse_lists(name: str, value: Json, written: Json) -> None:
    """Raise UsageError where data makes more recipients than the workflow writes."""
    pairs = (
        zip(written, value, strict=False)
        if isinstance(written, list) and isinstance(value, list)
        else [(written, value)]
    )
    for text, result in pairs:
        places = count_addresses(_EXPRESSION.sub("x", text)) if isinstance(text, str) else 1
        results = result if isinstance(result, list) else [result]
        if sum(count_addresses(text_of(one)) for one in results) > places:
            raise UsageError(
                f"{name}: an expression gives one address: write several as a list with an expression for each, "
                "or use for_each"
            )


def _fill(message: EmailMessage, text: str | None, html: str | None) -> None:
    if text is None and html is None:
        raise UsageError("a message needs text or html")
    message.set_content(valid_text(text if text is not None else strip_html(html)))
    if html is not None:
        message.add_alternative(valid_text(html), subtype="html")


def _attach(context: ActionContext, message: EmailMessage, paths: list[Json]) -> None:
    left = _LARGEST
    for path in paths:
        file = stored_file(context.home, text_of(path))
        try:
            content = read_file(file, left)
        except TooLargeFileError:
            raise UsageError(f"the attachments are larger than {_LARGEST >> 20} MiB: send a link instead") from None
        left -= len(content)
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        main, _, sub = kind.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=header_text(file.name))


@contextmanager
def _session(context: ActionContext, given: Mapping[str, Json]) -> Iterator[smtplib.SMTP]:
    """A session with the server, signed in. Everything that goes wrong in it becomes an ApiError."""
    left = max(0.1, context.deadline - context.clock.monotonic())
    with Exchange(left, stopping=context.clients.stopping) as exchange:
        try:
            session = _connected(context, given, exchange)
            try:
                if given.get("username"):
                    session.login(given["username"], given.get("password") or "")
                exchange.reach(_MESSAGE)
                yield session
                with suppress(smtplib.SMTPException, OSError):  # the message is taken, whatever comes after it
                    session.quit()
            finally:
                session.close()
        except (smtplib.SMTPException, OSError) as error:
            raise _failure(error, given, exchange) from None


def _failure(error: smtplib.SMTPException | OSError, given: Mapping[str, Json], exchange: Exchange) -> ApiError:
    server, sent = given["server"], exchange.stage.sent
    if exchange.expired or exchange.left_s <= 0:  # a reply that was cut off may look like any other error
        return exchange.error(server, "check the network, the firewall and the port")
    match error:
        case smtplib.SMTPNotSupportedError():
            return ApiError(f"{server} {_unsupported(str(error))}", FailureClass.BAD_INPUT, sent=False)
        case smtplib.SMTPAuthenticationError():
            message = f"{server} refused user name and password: check them, and whether it wants an app password"
            return ApiError(message, FailureClass.CREDENTIAL)
        case smtplib.SMTPRecipientsRefused():
            code = min(code for code, _ in error.recipients.values())
            return _failed(given, code, _refusals(error.recipients))
        case smtplib.SMTPResponseException():
            return _failed(given, error.smtp_code, _words(error.smtp_error))
        case ssl.SSLError():
            untrusted = isinstance(error, ssl.SSLCertVerificationError)
            what = "has a certificate that cannot be trusted: check its name and this machine's clock"
            message = f"{server} {what if untrusted else 'speaks no encryption on this port: check port and security'}"
            return ApiError(message, FailureClass.TRANSIENT, sent=sent)
        case _:
            return ApiError(f"{server} {_unreached(error)}", FailureClass.TRANSIENT, sent=sent)


def _unsupported(said: str) -> str:
    """What the server cannot do; ``said`` is smtplib's word for it."""
    if "STARTTLS" in said:
        return "does not offer STARTTLS: set security to ssl, or to none where that is safe"
    if "AUTH" in said.upper():
        return "takes no user name and password here: leave them out, or set security"
    return "takes no addresses with letters outside of ASCII"


def _unreached(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "has a name that cannot be resolved: check its spelling and this machine's DNS"
    if isinstance(error, ConnectionRefusedError):
        return "cannot be reached, nothing listens on this port: check port and security"
    if isinstance(error, TimeoutError):
        return "did not answer in time: check the network, the firewall and the port"
    return "broke the connection off: where that lasts, check port and security"


def _connected(context: ActionContext, given: Mapping[str, Json], exchange: Exchange) -> smtplib.SMTP:
    server, security = given["server"], given["security"]
    port = given.get("port") or _PORTS[security]
    _, own = own_text(context, "server")
    own = own and not has_expression(text_of(context.written.get("port")))
    guarded = not own and not context.settings.http.allow_private
    trust = ssl.create_default_context()
    if security == "ssl":
        session: smtplib.SMTP = _EncryptedSession(server, port, exchange, trust, guarded=guarded)
    else:
        session = _Session(server, port, exchange, guarded=guarded)
    try:
        exchange.reach(_SIGN_IN)
        if security == "starttls":
            session.starttls(context=trust)
        session.ehlo_or_helo_if_needed()
    except BaseException:
        session.close()
        raise
    return session


class _Session(smtplib.SMTP):
    """A session whose server is looked up once, so that the address that was judged is the one that is connected to."""

    def __init__(self, server: str, port: int, exchange: Exchange, *, guarded: bool) -> None:
        self._guarded, self._exchange = guarded, exchange
        super().__init__(server, port, local_hostname=_HERE, timeout=max(0.1, exchange.left_s))

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = open_socket(host, port, timeout, guarded=self._guarded)
        self._exchange.reach(_GREETING, opened)
        return opened


class _EncryptedSession(smtplib.SMTP_SSL):
    def __init__(self, server: str, port: int, exchange: Exchange, trust: ssl.SSLContext, *, guarded: bool) -> None:
        self._guarded, self._exchange = guarded, exchange
        left = max(0.1, exchange.left_s)
        super().__init__(server, port, local_hostname=_HERE, timeout=left, context=trust)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = open_socket(host, port, timeout, guarded=self._guarded)
        self._exchange.reach(HANDSHAKE, opened)
        encrypted = self.context.wrap_socket(opened, server_hostname=host)
        self._exchange.reach(_GREETING, encrypted)
        return encrypted


def _failed(given: Mapping[str, Json], code: int, words: str) -> ApiError:
    """What the server said no with: 4xx may pass, 5xx needs a person."""
    kind = FailureClass.BAD_INPUT if code >= 500 else FailureClass.TRANSIENT
    return ApiError(mask(f"{given['server']} did not take the message: {code} {words}"), kind, status=code)


def _refusals(recipients: Mapping[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{address}: {_words(reason)}" for address, (_, reason) in recipients.items())


def _words(given: object) -> str:
    text = given.decode("utf-8", "replace") if isinstance(given, bytes) else str(given)
    return mask(" ".join(text.split()))[:300]
