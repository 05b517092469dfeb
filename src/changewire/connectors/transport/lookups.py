"""Names of hosts resolved within a deadline. The system's own resolver has none, and cannot be interrupted."""

from __future__ import annotations

import socket
import threading
from typing import Any

from changewire.connectors.transport.deadlines import NAME, Exchange, Stage, current_exchange
from changewire.errors import ApiError, FailureClass, ShutdownError

MOST = 32  # lookups at the same time, those that hang included
LOOK_S = 0.1  # between two looks whether the time is over or the process stops
CROWDED = Stage(f"{MOST} lookups of other names hang: check this machine's DNS", sent=False)
_Query = tuple[Any, ...]
_resolve = socket.getaddrinfo


class _Lookup:
    """One question to the system's resolver, in a thread of its own that may outlive whoever waits for it."""

    def __init__(self, query: _Query) -> None:
        self.query = query
        self.done = threading.Event()
        self.result: list[Any] = []
        self.error: BaseException | None = None


class Lookups:
    """Asks the system's resolver from a bounded number of threads. Equal questions share one. Thread-safe."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._free = threading.Condition()
        self._running: dict[_Query, _Lookup] = {}

    def resolve(self, query: _Query, exchange: Exchange) -> list[Any]:
        """Return what the resolver answers to ``query``.

        Raises what it raises, socket.gaierror when the time of ``exchange`` is over, ShutdownError when the process
        stops.
        """
        exchange.stage = CROWDED
        lookup = self._begin(query, exchange)
        exchange.stage = NAME
        while not lookup.done.wait(LOOK_S):
            _check(exchange)
        if lookup.error is not None:
            raise lookup.error
        return lookup.result

    def _begin(self, query: _Query, exchange: Exchange) -> _Lookup:
        """Return the lookup of ``query``, begun now if there is none, as soon as there is room for it."""
        with self._free:
            while (lookup := self._running.get(query)) is None and len(self._running) >= self._most:
                self._free.wait(LOOK_S)
                _check(exchange)
            if lookup is None:
                lookup = self._start(query)
            return lookup

    def _start(self, query: _Query) -> _Lookup:
        lookup = _Lookup(query)
        try:
            threading.Thread(target=self._work, args=(lookup,), name="changewire-lookup", daemon=True).start()
        except RuntimeError as error:  # no memory, or too many threads
            raise socket.gaierror(socket.EAI_MEMORY, str(error)) from error
        self._running[query] = lookup  # its thread waits for `_free` before it takes it out
        return lookup

    def _work(self, lookup: _Lookup) -> None:
        try:
            lookup.result = _resolve(*lookup.query)
        except BaseException as error:
            lookup.error = error
        with self._free:
            del self._running[lookup.query]
            self._free.notify_all()
        lookup.done.set()


def _check(exchange: Exchange) -> None:
    """Raise what ends a wait: ShutdownError, or socket.gaierror at the end of ``exchange``."""
    if exchange.stopping is not None and exchange.stopping.is_set():
        raise ShutdownError
    if exchange.left_s <= 0:
        raise socket.gaierror(socket.EAI_AGAIN, exchange.stage.words)


_LOOKUPS = Lookups()


def _getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:  # noqa: A002
    """The same as `socket.getaddrinfo`, but inside of an exchange it ends with it."""
    exchange = current_exchange()
    if host is None or exchange is None or (exchange.over and not exchange.expired):
        return _resolve(host, port, family, type, proto, flags)
    try:
        return _resolve(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
    except socket.gaierror:  # it is a name
        return _LOOKUPS.resolve((host, port, family, type, proto, flags), exchange)


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of ``host`` as text, without zones. Raises ApiError (transient) if it has none."""
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        exchange = current_exchange()
        if exchange is not None and exchange.left_s <= 0:
            raise exchange.error(host, "check this machine's DNS") from error
        message = f"the name {host!r} cannot be resolved: check its spelling and this machine's DNS"
        raise ApiError(message, FailureClass.TRANSIENT, sent=False) from error
    return list(dict.fromkeys(str(entry[4][0]).split("%")[0] for entry in entries))


# Libraries that open connections look names up themselves, and have no place where another way could be named.
socket.getaddrinfo = _getaddrinfo
