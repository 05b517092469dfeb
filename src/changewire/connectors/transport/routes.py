"""Connections to origins: directly, through a proxy, or pinned to an address that was checked."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import select_proxy, should_bypass_proxies

from changewire.connectors.transport.addresses import DEFAULT_PORTS
from changewire.connectors.transport.connections import watched
from changewire.connectors.transport.guard import public_addresses


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
        pool.ConnectionCls = watched(pool.ConnectionCls)
        prefix = adapter.request_url(prepared, proxies).removesuffix("/")
        headers = {"Host": urlsplit(origin).netloc} if address else {}
        return Route(adapter, pool, prefix, headers, address)

    def _checked(self, origin: str) -> list[str]:
        parts = urlsplit(origin)
        return public_addresses(parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
