"""Answers that several polls share, so that equal questions are asked once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from changewire.clock import Clock
from changewire.connectors.messages import Answer, Request

MAX_BYTES = 32 * 1024 * 1024  # of bodies kept; the oldest go first


@dataclass(frozen=True)
class _Entry:
    future: Future[Answer]
    asked_at: float


class SharedAnswers:
    """Keeps young answers by their request, and lets one caller ask while the others wait for its answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[Request, _Entry] = OrderedDict()
        self._size = 0

    def get(self, request: Request, fresh_s: float, ask: Callable[[], Answer], patience_s: float | None) -> Answer:
        """An answer that was asked for at most ``fresh_s`` seconds ago, else a new one from ``ask``.

        ``patience_s`` bounds the wait for another caller's answer, None: as long as that takes. Raises what ``ask``
        raises, and TimeoutError when patience ends; failures are not kept.
        """
        with self._lock:
            now = self._clock.monotonic()
            entry = self._entries.get(request)
            mine = entry is None or (entry.future.done() and now - entry.asked_at > fresh_s)
            if entry is None or mine:
                self._forget(request)
                entry = self._entries[request] = _Entry(Future(), now)
        if mine:
            self._ask(request, entry, ask)
        return entry.future.result(patience_s)

    def _ask(self, request: Request, entry: _Entry, ask: Callable[[], Answer]) -> None:
        try:
            answer = ask()
        except BaseException as error:
            with self._lock:
                if self._entries.get(request) is entry:
                    del self._entries[request]
            entry.future.set_exception(error)
            raise
        with self._lock:
            self._size += len(answer.body)
            entry.future.set_result(answer)
            self._trim()

    def _trim(self) -> None:
        for request in [one for one, entry in self._entries.items() if entry.future.done()]:
            if self._size <= MAX_BYTES:
                break
            self._forget(request)

    def _forget(self, request: Request) -> None:
        entry = self._entries.pop(request, None)
        if entry is not None and entry.future.done():
            self._size -= len(entry.future.result().body)
