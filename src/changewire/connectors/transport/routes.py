"""Connections to origins: directly, through a proxy, or pinned to an address that was checked."""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy, should_bypass_proxies

from changewire.connectors.transport.guard import public_addresses
from changewire.connectors.transport.patience import patient
from changewire.errors import ApiError, FailureClass

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MISREAD = re.compile(r"[\x00-\x1f\x7f\\]")  # some programs read a backslash as a slash, others drop line breaks
_AUTHORITY = re.compile(r"https?://[^/?#\s]+(?=([/?#]?))", re.IGNORECASE)
_SLASH, _DOT = r"(?:[/\\]|%2f|%5c)", r"(?:\.|%2e)"
_PARENT = re.compile(rf"(?:^|{_SLASH}){_DOT}{_DOT}(?:;[^/\\%]*)?(?:{_SLASH}|$)", re.IGNORECASE)


@dataclass(slots=True)
class Route:
    """An open way to one origin, for one thread."""

    adapter: HTTPAdapter
    pool: Any  # a urllib3 connection pool; requests' own types leave its TLS form open
    prefix: str  # "" or, through a proxy for plain HTTP, the origin: such a proxy wants whole URLs
    headers: dict[str, str]  # to be sent besides the request's own
    address: str | None  # what it is pinned to; None: the name is resolved when it connects


class PinnedAdapter(HTTPAdapter):
    """Connects to one address that was checked before, while name and certificate stay those of the host."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(pool_connections=1, pool_maxsize=1)

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        """The documented place to say where the connection goes and whose certificate is expected."""
        host: Any
        pool: Any
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            pool["server_hostname"] = pool["assert_hostname"] = host["host"]
        host["host"] = self._address
        return host, pool


class Router:
    """Makes routes. Proxies and the CA bundle are read from the environment once."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._proxies = urllib.request.getproxies()
        bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
        self._verify: bool | str = bundle or True

    def route(self, origin: str, guarded: bool, known: Route | None = None) -> Route:
        """A way to ``origin``, ``known`` itself while that still leads to where the name points.

        Raises ApiError when it is guarded and leads to an address that is refused.
        """
        proxies = {} if should_bypass_proxies(origin, self._proxies.get("no")) else self._proxies
        proxied = select_proxy(origin, proxies) is not None  # a proxy resolves the name by itself
        addresses = self._checked(origin) if guarded else []
        if known is not None and (known.address is None or known.address in addresses):
            return known
        return self.make(origin, proxies, None if proxied or not addresses else addresses[0])

    def make(self, origin: str, proxies: dict[str, str], address: str | None) -> Route:
        """A new way, pinned to ``address``; None: the name is resolved when it connects."""
        prepared = requests.Request("GET", origin + "/").prepare()
        adapter = PinnedAdapter(address) if address else HTTPAdapter(pool_connections=1, pool_maxsize=1)
        pool: Any = adapter.get_connection_with_tls_context(prepared, self._verify, proxies=proxies)
        adapter.cert_verify(pool, origin, self._verify, None)  # type: ignore[no-untyped-call]
        pool.ConnectionCls = patient(pool.ConnectionCls)
        prefix = adapter.request_url(prepared, proxies).removesuffix("/")
        headers = {"Host": urlsplit(origin).netloc} if address else {}
        return Route(adapter, pool, prefix, headers, address)

    def _checked(self, origin: str) -> list[str]:
        parts = urlsplit(origin)
        return public_addresses(parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])


def _refuse_misread(url: str) -> None:
    if _MISREAD.search(url):
        raise ValueError("it holds a backslash or a control character, which programs read differently")


def split_url(url: str) -> tuple[str, str]:
    """Origin and target of a URL that comes from data, in the form in which they are sent.

    Raises ApiError (bad_input) for anything but http and https, and for addresses that carry credentials.

    >>> split_url("HTTPS://Example.com/a b?c=d#e")
    ('https://example.com', '/a%20b?c=d')
    """
    try:
        _refuse_misread(url.strip())
        normal = requests.Request("GET", url.strip()).prepare().url or ""
        parts = urlsplit(normal)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("it must begin with http:// or https:// and name a host")
        if "@" in parts.netloc:
            raise ValueError("it carries a user name: put credentials into a connection")
        port = parts.port
    except (ValueError, requests.RequestException) as error:
        ours = type(error) is ValueError and str(error).startswith("it ")
        shown = "" if "@" in url else f", not {url.strip()[:60]!r}"  # what stands before an @ may be a password
        reason = str(error) if ours else f"write it like https://example.com/a{shown}"
        raise ApiError(f"this is no address that can be asked: {reason}", FailureClass.BAD_INPUT, sent=False) from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    origin = f"{parts.scheme}://{host}"
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        origin += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return origin, (parts.path or "/") + query


def join_url(base: str, reference: str) -> str:
    """Return the URL that ``reference``, found at ``base``, means. Raises ApiError (bad_input) where it means none."""
    try:
        _refuse_misread(reference.strip())
        return urljoin(base, reference.strip())
    except ValueError as error:
        shown = "this" if "@" in reference else repr(reference[:60])  # what stands before an @ may be a password
        message = f"{shown} is no address: {error}"
        raise ApiError(message, FailureClass.BAD_INPUT, sent=False) from error


def literal_origin(text: str, whole: bool) -> str | None:
    """Return the origin if ``text`` states scheme, host and port to their end; None otherwise.

    ``whole``: nothing follows ``text``. Without it a host at its end may go on with what follows.

    >>> literal_origin("https://example.com/items/", False)
    'https://example.com'
    >>> literal_origin("https://example.com", False)
    """
    found = _AUTHORITY.match(text.strip())
    if found is None or not (found[1] or whole):
        return None
    try:
        return split_url(found[0])[0]
    except ApiError:
        return None


def refuse_parent(path: str) -> None:
    """Raise ApiError (bad_input) if ``path`` has a ``..`` in it, also an encoded one; what follows a ``?`` is free."""
    if _PARENT.search(path.partition("?")[0]):
        message = f"the path {path[:60]!r} leads out of its folder by '..': write the path that is meant"
        raise ApiError(message, FailureClass.BAD_INPUT, sent=False)


def same_place(origin: str, other: str) -> bool:
    """True when ``other`` is ``origin`` itself or the encrypted form of it.

    >>> same_place("http://example.com", "https://example.com")
    True
    >>> same_place("https://example.com", "http://example.com")
    False
    """
    return other == origin or (origin.startswith("http://") and other == f"https://{origin[7:]}")
