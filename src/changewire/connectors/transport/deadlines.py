"""Deadlines of exchanges, kept from outside: one thread shuts sockets down when the time is over.

Time-outs of sockets bound single waits. A server that sends one byte every few seconds, in a header, a chunk size, a
trailer or the name inside a gzip file, keeps a parser busy for ever without one of them. Whatever the parser does, its
next read ends when the socket is shut down.
"""

from __future__ import annotations

import math
import os
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from changewire.clock import SystemClock
from changewire.durations import format_duration
from changewire.errors import ApiError, FailureClass

LEAST = 65536  # bytes of a download that extend its exchange by another window
AGAIN_S = 0.25  # between two attempts to end an exchange
HORIZON_S = 5.0
_OVER = "the time of this exchange is over"
_RESET = struct.pack("ii", 1, 0)  # when it is closed: a peer that floods learns at once that nobody reads
_CLOCK = SystemClock()  # sockets wait in real time, whatever clock a test turns


@dataclass(frozen=True, slots=True)
class Stage:
    """How far an exchange came."""

    words: str  # what did not happen, if it ends here
    sent: bool = True  # False: certainly nothing reached the server


NAME = Stage("its name was not resolved", sent=False)
CONNECT = Stage("it did not accept the connection", sent=False)
PROXY = Stage("the proxy did not open the connection", sent=False)
HANDSHAKE = Stage("the TLS handshake did not end", sent=False)
REQUEST = Stage("it did not take the whole request")
STATUS = Stage("the status line did not end")
HEADERS = Stage("the headers did not end")
BODY = Stage("the body did not end")


class Exchange:
    """One exchange with a server. Inside ``with`` it bounds everything that this thread does with sockets.

    That holds for libraries as well, also in threads to which they pass their context; sockets that they open in other
    threads are not seen. Whoever opens an exchange looks at `expired` afterwards: to most parsers a socket that was
    shut down is the end of the answer.

    It ends after ``allowed_s``, and already after ``window_s`` unless `extend` is called in time. ``stopping`` is set
    when the process stops, which ends waits before anything is sent; None: never.
    """

    def __init__(
        self, allowed_s: float, *, window_s: float = math.inf, stopping: threading.Event | None = None
    ) -> None:
        self._began, self._window_s = _CLOCK.monotonic(), window_s
        self._limit = self._began + allowed_s
        self.end = min(self._limit, self._began + window_s)  # only the thread of the exchange moves it, never back
        self.stopping = stopping
        self.stage = NAME
        self.expired = False  # set by the watchdog, for good
        self.held = False  # True while the window stands still
        self.over = False  # what is left of it in other threads is bounded no more, unless it expired
        self._sockets: list[socket.socket] = []
        self._owned: list[socket.socket] = []  # those that are closed with the exchange
        self._lock = threading.Lock()
        self._before: Token[Exchange | None] | None = None

    def __enter__(self) -> Exchange:
        _WATCHDOG.add(self)
        self._before = _CURRENT.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._before is not None
        _CURRENT.reset(self._before)
        _WATCHDOG.remove(self)
        with self._lock:
            self.over = True
            for sock in self._owned:
                sock.close()

    @property
    def left_s(self) -> float:
        """Seconds until the end, negative after it."""
        return self.end - _CLOCK.monotonic()

    @property
    def connected(self) -> bool:
        """Whether a connection was at least begun."""
        return bool(self._sockets)

    def reach(self, stage: Stage, opened: socket.socket | None = None) -> None:
        """Note that the exchange came to ``stage``. If its time is over, closes ``opened`` and raises TimeoutError.

        To a parser a socket that was shut down is the end of what it reads, and one that was shut down too early, just
        before it was connected, still works for a moment.
        """
        if self.expired:
            if opened is not None:
                opened.close()
            raise TimeoutError(_OVER)
        self.stage = stage

    def extend(self) -> None:
        """Allow another window from now on."""
        self.end = min(self._limit, _CLOCK.monotonic() + self._window_s)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let the window stand still while the caller works on what has arrived: that time is not the server's."""
        self.held, began = True, _CLOCK.monotonic()
        try:
            yield
        finally:
            self.end = min(self._limit, self.end + _CLOCK.monotonic() - began)
            self.held = False

    def watch(self, sock: socket.socket) -> None:
        """Shut ``sock``, which is to be connected, down when the time is over. Raises TimeoutError if it is."""
        with self._lock:
            if self.expired:
                raise TimeoutError(_OVER)
            if not self.over:  # else it is of a thread that was left behind
                # A descriptor of our own stays valid: TLS takes the first one away, and closing one frees its number.
                own = socket.fromfd(sock.fileno(), sock.family, sock.type)
                self._owned.append(own)
                self._sockets.append(own)

    def watch_kept(self, own: socket.socket) -> None:
        """Shut the connection of ``own``, which `keep` returned, down as well. Raises TimeoutError."""
        with self._lock:
            if self.expired:
                raise TimeoutError(_OVER)
            self._sockets.append(own)

    def keep(self) -> socket.socket | None:
        """Return our descriptor of the newest connection, which the caller closes with that; None: there is none."""
        return self._owned.pop() if self._owned else None

    def take_back(self, own: socket.socket) -> bool:
        """Close ``own``, whose connection is given up, with the exchange. False if the exchange does not watch it."""
        if own not in self._sockets:
            return False
        self._owned.append(own)  # an answer may still be read from it
        return True

    def expire(self) -> None:
        """End the exchange, from another thread."""
        with self._lock:
            if not self.over:
                self.expired = True
                for sock in self._sockets:
                    with suppress(OSError):  # it is not connected yet, or not any more
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        sock.shutdown(socket.SHUT_RDWR)

    def error(self, name: str, advice: str) -> ApiError:
        """Return the error of an exchange with ``name`` that ended at its deadline."""
        slow = self.stage is BODY and self.end < self._limit
        allowed = format_duration(timedelta(seconds=round(self._window_s if slow else self.end - self._began, 1)))
        what = f"sent less than {LEAST >> 10} KiB" if slow else "gave no complete answer"
        message = f"{name} {what} within {allowed}: {self.stage.words}; {advice}"
        return ApiError(message, FailureClass.TRANSIENT, sent=self.stage.sent)


