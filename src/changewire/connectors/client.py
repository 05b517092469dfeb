"""What talks to one API as one connection: budget, sign-in, sending, and errors in words."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from changewire.clock import Clock
from changewire.config.connections import Connection
from changewire.config.settings import HttpSettings
from changewire.connectors.budget import PATIENCE_S, Budget, Turn
from changewire.connectors.definition import Connector, load_connector
from changewire.connectors.destinations import Destinations
from changewire.connectors.downloads import DownloadInfo, Expected, save
from changewire.connectors.error_rules import error_by_rules
from changewire.connectors.failures import Failure, judge, retry_at
from changewire.connectors.partial_file import Part, Progress
from changewire.connectors.shared_answers import SharedAnswers
from changewire.connectors.sign_in.auth import make_auth
from changewire.connectors.sign_in.credentials import Auth, Credentials
from changewire.connectors.sign_in.refusals import Refusals
from changewire.connectors.sign_in.token_store import TokenStore
from changewire.connectors.transport.addresses import split_url
from changewire.connectors.transport.fetcher import Fetcher, Reply
from changewire.connectors.transport.messages import MAX_BYTES, Answer, Request
from changewire.errors import ApiError, CredentialError, DelayedError, FailureClass, ShutdownError
from changewire.json_size import MOST_MEMORY, PER_BYTE

__all__ = ["Answer", "Client", "DownloadInfo", "Request"]

ANY_FILE = Expected()
TOO_MUCH = 2  # times that a rate error is waited out within one call
Acknowledge = Callable[[Answer], None]
Watcher = Callable[[Request], AbstractContextManager[Acknowledge]]
"""Told of a request before it is sent, of its good answer, and of its end, whatever that is."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Patience:
    """How long a request waits for the budget before it is delayed, and what is done about each wait."""

    longest_s: float = PATIENCE_S
    notice: Callable[[str, float], None] | None = None  # called with connection and seconds; None: nothing is done
    stopping: threading.Event | None = None  # set when the process stops, which ends all waits; None: never


