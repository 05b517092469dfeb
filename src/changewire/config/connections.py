"""``config/connections.yaml``: the accounts that triggers and actions work with."""

from __future__ import annotations

import ipaddress
import os
import re
import urllib.parse
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from changewire.config.environment import Environment
from changewire.config.error_rules import ErrorRules
from changewire.config.fields import Interval, Strict, Text, Whole, refused
from changewire.config.yaml_files import Document, check, read_yaml
from changewire.errors import ConfigError, Problem
from changewire.secret import Secret

FILE = "config/connections.yaml"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _secret(value: Any) -> Secret:
    if not isinstance(value, str):
        raise refused("a secret must be text: write it in quotes, or as ${NAME}", code="wrong_type")
    if not value.strip():
        raise refused("this secret is empty")
    return Secret(value)


def _address(value: str) -> str:
    try:
        parts = urllib.parse.urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"\s", value):
        raise refused("this is not an address: write it like https://api.example.com/v1")
    if parts.username is not None or parts.password is not None:
        raise refused("credentials do not belong into an address: write them under 'auth'")
    if parts.query or parts.fragment:
        raise refused("an address ends before ? and #: queries belong to triggers and actions")
    return value.rstrip("/")


def _endpoint(value: str) -> str:
    parts = urllib.parse.urlsplit(_address(value))
    if parts.scheme != "https" and not _is_this_machine(parts.hostname or ""):
        raise refused("credentials are sent there, so it must begin with https://")
    return value


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _words(value: Any) -> Any:
    return value.split() if isinstance(value, str) else value


SecretText = Annotated[Secret, PlainValidator(_secret), WithJsonSchema({"type": "string"})]
Address = Annotated[Text, AfterValidator(_address)]
Endpoint = Annotated[Text, AfterValidator(_endpoint)]  # credentials are sent there
ScopeNames = Annotated[tuple[Text, ...], BeforeValidator(_words)]


class _Auth(Strict):
    model_config = ConfigDict(arbitrary_types_allowed=True)


class NoAuth(_Auth):
    """An API that asks for nothing."""

    type: Literal["none"] = "none"


class ServerToServerAuth(_Auth):
    """Zoom's account credentials, exchanged for tokens of an hour."""

    type: Literal["server_to_server"]
    account_id: Text
    client_id: Text
    client_secret: SecretText


class OAuthAuth(_Auth):
    """A person signs in once, with ``changewire connect``; the tokens are kept and renewed."""

    type: Literal["oauth"]
    client_id: Text
    client_secret: SecretText | None = None  # None: a public app, known by its id and by PKCE alone
    scopes: ScopeNames = ()  # to ask for; empty: those of the app
    authorize_url: Endpoint | None = None  # this and the next three, None: the connector's own
    token_url: Endpoint | None = None
    device_url: Endpoint | None = None
    revoke_url: Endpoint | None = None
    redirect_port: Annotated[Whole, Field(ge=1, le=65535)] | None = None  # None: the connector's, else any free one


class ClientCredentialsAuth(_Auth):
    """The app signs in as itself, without any person."""

    type: Literal["client_credentials"]
    token_url: Endpoint
    client_id: Text
    client_secret: SecretText
    scopes: ScopeNames = ()
    audience: Text | None = None  # which API the token is for, where the server wants to know


class BearerAuth(_Auth):
    """A token that is sent as it is."""

    type: Literal["bearer"]
    token: SecretText


class BasicAuth(_Auth):
    """User name and password with each request."""

    type: Literal["basic"]
    username: Text
    password: SecretText


class ApiKeyAuth(_Auth):
    """A key in a header or in the query of each request."""

    type: Literal["api_key"]
    name: Text  # of the header or query parameter
    value: SecretText
    in_: Literal["header", "query"] = Field("header", validation_alias="in")


Auth = Annotated[
    NoAuth | ServerToServerAuth | OAuthAuth | ClientCredentialsAuth | BearerAuth | BasicAuth | ApiKeyAuth,
    Field(discriminator="type"),
]


class ConnectionEntry(Strict):
    """A connection as it is written, below its name."""

    connector: Text
    plan: Text | None = None  # None: the connector's default plan
    share: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the account's request budget
    base_url: Address | None = None  # without a slash at the end; None: the connector's own
    user: Text | None = None  # what `me` means where the API cannot tell; None: ask the API
    auth: Auth = NoAuth()
    timeout: Interval | None = None  # None: http.timeout of the settings
    allow_private: bool = False  # whether addresses that come from data may be in private networks
    error_when: ErrorRules = ()  # good answers that are errors all the same


class Connection(ConnectionEntry):
    """One account at a connector."""

    name: str


def load_connections(
    home: Path, environment: Environment
) -> tuple[dict[str, Connection], dict[str, list[Problem]], list[Problem]]:
    """The connections by name, the problems of each broken one, and all problems of the file together.

    A file that is not there has no connections. Nothing is raised: what is broken is told in the problems.
    """
    path = home / FILE
    if not os.path.lexists(path):
        return {}, {}, []
    try:
        document = read_yaml(path, FILE)
    except ConfigError as error:
        return {}, {}, list(error.problems)
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        message = "connections are a mapping: a name, a colon, and what belongs to it indented below"
        return {}, {}, [document.problem((), "wrong_type", message)]
    good: dict[str, Connection] = {}
    broken: dict[str, list[Problem]] = {}
    for name in data:
        try:
            good[name] = _connection(document, name, environment)
        except ConfigError as error:
            broken[name] = list(error.problems)
    return good, broken, [problem for problems in broken.values() for problem in problems]


def _connection(document: Document, name: str, environment: Environment) -> Connection:
    if not _NAME.fullmatch(name):
        message = f"{name!r} cannot name a connection: use letters, digits, '_', '-' and '.'"
        raise ConfigError([document.problem([name], "wrong_value", message, key=True)])
    data = document.data[name]
    problems = [
        document.problem([name, *at], "unset", str(error), error.suggestion) for at, error in environment.unset(data)
    ]
    if problems:
        raise ConfigError(problems)
    entry = check(document, ConnectionEntry, [name], environment.expand_data(data, secret=False))
    return Connection.model_construct(name=name, **dict(entry))
