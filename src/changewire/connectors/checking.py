"""Connections held against the connectors that they are for: what could never work is told before anything is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from changewire.config.connections import FILE, Connection, OAuthAuth
from changewire.config.wording import one_of
from changewire.config.yaml_files import read_yaml
from changewire.connectors.definition import connector_names, load_connector
from changewire.errors import Problem, nearest


def unfit_connections(home: Path, connections: Mapping[str, Connection]) -> dict[str, list[Problem]]:
    """The problems of each connection that its connector cannot use; the others are left out.

    An unknown connector, a plan that it does not know, a way to sign in that it does not have.
    """
    wrong = {name: found for name, one in connections.items() if (found := list(_wrong(one)))}
    if not wrong:
        return {}
    document = read_yaml(home / FILE, FILE)
    return {
        name: [document.problem((name, *at), code, message, near) for at, code, message, near in found]
        for name, found in wrong.items()
    }


def _wrong(connection: Connection) -> Iterator[tuple[tuple[str, ...], str, str, str | None]]:
    known = [name for name in connector_names() if name != "core"]  # which needs no account
    if connection.connector not in known:
        message = f"there is no connector {connection.connector!r}: write {one_of(known)}"
        yield ("connector",), "unknown_connector", message, nearest(connection.connector, known)
        return
    connector, plan, auth = load_connector(connection.connector), connection.plan, connection.auth.type
    if plan is not None and connector.rates and plan not in connector.rates:
        plans = list(connector.rates)
        yield (
            ("plan",),
            "wrong_value",
            f"{connector.title} has no plan {plan!r}: write {one_of(plans)}",
            nearest(plan, plans),
        )
    if auth not in connector.auth_types:
        ways = one_of(list(connector.auth_types))
        yield ("auth", "type"), "wrong_value", f"{connector.title} has no sign-in {auth!r}: write type: {ways}", None
    elif isinstance(connection.auth, OAuthAuth) and connector.sign_in is None:
        yield from _unknown_places(connection.auth)


def _unknown_places(auth: OAuthAuth) -> Iterator[tuple[tuple[str, ...], str, str, str | None]]:
    if auth.token_url is None:
        yield ("auth",), "missing", "nobody knows where tokens come from: write token_url", None
    if auth.authorize_url is None and auth.device_url is None:
        message = "nobody knows where a person signs in: write authorize_url, device_url or both"
        yield ("auth",), "missing", message, None
