"""The only door to the network."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as faults

from changewire.clock import Clock, wall
from changewire.connectors.transport.addresses import join_url, same_place, split_url
from changewire.connectors.transport.deadlines import LEAST, NAME, Exchange
from changewire.connectors.transport.routes import Route, Router
from changewire.errors import ApiError, FailureClass

MAX_REDIRECTS = 5
MAX_ROUTES = 64  # ways kept open by one thread; addresses from data may name any number of hosts
CHUNK = 65536
_ONCE = urllib3.Retry(total=False)  # errors come as they are; trying again is decided above
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LATE = "where that lasts, check the network, or allow a longer timeout"
_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (faults.NameResolutionError, "has a name that cannot be resolved: check its spelling and this machine's DNS"),
    (faults.NewConnectionError, "cannot be reached: check the address, the network and the firewall"),
    (faults.ConnectTimeoutError, "did not accept the connection in time: check the network and the firewall"),
    (faults.ProxyError, "cannot be reached through the proxy: check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"),
    (
        faults.SSLError,
        "has a certificate that cannot be trusted: check this machine's clock, and set REQUESTS_CA_BUNDLE "
        "where a company's own authority signs",
    ),
)


@dataclass(slots=True)
class Outgoing:
    """One request as it goes out."""

    method: str
    origin: str  # scheme, host and port, as `split_url` gives it
    target: str  # path and query, encoded
    headers: Mapping[str, str]  # may hold credentials: sent to `origin` and to trusted origins
    body: bytes | None = None  # sent to the same origins as `headers`
    away: Mapping[str, str] = field(default_factory=dict)  # headers for any other origin, reached by a redirect
    trusted: Callable[[str], bool] | None = None  # origins that may see `headers`; None: only the first one
    own: tuple[str, ...] = ()  # origins that the user's files or the connector name; all others are guarded

    def may_see(self, origin: str) -> bool:
        """Whether ``origin`` may get `headers` and `body`."""
        return same_place(self.origin, origin) or (self.trusted is not None and self.trusted(origin))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    asked_at: datetime  # just before the request was sent


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer of any status whose body is still on its way."""

    status: int
    headers: Mapping[str, str]
    url: str
    chunks: Iterator[bytes]


