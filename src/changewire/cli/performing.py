"""What ``call`` does: an action found, its parameters read, done once, and its output shown."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from changewire.actions.calling import check_inputs, choose_connection, perform
from changewire.actions.checking.advice import RETIRED, outdated
from changewire.actions.context import ActionContext, untold
from changewire.actions.inputs import revealed
from changewire.actions.pages import Reach
from changewire.cli.base import FAILED, Options, make_store, open_clients, say
from changewire.cli.given import Dates, read_given
from changewire.cli.listing import bars, check_place, has_column, list_in, print_rows, write_out
from changewire.cli.output import print_json, print_pretty
from changewire.cli.requests import print_request, request_view
from changewire.cli.spoken import spoken
from changewire.clock import SystemClock
from changewire.config.connections import load_connections
from changewire.config.environment import UnsetError
from changewire.connectors.clients import Clients
from changewire.connectors.definition import connector_names
from changewire.errors import ApiError, ConfigError, FailureClass, UsageError, nearest
from changewire.home.definition import Home
from changewire.home.loading import load_home
from changewire.log import ConsoleLog
from changewire.secret import STARS
from changewire.values import Json, make_id

if TYPE_CHECKING:
    from changewire.actions.definition import ActionType
    from changewire.cli.listing import Row
    from changewire.connectors.client import Client
    from changewire.log import Log
    from changewire.state.records import Raised

LARGEST = 256 << 20  # bytes of JSON that are shown or written
_SIGNS_IN = re.compile("auth|cookie|token|key|secret", re.IGNORECASE)  # names of headers


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

    action: str
    values: tuple[str, ...]
    connection: str | None
    dry_run: bool
    all_pages: bool
    limit: int | None
    columns: str | None
    out: Path | None


def carry_out(options: Options, order: Order) -> int:
    """Do what was ordered and show what came of it; the exit code."""
    home = load_home(options.find_home())
    kind = find_action(home, order.action)
    _refuse_retired(kind)
    written = _written(home, kind, order)
    given = check_inputs(kind, _expanded(home, written))
    chosen = _connection(home, kind, given.get("connection"))
    check_place(order.out)
    clock = SystemClock()
    with open_clients(home, clock) as clients:
        client = None if chosen is None else clients.get(chosen)
        head: dict[str, Json] = {"v": 1, "action": kind.name, "connection": chosen}
        if order.dry_run:
            _show_plan(options, kind, given, client, head)
            return 0
        try:
            with bars(wanted=not options.json or order.out is not None) as told:
                context = _context(home, kind, written, clients, client, order, told)
                output = perform(kind, given, context, largest=LARGEST)
        except ApiError as error:
            say(str(error))
            if error.failure is FailureClass.TRANSIENT:
                say(_what_now(kind, sent=error.sent))
            return error.exit_code
        except KeyboardInterrupt:
            say(*[""] * sys.stderr.isatty(), f"interrupted: {_what_now(kind)}")  # the terminal shows ^C there
            raise
    return _show(options, kind, order, output, head)


def find_action(home: Home, name: str) -> ActionType:
    """The action of that name. Raises UsageError with the nearest one."""
    known = home.catalog.actions
    if name in known:
        return known[name]
    if name in home.catalog.triggers:
        raise UsageError(f"{name} is a trigger type, not an action: `changewire test WORKFLOW` polls it once")
    if name.rstrip(".") in connector_names():
        raise UsageError(f"{name} is an API: `changewire catalog {name.rstrip('.')}` lists what it can do")
    near = known.near(name)
    hint = f"; did you mean {near!r}?" if near else "; `changewire catalog` lists them"
    raise UsageError(f"there is no action {name!r}{hint}")


def _refuse_retired(kind: ActionType) -> None:
    old = outdated(kind)
    if old is not None and old.code == RETIRED:
        raise UsageError(old.message)
    if old is not None:
        say(f"warning: {old.message}")


def _written(home: Home, kind: ActionType, order: Order) -> dict[str, Json]:
    written = read_given(order.values, kind.parameters, _dates(home, kind, order.values))
    if order.connection is not None:
        written["connection"] = order.connection
    if order.all_pages or order.limit is not None:
        if "all_pages" not in kind.parameters:
            option = "--all-pages" if order.all_pages else "--limit"
            raise UsageError(f"{option}: {kind.name} gives no list that comes in pages")
        written["all_pages"] = True
    return written


def _dates(home: Home, kind: ActionType, values: Sequence[str]) -> Dates:
    """How dates in words are read: in the time zone given for them, else the home's, and ahead for what is planned.

    A moment of something planned is told as it was understood.
    """
    now = SystemClock().now()
    given = next((value.partition("=")[2] for value in values if value.startswith("timezone=")), "")
    known = "timezone" in kind.parameters and given in available_timezones()
    zone = ZoneInfo(given if known else home.settings.timezone)
    ahead = kind.operation is not None and kind.operation.method != "GET"

    def read(text: str, what: str) -> str:
        found = spoken(text, what, now, zone, ahead=ahead)
        if ahead and what == "date-time" and found != text:
            say(f"{text!r} is {datetime.fromisoformat(found).astimezone(zone):%A, %Y-%m-%d %H:%M} in {zone.key}")
        return found

    return read


def _expanded(home: Home, written: Mapping[str, Json]) -> dict[str, Json]:
    try:
        expanded: dict[str, Json] = home.environment.expand_data(dict(written), secret=True)
    except UnsetError as error:
        raise UsageError(str(error)) from None
    return expanded


def _connection(home: Home, kind: ActionType, given: Json) -> str | None:
    """The connection to work on; None where none is needed. One that is written, but wrong, raises ConfigError."""
    named = revealed(given)
    if named is not None and named not in home.connections:
        problems = load_connections(home.path, home.environment)[1].get(str(named))
        if problems:
            raise ConfigError(problems)
    return choose_connection(kind, named, None, home.connections, how="add --connection")


def _show_plan(
    options: Options, kind: ActionType, given: Mapping[str, Json], client: Client | None, head: dict[str, Json]
) -> None:
    """What would be sent; ``request`` is None for actions that are code."""
    shown = {name: STARS if kind.parameters[name].secret else _blanked(name, value) for name, value in given.items()}
    request = None if kind.run is not None or client is None else request_view(kind, given, client)
    if options.json:
        print_json({**head, "with": shown, "request": request})
    elif request is None:
        print_pretty({"with": shown, "request": None})
    else:
        print_request(request)
    say("nothing was sent")


def _blanked(name: str, value: Json) -> Json:
    """Headers without what signs in, which may have been typed as it is."""
    if name != "headers" or not isinstance(value, dict):
        return value
    return {key: STARS if _SIGNS_IN.search(key) else one for key, one in value.items()}


def _context(
    home: Home,
    kind: ActionType,
    written: Mapping[str, Json],
    clients: Clients,
    client: Client | None,
    order: Order,
    told: Any,
) -> ActionContext:
    clock = SystemClock()
    log = ConsoleLog(clock, stream=sys.stderr)
    listed = None if told is None else lambda done, total: told(kind.name, done, total)
    return ActionContext(
        home=home.path,
        client=client,
        clients=clients,
        clock=clock,
        deadline=clock.monotonic() + kind.spec.timeout.total_seconds() * (10 if order.all_pages else 1),
        idempotency_key=make_id("key", uuid.uuid4().hex),
        log=log,
        settings=home.settings,
        written=written,
        environment=home.environment,
        reach=Reach(limit=order.limit, progress=listed),
        look_first=False,
        feed=lambda raised: _feed(home, raised, log),
        progress=told or untold,
    )


def _what_now(kind: ActionType, *, sent: bool = True) -> str:
    """What a person should do whose call came to no answer; ``sent``: it may have been done."""
    if not sent or kind.spec.idempotency in ("pure", "natural"):
        return "give the same command again"
    return f"whether {kind.name} was done is not known, so look before you do it again"


def _show(options: Options, kind: ActionType, order: Order, output: Json, head: dict[str, Json]) -> int:
    """Print the output or write it; the exit code. The action is done by now, so its output is never withheld."""
    rows = list_in(output, kind.spec.items)
    columns = [name.strip() for name in (order.columns or "").split(",") if name.strip()]
    _say_unknown(columns, rows)
    if order.out is not None:
        try:
            _write(order.out, output, rows, columns)
        except (UsageError, OSError) as error:
            print_json({**head, "output": output}) if options.json else print_pretty(output)
            why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else error
            say(f"{kind.name} is done and its output printed, but {order.out} was not written: {why}")
            return FAILED
    elif options.json:
        print_json({**head, "output": output})
    elif rows:
        print_rows(rows, columns)
    elif rows is not None and kind.spec.items is not None:
        say("nothing there")
    elif output is not None:
        print_pretty(output)
    else:
        say("done")
    _say_rest(kind, order, rows, output)
    return 0


def _write(path: Path, output: Json, rows: Sequence[Row] | None, columns: Sequence[str]) -> None:
    size = write_out(path, output, rows, columns)
    say(f"{path}: {size:,} bytes" + (f", {len(rows):,} records" if rows is not None else ""))


def _say_unknown(columns: Sequence[str], rows: Sequence[Row] | None) -> None:
    """Columns that would be empty from top to bottom are mostly misspelt."""
    if columns and rows is None:
        say("--columns: this output is no list of records")
    for name in columns if rows else ():
        if not has_column(rows or (), name):
            near = nearest(name, {field for row in rows or () for field in row})
            say(f"--columns: no record has {name!r}" + (f"; did you mean {near!r}?" if near else ""))


def _say_rest(kind: ActionType, order: Order, rows: Sequence[Row] | None, output: Json) -> None:
    """Whether that was all."""
    if not rows or not isinstance(output, dict) or "all_pages" not in kind.parameters:
        return
    token = next((output[name] for name in ("next_page_token", "nextPageToken") if output.get(name)), "")
    total = output.get("total_records", output.get("totalResults"))
    if token:
        say(f"{len(rows):,} shown, and there are more: --all-pages or --limit N reads on")
    elif order.all_pages and order.limit is None and isinstance(total, int) and total > len(rows):
        say(
            f"{len(rows):,} were read, and the API speaks of {total:,}: the list may have changed while it was read; "
            "the same command again reads it anew"
        )


def _feed(home: Home, raised: Raised, log: Log) -> list[str]:
    """Store what is raised by hand; a daemon that is at work takes up the runs."""
    from changewire.clock import SystemClock
    from changewire.engine.feeding import Feeder

    clock = SystemClock()
    with closing(make_store(home.path)) as store:
        store.save_versions({file.version: file.text for file in home.workflows.values()})
        return Feeder(lambda: home, store, clock, log).feed(raised)
