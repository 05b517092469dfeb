"""Deadlines of exchanges, kept from outside: one thread shuts sockets down when the time is over.

Time-outs of sockets bound single waits. A server that sends one byte every few seconds, in a header, a chunk size, a
trailer or the name inside a gzip file, keeps a parser busy for ever without one of them. Whatever the parser does, its
next read ends when the socket is shut down.
"""

from __future__ import annotations

import heapq
import math
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

from changewire.clock import SystemClock
from changewire.durations import format_duration
from changewire.errors import ApiError, FailureClass

LEAST = 65536  # bytes of a download that extend its exchange by another window
FEW = 256  # exchanges of which those that are over are not removed early
AGAIN_S = 0.25  # between two attempts to end an exchange: a socket may be connected in the moment of the first one
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
    """One exchange with a server: its end, its stage, and the sockets that it uses.

    It ends after ``allowed_s``, and already after ``window_s`` unless `extend` is called in time. ``stopping`` is set
    when the process stops, which ends waits before anything is sent; None: never.
    """

    def __init__(self, allowed_s: float, window_s: float, stopping: threading.Event | None) -> None:
        self._began, self._window_s = _CLOCK.monotonic(), window_s
        self._limit = self._began + allowed_s
        self.end = min(self._limit, self._began + window_s)  # only the thread of the exchange moves it, never back
        self.stopping = stopping
        self.stage = NAME
        self.expired = False  # set by the watchdog, for good
        self.held = False  # True while the window stands still
        self.over = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

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
            raise TimeoutError("the time of this exchange is over")
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
        """Shut ``sock`` down when the time is over. Raises TimeoutError if it is."""
        with self._lock:
            if self.expired:
                raise TimeoutError("the time of this exchange is over")
            # A descriptor of our own stays valid: TLS takes the first one away, and closing one frees its number.
            self._sockets.append(socket.fromfd(sock.fileno(), sock.family, sock.type))

    def expire(self) -> None:
        """End the exchange, from another thread."""
        with self._lock:
            if not self.over:
                self.expired = True
                for sock in self._sockets:
                    with suppress(OSError):  # it is not connected yet, or not any more
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the sockets; from now on the exchange cannot expire."""
        with self._lock:
            self.over = True
            for sock in self._sockets:
                sock.close()

    def error(self, name: str, advice: str) -> ApiError:
        """Return the error of an exchange with ``name`` that ended at its deadline."""
        slow = self.stage is BODY and self.end < self._limit
        allowed = format_duration(timedelta(seconds=round(self._window_s if slow else self.end - self._began, 1)))
        what = f"sent less than {LEAST >> 10} KiB" if slow else "gave no complete answer"
        message = f"{name} {what} within {allowed}: {self.stage.words}; {advice}"
        return ApiError(message, FailureClass.TRANSIENT, sent=self.stage.sent)


class Watchdog:
    """Ends exchanges at their end, from one thread that begins with the first of them. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Exchange]] = []  # when to look at which exchange
        self._numbers = count()
        self._prune_at, self._wakes_at = FEW, math.inf
        self._thread: threading.Thread | None = None

    def add(self, exchange: Exchange) -> None:
        """End ``exchange`` when its time is over, unless it is over by then."""
        with self._changed:
            if len(self._heap) >= self._prune_at:  # most exchanges are over long before their end
                self._heap = [entry for entry in self._heap if not entry[2].over]
                heapq.heapify(self._heap)
                self._prune_at = 2 * len(self._heap) + FEW
            heapq.heappush(self._heap, (exchange.end, next(self._numbers), exchange))
            if self._thread is None or not self._thread.is_alive():  # after a fork the child has none
                self._thread = threading.Thread(target=self._work, name="changewire-deadlines", daemon=True)
                self._thread.start()
            elif exchange.end < self._wakes_at:
                self._changed.notify()

    def _work(self) -> None:
        while True:
            for exchange in self._await():
                if not exchange.held:
                    exchange.expire()

    def _await(self) -> list[Exchange]:
        """Wait for the next exchanges whose time is over; each of them is looked at again soon, until it ends."""
        with self._changed:
            while not (due := self._take(_CLOCK.monotonic())):
                self._wakes_at = self._heap[0][0] if self._heap else math.inf
                self._changed.wait(None if math.isinf(self._wakes_at) else self._wakes_at - _CLOCK.monotonic())
            return due

    def _take(self, now: float) -> list[Exchange]:
        due = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].over):
            exchange = heapq.heappop(self._heap)[2]
            if exchange.over:
                continue
            if exchange.end <= now:
                due.append(exchange)
            heapq.heappush(self._heap, (max(exchange.end, now + AGAIN_S), next(self._numbers), exchange))
        return due


_WATCHDOG = Watchdog()
_CURRENT: ContextVar[Exchange | None] = ContextVar("changewire_exchange", default=None)


def current_exchange() -> Exchange | None:
    """Return the exchange that this thread is in, or None."""
    return _CURRENT.get()


@contextmanager
def open_exchange(
    allowed_s: float, *, window_s: float = math.inf, stopping: threading.Event | None = None
) -> Iterator[Exchange]:
    """Bound everything that this thread does with sockets inside, also inside libraries. For the rest see `Exchange`.

    Whoever opens it looks at `Exchange.expired` afterwards: to most parsers a socket that was shut down is the end of
    the answer. Sockets that a library opens in other threads are not seen.
    """
    exchange = Exchange(allowed_s, window_s, stopping)
    if not math.isinf(exchange.end):
        _WATCHDOG.add(exchange)
    before = _CURRENT.set(exchange)
    try:
        yield exchange
    finally:
        _CURRENT.reset(before)
        exchange.close()


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect" and (exchange := _CURRENT.get()) is not None:
        if exchange.stage is NAME:
            exchange.stage = CONNECT
        exchange.watch(arguments[0])


sys.addaudithook(_audit)  # sees every connection of every library before it is opened, and stays for good
