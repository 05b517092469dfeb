"""Whether a connection works and is enough for the workflows that use it: found out by asking, told with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from changewire.clock import Clock
from changewire.config.connections import Connection, OAuthAuth
from changewire.connectors.client import Client, Request
from changewire.connectors.definition import Connector
from changewire.connectors.path_segments import encode_segment
from changewire.durations import format_duration
from changewire.errors import ApiError, CredentialError, FailureClass
from changewire.home.definition import Home
from changewire.planning.loads import label_loads
from changewire.planning.needs import Need, needs_of, plan_suffices, scope_to_add

SKEW = timedelta(seconds=30)  # a clock that differs by more makes dates and waits wrong
WAIT_S = 30.0

What = Literal["reachable", "clock", "sign_in", "user", "scopes", "plan", "load"]
State = Literal["ok", "wrong", "failed", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What one look found."""

    what: What
    state: State  # wrong: a person must mend it; failed: it could not be looked at now; unknown: nobody can tell
    message: str
    add: str | None = None  # the scope to tick
    needed_by: tuple[str, ...] = ()  # triggers and steps, as shown to people


def check_connection(home: Home, connection: Connection, client: Client, clock: Clock) -> list[Finding]:
    """Everything about one connection; asks its API twice at most, and changes nothing there."""
    found = list(_asked(client, clock))
    needs = needs_of(home, connection.name)
    if not any(one.what == "sign_in" and one.state in ("wrong", "failed") for one in found):
        found += _scopes(connection, client, needs)
    found += _plans(connection, client.connector, needs)
    found += _load(home, connection, clock)
    return found


def _asked(client: Client, clock: Clock) -> Iterator[Finding]:
    """Sign in, and ask for something small: reachable, clock, credentials."""
    connector, deadline = client.connector, clock.monotonic() + WAIT_S
    if client.connection.base_url is None and connector.base_url is None:
        yield Finding("reachable", "unknown", "it has no base_url, so there is no address to look at")
        return
    try:
        answer, error = client.attempt(Request("GET", _path(client), label=connector.check_label), deadline=deadline)
    except CredentialError as refused:
        yield Finding("sign_in", "wrong", str(refused))
        return
    except ApiError as failure:
        yield Finding("reachable", "failed", str(failure))
        return
    yield Finding("reachable", "ok", f"{connector.title} answers at {answer.url.split('?')[0]}")
    yield _clock(connector, answer.date, clock)
    yield _sign_in(client, error)
    if error is not None and error.failure is FailureClass.GONE and _stands_for_me(client.connection):
        message = f"there is no {client.connection.user!r} in this account: write somebody who is as its `user`"
        yield Finding("user", "wrong", message)


def _path(client: Client) -> str:
    """What is asked for: the connection's user, where `me` means somebody whom the files name."""
    path, user = client.connector.check_path, client.connection.user
    ends_with_me = path.endswith("/me") and user is not None and _stands_for_me(client.connection)
    return path.removesuffix("me") + encode_segment(user) if ends_with_me else path


def _stands_for_me(connection: Connection) -> bool:
    return connection.user is not None and connection.auth.type == "server_to_server"


def _clock(connector: Connector, theirs: datetime | None, clock: Clock) -> Finding:
    if theirs is None:
        return Finding("clock", "unknown", f"{connector.title} does not tell its time")
    skew = clock.now() - theirs
    if abs(skew) <= SKEW:
        return Finding("clock", "ok", "this machine's clock is right")
    way = "ahead of" if skew > timedelta() else "behind"
    apart = format_duration(timedelta(seconds=round(abs(skew).total_seconds())))
    message = f"this machine's clock is {apart} {way} that of {connector.title}: let it be set by the network (NTP)"
    return Finding("clock", "wrong", message)


def _sign_in(client: Client, error: ApiError | None) -> Finding:
    if error is not None and error.failure is FailureClass.CREDENTIAL:
        return Finding("sign_in", "wrong", str(error))
    if error is not None and error.failure in {FailureClass.RATE, FailureClass.TRANSIENT}:
        return Finding("sign_in", "failed", str(error))
    kind = client.connection.auth.type
    if kind == "none":
        return Finding("sign_in", "ok", "no credentials are sent")
    return Finding("sign_in", "ok", f"the credentials ({kind}) are accepted")


def _scopes(connection: Connection, client: Client, needs: list[Need]) -> Iterator[Finding]:
    needs = [need for need in needs if need.classic or need.granular]
    if not needs:
        return
    try:
        granted = client.granted_scopes()
    except ApiError as error:
        yield Finding("scopes", "wrong" if error.failure.needs_person else "failed", str(error))
        return
    if granted is None:
        yield Finding("scopes", "unknown", "these credentials do not tell their scopes: the first poll shows them")
        return
    person = isinstance(connection.auth, OAuthAuth)
    missing: dict[str, list[str]] = {}
    for need in needs:
        if not need.granted_by(granted):
            missing.setdefault(scope_to_add(need, granted, person=person), []).append(need.who)
    for scope, users in sorted(missing.items()):
        yield _missing(connection, client.connector, scope, tuple(dict.fromkeys(users)))
    if not missing:
        yield Finding("scopes", "ok", "all scopes that the workflows need are granted")


def _missing(connection: Connection, connector: Connector, scope: str, users: tuple[str, ...]) -> Finding:
    place = connector.sign_in.scopes_place if connector.sign_in else None
    where = f"{place}: add {scope}" if place else f"the scope {scope} is not granted: add it"
    again = f", then run: changewire connect {connection.name}" if isinstance(connection.auth, OAuthAuth) else ""
    message = f"{where}{again}; needed by workflow {', '.join(users)}"
    return Finding("scopes", "wrong", message, scope, users)


def _plans(connection: Connection, connector: Connector, needs: list[Need]) -> Iterator[Finding]:
    short: dict[str, list[str]] = {}
    for need in needs:
        if need.plan is not None and not plan_suffices(connector, connection, need):
            short.setdefault(need.plan, []).append(need.who)
    for plan, users in short.items():
        names = tuple(dict.fromkeys(users))
        message = (
            f"plan {connection.plan or connector.default_plan} does not include what needs at least {plan}: workflow "
            f"{', '.join(names)}; leave that out, or write the account's real plan into connections.yaml"
        )
        yield Finding("plan", "wrong", message, None, names)


def _load(home: Home, connection: Connection, clock: Clock) -> Iterator[Finding]:
    loads = [load for load in label_loads(home, clock.now(), connection.name) if load.allowed or load.day_allowed]
    words = [word for load in loads for word in load.too_many]
    for word in words:
        yield Finding("load", "wrong", word)
    if loads and not words:
        yield Finding("load", "ok", "the plan allows what the triggers ask; `changewire plan` shows it")
