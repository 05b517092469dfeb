"""What every command shares: options that may stand before or after its name, help with examples, errors in words."""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from changewire.errors import ChangewireError, StateError, nearest
from changewire.secret import mask_message
from changewire.values import one_line

if TYPE_CHECKING:
    from changewire.clock import Clock
    from changewire.connectors.clients import Clients
    from changewire.home.definition import Home
    from changewire.state.store import SqliteStore

PATIENCE_S = 90.0  # a command waits until the longest short limit, a minute, is free again
SHORT_WAIT_S = 1.0  # waits below are not mentioned
SAY_AGAIN_S = 15.0
FAILED, WRONG_USE, NEEDS_PERSON, INTERRUPTED = 1, 2, 3, 130
_SIDE_BY_SIDE = 42  # characters of the longest line to type that leaves room beside it
F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Options:
    """What was said before or after the command's name."""

    home: str | None = None  # --home; None: CHANGEWIRE_HOME or the working folder decide
    json: bool = False
    debug: bool = False

    def find_home(self) -> Path:
        """The home to work in, whose secrets are masked from now on. Raises UsageError that says what to do."""
        from changewire.config.home_folder import find_home
        from changewire.config.secrets import learn_secrets

        home = find_home(Path.cwd(), self.home, os.environ)
        learn_secrets(home)
        return home


def say(*lines: str) -> None:
    """Write ``lines`` to stderr, secrets masked and nothing in them that steers a terminal.

    Each is one line: a line break inside of it, as in the words of an API, is shown as ``\\n``.
    """
    click.echo("\n".join(one_line(mask_message(line)) for line in lines), err=True)


def database_of(home: Path) -> Path:
    """Where a home keeps its database."""
    return home / "state" / "changewire.db"


def open_store(home: Path, *, to_write: bool = False) -> SqliteStore | None:
    """The store, beside a daemon that may work with it; None where there is no database yet.

    Raises StateError, also if a daemon works in the home and its database is gone. Without ``to_write`` nothing is
    written, so that a home on a read-only disk can be looked at.
    """
    from changewire.clock import SystemClock
    from changewire.state.database import not_readable
    from changewire.state.store import SqliteStore

    path = database_of(home)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        refuse_removed(home)
        return None
    except PermissionError:  # of the folder, which belongs to another user
        raise StateError(not_readable(path)) from None
    store = SqliteStore(path, clock=SystemClock())
    if to_write:
        store.open(take_over=False)
    else:
        store.open_to_read()
    return store


def refuse_removed(home: Path) -> None:
    """Raise StateError if a daemon works in a home without a database: it was removed or moved meanwhile."""
    from changewire.state.lock import LOCK, holder

    path, process = database_of(home), holder(home / LOCK)
    if process is not None and not path.exists():
        raise StateError(
            f"The database {path} is gone, while a daemon (process {process}) works in this home: end it, put the "
            "database back or a backup in its place, and start it again."
        )


def make_store(home: Path) -> SqliteStore:
    """The store, opened to write; made where there is none. Raises StateError."""
    from changewire.clock import SystemClock
    from changewire.state.store import SqliteStore

    store = open_store(home, to_write=True)
    if store is None:
        store = SqliteStore(database_of(home), clock=SystemClock())
        store.open(take_over=False)
    return store


@contextmanager
def open_clients(home: Home, clock: Clock) -> Iterator[Clients]:
    """The clients of a home, which share the request budget with the daemon and other commands, and wait for it."""
    from changewire.connectors.client import Patience
    from changewire.connectors.clients import Clients
    from changewire.connectors.sign_in.token_store import TokenStore
    from changewire.state.budgets import FILE, SqliteBudgetStore

    tokens, patience = TokenStore.of_home(home.path, clock), Patience(PATIENCE_S, WaitNotice(clock))
    with (
        closing(SqliteBudgetStore(home.path / FILE, clock, lambda why: say(f"warning: {why}"))) as budgets,
        closing(Clients(home.connections, clock, home.settings, tokens, budgets, patience)) as clients,
    ):
        yield clients


