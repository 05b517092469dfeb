"""Any action by hand."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from changewire.cli.base import Command, Options, database_of, say
from changewire.cli.output import print_json, print_pretty
from changewire.errors import ConfigError, UsageError, nearest
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.connectors.client import Client, Clients
    from changewire.home import Home
    from changewire.log import Log
    from changewire.state.records import Raised


@click.command(
    cls=Command,
    examples=[
        ("changewire call zoom.get_meeting meeting_id=85746065432", "one meeting"),
        ("changewire call zoom.list_meetings type=upcoming --json | jq .output", "for programs"),
        ('changewire call http.request url=https://example.com \'headers={"X": "1"}\'', "values may be JSON"),
        ("changewire call zoom.get_meeting meeting_id=1 --dry-run", "show the request, send nothing"),
    ],
)
@click.argument("action")
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--connection", metavar="NAME", help="The connection to use; needed where several fit.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.pass_obj
def call(options: Options, action: str, values: Sequence[str], connection: str | None, dry_run: bool) -> int:
    """Do ACTION once and print its output. `changewire catalog` lists actions and their parameters.

    A value is read as in a workflow: 3 is a number, true is true, 0123 and everything else is text; lists and mappings
    are JSON. ${NAME} takes a variable, as in files.

    With --json the one line has action, connection and output; with --dry-run action, connection, with and request.
    """
    from changewire.actions.calling import check_inputs
    from changewire.clock import SystemClock
    from changewire.connectors.client import Clients
    from changewire.connectors.token_store import TokenStore
    from changewire.home import load_home

    home = load_home(options.find_home())
    kind = _action(home, action)
    written = parse_values(values) | ({} if connection is None else {"connection": connection})
    given = check_inputs(kind, _expanded(home, written))
    chosen = _connection(home, kind, given.get("connection"))
    clock = SystemClock()
    tokens = TokenStore.of_home(home.path, clock)
    with closing(Clients(home.connections, clock, home.settings, tokens)) as clients:
        client = None if chosen is None else clients.get(chosen)
        head: dict[str, Json] = {"v": 1, "action": kind.name, "connection": chosen}
        if dry_run:
            head |= _plan(kind, given, client)
            say("nothing was sent")
        else:
            head["output"] = _perform(home, kind, given, written, client, clients)
    if options.json:
        print_json(head)
    else:
        print_pretty({"with": head["with"], "request": head["request"]} if dry_run else head["output"])
    return 0


def parse_values(words: Sequence[str]) -> dict[str, Json]:
    """``name=value`` words as parameters. Raises UsageError.

    >>> parse_values(["a=3", "b=0123", "c=true", 'd=["x"]', "e=x: y"])
    {'a': 3, 'b': '0123', 'c': True, 'd': ['x'], 'e': 'x: y'}
    """
    found: dict[str, Json] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name:
            raise UsageError(f"{word!r} is not NAME=VALUE")
        if name in found:
            raise UsageError(f"{name} is given twice")
        found[name] = _value(name, text)
    return found


def _value(name: str, text: str) -> Json:
    from changewire.config.yaml_reader import load

    structured = text[:1] in ("{", "[", '"') and not text.startswith("{{")
    try:
        value = load(text, name)
    except ConfigError as error:
        if structured:
            raise UsageError(f"{name}: {text!r} is no JSON: {error.problems[0].message}") from None
        return text
    plain = text.strip() and not text.startswith("#") and not isinstance(value, dict | list | str)
    return value if structured or plain else text


def _expanded(home: Home, written: Mapping[str, Json]) -> dict[str, Json]:
    from changewire.config.environment import UnsetError

    try:
        expanded: dict[str, Json] = home.environment.expand_data(dict(written), secret=True)
    except UnsetError as error:
        raise UsageError(str(error)) from None
    return expanded


def _action(home: Home, name: str) -> ActionType:
    known = home.catalog.actions
    if name in known:
        return known[name]
    if name in home.catalog.triggers:
        raise UsageError(f"{name} is a trigger type, not an action: `changewire test WORKFLOW` polls it once")
    near = nearest(name, known)
    hint = f"; did you mean {near!r}?" if near else "; `changewire catalog` lists them"
    raise UsageError(f"there is no action {name!r}{hint}")


def _connection(home: Home, kind: ActionType, given: Json) -> str | None:
    """The connection to work on; None where none is needed. One that is written, but wrong, raises ConfigError."""
    from changewire.actions.calling import choose_connection
    from changewire.actions.inputs import revealed
    from changewire.config.connections import load_connections

    named = revealed(given)
    if named is not None and named not in home.connections:
        problems = load_connections(home.path, home.environment)[1].get(str(named))
        if problems:
            raise ConfigError(problems)
    return choose_connection(kind, named, None, home.connections)


def _plan(kind: ActionType, given: Mapping[str, Json], client: Client | None) -> dict[str, Json]:
    """What would be sent; ``request`` is None for actions that are code."""
    from changewire.actions.sending import build_request
    from changewire.values import loads

    shown = {name: "***" if kind.parameters[name].secret else value for name, value in given.items()}
    if kind.run is not None or client is None:
        return {"with": shown, "request": None}
    request = build_request(kind, given, user=client.connection.user)
    base = client.connection.base_url or client.connector.base_url or ""
    body = None if request.body is None else loads(request.body)
    url = f"{base}{client.connector.api_prefix}{request.path}"
    asked = {"method": request.method, "url": url, "query": dict(request.query), "body": body}
    return {"with": shown, "request": asked}


def _perform(
    home: Home,
    kind: ActionType,
    given: Mapping[str, Json],
    written: Mapping[str, Json],
    client: Client | None,
    clients: Clients,
) -> Json:
    from changewire.actions.calling import perform
    from changewire.actions.context import ActionContext
    from changewire.clock import SystemClock
    from changewire.log import ConsoleLog
    from changewire.values import make_id

    clock = SystemClock()
    log = ConsoleLog(clock, stream=sys.stderr)
    context = ActionContext(
        home=home.path,
        client=client,
        clients=clients,
        clock=clock,
        deadline=clock.monotonic() + kind.spec.timeout.total_seconds(),
        idempotency_key=make_id("key", uuid.uuid4().hex),
        log=log,
        settings=home.settings,
        written=written,
        feed=lambda raised: _feed(home, raised, log),
    )
    return perform(kind, given, context)


def _feed(home: Home, raised: Raised, log: Log) -> list[str]:
    """Store what is raised by hand; a daemon that is at work takes up the runs."""
    from changewire.clock import SystemClock
    from changewire.feeding import Feeder
    from changewire.state.store import SqliteStore

    clock = SystemClock()
    store = SqliteStore(database_of(home.path), clock=clock)
    store.open(take_over=False)
    with closing(store):
        store.save_versions({file.version: file.text for file in home.workflows.values()})
        return Feeder(lambda: home, store, clock, log).feed(raised)