class Fetcher:
    """Sends requests over connections of which each thread keeps its own.

    ``connect_s`` and ``read_s`` bound single waits, ``total_s`` a whole exchange that is given no deadline. A stream
    ends when less than `LEAST` bytes come within ``slow_s``. Deadlines are moments of ``clock.monotonic()``. With
    ``allow_private`` nothing is guarded. ``stopping`` is set when the process stops; None: never.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        connect_s: float = 10.0,
        read_s: float = 30.0,
        total_s: float = 300.0,
        slow_s: float = 60.0,
        allow_private: bool = False,
        stopping: threading.Event | None = None,
    ) -> None:
        self._clock = clock
        self._connect_s, self._read_s, self._total_s = min(connect_s, read_s), read_s, total_s
        self._slow_s = max(slow_s, 2 * read_s)
        self._allow_private = allow_private
        self._stopping = stopping
        self._router = Router()
        self._local = threading.local()
        self._pools: weakref.WeakSet[Any] = weakref.WeakSet()  # a thread that ends lets go of its own

    def send(self, outgoing: Outgoing, *, deadline: float | None, max_bytes: int) -> Reply:
        """The whole answer. Raises ApiError: transient without one, broken when longer than ``max_bytes``."""
        with self._exchange(deadline, self._total_s) as exchange:
            asked_at = wall(self._clock)
            response, url = self._follow(outgoing, exchange)
            try:
                body = b"".join(self._chunks(response, url, exchange, deadline, max_bytes))
            except BaseException:
                response.close()
                raise
        return Reply(response.status, response.headers, body, url, asked_at)

    @contextmanager
    def open(
        self, outgoing: Outgoing, *, deadline: float | None = None, max_bytes: int | None = None
    ) -> Iterator[Stream]:
        """The answer while it arrives; None: as long as it takes, and of any size."""
        with self._exchange(deadline, math.inf, self._slow_s) as exchange:
            response, url = self._follow(outgoing, exchange)
            try:
                chunks = self._chunks(response, url, exchange, deadline, max_bytes)
                yield Stream(response.status, response.headers, url, _paced(chunks, exchange))
            finally:
                response.close()

    def close(self) -> None:
        """Close every connection, also those of other threads; whoever goes on opens new ones."""
        self._local = threading.local()
        for pool in list(self._pools):
            pool.close()

    def _exchange(self, deadline: float | None, total_s: float, window_s: float = math.inf) -> Exchange:
        """Begin an exchange that ends at ``deadline``, or after ``total_s`` if that is None."""
        left = total_s if deadline is None else deadline - self._clock.monotonic()
        if left <= 0:
            raise ApiError("there was no time left for this request", FailureClass.TRANSIENT, sent=False)
        return Exchange(left, window_s=window_s, stopping=self._stopping)

    def _follow(self, out: Outgoing, exchange: Exchange) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The first answer that is no redirect, and where it came from."""
        hops, url = 0, out.origin + out.target
        response = self._once(out, out.origin, out.target, exchange)
        while response.status in _REDIRECTS and (place := response.headers.get("Location")) is not None:
            response.close()
            hops += 1
            if hops > MAX_REDIRECTS:
                host = urlsplit(out.origin).hostname
                message = f"{host} redirects more than {MAX_REDIRECTS} times: check the address"
                raise ApiError(message, FailureClass.BROKEN)
            origin, target = _location(url, place)
            out = _redirected(out, response.status, url, origin)
            try:
                response = self._once(out, origin, target, exchange)
            except ApiError as error:
                error.sent = True  # the first request was: a redirect may be the answer to a write that is done
                raise
            url = origin + target
        return response, url

    def _once(self, out: Outgoing, origin: str, target: str, exchange: Exchange) -> urllib3.BaseHTTPResponse:
        """One request to one origin; whether it may see credentials and must be guarded is decided here."""
        headers = out.headers if out.may_see(origin) else out.away
        own = any(same_place(one, origin) for one in out.own)
        try:
            exchange.reach(NAME)
            route = self._route(origin, guarded=not own and not self._allow_private)
            try:
                return self._ask(route, out, target, headers, exchange)
            except faults.ProtocolError:
                if out.method not in {"GET", "HEAD"} or exchange.expired:
                    raise
                # A server may close an idle connection in the very moment in which it is used again.
                return self._ask(route, out, target, headers, exchange)
        except (faults.HTTPError, OSError) as error:
            raise _no_answer(origin, error, exchange) from error
        except ValueError as error:  # from the standard library: a header that would smuggle in another one
            message = f"this request to {urlsplit(origin).netloc} cannot be sent: {_unsendable(error)}"
            raise ApiError(message, FailureClass.BAD_INPUT, sent=False) from error

    def _ask(
        self, route: Route, out: Outgoing, target: str, headers: Mapping[str, str], exchange: Exchange
    ) -> urllib3.BaseHTTPResponse:
        left = max(0.001, exchange.left_s)
        response: urllib3.BaseHTTPResponse = route.pool.urlopen(
            out.method,
            route.prefix + target,
            body=out.body,
            headers={**headers, **route.headers} if route.headers else headers,
            retries=_ONCE,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=min(self._connect_s, left), read=min(self._read_s, left)),
            preload_content=False,
            decode_content=True,
        )
        return response

    def _route(self, origin: str, guarded: bool) -> Route:
        try:
            routes: dict[tuple[str, bool], Route] = self._local.routes
        except AttributeError:
            routes = self._local.routes = {}
        route = routes.get((origin, guarded))
        if route is None or guarded:  # a guarded name is looked up and judged anew each time
            route = routes[origin, guarded] = self._router.route(origin, guarded, route)
            self._pools.add(route.pool)
            if len(routes) > MAX_ROUTES:
                routes.pop(next(iter(routes))).pool.close()
        return route

    def _chunks(
        self,
        response: urllib3.BaseHTTPResponse,
        url: str,
        exchange: Exchange,
        deadline: float | None,
        max_bytes: int | None,
    ) -> Iterator[bytes]:
        """The decoded body as it arrives."""
        size, host = 0, urlsplit(url).netloc
        try:
            while chunk := response.read1(CHUNK):
                size += len(chunk)
                if max_bytes is not None and size > max_bytes:
                    raise _too_long(url, max_bytes)
                if deadline is not None and self._clock.monotonic() > deadline:
                    raise exchange.error(host, _LATE)
                yield chunk
        except (faults.HTTPError, OSError) as error:
            if exchange.expired or exchange.left_s <= 0:
                raise exchange.error(host, _LATE) from error
            raise _broken_off(url, _why_broken(error)) from error
        if exchange.expired:  # to the parser the body ended where the socket was shut down
            raise exchange.error(host, _LATE)


