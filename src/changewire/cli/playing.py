"""Commands that need no account: the Zoom stand-in, and the demo on it."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import click

from changewire.cli.base import Command, Options, say
from changewire.cli.output import print_json, print_text, to_yaml
from changewire.cli.signals import caught_signals, next_message
from changewire.errors import ChangewireError
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.sandbox import Sandbox


@click.command(
    cls=Command,
    short_help="Show everything at work; no account needed.",
    examples=[
        ("changewire demo", "watch eleven kinds of change being noticed"),
        ("changewire demo --json", "the same as JSON lines"),
    ],
)
@click.pass_obj
def demo(options: Options) -> int:
    """Show everything at work on this machine: a stand-in for Zoom, and a daemon that reacts to it.

    No account and no network is needed, and nothing of a home is touched.
    """
    from changewire.demo import run_demo

    return run_demo(options.json)


@click.command(
    cls=Command,
    short_help="Serve a stand-in for the Zoom API.",
    examples=[
        ("changewire sandbox", "a Zoom account on http://127.0.0.1:8750"),
        ("changewire sandbox --port 0 --plan free", "on any free port, with the limits of the free plan"),
        (
            'curl -d \'{"user_id": "dana.host@example.com", "topic": "Hello"}\' URL/sandbox/create_meeting',
            "change something in it (URL as printed)",
        ),
    ],
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8750, show_default=True, help="Where it listens. 0: any free port."
)
@click.option(
    "--plan",
    type=click.Choice(("free", "pro", "business")),
    default="business",
    show_default=True,
    help="The plan of its account: what it may do, and how much.",
)
@click.option("--populate/--empty", default=True, help="Begin with users, meetings, recordings; or with nothing.")
@click.pass_obj
def sandbox(options: Options, port: int, plan: str, populate: bool) -> int:
    """Serve a stand-in for the Zoom API on this machine until Ctrl-C.

    The address and a connection to paste into config/connections.yaml are printed. With --json the one line has url
    and connection.
    """
    served = _opened(port, plan, populate)
    told = connection(served.url, plan)
    with caught_signals() as incoming, served:
        if options.json:
            print_json({"v": 1, "url": served.url, "connection": told})
        else:
            print_text(served.url, "", *to_yaml({"sandbox": told}).splitlines())
        say("", f"serving until Ctrl-C; paste this into config/connections.yaml; {served.url}/sandbox tells more")
        next_message(incoming)
    return 0


def connection(url: str, plan: str) -> dict[str, Json]:
    """A connection to a sandbox, as it stands below its name."""
    from changewire.sandbox import ACCOUNT_ID, CLIENT_ID, CLIENT_SECRET, OWNER_EMAIL

    auth = {
        "type": "server_to_server",
        "account_id": ACCOUNT_ID,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    return {"connector": "zoom", "plan": plan, "base_url": url, "user": OWNER_EMAIL, "auth": auth}


def _opened(port: int, plan: str, populate: bool) -> Sandbox:
    from changewire.sandbox import Sandbox

    try:
        return Sandbox(port, plan=plan, populate=populate)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} is in use: choose another one with --port, or any free one with --port 0"
        else:
            message = (
                f"port {port} cannot be opened: {(error.strerror or str(error)).lower()}; choose another with --port"
            )
        raise ChangewireError(message) from None
