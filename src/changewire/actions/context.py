"""What the code of an action gets beside its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from changewire.actions.pages import WHOLE, Reach
from changewire.clock import Clock
from changewire.state.records import Raised
from changewire.values import Json

if TYPE_CHECKING:
    from changewire.actions.code import CodePlace
    from changewire.config.environment import Environment
    from changewire.config.settings import Settings
    from changewire.connectors.client import Client, Watcher
    from changewire.connectors.clients import Clients


class Log(Protocol):
    """Where something worth knowing is told: a stable word for it, a sentence, and facts by name."""

    def __call__(self, event: str, message: str, /, **facts: Any) -> None:
        """Tell it."""


Feed = Callable[[Raised], Sequence[str]]
"""Stores what is raised as events of the workflows that watch for it; their ids. See `changewire.engine.feeding`."""


@dataclass(frozen=True)
class Origin:
    """The step that an attempt is of."""

    run_id: str
    workflow: str  # the run's own, also in workflows that it calls
    address: str
    chain: tuple[str, ...]  # names of the workflows whose events led here, this one last


class Progress(Protocol):
    """Who is told how far a download has come."""

    def __call__(self, what: str, done: int, total: int | None, /) -> None:
        """``done`` bytes of ``what`` are there, of ``total``; None: nobody knows how many there will be."""


def untold(what: str, done: int, total: int | None, /) -> None:
    """Nobody watches."""


WatchWrites = Callable[[Origin, str], "Watcher | None"]
"""Who is to be told of what a step writes through a connection. See `changewire.engine.echoes`."""


class CodeRunner(Protocol):
    """Runs the code of actions with a limit that holds. See `changewire.actions.supervisor`."""

    def run(
        self,
        use: str,
        code: Callable[..., Json],
        place: CodePlace | None,
        context: ActionContext,
        values: Mapping[str, Json],
    ) -> Json:
        """Run the code of the action ``use`` once and return its output.

        ``place``: where the code stands, which then runs in a process that can be killed; None: in a thread.
        """


@dataclass(frozen=True)
class ActionContext:
    """The surroundings of one attempt."""

    home: Path
    client: Client | None  # of the connection that the step works on; None where it has none
    clients: Clients
    clock: Clock
    deadline: float  # moment of `clock.monotonic` at which the attempt's time is over
    idempotency_key: str  # the same for every attempt of this step
    log: Log
    settings: Settings
    written: Mapping[str, Json] = field(default_factory=dict)  # the parameters before expressions were worked out
    environment: Environment | None = None  # of the variables in `written`; None: there are none
    reach: Reach = WHOLE  # how far lists are read that come in pages
    origin: Origin | None = None  # None: it was done by hand
    feed: Feed | None = None  # None: nobody watches for what is raised
    look_first: bool = True  # an earlier attempt may have done it; False: this is certainly the first try
    progress: Progress = untold
    supervisor: CodeRunner | None = None  # runs code with a limit that holds; None: it runs in this thread
