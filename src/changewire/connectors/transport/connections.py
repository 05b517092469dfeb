"""Connections of urllib3 that say how far their exchange came, and whose kept sockets have its deadline as well."""

from __future__ import annotations

import functools
from http.client import HTTPResponse
from typing import Any

from urllib3.connection import HTTPConnection

from changewire.connectors.transport.deadlines import (
    BODY,
    HANDSHAKE,
    HEADERS,
    PROXY,
    REQUEST,
    STATUS,
    Stage,
    current_exchange,
)


def _reach(stage: Stage, opened: Any = None) -> None:
    if (exchange := current_exchange()) is not None:
        exchange.reach(stage, opened)


class _Response(HTTPResponse):
    def _read_status(self) -> Any:
        status = super()._read_status()  # type: ignore[misc]
        exchange = current_exchange()
        if exchange is not None and exchange.stage is STATUS:  # not that of a proxy
            exchange.reach(HEADERS)
        return status

    def begin(self) -> None:
        super().begin()
        _reach(BODY)


class _Watched(HTTPConnection):
    response_class = _Response
    _own: Any = None  # a descriptor of our own for the watchdog, for as long as the connection is kept

    def _new_conn(self) -> Any:
        sock = super()._new_conn()
        _reach(PROXY if self._tunnel_host else HANDSHAKE, sock)
        return sock

    def _tunnel(self) -> None:
        super()._tunnel()
        _reach(HANDSHAKE)

    def connect(self) -> None:
        super().connect()
        if (exchange := current_exchange()) is not None:
            exchange.reach(REQUEST)
            self._own = exchange.keep()

    def close(self) -> None:
        super().close()
        own, self._own, exchange = self._own, None, current_exchange()
        if own is not None and (exchange is None or not exchange.take_back(own)):
            own.close()

    def request(self, *parts: Any, **more: Any) -> None:
        exchange = current_exchange()
        if exchange is not None and self._own is not None:
            exchange.watch_kept(self._own)
            exchange.reach(REQUEST)
        super().request(*parts, **more)

    def getresponse(self) -> Any:
        _reach(STATUS)
        return super().getresponse()


@functools.cache
def watched(connection: type[Any]) -> type[Any]:
    """Return a class of connections as ``connection`` for exchanges with a deadline."""
    return type(connection.__name__, (_Watched, connection), {})
