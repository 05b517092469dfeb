"""Where a connection's requests go, and what they carry there: credentials are for its own hosts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from changewire import __version__
from changewire.config.connections import Connection
from changewire.connectors.definition import Connector
from changewire.connectors.downloads import host_allowed
from changewire.connectors.sign_in.credentials import Credentials
from changewire.connectors.transport.addresses import refuse_parent, split_url
from changewire.connectors.transport.fetcher import Outgoing
from changewire.connectors.transport.messages import Request, encode_query
from changewire.errors import ApiError, FailureClass

HEADERS = {
    "User-Agent": f"changewire/{__version__}",
    "Accept": "application/json, */*;q=0.5",
    "Accept-Encoding": "gzip, deflate",
}


@dataclass(frozen=True, slots=True)
class _Base:
    """What all requests with the same credentials have in common."""

    credentials: Credentials
    origin: str  # "" when neither connection nor connector name a host
    path: str  # prefix of every path
    headers: Mapping[str, str]
    own: tuple[str, ...]  # origins that the user's files or the connector name


class Destinations:
    """Makes requests of one connection ready to be sent."""

    def __init__(self, connection: Connection, connector: Connector) -> None:
        self._connection, self._connector = connection, connector
        self._home = split_url(connection.base_url)[0] if connection.base_url else None
        self._base_now: _Base | None = None

    def outgoing(self, request: Request, credentials: Credentials) -> Outgoing:
        """The request as it is sent. Raises ApiError where nothing says to which host."""
        base = self._base(credentials)
        if request.path.startswith("/") and base.origin:
            before = base.path if request.prefixed else base.path.removesuffix(self._connector.api_prefix)
            origin, target, ours = base.origin, before + request.path, True
        else:
            origin, target = self._absolute(request.path)
            ours = origin == base.origin or self.trusted(origin)
        if ours or origin == request.named:
            refuse_parent(request.path)
        elif request.linked:
            return self._stripped(request, origin, target, base)
        query = request.query + credentials.query if ours else request.query
        if query:
            target += ("&" if "?" in target else "?") + encode_query(query)
        headers = base.headers if ours else HEADERS
        if request.headers:
            headers = {**headers, **dict(request.headers)}
        own = base.own if request.named is None else (*base.own, request.named)
        return Outgoing(request.method, origin, target, headers, request.body, HEADERS, self.trusted, own)

    def _stripped(self, request: Request, origin: str, target: str, base: _Base) -> Outgoing:
        """A request to an address that an answer named, on another origin: nothing of ours but the question goes there.

        Raises ApiError (broken) for a request with a body.
        """
        if request.body is not None:
            message = f"the answer leads to {origin} for the rest, and the body of this {request.method} stays here"
            raise ApiError(message, FailureClass.BROKEN, sent=False)
        if request.query:
            target += ("&" if "?" in target else "?") + encode_query(request.query)
        return Outgoing(request.method, origin, target, HEADERS, None, HEADERS, None, base.own)

    def _absolute(self, path: str) -> tuple[str, str]:
        if path.startswith("/"):
            message = (
                f"connection {self._connection.name!r} has no base_url: add one in connections.yaml, or give a full URL"
            )
            raise ApiError(message, FailureClass.BAD_INPUT, sent=False)
        return split_url(path)

    def trusted(self, origin: str) -> bool:
        """True for origins that may see the credentials."""
        return origin == self._home or host_allowed(origin, self._connector.download_hosts)

    def shown_to(self, path: str) -> bool:
        """Whether a request to ``path`` carries credentials of this connection."""
        if self._connection.auth.type == "none":
            return False
        if path.startswith("/"):
            return True
        origin, _ = split_url(path)
        return self._base_now is not None and origin == self._base_now.origin

    def _own(self, origin: str) -> tuple[str, ...]:
        """``origin``, unless the sign-in named it and the connector does not know it; that is data."""
        named = self._home or (split_url(self._connector.base_url)[0] if self._connector.base_url else None)
        known = (named,) if named is not None else ()
        return (*known, origin) if origin != named and host_allowed(origin, self._connector.download_hosts) else known

    def _base(self, credentials: Credentials) -> _Base:
        base = self._base_now
        if base is None or base.credentials is not credentials:
            host = self._connection.base_url or credentials.region or self._connector.base_url
            origin, path = split_url(host + self._connector.api_prefix) if host else ("", "")
            headers = {**HEADERS, **credentials.headers}
            base = self._base_now = _Base(credentials, origin, path.rstrip("/"), headers, self._own(origin))
        return base