class Client:
    """Talks to one API as one connection; thread-safe. Its errors never contain secrets.

    ``budget`` None: a new one; ``tokens`` None: people's sign-ins are not kept. Raises UsageError when the connection
    does not fit its connector.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        http: HttpSettings,
        budget: Budget | None = None,
        tokens: TokenStore | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self.connection, self.name = connection, connection.name
        self.connector: Connector = load_connector(connection.connector)
        self.budget = budget or Budget(self.connector, self.name, connection.plan, connection.share, clock)
        self._clock = clock
        timeout = connection.timeout or http.timeout
        private = connection.allow_private or http.allow_private
        self._stopping = self._patience.stopping
        self._fetcher = Fetcher(clock, read_s=timeout.total_seconds(), allow_private=private, stopping=self._stopping)
        self._auth: Auth = make_auth(connection, self.connector, self._fetcher, clock, tokens, self._stopping)
        self._destinations = Destinations(connection, self.connector)
        self._shared = SharedAnswers(clock)
        self._refusals = Refusals()
        self._watcher: Watcher | None = None

    def watched(self, watcher: Watcher) -> Client:
        """The same client, which tells ``watcher`` of each request that may write something."""
        other = copy.copy(self)
        other._watcher = watcher
        return other

    def send(self, request: Request, *, deadline: float | None = None, max_bytes: int | None = None) -> Answer:
        """The good answer to ``request``.

        ``deadline`` is a moment of the clock's `monotonic`, None: some minutes; ``max_bytes`` None: 64 MiB.
        Waits some seconds for the budget, and where the API says that it was too much for this moment. Raises
        DelayedError when either takes longer, ApiError for every other failure.
        """
        if self._watcher is None or request.method in _READING:
            return self._send_patiently(request, deadline, max_bytes)
        with self._watcher(request) as acknowledged:
            answer = self._send_patiently(request, deadline, max_bytes)
            acknowledged(answer)
        return answer

    def _send_patiently(self, request: Request, deadline: float | None, max_bytes: int | None) -> Answer:
        for _ in range(TOO_MUCH):
            try:
                return self._send(request, deadline, max_bytes)
            except DelayedError as error:
                if error.status is None or (error.until - self._clock.now()).total_seconds() > PATIENCE_S:
                    raise
        return self._send(request, deadline, max_bytes)

    def _send(self, request: Request, deadline: float | None, max_bytes: int | None) -> Answer:
        reply, failure = self._judged(request, deadline, max_bytes)
        if failure is not None:
            raise self._doubted(request, failure, self._error(request, failure, reply.headers, reply.body))
        memory = max(MOST_MEMORY, PER_BYTE * (max_bytes or 0))
        answer = Answer(reply.status, reply.headers, reply.body, reply.url, reply.asked_at, request, memory)
        if self.connection.error_when and (request.path.startswith("/") or self._destinations.shown_to(request.path)):
            failure = error_by_rules(self.connection.error_when, answer)
            if failure is not None:
                raise self._doubted(request, failure, self._error(request, failure, reply.headers, reply.body))
        self._refusals.accepted(request.path)
        self.budget.accepted(request.label)
        return answer

    def attempt(self, request: Request, *, deadline: float | None = None) -> tuple[Answer, ApiError | None]:
        """The answer to ``request`` whatever it says, and what `send` would raise for it. Raises ApiError for none."""
        reply, failure = self._judged(request, deadline, None)
        answer = Answer(reply.status, reply.headers, reply.body, reply.url, reply.asked_at, request)
        return answer, None if failure is None else self._error(request, failure, reply.headers, reply.body)

    def send_shared(
        self, request: Request, *, fresh_s: float, deadline: float | None = None, max_bytes: int | None = None
    ) -> Answer:
        """As `send`, but an equal GET asked for right now or at most ``fresh_s`` seconds ago answers this too."""
        if request.method != "GET":
            return self.send(request, deadline=deadline, max_bytes=max_bytes)
        patience = None if deadline is None else max(0.0, deadline - self._clock.monotonic())
        try:
            return self._shared.get(
                request, fresh_s, lambda: self.send(request, deadline=deadline, max_bytes=max_bytes), patience
            )
        except TimeoutError as error:
            message = (
                f"{self.connector.title} ({self.name}) did not answer in time: where that lasts, check the network"
            )
            raise ApiError(message, FailureClass.TRANSIENT) from error

    def download(
        self,
        url: str,
        part: Part,
        *,
        expected: Expected = ANY_FILE,
        deadline: float | None = None,
        max_bytes: int | None = None,
        progress: Progress | None = None,
    ) -> DownloadInfo:
        """Write what ``url`` holds to ``part``, going on where an earlier attempt left off if that is still the file.

        ``deadline`` None: as long as it takes; ``max_bytes`` None: any size. Credentials go to the connection's own
        host and the connector's download hosts only, also over redirects. Raises ApiError, and OSError where it cannot
        be written; what has arrived by then stays in ``part``.
        """
        origin, path = split_url(url)
        if self.connector.download_hosts and not self._destinations.trusted(origin):
            hosts = " or ".join(self.connector.download_hosts)
            message = f"files of {self.connector.title} come from {hosts}, not from {origin}: check the address"
            raise ApiError(message, FailureClass.BAD_INPUT, sent=False)
        request = Request("GET", origin + path)

        def once() -> tuple[Credentials, DownloadInfo | Failure, Mapping[str, str]]:
            return self._download(request, part, expected, deadline, max_bytes, progress)

        credentials, outcome, headers = once()
        if isinstance(outcome, Failure) and outcome.reason == "token" and self._auth.refused(credentials):
            credentials, outcome, headers = once()
        if isinstance(outcome, Failure):
            raise self._error(request, outcome, headers)
        return outcome

    def wait(self, seconds: float) -> None:
        """Let time pass before the next request. Raises ShutdownError at once when the process stops."""
        if self._clock.wait(seconds, self._stopping):
            raise ShutdownError

    def sign_in_mark(self) -> str | None:
        """A word that changes when a person signed in anew; None: the credentials stand in the files."""
        return self._auth.mark()

    def granted_scopes(self, deadline: float | None = None) -> frozenset[str] | None:
        """What the credentials may do, signing in where necessary; None: nobody said. Raises ApiError."""
        return self._auth.scopes(deadline)

    def sign_in(self) -> bool:
        """Sign in anew. False where the connection has no sign-in, so only a request can tell. Raises ApiError."""
        return self._auth.sign_in()

    def close(self) -> None:
        """Close all connections."""
        self._fetcher.close()

    def _judged(self, request: Request, deadline: float | None, max_bytes: int | None) -> tuple[Reply, Failure | None]:
        """The answer and what is wrong with it, asked once more where a new token may help."""
        credentials, reply = self._exchange(request, deadline, max_bytes)
        failure = judge(self.connector, request, reply.status, reply.body)
        if failure is not None and failure.reason == "token" and self._auth.refused(credentials):
            _, reply = self._exchange(request, deadline, max_bytes)
            failure = judge(self.connector, request, reply.status, reply.body)
        return reply, failure

    def _exchange(self, request: Request, deadline: float | None, max_bytes: int | None) -> tuple[Credentials, Reply]:
        with self._reserved(request, deadline):
            credentials = self._credentials(deadline)
            out = self._destinations.outgoing(request, credentials)
            return credentials, self._fetcher.send(out, deadline=deadline, max_bytes=max_bytes or MAX_BYTES)

    def _download(
        self,
        request: Request,
        part: Part,
        expected: Expected,
        deadline: float | None,
        max_bytes: int | None,
        progress: Progress | None,
    ) -> tuple[Credentials, DownloadInfo | Failure, Mapping[str, str]]:
        """What became of one request, or of two, where another version is there than the one that is held."""
        held = part.held()
        with self._reserved(request, deadline):
            credentials = self._credentials(deadline)
            out = self._destinations.outgoing(request, credentials)
            also = {"Accept-Encoding": "identity", **dict(held.headers if held else ())}
            out.headers, out.away = {**out.headers, **also}, {**out.away, **also}
            most = None if max_bytes is None else max_bytes - (held.size if held else 0)
            with self._fetcher.open(out, deadline=deadline, max_bytes=most) as stream:
                outcome = save(self.connector, request, stream, part, held, expected, progress)
        if outcome == "stale":
            return self._download(request, part, expected, deadline, max_bytes, progress)
        return credentials, outcome, stream.headers

    def _credentials(self, deadline: float | None) -> Credentials:
        """What the sign-in gives. Raises ApiError, and then the request that it is for was certainly not sent."""
        try:
            return self._auth.get(deadline)
        except ApiError as error:
            error.sent = False
            raise

    @contextmanager
    def _reserved(self, request: Request, deadline: float | None) -> Iterator[None]:
        """Have one request of the budget for what is done inside."""
        self._credentials(deadline)  # requests that all wait for a sign-in would reach the API together after it
        place = self._reserve(request, deadline)
        try:
            yield
        finally:
            self.budget.landed(request.label, place)

    def _reserve(self, request: Request, deadline: float | None) -> float | None:
        """Take one request from the budget, waiting for it if it is short. Returns its place for `Budget.landed`."""
        left, turn, call = self._patience.longest_s, Turn(0.0), (request.method, request.path)
        while True:
            turn = self.budget.take(
                request.label, self._clock.now(), user=request.user, call=call, place=turn.place, patience_s=left
            )
            if not turn.wait_s:
                return turn.place
            if deadline is not None and self._clock.monotonic() + turn.wait_s > deadline:
                raise self.budget.delayed(request.label, self._clock.now(), turn)
            self._wait(request, turn)
            left -= turn.ask_again_s

    def _wait(self, request: Request, turn: Turn) -> None:
        try:
            if self._patience.notice is not None:
                self._patience.notice(self.name, turn.wait_s)
            self.wait(turn.ask_again_s)
        except BaseException:  # such as Ctrl-C
            self.budget.give_up(request.label, turn.place)
            raise

    def _error(
        self, request: Request, failure: Failure, headers: Mapping[str, str], body: bytes | None = None
    ) -> ApiError:
        if failure.failure is FailureClass.CREDENTIAL and self.connection.auth.type == "none":
            failure = replace(failure, advice="no credentials were sent: name a connection that has some")
        now = self._clock.now()
        wait = retry_at(failure, headers, now, self.budget.span(request.label), self._clock.offset())
        until, capped = (None, None) if wait is None else (wait.until, wait.capped)
        if failure.passing and until is not None:
            until, lasts = self.budget.refused(request.label, until, now)
            error = failure.error(self.connector, self.name, request.path, until, body, capped)
            return error if lasts else DelayedError.of(error, until)
        if failure.failure is FailureClass.RATE and until is not None:
            if failure.reason == "user_daily":
                self.budget.forbid_user(request.user, (request.method, request.path), until)
            else:
                self.budget.forbid(request.label, until, daily=failure.reason == "daily")
        return failure.error(self.connector, self.name, request.path, until, body, capped)

    def _doubted(self, request: Request, failure: Failure, error: ApiError) -> ApiError:
        """``error``, as one of the whole connection where its credentials are in doubt."""
        if failure.failure is not FailureClass.CREDENTIAL:
            return error
        if (
            failure.reason == "token"
            and self._destinations.shown_to(request.path)
            and self._refusals.in_doubt(request.path)
        ):
            advice = failure.advice or "check the connection's credentials"
            return CredentialError.of(error, self.name, advice, by_request=True)
        return error
