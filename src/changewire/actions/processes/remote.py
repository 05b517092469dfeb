"""What the code of an action finds in its context when it runs in a process of its own: the daemon does the requests.

So sign-ins, request limits, the guard of addresses and the notes about own writes stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from changewire.actions.context import ActionContext
from changewire.actions.processes.messages import CLIENT_METHODS, Call, Job
from changewire.clock import SystemClock
from changewire.connectors.definition import load_connector

if TYPE_CHECKING:
    from changewire.config.connections import Connection
    from changewire.connectors.client import Client
    from changewire.connectors.clients import Clients
    from changewire.state.records import Raised

Ask = Callable[[Call], Any]
"""Sends a `Call` and returns its output. Raises the error that it ended with."""


class DaemonClock(SystemClock):
    """The timeline of the daemon, as it was when the attempt began, continued by elapsed time."""

    def __init__(self, now: datetime, wall: datetime) -> None:
        self._now, self._offset, self._began = now, wall - now, self.monotonic()

    def now(self) -> datetime:
        """The present moment of the daemon's timeline."""
        return self._now + timedelta(seconds=self.monotonic() - self._began)

    def offset(self) -> timedelta:
        """What the wall clock showed when the attempt began, less `now`."""
        return self._offset


class RemoteClient:
    """The client of a connection as far as the code of an action uses it. Each of its methods runs in the daemon."""

    def __init__(self, connection: Connection, ask: Ask, clock: DaemonClock) -> None:
        self.connection, self.name = connection, connection.name
        self.connector = load_connector(connection.connector)
        self._ask, self._clock = ask, clock

    def wait(self, seconds: float) -> None:
        """Let time pass before the next request."""
        self._clock.wait(seconds)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method not in CLIENT_METHODS:
            here = ", ".join(sorted(CLIENT_METHODS))
            raise AttributeError(f"the client of a connection has no {method!r} in the code of an action, but {here}")

        def call(*arguments: Any, deadline: float | None = None, **options: Any) -> Any:
            left_s = None if deadline is None else deadline - self._clock.monotonic()
            options.pop("progress", None)  # a function, which cannot leave its process
            return self._ask(Call("client", self.name, method, arguments, options, left_s))

        return call


class RemoteClients:
    """The clients of all connections."""

    def __init__(self, ask: Ask, clock: DaemonClock) -> None:
        self._ask, self._clock = ask, clock

    def get(self, name: str) -> RemoteClient:
        """Return the client of a connection. Raises UsageError if there is none of that name."""
        return RemoteClient(self._ask(Call("connection", name, "", (), {})), self._ask, self._clock)


def context_of(job: Job, ask: Ask) -> ActionContext:
    """Return the context of an attempt in a process of its own."""
    clock = DaemonClock(job.now, job.wall)
    client = None if job.connection is None else RemoteClient(job.connection, ask, clock)

    def log(event: str, message: str, /, **facts: Any) -> None:
        ask(Call("log", "", "", (event, message), facts))

    def feed(raised: Raised) -> Sequence[str]:
        return cast("Sequence[str]", ask(Call("feed", "", "", (raised,), {})))

    return ActionContext(
        home=job.home,
        client=cast("Client | None", client),
        clients=cast("Clients", RemoteClients(ask, clock)),
        clock=clock,
        deadline=clock.monotonic() + job.limit_s,
        idempotency_key=job.idempotency_key,
        log=log,
        settings=job.settings,
        written=job.written,
        environment=job.environment,
        origin=job.origin,
        feed=feed if job.feeds else None,
        look_first=job.look_first,
    )
