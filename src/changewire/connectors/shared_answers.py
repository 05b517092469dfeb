"""Answers that several polls share, so that equal questions are asked once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from changewire.clock import Clock
from changewire.connectors.transport.messages import Answer, Request

MAX_BYTES = 32 * 1024 * 1024  # of bodies kept; the oldest go first


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    asked_at: float
    until: float  # it is of no use to anybody later


class SharedAnswers:
    """Keeps young answers by their request, and lets one caller ask while the others wait for its answer."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asking: dict[Request, Future[Answer]] = {}
        self._kept: OrderedDict[Request, _Kept] = OrderedDict()  # as they came in
        self._size = 0

    def get(self, request: Request, fresh_s: float, ask: Callable[[], Answer], patience_s: float | None) -> Answer:
        """An answer that was asked for at most ``fresh_s`` seconds ago, else a new one from ``ask``.

        The new one is kept for ``fresh_s`` seconds. ``patience_s`` bounds the wait for another caller's answer, None:
        as long as that takes. Raises what ``ask`` raises, and TimeoutError when patience ends; failures are not kept.
        """
        with self._lock:
            now = self._clock.monotonic()
            self._forget_old(now)
            kept = self._kept.get(request)
            if kept is not None and now - kept.asked_at <= fresh_s:
                return kept.answer
            others = self._asking.get(request)
            mine = self._asking[request] = Future() if others is None else others
        if others is not None:
            return others.result(patience_s)
        return self._ask(request, mine, ask, now, fresh_s)

    def _ask(
        self, request: Request, future: Future[Answer], ask: Callable[[], Answer], now: float, fresh_s: float
    ) -> Answer:
        try:
            answer = ask()
        except BaseException as error:
            with self._lock:
                del self._asking[request]
            future.set_exception(error)
            raise
        with self._lock:
            del self._asking[request]
            if fresh_s > 0:
                self._keep(request, _Kept(answer, now, now + fresh_s))
        future.set_result(answer)
        return answer

    def _keep(self, request: Request, kept: _Kept) -> None:
        self._forget(request)
        self._kept[request] = kept
        self._size += len(kept.answer.body)
        while self._size > MAX_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget_old(self, now: float) -> None:
        while self._kept:
            request, oldest = next(iter(self._kept.items()))
            if now <= oldest.until:
                return
            self._forget(request)

    def _forget(self, request: Request) -> None:
        kept = self._kept.pop(request, None)
        if kept is not None:
            self._size -= len(kept.answer.body)
