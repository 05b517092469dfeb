"""Where a connection's requests go, and what they carry there: credentials are for its own hosts only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from changewire import __version__
from changewire.config.connections import Connection
from changewire.connectors.definition import Connector
from changewire.connectors.downloads import host_allowed
from changewire.connectors.sign_in.credentials import Credentials
from changewire.connectors.transport.fetcher import Outgoing
from changewire.connectors.transport.messages import Request, encode_query
from changewire.connectors.transport.routes import split_url
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
        query = request.query + credentials.query if ours else request.query
        if query:
            target += ("&" if "?" in target else "?") + encode_query(query)
        headers = base.headers if ours else HEADERS
        if request.headers:
            headers = {**headers, **dict(request.headers)}
        what = (request.method, origin, target, headers, request.body)
        return Outgoing(*what, HEADERS, self.trusted, request.guard, self._home)

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

    def _base(self, credentials: Credentials) -> _Base:
        base = self._base_now
        if base is None or base.credentials is not credentials:
            host = self._connection.base_url or credentials.region or self._connector.base_url
            origin, path = split_url(host + self._connector.api_prefix) if host else ("", "")
            headers = {**HEADERS, **credentials.headers}
            base = self._base_now = _Base(credentials, origin, path.rstrip("/"), headers)
        return base
