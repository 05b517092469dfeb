"""A person signs in to a connection."""

from __future__ import annotations

import os
import sys
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING

import click

from changewire.cli.base import Command, Options, open_store, say
from changewire.cli.completing import complete_connection
from changewire.cli.output import print_json, print_text
from changewire.errors import ApiError, ConfigError, UsageError, nearest

if TYPE_CHECKING:
    from changewire.config.connections import Connection
    from changewire.connectors.sign_in.oauth import DeviceCode
    from changewire.connectors.sign_in.person import SigningIn
    from changewire.connectors.sign_in.token_store import Grant
    from changewire.home.definition import Home

SHOWN = 12  # scopes; an app may have hundreds


@click.command(
    cls=Command,
    short_help="Sign in to a connection, or forget it.",
    examples=[
        ("changewire connect me", "sign in with the browser of this machine"),
        ("changewire connect me --device", "with a code, at any other device"),
        ("changewire connect me --no-browser", "show the address, open nothing"),
        ("changewire connect --forget me", "end the sign-in, here and at the server"),
    ],
)
@click.argument("name", shell_complete=complete_connection)
@click.option("--device", is_flag=True, help="Sign in at another device, with a code.")
@click.option("--no-browser", is_flag=True, help="Show the address and open nothing.")
@click.option("--forget", is_flag=True, help="End the sign-in at the server, and delete it here.")
@click.pass_obj
def connect(options: Options, name: str, device: bool, no_browser: bool, forget: bool) -> int:
    """Sign in to the connection NAME, whose `auth` is of type oauth.

    The tokens are kept encrypted in state/tokens and renewed by themselves. A daemon at work takes them at once, and
    goes on with what waited for them.

    With --json the one line has connection, scopes, expires_at and key (where the key of the tokens is); with --forget
    connection, forgotten and revoked.
    """
    from changewire.clock import SystemClock
    from changewire.connectors.sign_in.person import SigningIn
    from changewire.connectors.sign_in.token_store import TokenStore
    from changewire.home.loading import load_home

    home, clock = load_home(options.find_home()), SystemClock()
    connection = named_connection(home, name)
    tokens = TokenStore.of_home(home.path, clock)
    with closing(SigningIn(connection, tokens, clock, home.settings.http)) as signing_in:
        if forget:
            return _forget(options, signing_in)
        if device or _rather_by_code(signing_in, no_browser):
            grant = signing_in.with_code(_show_code)
        else:
            grant = signing_in.with_browser(lambda url, back: _show_page(url, back, signing_in, no_browser))
    _tell(options, signing_in, grant)
    _let_go_on(home, name)
    return 0


def _let_go_on(home: Home, name: str) -> None:
    """A pause for want of a sign-in is looked at now, not when its time comes."""
    from changewire.clock import SystemClock

    with open_store(home.path, to_write=True) or nullcontext() as store:
        if store is not None:
            store.try_pauses(SystemClock().now(), [name])


def named_connection(home: Home, name: str) -> Connection:
    """The usable connection of that name. Raises ConfigError or UsageError."""
    from changewire.config.connections import load_connections

    if name in home.connections:
        return home.connections[name]
    problems = load_connections(home.path, home.environment)[1].get(name) or [
        problem for problem in home.problems if problem.message.startswith(f"{name}:")
    ]
    if problems:
        raise ConfigError(problems)
    near = nearest(name, home.connections)
    hint = f"did you mean {near!r}?" if near else "add it to config/connections.yaml"
    raise UsageError(f"there is no connection {name!r}: {hint}")


def _rather_by_code(signing_in: SigningIn, no_browser: bool) -> bool:
    """Where no browser opens, a person at the terminal may prefer a code."""
    if not signing_in.by_browser:
        return True
    if no_browser or has_browser() or not signing_in.by_code or not sys.stdin.isatty():
        return False
    return click.confirm("No browser opens on this machine. Sign in with a code, at any other device?", default=True)


def has_browser() -> bool:
    """Whether a browser would open in front of somebody. Those in a text terminal would take it away from us."""
    return bool(
        os.environ.get("BROWSER")
        or os.environ.get("DISPLAY")
        or os.environ.get("WAYLAND_DISPLAY")
        or sys.platform == "darwin"
    )


def _show_page(url: str, back: str, signing_in: SigningIn, no_browser: bool) -> None:
    import webbrowser

    opened = not no_browser and has_browser() and webbrowser.open(url)
    say("a browser opens; should none come, go to this address on this machine:" if opened else "go to this address:")
    say("", f"  {url}", "")
    if not opened:
        port = back.rpartition(":")[2].partition("/")[0]
        say(f"the browser has to be on this machine: it comes back to {back}")
        say(f"(from another one, let `ssh -L {port}:127.0.0.1:{port} …` lead there)")
        if signing_in.by_code:
            say(f"or sign in at any other device: changewire connect {signing_in.connection.name} --device")
    say("waiting for you to agree there; Ctrl-C ends it")


def _show_code(device: DeviceCode) -> None:
    say(f"go to {device.address} on any device, and type this code:", "", f"  {device.user_code}", "")
    if device.whole_address:
        say(f"or go to {device.whole_address}, which has it already")
    say(f"waiting for you to agree there, for {device.lives_s / 60:.0f} minutes; Ctrl-C ends it")


def _tell(options: Options, signing_in: SigningIn, grant: Grant) -> None:
    from changewire.clock import to_text

    name, place = signing_in.connection.name, signing_in.tokens.vault.place
    if options.json:
        expires = to_text(grant.expires_at) if grant.expires_at else None
        scopes = None if grant.scopes is None else list(grant.scopes)
        print_json({"v": 1, "connection": name, "scopes": scopes, "expires_at": expires, "key": place})
        return
    print_text(f"signed in to {signing_in.app.title} as {name!r}")
    if grant.scopes:
        more = f" and {len(grant.scopes) - SHOWN} more" if len(grant.scopes) > SHOWN else ""
        print_text(f"it may: {', '.join(grant.scopes[:SHOWN])}{more}")
    kept = "the keyring" if place == "keyring" else f"{signing_in.tokens.folder}/key, which only you can read"
    renewed = "is renewed by itself" if grant.refresh_token else "ends with its token, which cannot be renewed"
    say(f"the sign-in is kept encrypted (its key: {kept}) and {renewed}")
    say(f"next: `changewire check {name}` looks whether it is enough for your workflows")
    say("a daemon at work goes on by itself with what waited for this; else start one with `changewire run`")


def _forget(options: Options, signing_in: SigningIn) -> int:
    name = signing_in.connection.name
    try:
        revoked = signing_in.forget()
    except ApiError as error:
        if not error.failure.permanent:
            raise
        with signing_in.tokens.renewal(name) as renewal:  # the server knows it no more
            renewal.forget()
        revoked = False
    if options.json:
        print_json({"v": 1, "connection": name, "forgotten": revoked is not None, "revoked": bool(revoked)})
    elif revoked is None:
        print_text(f"nobody was signed in to {name!r}")
    else:
        print_text(f"forgot the sign-in of {name!r}{' and ended it at the server' if revoked else ''}")
        if not revoked:
            say("the server was not told, or knew it no more: end the app's access there where that matters")
    return 0