class Watchdog:
    """Ends exchanges at their end, from one thread that begins with the first of them. Thread-safe.

    Most exchanges are over long before their end, so adding and removing one costs next to nothing: all are looked at
    when the earliest end has come, and at least every `HORIZON_S` seconds.
    """

    def __init__(self) -> None:
        self._active: set[Exchange] = set()
        self._wakes_at = -math.inf  # an exchange that ends earlier wakes the thread
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._process = 0  # in which the thread runs: after a fork the child has none

    def add(self, exchange: Exchange) -> None:
        """End ``exchange`` when its time is over, unless it is removed by then."""
        if self._process != os.getpid():
            self._start()
        self._active.add(exchange)
        if exchange.end < self._wakes_at:
            self._wake.set()

    def remove(self, exchange: Exchange) -> None:
        """Forget an exchange that is over."""
        self._active.discard(exchange)

    def _start(self) -> None:
        with self._starting:
            if self._process != os.getpid():
                threading.Thread(target=self._work, name="changewire-deadlines", daemon=True).start()
                self._process = os.getpid()

    def _work(self) -> None:
        while True:
            try:
                nap_s = self._look()
            except Exception:  # such as MemoryError: without this thread no exchange would end any more
                nap_s = AGAIN_S
            self._wake.wait(nap_s)

    def _look(self) -> float:
        """End what is over. Returns the seconds until the next look."""
        self._wake.clear()
        self._wakes_at = math.inf  # so that whoever is added from now on is seen
        now, wakes_at = _CLOCK.monotonic(), math.inf
        for exchange in list(self._active):
            if exchange.end <= now and not exchange.held:
                exchange.expire()
            # It is looked at again soon: a socket may be connected in the moment in which it is shut down.
            wakes_at = min(wakes_at, max(exchange.end, now + AGAIN_S))
        self._wakes_at = min(wakes_at, now + HORIZON_S)
        return self._wakes_at - now


_WATCHDOG = Watchdog()
_CURRENT: ContextVar[Exchange | None] = ContextVar("changewire_exchange", default=None)


def current_exchange() -> Exchange | None:
    """Return the exchange that this thread is in, or None."""
    return _CURRENT.get()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (exchange := _CURRENT.get()) is not None:
        if exchange.stage is NAME:
            exchange.stage = CONNECT
        exchange.watch(arguments[0])


sys.addaudithook(_audit)  # sees every connection of every library before it is opened, and stays for good