def _paced(chunks: Iterator[bytes], exchange: Exchange) -> Iterator[bytes]:
    """The same chunks; each `LEAST` bytes of them extend the exchange."""
    arrived = 0
    for chunk in chunks:
        arrived += len(chunk)
        if arrived >= LEAST:
            arrived = 0
            exchange.extend()
        with exchange.hold():
            yield chunk


def _location(url: str, place: str) -> tuple[str, str]:
    """Origin and target of a redirect from ``url``. Raises ApiError: broken where it cannot be read."""
    try:
        return split_url(join_url(url, place))
    except ApiError as error:
        message = f"{urlsplit(url).netloc} redirects to an address that cannot be used: {error}"
        raise ApiError(message, FailureClass.BROKEN) from error


def _redirected(out: Outgoing, status: int, url: str, origin: str) -> Outgoing:
    """Return the request for a redirect from ``url`` to ``origin``. As in browsers, a redirected POST becomes a GET.

    Raises ApiError (broken) where a body would go to another origin, or credentials would go on without encryption.
    """
    if status == 303 or (status in {301, 302} and out.method == "POST"):
        out = replace(out, method="HEAD" if out.method == "HEAD" else "GET", body=None)
    host, secret = urlsplit(url).netloc, out.body is not None or dict(out.headers) != dict(out.away)
    if out.body is not None and not out.may_see(origin):
        message = f"{host} redirects this {out.method} to {origin}, and its body stays here: write that address instead"
        raise ApiError(message, FailureClass.BROKEN)
    if secret and url.startswith("https://") and origin.startswith("http://"):
        message = f"{host} redirects to {origin}, which is not encrypted: credentials are not sent on; ask https there"
        raise ApiError(message, FailureClass.BROKEN)
    return out


def _no_answer(origin: str, error: Exception, exchange: Exchange) -> ApiError:
    """Return the error of a request without an answer."""
    host = urlsplit(origin).netloc
    if exchange.expired or exchange.left_s <= 0:
        return exchange.error(host, _LATE)
    if isinstance(error, faults.ReadTimeoutError):
        message = f"{host} did not answer in time: {exchange.stage.words}; {_LATE}"
        return ApiError(message, FailureClass.TRANSIENT, sent=exchange.stage.sent)
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), None)
    if words is None and any(isinstance(one, HTTPException) and not isinstance(one, OSError) for one in error.args):
        words = "answered something that is not HTTP: check the address and the port"
    words = words or "broke the connection off before it answered: where that lasts, check the network"
    return ApiError(f"{host} {words}", FailureClass.TRANSIENT, sent=exchange.stage.sent)


def _unsendable(error: ValueError) -> str:
    """What no request can carry; the value itself may be a secret."""
    if isinstance(error, UnicodeError):
        return "a header has characters that headers cannot carry, as letters outside of Latin-1"
    if "header" in str(error).lower():
        return "a header has a line break or another character that headers cannot carry"
    return "its address or method has characters that cannot be sent, as blanks or line breaks"


def _why_broken(error: Exception) -> str:
    if isinstance(error, faults.ReadTimeoutError):
        return "nothing more came in time"
    if isinstance(error, faults.DecodeError):
        return "what it compressed cannot be unpacked"
    return "the connection was closed"


def _broken_off(url: str, why: str) -> ApiError:
    host = urlsplit(url).netloc
    words = f"{host} broke off in the middle of its answer ({why}): where that lasts, check the network"
    return ApiError(words, FailureClass.TRANSIENT)


def _too_long(url: str, max_bytes: int) -> ApiError:
    host = urlsplit(url).netloc
    message = f"the answer of {host} is longer than the {max_bytes} bytes allowed: ask for less or allow more"
    return ApiError(message, FailureClass.BROKEN)
