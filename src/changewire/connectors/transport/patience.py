"""An end to answers of which the head never ends.

Time-outs bound single waits, so a server that sends a letter of its headers every few seconds would hold a worker for
ever.
"""

from __future__ import annotations

import functools
import io
import socket
import threading
from collections.abc import Callable
from http.client import HTTPResponse
from typing import Any


class _Patience(threading.local):
    left: Callable[[], float] | None = None


_PATIENCE = _Patience()


def be_patient(left: Callable[[], float]) -> None:
    """From now on the heads of answers to this thread must arrive while ``left`` gives seconds that are left."""
    _PATIENCE.left = left


class _Arriving(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw, self.left = raw, _PATIENCE.left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if self.left is not None and self.left() <= 0:
            raise TimeoutError("the head of the answer took too long")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@functools.cache
def patient(connection: type[Any]) -> type[Any]:
    """A class of connections as ``connection``, whose answers must begin while patience lasts."""

    class Response(HTTPResponse):
        def __init__(self, sock: socket.socket, *given: Any, **named: Any) -> None:
            super().__init__(sock, *given, **named)
            self._arriving = _Arriving(self.fp.detach())
            self.fp = io.BufferedReader(self._arriving)

        def begin(self) -> None:
            super().begin()
            self._arriving.left = None  # bodies are looked after where they are read

    return type(connection.__name__, (connection,), {"response_class": Response})
