"""What a daemon answers by HTTP: ``/live``, ``/health`` and ``/metrics``, where the settings say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from changewire.clock import Clock
from changewire.connectors.clients import Clients
from changewire.engine.polling import Outcome
from changewire.errors import described
from changewire.health.attention import Attention
from changewire.health.checkup import Checkup, view
from changewire.health.server import TEXT, CannotListen, Page, Server
from changewire.log import Log
from changewire.state.records import AttemptRecord, Claimed, RunRecord, RunState
from changewire.values import dumps_text, harmless

if TYPE_CHECKING:
    from changewire.health.metrics import Metrics

JSON = "application/json"


class Serving:
    """The server of one daemon and its figures; nothing is counted while it does not listen. Thread-safe but for
    `change` and `close`.
    """

    def __init__(self, checkup: Checkup, clients: Clients, clock: Clock, log: Log) -> None:
        self._checkup, self._clients, self._clock, self._log = checkup, clients, clock, log
        self._listen: str | None = None
        self._server: Server | None = None
        self._metrics: Metrics | None = None

    @property
    def url(self) -> str | None:
        """Where it answers; None: nowhere."""
        return None if self._server is None else self._server.url

    def listen(self, listen: str | None) -> None:
        """Take the address, None: none; `begin` has it answer. Raises CannotListen."""
        if listen is not None:
            from changewire.health.metrics import Metrics  # a quarter of a second, and 14 MiB

            self._server = Server(listen, self._page, self._clock)
            self._metrics = self._metrics or Metrics(self._checkup, self._clients)
        self._listen = listen

    def begin(self) -> None:
        """Answer from now on, where there is an address."""
        if self._server is not None:
            self._server.start()
            url = self._server.url
            self._log("serving", f"answering {url}/live, {url}/health and {url}/metrics", url=url)

    def change(self, listen: str | None) -> None:
        """Take over a changed setting. Where that address cannot be had, the one before stays."""
        before = self._listen
        if listen == before:
            return
        self.close()
        try:
            self.listen(listen)
        except CannotListen as error:
            self._log("serving_failed", f"{error}; it stays at {before or 'none'}")
            self._go_back(before)
        self.begin()

    def _go_back(self, before: str | None) -> None:
        try:
            self.listen(before)
        except CannotListen as error:
            self._log("serving_failed", str(error))

    def close(self) -> None:
        """Answer nothing more."""
        if self._server is not None:
            self._server.close()
        self._server = self._listen = None

    # what happened

    def polled(self, claimed: Claimed, outcome: Outcome, took_s: float) -> None:
        """A poll that took so long came to its end just now."""
        metrics = self._metrics
        if metrics is not None:
            record, late = claimed.record, (self._clock.now() - claimed.due_at).total_seconds() - took_s
            word = Outcome.STORED if outcome is Outcome.BEGUN else outcome
            metrics.polled(record.workflow, record.connection or "", str(word), max(0.0, late), took_s)

    def ran(self, run: RunRecord, state: RunState | None, took_s: float) -> None:
        """A worker left a run after so long just now, in ``state``; None: it was somebody else's by then."""
        metrics = self._metrics
        if metrics is not None and state is not None:
            late = (self._clock.now() - (run.due_at or run.created_at)).total_seconds() - took_s
            metrics.ran(run.workflow, str(state), max(0.0, late))

    def tried(self, attempt: AttemptRecord) -> None:
        """An attempt at a step came to its end."""
        metrics = self._metrics
        if metrics is not None:
            metrics.tried(attempt.use, str(attempt.state))

    # what is answered

    def _page(self, path: str) -> Page | None:
        try:
            return self._find_page(path)
        except Exception as error:
            self._log("serving_failed", f"{path} could not be answered: {described(error)}")
            return Page(500, TEXT, b"This could not be answered; the log says why.\n")

    def _find_page(self, path: str) -> Page | None:
        if path == "/live":
            return _answer(self._checkup.live())
        if path == "/health":
            return _answer(self._checkup.attention())
        if path == "/metrics" and self._metrics is not None:
            from changewire.health.metrics import CONTENT_TYPE

            return Page(200, CONTENT_TYPE, self._metrics.text())
        return None


def _answer(found: list[Attention]) -> Page:
    return Page(503 if found else 200, JSON, f"{harmless(dumps_text(view(found)))}\n".encode())