class WaitNotice:
    """Says on stderr that a request waits for the budget, also where stderr is no terminal; not for short waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._next = clock, 0.0

    def __call__(self, connection: str, wait_s: float) -> None:
        """Say that a request of ``connection`` waits for ``wait_s`` seconds."""
        now = self._clock.monotonic()
        if wait_s >= SHORT_WAIT_S and now >= self._next:
            self._next = now + SAY_AGAIN_S
            say(f"waiting {ceil(wait_s)} s for the request budget of connection {connection!r}")


def _shared_options() -> list[click.Option]:
    def put(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Options), str(parameter.name), value)

    home = "The home to work in. Default: CHANGEWIRE_HOME, else the nearest folder upwards that is a home."
    debug = "Show where in the program an error came from."
    return [
        click.Option(["--home"], metavar="DIR", help=home, expose_value=False, callback=put),
        click.Option(["--json"], is_flag=True, help="One JSON object a line.", expose_value=False, callback=put),
        click.Option(["--debug"], is_flag=True, help=debug, expose_value=False, callback=put),
    ]


class Command(click.Command):
    """A command with the shared options, and examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.params += _shared_options()
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples: each a line to type and what it does."""
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[tuple[str, str]]) -> None:
    """The section ``Examples`` of a help text: side by side, or below each other where a line to type is long."""
    with formatter.section("Examples"):
        if all(len(line) <= _SIDE_BY_SIDE for line, _ in examples):
            formatter.write_dl(examples, col_max=_SIDE_BY_SIDE)
            return
        for line, what in examples:
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")
            with formatter.indentation():
                formatter.write_text(what)


class Root(click.Group):
    """The program: knows the nearest word to a wrong one, and tells every error in a sentence."""

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]] = (), **more: Any) -> None:
        super().__init__(*args, **more)
        self.params += _shared_options()
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples and exit codes."""
        write_examples(formatter, self.examples)
        with formatter.section("Exit codes"):
            formatter.write_dl(
                [
                    ("0", "done"),
                    ("1", "failed"),
                    ("2", "used wrongly"),
                    ("3", "something needs a person (see `changewire status --help`)"),
                    ("130", "interrupted with Ctrl-C"),
                ]
            )

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one needs them."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was named. Raises UsageError with the nearest one."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            near = nearest(args[0], self.commands)
            hint = f"did you mean {near!r}?" if near else f"known are {', '.join(sorted(self.commands))}"
            raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **more: Any) -> NoReturn:  # type: ignore[override]
        """Run and exit with the code that the command came to. Nothing but SystemExit leaves."""
        options = Options()
        more["standalone_mode"] = False
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # a terminal that knows no arrows is no reason to fail
        try:
            code = super().main(args, prog_name or "changewire", obj=options, **more)
            sys.stdout.flush()
        except BaseException as error:
            if options.debug and isinstance(error, Exception):
                say(*"".join(traceback.format_exception(error)).splitlines())
            code = tell(error)
        sys.exit(code if isinstance(code, int) else 0)


def tell(error: BaseException) -> int:
    """Say what went wrong in words, and give the exit code for it."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return _reader_is_gone()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    elif isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "changewire"
        say(f"{_sentence(error)} (`{path} --help` tells how it is used)")
    elif isinstance(error, click.ClickException):
        say(_sentence(error))
    elif isinstance(error, ChangewireError):
        say(*error.lines)
        return error.exit_code
    elif isinstance(error, OSError):
        say(f"{error.filename or 'the output'}: {(error.strerror or str(error)).lower()}")
    else:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        say(f"a fault in Changewire itself: {what}; run again with --debug to see where, and please report it")
    return error.exit_code if isinstance(error, click.ClickException) else FAILED


def _sentence(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, error.possibilities or ())
        return f"there is no option {error.option_name!r}" + (f"; did you mean {near!r}?" if near else "")
    text = " ".join(error.format_message().split()).rstrip(".")
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    wrong = re.search(r"'([^']*)' is not one of ", text)
    near = nearest(wrong[1], kind.choices) if wrong and isinstance(kind, click.Choice) else None
    return text[:1].lower() + text[1:] + (f"; did you mean {near!r}?" if near else "")


def _reader_is_gone() -> int:
    """Whoever read our output has gone: what Python still wants to flush goes nowhere, without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return FAILED
