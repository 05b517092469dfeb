"""Commands that say whether accounts are enough: one by asking them, one by arithmetic alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from changewire.cli.base import FAILED, NEEDS_PERSON, Command, Options, open_clients, say
from changewire.cli.completing import complete_connection
from changewire.cli.output import local, print_json, print_table, print_text
from changewire.config.environment import EXPOSED
from changewire.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from changewire.config.connections import Connection
    from changewire.home.definition import Home
    from changewire.planning.checks import Finding
    from changewire.planning.loads import LabelLoad, TriggerLoad

MARKS = {"ok": "ok", "wrong": "WRONG", "failed": "FAILED", "unknown": "?"}


@click.command(
    cls=Command,
    short_help="Ask whether connections work and are enough.",
    examples=[
        ("changewire check", "all connections"),
        ("changewire check work", "one of them"),
        ("changewire check --json | jq -c '.findings[] | select(.state != \"ok\")'", "what is not well"),
    ],
)
@click.argument("connection", required=False, shell_complete=complete_connection)
@click.pass_obj
def check(options: Options, connection: str | None) -> int:
    """Ask each connection, or only CONNECTION, whether it works and is enough for the workflows that use it.

    Looked at are: whether the API can be reached, this machine's clock, the credentials, the scopes that triggers and
    steps need, the plan that they need, and the requests that all triggers add up to. Nothing is changed.

    Exit code 3 where a person must mend something, 1 where something could not be looked at. With --json each line is
    one connection with its findings (what, state, message, add, needed_by).
    """
    from changewire.clock import SystemClock
    from changewire.home.loading import load_home

    home, clock = load_home(options.find_home()), SystemClock()
    chosen = _chosen(home, connection)
    for warning in home.warnings:
        if warning.code == EXPOSED:
            say(f"warning: {warning}")
    states: set[str] = set()
    with open_clients(home, clock) as clients:
        for one in chosen:
            found = _check(home, one, clients, clock)
            states |= {finding.state for finding in found}
            _show_findings(options, one, found)
    _tell_unread(home)
    return NEEDS_PERSON if "wrong" in states else FAILED if "failed" in states else 0


def _chosen(home: Home, name: str | None) -> list[Connection]:
    from changewire.cli.connecting import named_connection

    if name is not None:
        return [named_connection(home, name)]
    if not home.connections:
        raise UsageError(
            "there is no connection that can be used: write one into config/connections.yaml, "
            "or mend what `changewire validate` tells of those there"
        )
    return list(home.connections.values())


def _check(home: Home, one: Connection, clients: Any, clock: Any) -> list[Finding]:
    from changewire.planning.checks import check_connection

    return check_connection(home, one, clients.get(one.name), clock)


def _tell_unread(home: Home) -> None:
    if home.broken:
        names = ", ".join(broken.name for broken in home.broken)
        say(f"not looked at, since they cannot be used: {names}; `changewire validate` tells why")


def _show_findings(options: Options, one: Connection, found: list[Finding]) -> None:
    if options.json:
        findings = [
            {"what": f.what, "state": f.state, "message": f.message, "add": f.add, "needed_by": list(f.needed_by)}
            for f in found
        ]
        well = all(finding.state in ("ok", "unknown") for finding in found)
        print_json({"v": 1, "connection": one.name, "connector": one.connector, "ok": well, "findings": findings})
        return
    print_text(f"{one.name} ({one.connector})")
    for finding in found:
        print_text(f"  {MARKS[finding.state]:<7} {finding.what:<10} {finding.message}")


@click.command(
    cls=Command,
    short_help="Show what all triggers will ask, and what the plans allow.",
    examples=[
        ("changewire plan", "each trigger, and the sum by connection and label"),
        ("changewire plan --json", "the same for programs"),
    ],
)
@click.pass_obj
def plan(options: Options) -> int:
    """Show when each trigger is due, and how many requests all of them add up to. Nothing is asked.

    Counted are the requests that are certain: first pages, and nothing that depends on what is found. The worst second
    (or minute, where the API counts minutes) follows from the schedules, and is the fullest one of a whole day.

    Exit code 3 where a plan allows less. With --json a line for each trigger (trigger, type, connection, next_due,
    requests, per_day, shares_with), then one for each connection and label.
    """
    from changewire.clock import SystemClock
    from changewire.home.loading import load_home
    from changewire.planning.loads import label_loads, trigger_loads

    home, now = load_home(options.find_home()), SystemClock().now()
    triggers, labels = trigger_loads(home, now), label_loads(home, now)
    if options.json:
        for line in (*map(_trigger_view, triggers), *map(_label_view, labels)):
            print_json(line)
    else:
        _show_triggers(triggers, now)
        _show_labels(labels, now)
    _tell_unread(home)
    words = [f"{load.connection}: {word}" for load in labels for word in load.too_many]
    for word in words:
        say(word)
    return NEEDS_PERSON if words else 0


def _trigger_view(load: TriggerLoad) -> dict[str, Any]:
    from changewire.clock import to_text

    return {
        "v": 1,
        "trigger": load.trigger,
        "type": load.type,
        "connection": load.connection,
        "next_due": to_text(load.next_due),
        "requests": load.requests,
        "per_day": load.per_day,
        "shares_with": load.shares_with,
    }


def _label_view(load: LabelLoad) -> dict[str, Any]:
    from changewire.clock import to_text

    at = load.peak.begins_at
    return {
        "v": 1,
        "connection": load.connection,
        "label": load.label,
        "plan": load.plan,
        "triggers": load.triggers,
        "peak": load.peak.requests,
        "peak_at": None if at is None else to_text(at),
        "peak_s": load.span_s,
        "peak_allowed": load.allowed,
        "day": load.day,
        "pool_day": load.pool_day,
        "day_allowed": load.day_allowed,
        "enough": not load.too_many,
        "slow_down": list(load.slow_down),
    }


def _show_triggers(loads: list[TriggerLoad], now: datetime) -> None:
    if not loads:
        say("no trigger is polled here")
        return
    rows = [
        (
            load.trigger,
            load.connection,
            local(load.next_due, now),
            _counts(load.requests),
            _counts(load.per_day),
            load.shares_with and f"as {load.shares_with}",
        )
        for load in loads
    ]
    columns = ("trigger", "connection", "next", "a poll", "a day", "shared")
    print_table(columns, rows, whole=("trigger", "next"), spare=("shared",))
    print_text("")


def _show_labels(loads: list[LabelLoad], now: datetime) -> None:
    rows = []
    for load in loads:
        span = "second" if load.span_s == 1 else "minute"
        allowed = "no limit" if load.allowed is None else f"of {load.allowed}"
        day = "no limit" if load.day_allowed is None else f"of {load.day_allowed:,}"
        worst = f"{load.peak.requests} a {span} {allowed}"
        verdict = "too many" if load.too_many else "enough"
        plan_name = load.plan
        rows.append((load.connection, plan_name, load.label or None, worst, f"{load.pool_day:,} {day}", verdict))
    if rows:
        print_table(("connection", "plan", "label", "at worst", "a day", ""), rows)


def _counts(requests: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {label}".rstrip() for label, count in requests.items())
